export { stytch } from "./stytch.ts";
export type { StytchOperations, StytchStore } from "./stytch.ts";
export { fromStytch } from "./outcome.ts";
export type { StytchOutcome, StytchResponse, StytchStepUp } from "./outcome.ts";
export type { StytchOptions } from "./options.ts";
export type {
  StytchAuthenticateJwtInput,
  StytchAuthenticateJwtResult,
  StytchAuthorizationCheck,
} from "./authenticate-jwt.ts";
export type { OauthExchangeFactor, OauthFactor, SsoFactor, StytchAuthenticationFactor } from "./factors.ts";
export type {
  ActiveScimConnection,
  ActiveSsoConnection,
  CustomRole,
  EmailImplicitRoleAssignment,
  OauthRegistration,
  RetiredEmailAddress,
  ScimRegistration,
  SsoRegistration,
  StytchMember,
  StytchOrganization,
  StytchProfile,
  StytchRoleAssignment,
  StytchRoleSource,
} from "./profile.ts";
