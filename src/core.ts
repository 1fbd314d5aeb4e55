export { orgate } from "./orgate.ts";
export type { Orgate } from "./orgate.ts";
export type { CsrfOptions } from "./options/checks.ts";
export type { CookieOptions, CookiePassword, CredentialOption, JwtCookieOption } from "./options/cookie.ts";
export type { OrgateOptions } from "./options/options.ts";
export { definePolicy } from "./policy/policy.ts";
export { mergePolicies } from "./policy/policy.ts";
export type { ActionOf, Policy, PolicyShape, ResourceOf } from "./policy/policy.ts";
export type { StytchPolicyOptions, VerdictExplanation } from "./policy/policy.ts";
export type {
  AnonymousState,
  AuthenticatedState,
  AuthState,
  DetachedState,
  RejectedState,
  RejectionCode,
  SignedIn,
  UnavailableState,
} from "./model.ts";
export type {
  AuthenticationFactor,
  Impersonator,
  Member,
  MemberSession,
  Organization,
  OrganizationChoice,
  RoleAssignment,
  RoleSource,
  Verdict,
} from "./model.ts";
export {
  ConfigurationError,
  ERROR_TABLE,
  isOrgateError,
  OrganizationSelectionRequiredError,
  OrgateError,
  StepUpRequiredError,
  StoreUnavailableError,
} from "./errors.ts";
export type { ConfigurationProblem, ErrorCode, StepUpRequiredErrorInit } from "./errors.ts";
export type { Clock } from "./lib/clock.ts";
export type { OrgateEvent, OrgateEventType } from "./events.ts";
export type { Denial, PageView } from "./model.ts";
export type { PagesOptions } from "./options/options.ts";
export type { AttachNames } from "./request/request-auth.ts";
export type {
  Authorized,
  AuthorizedInOrganization,
  AuthorizeQuestion,
  ErrorMiddleware,
  OrganizationQuestion,
} from "./guards/authorize-request.ts";
export type { Health, PartHealth } from "./request/health.ts";
export type { AuthenticateOptions } from "./request/inspect.ts";
export type { CheckedVerdict } from "./guards/permissions.ts";
export type { GuardOptions, Middleware, Next } from "./guards/guard.ts";
export type { RecentAuthOptions } from "./guards/requirements.ts";
export type { EstablishOptions } from "./sign-in/establish.ts";
export type { StepUp, UnfinishedAuthentication } from "./sign-in/pending.ts";
export type { Authentication, AuthenticationResultLike } from "./sign-in/read-outcome.ts";
export type { CallbackOptions, SignInOptions } from "./sign-in/hosted-sign-in.ts";
export type { AcceptInvitationOptions } from "./sign-in/invitation.ts";
export type { AcceptInvitationView } from "./sign-in/invitation-page.ts";
export type { OrganizationSelectionOptions } from "./sign-in/selection.ts";
export type { OrganizationSelectionView } from "./sign-in/selection-page.ts";
export type { SignOutOptions } from "./sign-in/sign-out.ts";
export type { SwitchOrganizationOptions } from "./sign-in/switch-organization.ts";
export type {
  ChannelListener,
  Coordinator,
  Invalidation,
  InvalidationMessage,
  Lease,
} from "./fleet/coordinator.ts";
export { remoteKeys } from "./stores/remote-keys.ts";
export type { BeginSignInOptions } from "./store.ts";
export type { Capabilities } from "./store.ts";
export type { EndSessionTarget, LogoutTarget, PresentedEnd } from "./store.ts";
export type { CredentialProfile } from "./store.ts";
export type {
  Interpretation,
  InvitationView,
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
} from "./store.ts";
export type {
  Algorithm,
  JsonWebKey,
  JsonWebKeySet,
  KeySource,
  TokenProfile,
  VerifiedClaims,
} from "./store.ts";
