export { stytch } from "./stytch.ts";
export type { StytchOperations, StytchStore } from "./stytch.ts";
export { fromStytch } from "./from-stytch.ts";
export type { StytchResponse } from "./from-stytch.ts";
export type { StytchOptions } from "./stytch-options.ts";
export type { StytchAuthenticateJwtInput } from "./jwt-input.ts";
export type { StytchAuthenticateJwtResult } from "./authenticate-jwt.ts";
export type { StytchAuthorizationCheck } from "./authorization.ts";
export type { StytchOutcome, StytchStepUp } from "./outcome.ts";
export type { OauthExchangeFactor, OauthFactor, SsoFactor, StytchAuthenticationFactor } from "./factors.ts";
export type {
  OauthRegistration,
  RetiredEmailAddress,
  RoleAssignment,
  RoleSource,
  ScimRegistration,
  SsoRegistration,
  StytchMember,
} from "./member.ts";
export type {
  ActiveScimConnection,
  ActiveSsoConnection,
  CustomRole,
  EmailImplicitRoleAssignment,
  StytchOrganization,
} from "./organization.ts";
