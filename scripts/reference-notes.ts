import type { ErrorCode, OrgateEventType } from "orgate";

/** What the reference tells of a code beside its status, title and detail. */
export interface CodeNote {
  /** When orgate answers with it. */
  readonly when: string;
  /** Members of the problem beside the standard ones, and headers of the answer. */
  readonly also?: string;
  /** Who resolves it, and how. */
  readonly fix: string;
}

const SIGN_IN_AGAIN = "The user signs in again.";

/** One note for every code. */
export const CODE_NOTES: Readonly<Record<ErrorCode, CodeNote>> = {
  unauthenticated: {
    when: "A guard needs a signed-in member, and the request carries no credential.",
    fix: "The user signs in.",
  },
  invalid_token: {
    when: "A bearer token is malformed, forged, of another issuer or audience, or not a session's token.",
    fix: "The client sends the access token of a session.",
  },
  token_expired: {
    when: "A token has expired, and the store cannot renew a credential of this kind.",
    fix: SIGN_IN_AGAIN,
  },
  session_revoked: {
    when: "The session was revoked or signed out, or the store no longer knows it.",
    fix: SIGN_IN_AGAIN,
  },
  invalid_session: {
    when:
      "The session cookie does not open with any of the passwords, or what it holds is not a session. orgate clears " +
      "the cookie, unless a change of the configuration can explain it (event `misconfigured`).",
    fix: `${SIGN_IN_AGAIN} If there is an event \`misconfigured\`, the developer corrects the configuration.`,
  },
  ambiguous_credential: {
    when: "Two session cookies of one name differ, or the request has two `Authorization` headers.",
    fix: "The developer sets `cookie.domain` and `cookie.path` to what the other writer of the cookie uses.",
  },
  invalid_pending_authentication: {
    when: "A sign-in or an organization selection expired, was completed, or began in another browser.",
    fix: SIGN_IN_AGAIN,
  },
  reauthentication_required: {
    when: "The store demands another authentication (MFA, SSO), or the last one is older than `requireRecentAuth` allows.",
    also:
      "`reason`; `sign_in_url`, where it is known; `max_age`, after `requireRecentAuth`; " +
      '`WWW-Authenticate` with `error="insufficient_user_authentication"` (RFC 9470)',
    fix: "The user authenticates at `sign_in_url`.",
  },
  permission_denied: {
    when: "None of the session's roles, and no permission in its token, grants the action on the resource.",
    also: '`resource`, `action`; `WWW-Authenticate` with `error="insufficient_scope"` (RFC 6750)',
    fix: "An administrator of the organization assigns a role that grants the action.",
  },
  organization_mismatch: {
    when: "The route names another organization than the one that the session is signed in to.",
    fix: "The user switches to that organization.",
  },
  organization_selection_required: {
    when: "The session has no organization yet, and the route needs one.",
    also: "`selection_url`; `organizations`, where they can be listed",
    fix: "The user chooses an organization.",
  },
  organization_not_available: {
    when: "The chosen organization is not among those that the user can choose.",
    fix: "The user chooses another organization.",
  },
  role_required: {
    when: "The session holds none of the roles of `requireRole`.",
    fix: "An administrator of the organization assigns the role.",
  },
  factor_required: {
    when: "The session lacks the authentication factor of `requireFactor`.",
    fix: "The user authenticates with this factor.",
  },
  impersonation_denied: {
    when: "`denyImpersonation` guards the route, and the session is impersonated.",
    fix: "Nothing: the route is closed to impersonators on purpose.",
  },
  cross_site_request: {
    when: "Another site sent a request with an unsafe method and a session cookie, or sent it to one of orgate's handlers.",
    fix: "The developer corrects `baseUrl`, or lists the origin in `csrf.trustedOrigins`.",
  },
  invalid_request: {
    when: "The body of a request to one of orgate's handlers is not what the handler reads.",
    fix: "The client sends the fields that the handler documents.",
  },
  sign_in_failed: {
    when: "The hosted sign-in page sent the browser back with an error, or an invitation cannot be accepted.",
    fix: "The user tries again. The event `rejected` has the reason.",
  },
  method_not_allowed: {
    when: "One of orgate's handlers received a method that it does not serve.",
    also: "`Allow`",
    fix: "The client uses a method that `Allow` lists.",
  },
  payload_too_large: {
    when: "The body of a request to one of orgate's handlers is too large.",
    fix: "The client sends only the fields that the handler documents.",
  },
  store_unavailable: {
    when: "The store, its keys or the policy cannot be reached, so orgate cannot know. Nobody was signed out.",
    also: "`Retry-After`, unless waiting does not help",
    fix: "The client retries. The developer reads the events `unavailable` and `misconfigured`.",
  },
  clock_skew: {
    when: "The token is not valid yet: the clocks of this server and of the issuer differ. Nobody was signed out.",
    also: "`Retry-After`",
    fix: "The operator synchronizes the clocks.",
  },
  configuration_invalid: {
    when:
      "Thrown at construction, with all mistakes in one `ConfigurationError`; passed to `next` for a guard that was not " +
      "called, or that runs before the middleware.",
    fix: "The developer follows the suggestion of each problem.",
  },
  token_too_old: {
    when: "A token is older than `maxTokenAge`, or than an invalidation, and the store cannot renew a credential of this kind.",
    fix: "The client sends a newer token, or the route accepts older ones.",
  },
  session_too_large: {
    when: "A sign-in produced a session that does not fit into cookies. `auth.establish` rejects with it.",
    fix: "The developer keeps the token's custom claims small.",
  },
  request_timeout: {
    when: "The body of a request to a handler of orgate did not arrive whole within ten seconds.",
    fix: "The client sends the request again.",
  },
};

/** When each event is emitted. */
export const EVENT_NOTES: Readonly<Record<OrgateEventType, string>> = {
  authenticated:
    "A request, or a sign-in, is authenticated. `source` tells whether orgate asked the store for it.",
  renewed:
    "The store confirmed or renewed a credential. `reason` tells why orgate asked; `milliseconds` is the duration of the call.",
  coalesced:
    "A request used the renewal of another request: one still in flight (`in_flight`), or one that had finished within " +
    "the grace window (`settled`).",
  rejected: "A credential or a sign-in was refused.",
  denied:
    "A guard or a handler denied a request. `resource` and `action`, `role` or `factor` tell what it required; `reason` tells what " +
    "the code alone does not.",
  unavailable:
    "orgate could not find out what it had to know, such as whether a session is still valid. `reason` tells what failed.",
  revoked: "Sessions ended, by sign-out, revocation or invalidation. `by` tells what the target was.",
  reuse_detected:
    "Somebody presented a refresh token or an authorization code that was already used. The authority ended the session.",
  misconfigured: "Something is wrong that only a developer can correct.",
  late_replay:
    "A client presented a spent cookie more than 30 seconds after its renewal, because the reply was lost. orgate sent the new " +
    "cookie again.",
  member_provisioned:
    "A user became a member at sign-in, because the organization provisions members just in time. `by` tells which rule it was.",
};

/** The reasons of `misconfigured` that orgate itself gives, and what to do about each. */
export const MISCONFIGURED_REASONS: Readonly<Record<string, string>> = {
  client_rejected:
    "The hosted store refused the application's own credentials. Check the API key or the secret.",
  clock_skew: "A token is not valid yet. Synchronize the clocks of this server and of the issuer.",
  coordinator_channel_lost:
    "This process does not hear the other processes. Until it does, a change made there takes effect when the token expires, or is older than `maxTokenAge`; then every session is asked about once. Check the coordinator's connection; and that nothing else writes to its channel, because a message that cannot be read counts as one that was missed.",
  directory_field_invalid:
    "An object of the application's directory has a field with an impossible value. `error` names the field. See " +
    "[members and organizations](directory.md).",
  directory_field_unknown:
    "An object of the application's directory has a field that is probably misspelt, and so has no effect. `error` names it and the " +
    "one that was probably meant. See [members and organizations](directory.md).",
  sealed_fields_too_large:
    "Fields of a user that the authority's option `seal` names do not fit into the session cookie, and were left out. `error` names " +
    "them. Seal fewer or smaller fields; `auth.profile(req)` has all.",
  event_listener_failed:
    "The option `events` threw, or rejected with, `error`. The listener itself is not told; `node:diagnostics_channel` and a process warning are.",
  coordinator_failed:
    "The coordinator threw, or did not answer within 0.8 s. This process renews alone for a while (1 s, doubling to 30 s), and sends its invalidations later. Check its connection.",
  coordinator_message_unreadable:
    "The application's own coordinator delivered a message that orgate cannot read. Every session is asked about once, because it may have been any. Does something else use its channel, or do the versions differ?",
  configuration_invalid: "`auth.errorHandler()` answered a `ConfigurationError` with 500. `error` has it.",
  cookie_not_kept:
    "The browser drops the session cookie: its `Domain` is not the host's, or it is `Secure` and the connection is not https. Correct `baseUrl` or `cookie.domain`.",
  internal_error: "orgate failed in a way that it does not expect, and answered 503. Please report it.",
  ip_address_failed:
    "The option `ipAddress`, or `req.ip`, threw. The store is told no address, and limits by address treat all such clients as one.",
  on_denied_failed: "`onDenied` threw. The application's error handler got the error too.",
  interpret_failed: "The store's `interpret` threw. The answer was 503.",
  authentication_time_unknown:
    "A route asks for a recent authentication, and the store's tokens do not say when the member signed in. Nobody can pass.",
  page_render_failed: "`pages.render` threw, or returned no text. The plain page was sent.",
  proxy_not_trusted:
    "Every client seems to have the address of a proxy, which the limits by address then go by. Set `trust proxy` or `ipAddress`.",
  permission_unknown:
    "A guard asks for a permission that the loaded policy does not declare. Only roles with `*` can pass.",
  postgres_access_denied:
    "Postgres refuses the user, the password or a privilege. Correct the pool's connection string, or the grants.",
  postgres_database_missing:
    "Postgres has no database of the name in the pool's connection string. Correct it.",
  postgres_schema_missing: "The tables of orgate are not in the database. Run `migrate(pool, { schema })`.",
  postgres_schema_newer:
    "The tables in the database belong to a newer release, and this one cannot use them. Deploy the newer release.",
  request_property_taken:
    "Other middleware set `req.member`, `req.organization`, `req.memberSession` or `req.verdict` before orgate. Guards and `auth.session(req)` do not read it; handlers that read the property do. Rename one by `attach`.",
  redis_eviction_unknown:
    "`INFO memory` does not say whether Redis may evict keys; `error` says why. Make sure that `maxmemory-policy` is `noeviction`.",
  redis_may_evict:
    "Redis may evict keys when its memory is full (`maxmemory-policy`), which ends sessions. Set it to `noeviction`.",
  role_unknown: "A guard requires a role that the loaded policy does not know. Nobody can pass.",
  route_organization_missing:
    "A guard compares the route's organization, and the request names none: the pattern has no such parameter, or the header is absent.",
  redis_cluster_client_required:
    "The server belongs to a Redis Cluster. Pass `new Cluster(...)` of ioredis, or `createCluster(...)` of redis.",
  redis_credentials_refused: "Redis refuses the user name or the password of the client. Correct its URL.",
  redis_permission_denied:
    "The Redis user lacks a right; `error` names it. It needs EVAL, EVALSHA, PUBLISH, SUBSCRIBE, what the scripts call (docs), and its prefix's keys and channels.",
  session_jwt_unreadable:
    "A page of another origin got a renewed `Session-Jwt` that it may not read. List the origin in `csrf.trustedOrigins`.",
  invalidation_listener_failed: "A listener of `onInvalidated` threw. The other listeners were called.",
  key_set_unusable: "The key set has no key that orgate accepts. Check the store's key source.",
  keys_not_opened:
    "The signing keys in the repository are sealed, and no secret of `keyEncryption` opens them. orgate makes no others, and answers 503. " +
    "List the secret that they were sealed with.",
  keys_not_sealed:
    "The signing keys lie in the repository as they are. Whoever can read it can sign tokens. Set `keyEncryption`; the keys are sealed " +
    "when the next process reads them. Told once, when the authority is made.",
  keys_unreadable:
    "The repository holds signing keys that this version cannot read. orgate makes no others, and answers 503.",
  memory_in_production:
    "`NODE_ENV` is `production`, and sessions and signing keys are in memory: a restart signs everybody out, and a second process " +
    "knows nobody. Use `redisRepository` or `postgresRepository`. Told once, when the authority is made.",
  record_unreadable:
    "The authority's repository holds an invitation, a code or a pending authentication that this version cannot read.",
  session_too_large:
    "The session does not fit into cookies (4,096 bytes for one that a store's front end reads, else half of `http.maxHeaderSize`). Keep the token's custom claims small.",
  renewed_session_not_json:
    "The store's `renew` answered with a field that is no JSON, such as a date, so that the session cannot be sealed. The new refresh " +
    "token was kept. Answer with texts, numbers, booleans and plain objects.",
  foreign_renewal:
    "The store answered a renewal with the token of another member or organization. orgate kept neither token, and answered 503. " +
    "Report it to the service at once.",
  session_unreadable: "The authority's repository holds a session that this version cannot read.",
};

/** Reasons that end in the check that failed: `renewed_token_issuer`, `sealed_token_class`. */
export const MISCONFIGURED_PREFIXES: Readonly<Record<string, string>> = {
  issued_token_: "The token of a new session does not verify.",
  renewed_token_:
    "The token that the store handed out at a renewal cannot be used. orgate keeps the rotated refresh token, and renews again.",
  sealed_token_:
    "The cookie opens, but the token in it does not verify. Has the issuer, the audience or the environment changed?",
};
