export { stytchRouter } from "./stytch-router.ts";
export type { StytchRouter } from "./stytch-router.ts";
export type { StytchRouterOptions } from "./stytch-options.ts";
export type { WireMiddleware } from "../router.ts";
