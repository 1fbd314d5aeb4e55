export { stytch } from "./stytch.ts";
export type { StytchOperations, StytchStore } from "./stytch.ts";
export { fromStytch } from "./outcome.ts";
export type { StytchResponse } from "./outcome.ts";
export type { StytchOptions } from "./options.ts";
export type { StytchAuthenticateJwtInput } from "./authenticate-jwt.ts";
export type { StytchAuthenticateJwtResult } from "./authenticate-jwt.ts";
export type { StytchAuthorizationCheck } from "./authenticate-jwt.ts";
export type { StytchOutcome, StytchStepUp } from "./outcome.ts";
export type { OauthExchangeFactor, OauthFactor, SsoFactor, StytchAuthenticationFactor } from "./claims.ts";
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
