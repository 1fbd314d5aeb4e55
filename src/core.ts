export { orgate } from "./orgate.ts";
export type { Orgate } from "./orgate-instance.ts";
export type {
  CookieOptions,
  CookiePassword,
  CredentialOption,
  OrgateOptions,
} from "./options/orgate-options.ts";
export { definePolicy } from "./policy/define-policy.ts";
export { mergePolicies } from "./policy/merge-policies.ts";
export type { ActionOf, Policy, PolicyShape, ResourceOf } from "./policy/policy.ts";
export type { VerdictExplanation } from "./policy/verdict.ts";
export type {
  AnonymousState,
  AuthenticatedState,
  AuthState,
  DetachedState,
  RejectedState,
  RejectionCode,
  SignedIn,
  UnavailableState,
} from "./auth-state.ts";
export type {
  AuthenticationFactor,
  Impersonator,
  Member,
  MemberSession,
  Organization,
  OrganizationChoice,
  Verdict,
} from "./model.ts";
export {
  ConfigurationError,
  ERROR_TABLE,
  isOrgateError,
  OrganizationSelectionRequiredError,
  OrgateError,
  StoreUnavailableError,
} from "./errors.ts";
export type { ConfigurationProblem, ErrorCode } from "./errors.ts";
export type { Clock } from "./clock.ts";
export type { OrgateEvent, OrgateEventType } from "./events.ts";
export type { Denial } from "./http/denial.ts";
export type { AttachNames } from "./pipeline/attach.ts";
export type { CheckedVerdict } from "./guards/check-permission.ts";
export type { GuardOptions, Middleware, Next } from "./guards/guard.ts";
export type { RecentAuthOptions } from "./guards/require-recent-auth.ts";
export type { EstablishOptions } from "./organization/establish.ts";
export type { StepUp, UnfinishedAuthentication } from "./organization/pending-authentication.ts";
export type { Authentication, AuthenticationResultLike } from "./organization/read-authentication.ts";
export type { CallbackOptions, SignInOptions } from "./organization/hosted-sign-in.ts";
export type { OrganizationSelectionOptions } from "./organization/organization-selection.ts";
export type { OrganizationSelectionView } from "./organization/selection-page.ts";
export type { SignOutOptions } from "./organization/sign-out.ts";
export type { SwitchOrganizationOptions } from "./organization/switch-organization.ts";
export type { Coordinator, Invalidation, InvalidationMessage, Lease } from "./coordination/coordinator.ts";
export { remoteKeys } from "./stores/remote-keys.ts";
export type { BeginSignInOptions } from "./stores/begin-sign-in.ts";
export type { Capabilities } from "./stores/capabilities.ts";
export type { EndSessionTarget, PresentedEnd } from "./stores/session-ending.ts";
export type { CredentialProfile } from "./stores/credential-profile.ts";
export type {
  Interpretation,
  OrganizationsContext,
  Outcome,
  PendingAuthentication,
  Profile,
  Renewal,
  RenewContext,
  SealedSession,
  SessionStore,
  StaleCredential,
  StoreContext,
} from "./stores/session-store.ts";
export type {
  Algorithm,
  JsonWebKey,
  JsonWebKeySet,
  KeySource,
  TokenProfile,
  VerifiedClaims,
} from "./stores/token-profile.ts";
