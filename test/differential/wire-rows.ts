/** Where the wire routers differ from the services on purpose, with the request that shows it where there is one. */

/** What shows a difference: a request to the router, and its answer. */
export interface WireProbe {
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly status: number;
  /** `code`, `error` or `error_type` of the answer. */
  readonly error?: string;
}

export interface WireRow {
  /** What a client asks for. */
  readonly asked: string;
  readonly service: string;
  readonly router: string;
  readonly why: string;
  readonly probe?: WireProbe;
}

const AUTHENTICATE = "/user_management/authenticate";

function unsupportedGrant(grant_type: string, fields: Readonly<Record<string, string>>): WireProbe {
  return {
    method: "POST",
    path: AUTHENTICATE,
    body: { grant_type, ...fields },
    status: 400,
    error: "unsupported_grant_type",
  };
}

const APPLICATION_AUTHENTICATES =
  "The application authenticates its users itself, and tells the authority: `authenticate`, `stepUp`, or `completeAuthorization` of the router.";

export const WORKOS_WIRE_ROWS: readonly WireRow[] = [
  {
    asked: "the grant `urn:workos:oauth:grant-type:magic-auth:code`",
    service: "signs in by a code that it sent by e-mail",
    router: "400 `unsupported_grant_type`",
    why: `The authority sends no messages. ${APPLICATION_AUTHENTICATES}`,
    probe: unsupportedGrant("urn:workos:oauth:grant-type:magic-auth:code", {
      code: "1",
      email: "a@example.com",
    }),
  },
  {
    asked: "the grant `urn:workos:oauth:grant-type:email-verification:code`",
    service: "verifies an e-mail address and signs in",
    router: "400 `unsupported_grant_type`",
    why: "As above. `emailVerified` of the directory is what the application says.",
    probe: unsupportedGrant("urn:workos:oauth:grant-type:email-verification:code", {
      code: "1",
      pending_authentication_token: "t",
    }),
  },
  {
    asked: "the grant `urn:workos:oauth:grant-type:mfa-totp`",
    service: "checks the code of an authenticator app and signs in",
    router: "400 `unsupported_grant_type`",
    why: "The application keeps the secrets of its users' apps and checks the code. As above.",
    probe: unsupportedGrant("urn:workos:oauth:grant-type:mfa-totp", {
      code: "1",
      authentication_challenge_id: "c",
      pending_authentication_token: "t",
    }),
  },
  {
    asked: "`POST /auth/factors/enroll`, `/auth/factors/:id/challenge` and `/auth/challenges/:id/verify`",
    service: "registers an authenticator app or a phone, and checks its codes",
    router:
      "are not served; a grant that needs a second factor is answered with `mfa_challenge` or `mfa_enrollment`",
    why: "As above: `pending_authentication_token` goes to the application, which continues by `authenticate({ pendingAuthenticationToken, ... })`.",
    probe: { method: "POST", path: "/auth/factors/auth_factor_1/challenge", body: {}, status: 404 },
  },
  {
    asked: "`/user_management/invitations` and below",
    service: "sends, lists, accepts and revokes invitations",
    router: "is not served; `invitation_token` of `authorize` and of the grants is accepted",
    why: "The authority sends no messages. The application invites by `authority.invite`, and manages by `listInvitations`, `resendInvitation`, `revokeInvitation` and `acceptInvitation`.",
    probe: { method: "GET", path: "/user_management/invitations?organization_id=org_acme", status: 404 },
  },
  {
    asked: "a session that does not meet a rule of its organization any more, at a refresh",
    service: "`sso_required` or `mfa_enrollment` with a `pending_authentication_token`",
    router: "the same without a token; the session goes on once the rule is met or lifted",
    why: "A refresh is no sign-in: nothing but the user's next sign-in may continue it.",
  },
  {
    asked:
      "the grants `urn:workos:oauth:grant-type:radar-email-challenge:code` and `...radar-sms-challenge:code`, and `POST /user_management/radar_challenges`",
    service: "asks for a further proof if a sign-in looks like an attack",
    router: "400 `unsupported_grant_type`; the endpoint is not served",
    why: "Radar is a service of WorkOS. The hook that judges a sign-in is the application's.",
    probe: unsupportedGrant("urn:workos:oauth:grant-type:radar-email-challenge:code", {
      code: "1",
      radar_challenge_id: "r",
      pending_authentication_token: "t",
    }),
  },
  {
    asked:
      "the grant `urn:ietf:params:oauth:grant-type:device_code`, and `POST /user_management/authorize/device`",
    service: "signs in a device without a browser",
    router: "400 `unsupported_grant_type`; the endpoint is not served",
    why: "A device flow needs a page of its own, which an application can build on `authenticate`.",
    probe: unsupportedGrant("urn:ietf:params:oauth:grant-type:device_code", { device_code: "d" }),
  },
  {
    asked: "`provider_scopes`, `provider_query_params` and `claim_nonce` of `authorize`",
    service: "passes them on to the identity provider",
    router: "ignores them",
    why: "The application calls its identity providers itself.",
  },
  {
    asked: "`oauth_tokens` and `authkit_authorization_code` of an authentication",
    service: "sends them where there are any",
    router: "never sends them",
    why: "The tokens of an identity provider never reach the authority.",
  },
  {
    asked: "an `organization_id` that does not exist",
    service: "`organization_not_found`",
    router: "400 `organization_membership_not_found`",
    why: "The answer must not tell which organizations exist.",
  },
  {
    asked: "a refresh token that was exchanged before",
    service: "`invalid_grant`, after a grace that it does not document",
    router:
      "the same new refresh token again, until that one is used and `refreshGrace` is over; then `invalid_grant`, and the session ends",
    why: "A lost answer must not sign anybody out, and a stolen token must not stay of use (RFC 9700 section 4.14.2).",
  },
  {
    asked: "the list of a user's sessions",
    service: "active, expired and revoked ones",
    router: "active ones",
    why: "A session that is over is removed.",
  },
  {
    asked: "the list of organization memberships",
    service: "by user or by organization, in every status",
    router: "by `user_id` alone, active ones",
    why: "The directory is asked for what a user may do now; lists for an administrator's page are the application's.",
    probe: {
      method: "GET",
      path: "/user_management/organization_memberships?organization_id=org_acme",
      status: 422,
      error: "invalid_request_parameters",
    },
  },
  {
    asked: "further claims of an access token (a JWT template)",
    service: "at the top level",
    router: "in `custom_claims`",
    why: "No custom claim can pass for one that decides something.",
  },
  {
    asked: "`created_at` and `updated_at` of rows whose times the directory does not keep",
    service: "always knows them",
    router: "the time at which the router was made",
    why: "The SDKs in typed languages require a time. Keep `createdAt` and `updatedAt` in the directory to send true ones.",
  },
  {
    asked: "metadata whose values are not strings",
    service: "accepts strings alone",
    router: "writes numbers as text and anything else as JSON",
    why: "The SDKs in typed languages fail on any other value.",
  },
  {
    asked: "`authentication_method` with a name of the application's own",
    service: "has a fixed list",
    router: "sends the name; session lists say `unknown`",
    why: "The application chose it. WorkOS's SDK for PHP fails on it.",
  },
  {
    asked: "many requests in a short time",
    service: "429",
    router: "429 for a refresh token that several processes exchange at once; no limit otherwise",
    why: "Limits by address belong in front of the router.",
  },
];

export const STYTCH_WIRE_ROWS: readonly WireRow[] = [
  {
    asked: "`POST /v1/b2b/discovery/organizations/create`",
    service: "makes an organization for the user",
    router: "is not served",
    why: "The directory is the application's; it makes organizations itself.",
    probe: { method: "POST", path: "/v1/b2b/discovery/organizations/create", body: {}, status: 404 },
  },
  {
    asked:
      "organizations of a discovery that the user may join (`eligible_to_join_by_email_domain`, `eligible_to_join_by_oauth_tenant`, `pending_member`, `invited_member`)",
    service: "lists them beside those of `active_member`",
    router: "lists `active_member` alone",
    why: "The directory answers about the user's own organizations. An exchange for an organization that the application names itself provisions the member where the organization says so.",
  },
  {
    asked: "`POST /v1/b2b/magic_links/email/invite`",
    service: "invites by e-mail",
    router: "is not served",
    why: "The authority sends no messages. The application invites by `authority.invite`.",
    probe: { method: "POST", path: "/v1/b2b/magic_links/email/invite", body: {}, status: 404 },
  },
  {
    asked: "`secondary_auth_initiated` of `mfa_required`",
    service: "names the factor whose code it has sent",
    router: "`null`",
    why: "The authority sends no codes. The application sends them and continues by `authenticate` of the router.",
  },
  {
    asked: "a session from before a rule of its organization",
    service: "goes on until it ends",
    router: "403 `insufficient_factors` until the rule is met or lifted",
    why: "What an organization demands holds for the sessions that are there, too.",
  },
  {
    asked: "`PUT /v1/b2b/rbac/organizations/:organization_id`",
    service: "sets the roles of the organization's own",
    router: "405",
    why: "The policy is the application's: `definePolicy`.",
    probe: {
      method: "PUT",
      path: "/v1/b2b/rbac/organizations/org_acme",
      body: { org_policy: { roles: [] } },
      status: 405,
      error: "method_not_allowed",
    },
  },
  {
    asked: "`GET /v1/b2b/rbac/organizations/:organization_id`",
    service: "the roles of the organization's own",
    router: "none, whatever `customRoles` the directory keeps",
    why: "The authority decides by its policy alone, and a client that decides locally must not decide otherwise.",
  },
  {
    asked: "the endpoints that authenticate somebody (magic links, passwords, SSO, OAuth, one-time codes)",
    service: "authenticate the member",
    router: "are not served",
    why: "The application authenticates its users itself, and calls `authenticate` of the router.",
    probe: { method: "POST", path: "/v1/b2b/magic_links/authenticate", body: {}, status: 404 },
  },
  {
    asked: "`authorization_check` by the slug of the organization",
    service: "documents the id",
    router: "403 `session_authorization_tenancy_error`",
    why: "Tenants choose their slugs themselves.",
  },
  {
    asked: "a session token or a signature that is wrong",
    service: "names several reasons",
    router: "404 `session_not_found`",
    why: "A forged credential and one whose session is over look alike from outside.",
    probe: {
      method: "POST",
      path: "/v1/b2b/sessions/authenticate",
      body: { session_token: "wrong" },
      status: 404,
      error: "session_not_found",
    },
  },
  {
    asked: "an access token of the authority's own form as `session_jwt`",
    service: "does not know it",
    router: "accepts it, and answers with a session JWT in Stytch's form",
    why: "A session of the application is a session of the router.",
  },
  {
    asked: "`delivery_method` of a factor by Intuit, Vercel or Xero",
    service: "has no such providers",
    router: "`oauth` by `oauth_access_token_exchange`",
    why: "Stytch's SDKs in typed languages fail on a word that they do not know.",
  },
  {
    asked: "`type` of a factor with a name of the application's own",
    service: "has a fixed list",
    router: "sends the name",
    why: "The application chose it. Stytch's SDKs for Python and Java fail on it.",
  },
  {
    asked: "the details of a factor (`email_factor`, `saml_sso_factor`, ...)",
    service: "always knows them",
    router: "sends what the application gave, with empty strings for what it left out",
    why: "The authority has not seen the proof.",
  },
  {
    asked: "`locale`, `telemetry_id` and `member_device`",
    service: "uses and sends them",
    router: "ignores them, and sends no device",
    why: "They belong to Stytch's messages and its detection of fraud.",
  },
  {
    asked: "`scopes` of the policy, and tokens of connected applications and machines",
    service: "serves them",
    router: "no scopes; no such tokens",
    why: "The authority issues sessions of people alone.",
  },
];
