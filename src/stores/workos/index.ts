export { workos } from "./workos.ts";
export type { Origin } from "./origin.ts";
export type {
  AuthenticateWithCodeInput,
  AuthenticateWithEmailVerificationInput,
  AuthenticateWithMagicAuthInput,
  AuthenticateWithOrganizationSelectionInput,
  AuthenticateWithPasswordInput,
  AuthenticateWithRefreshTokenInput,
  AuthenticateWithTotpInput,
  WorkosGrants,
} from "./grants.ts";
export type { WorkosOutcome } from "./outcome.ts";
export type { StepUpDetails } from "./step-up-details.ts";
export type { WorkosOptions } from "./workos-options.ts";
export type { WorkosStore } from "./workos.ts";
