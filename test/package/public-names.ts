/** Names that a subpath exports: at run time, and as types alone. */
export interface PublicNames {
  readonly values: readonly string[];
  readonly types: readonly string[];
}

const CORE: PublicNames = {
  values: words(`
      ConfigurationError ERROR_TABLE OrganizationSelectionRequiredError OrgateError
      StoreUnavailableError definePolicy isOrgateError mergePolicies orgate remoteKeys
    `),
  types: words(`
      ActionOf Algorithm AnonymousState AttachNames AuthState AuthenticatedState Authentication
      AuthenticationFactor AuthenticationResultLike BeginSignInOptions CallbackOptions Capabilities
      CheckedVerdict Clock ConfigurationProblem CookieOptions CookiePassword Coordinator
      CredentialOption CredentialProfile Denial DetachedState EndSessionTarget ErrorCode
      EstablishOptions GuardOptions Impersonator Interpretation Invalidation InvalidationMessage
      JsonWebKey JsonWebKeySet KeySource Lease Member MemberSession Middleware Next Organization
      OrganizationChoice OrganizationSelectionOptions OrganizationSelectionView OrganizationsContext Orgate OrgateEvent
      OrgateEventType OrgateOptions Outcome PendingAuthentication Policy PolicyShape PresentedEnd Profile
      RecentAuthOptions RejectedState RejectionCode RenewContext Renewal ResourceOf SealedSession
      SessionStore SignInOptions SignOutOptions SignedIn StaleCredential StepUp StoreContext
      SwitchOrganizationOptions TokenProfile UnavailableState UnfinishedAuthentication Verdict
      VerdictExplanation VerifiedClaims
    `),
};

/** Every public name. One more here is one more promise to the package's users; one fewer breaks one. */
export const PUBLIC_NAMES: Readonly<Record<string, PublicNames>> = {
  ".": { values: CORE.values, types: [...CORE.types, "RequestProperties"].toSorted() },
  "./core": CORE,
  "./express": {
    values: ["handler"],
    types: ["SignedInRequest"],
  },
  "./authority": {
    values: ["createAuthority", "memoryDirectory", "memoryRepository"],
    types: words(`
      AuthenticateInput AuthenticateJwtInput AuthenticateJwtResult AuthenticateSessionInput
      AuthenticateSessionOptions AuthenticateSessionResult AuthenticateWithOrganizationSelectionInput
      AuthenticateWithRefreshTokenInput AuthenticationMethod AuthenticationResult Authority
      AuthorityOptions AuthorityStore AuthorizationAnswer AuthorizationCheck AuthorizationRefusal
      AuthorizationRequest AuthorizationSubject CollectionName Directory DirectoryChange
      DirectoryMembership DirectoryOrganization DirectoryUser ExchangeInput Invitation InviteInput
      MemoryDirectory MemoryDirectoryInput MemoryRepositoryOptions Repository RequestOrigin
      RevokeTarget SealRequest SessionReference SessionSummary SessionsTarget StepUpInput StytchRouter
      StytchRouterOptions Versioned WorkosRouter WorkosRouterOptions WorkosSignInHandler WriteOptions
    `),
  },
  "./workos": {
    values: ["workos"],
    types: words(`
      AuthenticateWithCodeInput AuthenticateWithEmailVerificationInput AuthenticateWithMagicAuthInput
      AuthenticateWithOrganizationSelectionInput AuthenticateWithPasswordInput
      AuthenticateWithRefreshTokenInput AuthenticateWithTotpInput Origin StepUpDetails WorkosGrants
      WorkosOptions WorkosOutcome WorkosStore
    `),
  },
  "./stytch": {
    values: ["fromStytch", "stytch"],
    types: words(`
      ActiveScimConnection ActiveSsoConnection CustomRole EmailImplicitRoleAssignment
      OauthExchangeFactor OauthFactor OauthRegistration RetiredEmailAddress RoleAssignment RoleSource
      ScimRegistration SsoFactor SsoRegistration StytchAuthenticateJwtInput
      StytchAuthenticateJwtResult StytchAuthenticationFactor StytchAuthorizationCheck StytchMember
      StytchOperations StytchOptions StytchOrganization StytchOutcome StytchResponse StytchStepUp
      StytchStore
    `),
  },
  "./testing": {
    values: ["createTestAuthority", "sessionStoreContract", "signedInAgents"],
    types: words(`
      CookieJar RequestFunction SignedInAgent SignedInAgents SignedInAgentsOptions SigningIn
      StoreContractOptions StoreContractTest StoreHarness TestAgent TestAuthority TestAuthorityOptions
      TestMethod TestRequest TestResponse TestTarget
    `),
  },
};

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}
