import { OrgateError, StoreUnavailableError } from "../../errors.ts";
import type { EventSink } from "../../events.ts";
import { type SingleFlight, createSingleFlight } from "../../lib/concurrency.ts";
import { sha256 } from "../../lib/crypto.ts";
import { isObject, isSeconds, isText } from "../../lib/values.ts";
import type { MemberSession, Verdict } from "../../model.ts";
import { type PolicySource, createPolicySource } from "../../policy/policy-source.ts";
import { decideVerdict } from "../../policy/policy.ts";
import type { Interpretation, TokenProfile, VerifiedClaims } from "../../store.ts";
import { createKeySet } from "../../tokens/key-set.ts";
import {
  type Freshness,
  type Verification,
  createTokenVerifier,
  decideFreshness,
} from "../../tokens/verify-token.ts";
import { identityOfCredential, interpretStytchClaims } from "./claims.ts";
import { STYTCH_TYPES, type StytchClient, stytchRejected, stytchUnavailable } from "./client.ts";
import { toSessionMinutes } from "./options.ts";
import type { StytchMember, StytchOrganization } from "./profile.ts";
import type { PolicyLoader } from "./project-policy.ts";
import {
  type AuthenticatedSession,
  type SessionReply,
  type SessionRequest,
  authenticateStytchSession,
} from "./sessions.ts";

/** The input of `authenticateJwt`. */
export interface StytchAuthenticateJwtInput {
  readonly sessionJwt: string;
  /** Seconds: Stytch is asked about a JWT of this age or older; `0`: always. @defaultValue only about an expired one */
  readonly maxTokenAgeSeconds?: number;
  /** Where Stytch is asked: how long the session lasts from then, from 5 to 527,040 minutes. @defaultValue it is not extended */
  readonly sessionDurationMinutes?: number;
  /** Where Stytch is asked: claims to add to the session; `null` deletes one. @defaultValue the store's option */
  readonly sessionCustomClaims?: Readonly<Record<string, unknown>>;
  readonly authorizationCheck?: StytchAuthorizationCheck;
  readonly signal?: AbortSignal;
}

/** What a session is to be allowed to do. */
export interface StytchAuthorizationCheck {
  /** The id of the organization that owns the resource; a slug or an external id never matches. */
  readonly organizationId: string;
  readonly resource: string;
  readonly action: string;
}

/** The session of a JWT. */
export interface StytchAuthenticateJwtResult {
  readonly memberSession: MemberSession;
  /** The JWT that was presented, or the one that replaces it. */
  readonly sessionJwt: string;
  /** Where an authorization check was asked for; a denial is thrown. */
  readonly verdict?: Verdict;
  /** This and the following where Stytch was asked. */
  readonly sessionToken?: string;
  readonly member?: StytchMember;
  readonly organization?: StytchOrganization;
}

/** A verified JWT and its session, or why it is neither. */
export type JwtVerification =
  | { readonly status: "verified"; readonly claims: VerifiedClaims; readonly session: Interpretation }
  | Exclude<Verification, { status: "verified" }>;

/** Verifies a session JWT with the project's keys. Its times are not checked. Never rejects. */
export type VerifyJwt = (jwt: string) => Promise<JwtVerification>;

const NO_EVENTS: EventSink = { wants: () => false, emit: () => undefined };

/** Makes the verification of session JWTs outside the middleware. */
export function createJwtVerifier(client: StytchClient, tokens: TokenProfile): VerifyJwt {
  const keys = createKeySet(tokens.keys, { clock: client.settings.clock, events: NO_EVENTS });
  const verifier = createTokenVerifier(tokens, keys);
  return async (jwt) => {
    const verification = await verifier.verify(jwt);
    if (verification.status !== "verified") return verification;
    const session = interpretStytchClaims(verification.claims);
    return session === undefined ? { status: "rejected", reason: "class" } : { ...verification, session };
  };
}

interface JwtContext {
  readonly client: StytchClient;
  readonly verifyJwt: VerifyJwt;
  readonly policies: PolicySource;
  readonly flights: SingleFlight<SessionReply>;
}

/** Makes `authenticateJwt`: it decides here while the JWT is fresh, and asks Stytch when it is expired or too old. */
export function createAuthenticateJwt(
  client: StytchClient,
  verifyJwt: VerifyJwt,
  loadPolicy: PolicyLoader,
): (input: StytchAuthenticateJwtInput) => Promise<StytchAuthenticateJwtResult> {
  const { clock, organizationPolicies: byOrganization, timeout } = client.settings;
  const context: JwtContext = {
    client,
    verifyJwt,
    policies: createPolicySource({
      storePolicy: (organizationId, { signal }) => loadPolicy(organizationId, signal),
      byOrganization,
      clock,
      events: NO_EVENTS,
    }),
    // One authentication takes at most two calls.
    flights: createSingleFlight({ clock, budget: 2 * timeout }),
  };
  return async (input) => authenticateJwt(context, checkInput(input));
}

async function authenticateJwt(
  context: JwtContext,
  input: StytchAuthenticateJwtInput,
): Promise<StytchAuthenticateJwtResult> {
  const { sessionJwt, authorizationCheck: check, maxTokenAgeSeconds: maxAge } = input;
  const { settings } = context.client;
  const verification = await context.verifyJwt(sessionJwt);
  if (verification.status === "unavailable") {
    const { retryAfter } = verification;
    throw new StoreUnavailableError({ reason: "keys_unavailable", retryAfter });
  }
  if (verification.status === "rejected") {
    const isAsked = verification.reason === "unknown_key" && settings.unknownKey === "ask";
    if (!isAsked) throw new OrgateError("invalid_token");
    return askStytch(context, input, undefined);
  }
  const { memberSession } = verification.session;
  // A token never changes its organization: no answer of Stytch would help.
  if (check !== undefined) assertOrganization(check, memberSession.organizationId);
  if (readFreshness(settings.clock(), verification, maxAge) !== "fresh") {
    return askStytch(context, input, verification.claims);
  }
  if (check === undefined) return { memberSession, sessionJwt };
  const verdict = await decideByPolicy(context, check, { roles: memberSession.roles, source: "local" });
  return { memberSession, sessionJwt, verdict };
}

/** Seconds by which a token may be from the future; it expires to the second. */
const FUTURE_TOLERANCE = 5;

function readFreshness(
  now: number,
  { claims, session }: Extract<JwtVerification, { status: "verified" }>,
  maxAge: number | undefined,
): Freshness {
  const times = { ...claims, sessionExpiresAt: session.sessionExpiresAt };
  const strict = decideFreshness(times, { now, clockTolerance: 0, maxAge });
  if (strict !== "not_yet_valid") return strict;
  const tolerant = decideFreshness(times, { now, clockTolerance: FUTURE_TOLERANCE, maxAge });
  if (tolerant === "not_yet_valid") throw new OrgateError("clock_skew");
  return tolerant;
}

async function askStytch(
  context: JwtContext,
  input: StytchAuthenticateJwtInput,
  claims: VerifiedClaims | undefined,
): Promise<StytchAuthenticateJwtResult> {
  const { client, verifyJwt, flights } = context;
  const { sessionJwt, authorizationCheck: check, sessionDurationMinutes: minutes, signal } = input;
  const customClaims = input.sessionCustomClaims ?? client.settings.sessionCustomClaims;
  const request: SessionRequest = {
    secret: { session_jwt: sessionJwt },
    identity: identityOfCredential({ accessToken: sessionJwt, claims }),
    changes: { session_duration_minutes: minutes, session_custom_claims: customClaims },
    authorization_check: check && {
      organization_id: check.organizationId,
      resource_id: check.resource,
      action: check.action,
    },
    signal,
  };
  // With an age of zero only a call that begins now will do.
  const isShared = input.maxTokenAgeSeconds !== 0 && signal === undefined;
  const authenticate = (): Promise<SessionReply> => authenticateStytchSession(client, request);
  const reply = await (isShared ? share(flights, request, authenticate) : authenticate());
  if (reply.status === "refused") throw toError(reply, claims !== undefined);
  const { credential, memberSession, member, organization } = reply.session;
  // An answer with a JWT that nobody could use is no session.
  const issued = await verifyJwt(credential.accessToken);
  const isUsable =
    issued.status === "verified" && readFreshness(client.settings.clock(), issued, undefined) === "fresh";
  if (!isUsable) throw stytchUnavailable("renewed_token");
  return {
    memberSession,
    sessionJwt: credential.accessToken,
    ...(credential.refreshToken !== undefined && { sessionToken: credential.refreshToken }),
    member,
    organization,
    ...(check !== undefined && { verdict: await readVerdict(context, check, reply.session) }),
  };
}

/** Makes one call for all who ask the same at the same time. */
async function share(
  flights: SingleFlight<SessionReply>,
  request: SessionRequest,
  start: () => Promise<SessionReply>,
): Promise<SessionReply> {
  const flight = await flights.run({ key: sha256(JSON.stringify(request)), start });
  if (flight.status !== "settled") throw stytchUnavailable("timeout");
  return flight.settled.result;
}

function toError(reply: Extract<SessionReply, { status: "refused" }>, isVerified: boolean): OrgateError {
  const { type, requestId } = reply;
  const init = { reason: type, requestId };
  if (STYTCH_TYPES.ended.has(type)) return new OrgateError("session_revoked", init);
  if (STYTCH_TYPES.denied.has(type)) return new OrgateError("permission_denied", init);
  if (STYTCH_TYPES.otherTenant.has(type)) return new OrgateError("organization_mismatch", init);
  if (!isVerified && STYTCH_TYPES.notOurs.has(type)) return new OrgateError("invalid_token", init);
  return stytchRejected(reply);
}

async function readVerdict(
  context: JwtContext,
  check: StytchAuthorizationCheck,
  { verdict, memberSession: { organizationId, roles } }: AuthenticatedSession,
): Promise<Verdict> {
  assertOrganization(check, organizationId);
  if (verdict === undefined) return decideByPolicy(context, check, { roles, source: "store" });
  if (!verdict.authorized) throw new OrgateError("permission_denied");
  const { grantingRoles } = verdict;
  return { ...check, authorized: true, grantingRoles, via: "role", source: "store" };
}

/** Refuses a check about a resource of another organization. */
function assertOrganization(check: StytchAuthorizationCheck, organizationId: string | undefined): void {
  if (check.organizationId !== organizationId) throw new OrgateError("organization_mismatch");
}

/**
 * Decides a check by the project's policy.
 *
 * @throws OrgateError `permission_denied`; StoreUnavailableError where the policy is unknown.
 */
async function decideByPolicy(
  { policies }: JwtContext,
  check: StytchAuthorizationCheck,
  session: { readonly roles: readonly string[]; readonly source: Verdict["source"] },
): Promise<Verdict> {
  const lookup = await policies.get(check.organizationId);
  if (lookup.status !== "found") {
    const retryAfter = lookup.status === "unavailable" ? lookup.retryAfter : undefined;
    throw new StoreUnavailableError({ reason: "policy_unavailable", retryAfter });
  }
  const verdict = decideVerdict({ ...check, ...session, policy: lookup.policy });
  if (!verdict.authorized) throw new OrgateError("permission_denied");
  return verdict;
}

/**
 * Checks what `authenticateJwt` was given: with `NaN`, no JWT would ever be too old.
 *
 * @throws OrgateError `invalid_request` that names the field, and quotes nothing.
 */
function checkInput(input: StytchAuthenticateJwtInput): StytchAuthenticateJwtInput {
  if (!isObject(input)) throw invalid("Pass an object with a sessionJwt.");
  const { sessionDurationMinutes: minutes, maxTokenAgeSeconds: maxAge, authorizationCheck: check } = input;
  if (!isText(input.sessionJwt)) throw invalid("sessionJwt must be a string that is not empty.");
  if (input.sessionCustomClaims !== undefined && !isObject(input.sessionCustomClaims)) {
    throw invalid("sessionCustomClaims must be an object.");
  }
  if (maxAge !== undefined && !isSeconds(maxAge)) {
    throw invalid("maxTokenAgeSeconds must be a finite number from 0.");
  }
  if (minutes !== undefined && !(Number.isInteger(minutes) && toSessionMinutes(minutes * 60) === minutes)) {
    throw invalid("sessionDurationMinutes must be a whole number from 5 to 527040.");
  }
  return check === undefined ? input : { ...input, authorizationCheck: checkAuthorization(check) };
}

function checkAuthorization(check: unknown): StytchAuthorizationCheck {
  const { organizationId, resource, action } = isObject(check) ? check : {};
  if (!isText(organizationId) || !isText(resource) || !isText(action)) {
    throw invalid("authorizationCheck must have an organizationId, a resource and an action.");
  }
  return { organizationId, resource, action };
}

function invalid(message: string): OrgateError {
  return new OrgateError("invalid_request", { message });
}
