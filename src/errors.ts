import { isObject } from "./lib/values.ts";

/** Lists every code that orgate answers with, its HTTP status and its title. Problem details (RFC 9457) come from here. */
export const ERROR_TABLE = {
  unauthenticated: { status: 401, title: "Sign in to continue" },
  invalid_token: { status: 401, title: "The access token is not valid" },
  token_expired: { status: 401, title: "The access token has expired" },
  session_revoked: { status: 401, title: "The session has ended" },
  invalid_session: { status: 401, title: "The session cookie is not valid" },
  ambiguous_credential: { status: 401, title: "More than one credential was sent" },
  invalid_pending_authentication: { status: 401, title: "This sign-in can no longer be completed" },
  reauthentication_required: { status: 401, title: "Authenticate again to continue" },
  permission_denied: { status: 403, title: "You are not allowed to do this" },
  organization_mismatch: { status: 403, title: "This belongs to another organization" },
  organization_selection_required: { status: 403, title: "Choose an organization to continue" },
  organization_not_available: { status: 403, title: "This organization is not available to you" },
  role_required: { status: 403, title: "A role that you do not hold is required" },
  factor_required: { status: 403, title: "A further authentication factor is required" },
  impersonation_denied: { status: 403, title: "Not available while impersonating" },
  cross_site_request: { status: 403, title: "The request came from another site" },
  invalid_request: { status: 400, title: "The request is not valid" },
  sign_in_failed: { status: 400, title: "Signing in failed" },
  method_not_allowed: { status: 405, title: "The method is not allowed" },
  payload_too_large: { status: 413, title: "The request body is too large" },
  store_unavailable: { status: 503, title: "Sessions cannot be checked right now" },
  clock_skew: { status: 503, title: "The token is not valid yet" },
  configuration_invalid: { status: 500, title: "orgate is not configured correctly" },
  token_too_old: { status: 401, title: "The access token is too old for this" },
  session_too_large: { status: 500, title: "The session does not fit into cookies" },
  request_timeout: { status: 408, title: "The request body did not arrive in time" },
} as const satisfies Record<string, { readonly status: number; readonly title: string }>;

/** A stable, machine-readable error code. */
export type ErrorCode = keyof typeof ERROR_TABLE;

const ERROR_BRAND = Symbol.for("orgate.error");

/** What a service behind a store answered, as far as it is safe to report. */
export interface UpstreamAnswer {
  /** The HTTP status. */
  readonly status?: number | undefined;
  /** The service's own error code: a short word of lower-case letters, digits and underscores. */
  readonly code?: string | undefined;
}

/** The parts of an {@link OrgateError} beside its code. */
export interface OrgateErrorInit {
  /** For developers and logs; never holds a credential. @defaultValue the code's title */
  readonly message?: string;
  /** A more precise reason (`reuse_detected`, `invitation_expired`, ...). */
  readonly reason?: string;
  /** The upstream's own id of the request, which its support asks for. Identifies no person. */
  readonly requestId?: string | undefined;
  /** Headers for the response. @defaultValue none */
  readonly headers?: Readonly<Record<string, string>>;
  /** The error behind this one. Not enumerable, because it may say more than the application should log. */
  readonly cause?: unknown;
}

/**
 * The one error class. `code` is stable; Express's own error handler answers with `status` and `headers`.
 *
 * Recognise it with {@link isOrgateError}, not with `instanceof`: two copies of the package may be loaded at once.
 */
export class OrgateError extends Error {
  override readonly name: string = "OrgateError";
  readonly code: ErrorCode;
  readonly status: number;
  readonly statusCode: number;
  /** Whether the message may be shown to the client: `false` for a 5xx, which is for the developer. */
  readonly expose: boolean;
  readonly headers: Readonly<Record<string, string>>;
  declare readonly reason?: string;
  declare readonly requestId?: string;

  constructor(code: ErrorCode, init: OrgateErrorInit = {}) {
    super(
      init.message ?? ERROR_TABLE[code].title,
      init.cause === undefined ? undefined : { cause: init.cause },
    );
    this.code = code;
    this.status = ERROR_TABLE[code].status;
    this.statusCode = this.status;
    this.expose = this.status < 500;
    this.headers = init.headers ?? {};
    if (init.reason !== undefined) this.reason = init.reason;
    if (init.requestId !== undefined) this.requestId = init.requestId;
    Object.defineProperty(this, ERROR_BRAND, { value: true });
  }
}

/** Whether a thrown value is one of orgate's errors, from any copy of the package. */
export function isOrgateError(value: unknown): value is OrgateError {
  try {
    return isObject(value) && Reflect.get(value, ERROR_BRAND) === true;
  } catch {
    // A thrown value may be anything, a proxy that throws when it is read included.
    return false;
  }
}

/** One mistake in the configuration. */
export interface ConfigurationProblem {
  /** Stable: `option_missing`, `option_unknown`, `option_invalid`, ... */
  readonly code: string;
  /** Where: `cookie.password`, `requirePermission("documents", "raed")`. */
  readonly option: string;
  /** What is wrong. */
  readonly message: string;
  /** What to do about it. */
  readonly suggestion: string;
}

/** Thrown at construction with **all** problems at once; code `configuration_invalid`. */
export class ConfigurationError extends OrgateError {
  override readonly name: string = "ConfigurationError";
  readonly problems: readonly ConfigurationProblem[];

  constructor(problems: readonly ConfigurationProblem[]) {
    const lines = problems.map((problem) => `- ${problem.option}: ${problem.message} ${problem.suggestion}`);
    super("configuration_invalid", {
      message: `orgate: the configuration is not valid\n${lines.join("\n")}`,
    });
    this.problems = problems;
  }
}

/** Makes the `Retry-After` header: a whole number of seconds (RFC 9110 section 10.2.3). */
export function retryHeaders(retryAfter: number | undefined): Readonly<Record<string, string>> {
  if (retryAfter === undefined || !Number.isFinite(retryAfter)) return {};
  return { "Retry-After": String(Math.max(1, Math.ceil(retryAfter))) };
}

/** The parts of a {@link StoreUnavailableError}. */
export interface StoreUnavailableErrorInit extends OrgateErrorInit {
  readonly retryAfter?: number | undefined;
  /** The answer is then 503 without `Retry-After`, with an event `misconfigured`. @defaultValue `false` */
  readonly misconfigured?: boolean;
  /**
   * Other requests use the same credential right now. Contention; does not count for the circuit breaker.
   * @defaultValue `false`
   */
  readonly contended?: boolean;
  /**
   * Whom the trouble concerns. `credential`: the store answered, and refuses this credential for a reason that orgate has no
   * code for; after ten minutes of it the user must sign in again. `unknown`: this member alone, or everybody.
   * @defaultValue the store itself: an outage
   */
  readonly concerns?: "credential" | "unknown" | undefined;
  /** What the service behind the store answered; it goes into events. */
  readonly upstream?: UpstreamAnswer | undefined;
}

/**
 * Thrown by a session store that is down, slow, overloaded, or gives an answer it cannot use. Also, with `concerns`, for an
 * answer about one credential.
 *
 * It means "cannot know", never "signed out": the answer is 503 and the cookie is kept.
 */
export class StoreUnavailableError extends OrgateError {
  override readonly name: string = "StoreUnavailableError";
  /** Seconds after which to try again, where the store said so. */
  declare readonly retryAfter?: number;
  /** Set where the store refuses this application itself (a wrong secret): trying again does not help. */
  declare readonly misconfigured?: true;
  /** Set where other requests use the same credential right now. */
  declare readonly contended?: true;
  /** Whom the trouble concerns; absent for an outage. */
  declare readonly concerns?: "credential" | "unknown";
  /** What the service behind the store answered. */
  declare readonly upstream?: UpstreamAnswer;

  constructor(init: StoreUnavailableErrorInit = {}) {
    super("store_unavailable", { headers: retryHeaders(init.retryAfter), ...init });
    if (init.retryAfter !== undefined) this.retryAfter = init.retryAfter;
    if (init.misconfigured === true) this.misconfigured = true;
    if (init.contended === true) this.contended = true;
    if (init.concerns !== undefined) this.concerns = init.concerns;
    if (init.upstream !== undefined) this.upstream = init.upstream;
  }
}

/**
 * Code `organization_selection_required`: the user is known and belongs to several organizations.
 *
 * The pending token is not enumerable, so that logging the error does not log it.
 */
export class OrganizationSelectionRequiredError extends OrgateError {
  override readonly name: string = "OrganizationSelectionRequiredError";
  declare readonly pendingAuthenticationToken: string;
  readonly organizations: readonly { readonly id: string; readonly name: string }[];

  constructor(
    pendingAuthenticationToken: string,
    organizations: readonly { readonly id: string; readonly name: string }[],
  ) {
    super("organization_selection_required");
    this.organizations = organizations;
    // A getter, because `inspect` can be told to show what is not enumerable.
    Object.defineProperty(this, "pendingAuthenticationToken", { get: () => pendingAuthenticationToken });
  }
}

/** What a {@link StepUpRequiredError} carries beside its reason. */
export interface StepUpRequiredErrorInit {
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly pendingAuthenticationToken?: string | undefined;
}

/**
 * Code `reauthentication_required`: the user is known, and a rule of the organization or of the application demands more.
 *
 * `reason` is `primary_required` (another first factor), `mfa_required` (a second factor), or a rule's own word. `details` say what
 * would do. Neither they nor the pending token are enumerable, so that logging the error does not log them.
 */
export class StepUpRequiredError extends OrgateError {
  override readonly name: string = "StepUpRequiredError";
  declare readonly reason: string;
  /** `allowedAuthMethods` and `connectionIds`, or `allowedMfaMethods`, `mfaPhoneNumber` and `totpRegistrationId`. */
  declare readonly details: Readonly<Record<string, unknown>>;
  /** Continues the authentication with its factors so far; absent where the user must begin anew. */
  declare readonly pendingAuthenticationToken?: string;

  constructor(reason: string, { details = {}, pendingAuthenticationToken }: StepUpRequiredErrorInit = {}) {
    super("reauthentication_required", { reason });
    Object.defineProperty(this, "details", { get: () => details });
    Object.defineProperty(this, "pendingAuthenticationToken", { get: () => pendingAuthenticationToken });
  }
}
