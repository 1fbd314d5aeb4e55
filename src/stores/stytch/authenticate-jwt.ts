import { createHash } from "node:crypto";
import { OrgateError, StoreUnavailableError } from "../../errors.ts";
import type { JsonObject } from "../../lib/json-body.ts";
import { isObject, isText } from "../../lib/predicates.ts";
import type { MemberSession, Verdict } from "../../model.ts";
import type { PolicySource } from "../../policy/policy-source.ts";
import { decideVerdict } from "../../policy/verdict.ts";
import type { Interpretation, VerifiedClaims } from "../../store.ts";
import { type Freshness, decideFreshness } from "../../tokens/freshness.ts";
import type { TokenVerifier } from "../../tokens/verify-token.ts";
import { identityOf, interpretClaims, peekIdentity } from "./claims.ts";
import { DENIED, ENDED, NOT_OURS, OTHER_TENANT, type StytchClient, trouble } from "./client.ts";
import type { StytchMember } from "./member.ts";
import type { StytchSettings } from "./options.ts";
import type { StytchOrganization } from "./organization.ts";
import {
  type SessionAnswer,
  type SessionQuestion,
  type SessionVerdict,
  authenticateSession,
} from "./sessions.ts";

/** Whose session a JWT is of. */
export interface StytchAuthenticateJwtResult {
  readonly memberSession: MemberSession;
  /** The one that was presented, or the one that takes its place. */
  readonly sessionJwt: string;
  /** Where an authorization check was asked for; what is denied is thrown. */
  readonly verdict?: Verdict;
  /** These where Stytch was asked. */
  readonly sessionToken?: string;
  readonly member?: StytchMember;
  readonly organization?: StytchOrganization;
}

/** What the operation works with. */
export interface JwtDesk {
  readonly client: StytchClient;
  readonly verifier: TokenVerifier;
  readonly policies: PolicySource;
  /** Calls under way, by a hash of what is asked. */
  readonly flights: Map<string, Promise<SessionVerdict>>;
}

/** Seconds by which a token may be from the future; it expires to the second. */
const FUTURE_TOLERANCE = 5;

interface VerifiedJwt {
  /** Absent for a JWT that no known key has signed. */
  readonly known: { readonly claims: VerifiedClaims; readonly session: Interpretation } | undefined;
}

/** Authenticates a session JWT: here while it is fresh, by Stytch when it is expired or too old. */
export async function authenticateJwt(
  desk: JwtDesk,
  given: StytchAuthenticateJwtInput,
): Promise<StytchAuthenticateJwtResult> {
  const input = checkInput(desk.client.settings, given);
  const { known } = await verify(desk, input.sessionJwt);
  const { check } = input;
  if (known === undefined) return ask(desk, input, undefined);
  const { memberSession } = known.session;
  // A token never changes its organization: nothing that Stytch could answer would help.
  if (check !== undefined) checkTenancy(check, memberSession.organizationId);
  if (judge(desk, known, input.maxAge) !== "fresh") return ask(desk, input, known.claims);
  const { roles } = memberSession;
  const verdict = check && (await decideLocally(desk.policies, check, { roles, source: "local" }));
  return { memberSession, sessionJwt: input.sessionJwt, ...(verdict !== undefined && { verdict }) };
}

async function verify({ client, verifier }: JwtDesk, sessionJwt: string): Promise<VerifiedJwt> {
  const verification = await verifier.verify(sessionJwt);
  if (verification.status === "unavailable") {
    throw new StoreUnavailableError({ reason: "keys_unavailable", retryAfter: verification.retryAfter });
  }
  if (verification.status === "verified") {
    const { claims } = verification;
    const session = interpretClaims(claims);
    if (session !== undefined) return { known: { claims, session } };
  } else if (verification.reason === "unknown_key" && client.settings.unknownKey === "ask") {
    return { known: undefined };
  }
  throw new OrgateError("invalid_token");
}

function judge(
  { client }: JwtDesk,
  { claims, session }: NonNullable<VerifiedJwt["known"]>,
  maxAge: number | undefined,
): Freshness {
  const times = { ...claims, sessionExpiresAt: session.sessionExpiresAt };
  const now = client.settings.clock();
  const strictly = decideFreshness(times, { now, clockTolerance: 0, maxAge });
  if (strictly !== "not_yet_valid") return strictly;
  const leniently = decideFreshness(times, { now, clockTolerance: FUTURE_TOLERANCE, maxAge });
  if (leniently === "not_yet_valid") throw new OrgateError("clock_skew");
  return leniently;
}

async function ask(
  desk: JwtDesk,
  { sessionJwt, maxAge, changes, check, signal }: CheckedJwtInput,
  claims: VerifiedClaims | undefined,
): Promise<StytchAuthenticateJwtResult> {
  const question: SessionQuestion = {
    secret: { session_jwt: sessionJwt },
    identity: claims === undefined ? peekIdentity(sessionJwt) : identityOf(claims),
    changes,
    ...(check !== undefined && { authorization_check: toWire(check) }),
    signal,
  };
  // With an age of zero only a call that begins now will do.
  const isShared = maxAge !== 0 && signal === undefined;
  const verdict = await (isShared ? share(desk, question) : authenticateSession(desk.client, question));
  if (verdict.status === "refused") throw refusalOf(verdict, claims !== undefined);
  const { answer } = verdict;
  await verifyNew(desk, answer);
  const { memberSession, sessionToken, member, organization } = answer;
  return {
    memberSession,
    sessionJwt: answer.sessionJwt,
    ...(sessionToken !== undefined && { sessionToken }),
    member,
    organization,
    ...(check !== undefined && { verdict: await readVerdict(desk, check, answer) }),
  };
}

/** Puts one question for all who ask it at the same time. */
function share({ client, flights }: JwtDesk, question: SessionQuestion): Promise<SessionVerdict> {
  const key = createHash("sha256").update(JSON.stringify(question)).digest("base64url");
  const known = flights.get(key);
  if (known !== undefined) return known;
  const flight = authenticateSession(client, question).finally(() => flights.delete(key));
  flights.set(key, flight);
  return flight;
}

function toWire({ organizationId, resource, action }: StytchAuthorizationCheck): JsonObject {
  return { organization_id: organizationId, resource_id: resource, action };
}

function refusalOf(
  { type, requestId }: Extract<SessionVerdict, { status: "refused" }>,
  isVouchedFor: boolean,
): OrgateError {
  const init = { reason: type, ...(requestId !== undefined && { requestId }) };
  if (ENDED.has(type)) return new OrgateError("session_revoked", init);
  if (type === DENIED) return new OrgateError("permission_denied", init);
  if (type === OTHER_TENANT) return new OrgateError("organization_mismatch", init);
  if (!isVouchedFor && NOT_OURS.has(type)) return new OrgateError("invalid_token", init);
  return trouble("request_rejected", requestId);
}

/** A server that errs, or lies, hands out nothing that is not a session's, good from now on. */
async function verifyNew(desk: JwtDesk, { sessionJwt }: SessionAnswer): Promise<void> {
  const verification = await desk.verifier.verify(sessionJwt);
  if (verification.status !== "verified") throw trouble("renewed_token");
  const { claims } = verification;
  const session = interpretClaims(claims);
  if (session === undefined) throw trouble("renewed_token");
  if (judge(desk, { claims, session }, undefined) !== "fresh") throw trouble("renewed_token");
}

async function readVerdict(
  { policies }: JwtDesk,
  check: StytchAuthorizationCheck,
  { verdict, memberSession: { organizationId, roles } }: SessionAnswer,
): Promise<Verdict> {
  checkTenancy(check, organizationId);
  if (verdict === undefined) return decideLocally(policies, check, { roles, source: "store" });
  if (!verdict.authorized) throw new OrgateError("permission_denied");
  const { grantingRoles } = verdict;
  return { ...check, authorized: true, grantingRoles, via: "role", source: "store" };
}

/** What `authenticateJwt` is asked. */
export interface StytchAuthenticateJwtInput {
  readonly sessionJwt: string;
  /** A JWT of this age in seconds, or older, is asked about; `0`: always. @defaultValue only an expired one is */
  readonly maxTokenAgeSeconds?: number;
  /** Where Stytch is asked: the session lasts so long from then, from 5 to 527,040. @defaultValue it is not extended */
  readonly sessionDurationMinutes?: number;
  /** Where Stytch is asked: claims to add to the session; `null` deletes one. @defaultValue the store's option */
  readonly sessionCustomClaims?: Readonly<Record<string, unknown>>;
  readonly authorizationCheck?: StytchAuthorizationCheck;
  readonly signal?: AbortSignal;
}

/** The input of `authenticateJwt`, checked. */
export interface CheckedJwtInput {
  readonly sessionJwt: string;
  readonly maxAge: number | undefined;
  readonly changes: SessionQuestion["changes"];
  readonly check: StytchAuthorizationCheck | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Checks what `authenticateJwt` was given: a number that is none would switch the check of the age off.
 *
 * @throws OrgateError `invalid_request` that names the field, and quotes nothing.
 */
export function checkInput(settings: StytchSettings, input: StytchAuthenticateJwtInput): CheckedJwtInput {
  if (!isObject(input)) throw invalid("Pass an object with a sessionJwt.");
  const { sessionJwt, sessionDurationMinutes: minutes, maxTokenAgeSeconds: maxAge, signal } = input;
  if (!isText(sessionJwt)) throw invalid("sessionJwt must be a string that is not empty.");
  const claims = input.sessionCustomClaims ?? settings.sessionCustomClaims;
  if (claims !== undefined && !isObject(claims)) throw invalid("sessionCustomClaims must be an object.");
  if (maxAge !== undefined && !(Number.isFinite(maxAge) && maxAge >= 0)) {
    throw invalid("maxTokenAgeSeconds must be a finite number from 0.");
  }
  if (minutes !== undefined && !(Number.isInteger(minutes) && minutes >= 5 && minutes <= 527_040)) {
    throw invalid("sessionDurationMinutes must be a whole number from 5 to 527040.");
  }
  return {
    sessionJwt,
    maxAge,
    changes: {
      ...(minutes !== undefined && { session_duration_minutes: minutes }),
      ...(claims !== undefined && { session_custom_claims: claims }),
    },
    check: checkAuthorization(input.authorizationCheck),
    signal,
  };
}

function checkAuthorization(check: unknown): StytchAuthorizationCheck | undefined {
  if (check === undefined) return undefined;
  const { organizationId, resource, action } = isObject(check) ? check : {};
  if (!isText(organizationId) || !isText(resource) || !isText(action)) {
    throw invalid("authorizationCheck must have an organizationId, a resource and an action.");
  }
  return { organizationId, resource, action };
}

function invalid(message: string): OrgateError {
  return new OrgateError("invalid_request", { message });
}

/** What a session is to be allowed to do. */
export interface StytchAuthorizationCheck {
  /** The id of the organization whose resource it is; a slug or an external id is never the same. */
  readonly organizationId: string;
  readonly resource: string;
  readonly action: string;
}

/** Refuses a check about another organization's resource. */
export function checkTenancy(check: StytchAuthorizationCheck, organizationId: string | undefined): void {
  if (check.organizationId !== organizationId) throw new OrgateError("organization_mismatch");
}

/**
 * Decides a check by the project's policy.
 *
 * @throws OrgateError `permission_denied`; StoreUnavailableError where there is no policy to decide by.
 */
export async function decideLocally(
  policies: PolicySource,
  check: StytchAuthorizationCheck,
  session: { readonly roles: readonly string[]; readonly source: Verdict["source"] },
): Promise<Verdict> {
  const lookup = await policies.get(check.organizationId);
  if (lookup.status !== "found") {
    const retryAfter = lookup.status === "unavailable" ? lookup.retryAfter : undefined;
    throw new StoreUnavailableError({
      reason: "policy_unavailable",
      ...(retryAfter !== undefined && { retryAfter }),
    });
  }
  const verdict = decideVerdict({ ...check, ...session, policy: lookup.policy });
  if (!verdict.authorized) throw new OrgateError("permission_denied");
  return verdict;
}
