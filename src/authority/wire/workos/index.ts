export { workosRouter } from "./workos-router.ts";
export type { WorkosRouter } from "./workos-router.ts";
export type { WorkosRouterOptions, WorkosSignInHandler } from "./workos-options.ts";
export type {
  AuthorizationAnswer,
  AuthorizationRefusal,
  AuthorizationRequest,
  AuthorizationSubject,
} from "./authorize.ts";
export type { WireMiddleware } from "../router.ts";
