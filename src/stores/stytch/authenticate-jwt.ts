import { createHash } from "node:crypto";
import { OrgateError, StoreUnavailableError } from "../../errors.ts";
import type { MemberSession, Verdict } from "../../model.ts";
import { decideFreshness, type Freshness } from "../../pipeline/decide-freshness.ts";
import type { TokenVerifier } from "../../pipeline/verify-token.ts";
import type { PolicySource } from "../../policy/policy-source.ts";
import type { JsonObject } from "../json-reply.ts";
import type { Interpretation } from "../session-store.ts";
import type { VerifiedClaims } from "../token-profile.ts";
import { authenticateSession, type SessionQuestion, type SessionVerdict } from "./authenticate-session.ts";
import { checkTenancy, decideLocally, type StytchAuthorizationCheck } from "./authorization.ts";
import { checkInput, type CheckedJwtInput, type StytchAuthenticateJwtInput } from "./jwt-input.ts";
import { DENIED, ENDED, NOT_OURS, OTHER_TENANT } from "./error-types.ts";
import { interpretClaims } from "./interpret-claims.ts";
import type { StytchMember } from "./member.ts";
import type { StytchOrganization } from "./organization.ts";
import { identityOf, peekIdentity } from "./peek-claims.ts";
import type { SessionAnswer } from "./read-answer.ts";
import type { StytchClient } from "./stytch-client.ts";
import { trouble } from "./trouble.ts";

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
