export { createAuthority } from "./authority.ts";
export { memoryDirectory } from "./memory-directory.ts";
export { memoryRepository } from "./repository.ts";
export type { Authority } from "./authority.ts";
export type { AuthorityStore } from "./authority-store.ts";
export type {
  Directory,
  DirectoryChange,
  DirectoryMembership,
  DirectoryOrganization,
  DirectorySeat,
  DirectoryUser,
  NewDirectoryUser,
} from "./directory.ts";
export type {
  AllowedAuthMethod,
  AllowedType,
  ConnectionGroupRoleRule,
  ConnectionRoleRule,
  DirectoryCustomRole,
  DirectoryDomain,
  DirectoryOauthRegistration,
  DirectoryRetiredEmailAddress,
  DirectoryScimConnection,
  DirectoryScimRegistration,
  DirectorySsoConnection,
  DirectorySsoRegistration,
  DirectoryTime,
  EmailRoleRule,
  MemberFields,
  MembershipFields,
  MemberStatus,
  Metadata,
  MfaMethod,
  OrganizationFields,
  ScimGroupRoleRule,
  UserFields,
} from "./members/objects.ts";
export type { AuthorityMember, AuthorityOrganization, AuthorityProfile } from "./members/profile.ts";
export type { FieldChanges, MemoryDirectory, MemoryDirectoryInput } from "./memory-directory.ts";
export type { MemoryRepositoryOptions } from "./repository.ts";
export type {
  AuthenticateJwtInput,
  AuthenticateJwtResult,
  AuthenticateSessionInput,
  AuthenticateSessionOptions,
  AuthenticateSessionResult,
  AuthorizationCheck,
} from "./authenticate-session.ts";
export type { AuthenticationMethod } from "./authentication-factors.ts";
export type { AuthenticationResult, SealRequest } from "./authentication-result.ts";
export type { RequestOrigin } from "./check-input.ts";
export type { AcceptedInvitation, AcceptInvitationInput } from "./accept-invitation.ts";
export type {
  Invitation,
  InvitationsTarget,
  InvitationSummary,
  InviteInput,
  ReadableInvitation,
  ResendOptions,
} from "./invitations.ts";
export type {
  SignInPhase,
  SignInRuleContext,
  SignInRuleOutcome,
  SignInRules,
} from "./rules/sign-in-rules.ts";
export type { AuthenticateWithRefreshTokenInput } from "./renew.ts";
export type { ExchangeInput, SessionReference, StepUpInput } from "./replace-session.ts";
export type { RevokeTarget, SessionSummary, SessionsTarget } from "./revoke.ts";
export type { AuthenticateInput, AuthenticateWithOrganizationSelectionInput } from "./sign-in.ts";
export type { AuthorityOptions, KeyEncryption } from "./options.ts";
export type { RotatedKey } from "./issuer.ts";
export type { CollectionName, Repository, Versioned, WriteOptions } from "./repository.ts";
