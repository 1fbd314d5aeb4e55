export { workos } from "./workos.ts";
export type { Origin } from "./client.ts";
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
export type { StepUpDetails, WorkosOutcome } from "./outcome.ts";
export type { WorkosOptions } from "./options.ts";
export type { WorkosDomain, WorkosMember, WorkosOrganization, WorkosProfile } from "./profile.ts";
export type { WorkosStore } from "./workos.ts";
