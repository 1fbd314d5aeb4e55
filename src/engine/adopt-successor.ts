import { decideFreshness } from "../pipeline/decide-freshness.ts";
import type { Credential } from "../pipeline/read-credential.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import type { Profile, Renewal, SealedSession } from "../stores/session-store.ts";
import type { VerifiedClaims } from "../stores/token-profile.ts";
import type { Engine } from "./engine.ts";
import { frozenCopy } from "./frozen-copy.ts";
import { kindAfter, unavailable, type StoreAnswer, type Successor } from "./store-answer.ts";
import { interpretClaims, UNREADABLE } from "./interpret-claims.ts";
import type { Vouched } from "./vouch.ts";

/** Takes over what the store handed out: seals it first, so that nothing that fails later can lose the rotated pair. */
export async function adoptSuccessor(
  engine: Engine,
  vouched: Vouched,
  renewal: Extract<Renewal, { status: "active" }>,
): Promise<StoreAnswer> {
  const { sealed: presentedSeal } = vouched;
  const { accessToken } = renewal.credential ?? vouched;
  if (typeof accessToken !== "string") throw new TypeError("the store's answer has no access token");
  const sealed = presentedSeal === undefined ? undefined : mergeSealed(vouched, renewal, accessToken);
  const cookieValue = sealed === undefined ? undefined : await engine.sealer?.seal(sealed);
  const pair: Successor = {
    accessToken,
    ...(sealed !== undefined && { sealed }),
    ...(cookieValue !== undefined && { cookieValue }),
    ...pairOpaqueToken(engine, vouched.kind, renewal.credential),
  };
  const verified = await verifySuccessor(engine, vouched, pair, renewal);
  if (verified.status !== "verified") return verified.answer;
  const { session, claims } = verified;
  rememberProfile(engine, session, renewal);
  return {
    status: "active",
    session,
    successor: { ...pair, claims },
    isNew: renewal.credential !== undefined,
  };
}

/** The token that lies in a cookie beside an unsealed JWT, where the store hands one out. */
export function pairOpaqueToken(
  { options }: Pick<Engine, "options">,
  kind: Credential["kind"],
  credential: SealedSession | undefined,
): Pick<Successor, "opaqueToken"> {
  const opaqueToken = credential?.refreshToken;
  const isPaired =
    kindAfter(kind) === "jwt_cookie" && options.store.credential?.opaqueCookieName !== undefined;
  return isPaired && typeof opaqueToken === "string" ? { opaqueToken } : {};
}

/** What is sealed again: fields that others sealed stay, and so does a refresh token that the store did not replace. */
function mergeSealed(
  { sealed, withheldRefreshToken }: Vouched,
  { credential }: Extract<Renewal, { status: "active" }>,
  accessToken: string,
): SealedSession {
  const refreshToken = credential?.refreshToken ?? withheldRefreshToken ?? sealed?.refreshToken;
  return { ...sealed, ...credential, accessToken, ...(refreshToken !== undefined && { refreshToken }) };
}

type SuccessorCheck =
  | { readonly status: "verified"; readonly session: VerifiedSession; readonly claims: VerifiedClaims }
  | { readonly status: "failed"; readonly answer: StoreAnswer };

async function verifySuccessor(
  engine: Engine,
  vouched: Vouched,
  pair: Successor,
  { verifiedAt, credential }: Extract<Renewal, { status: "active" }>,
): Promise<SuccessorCheck> {
  const fail = (reason: string, keepsPair: boolean, retryAfter = 5): SuccessorCheck => {
    engine.events.emit({ type: "misconfigured", reason: `renewed_token_${reason}` });
    const answer = unavailable(reason, retryAfter);
    // What was not spent renews again: better than a token that nobody can verify.
    const isSpent = engine.options.store.capabilities.renewalSpends ?? true;
    const isRotated = keepsPair && isSpent && credential !== undefined;
    return { status: "failed", answer: isRotated ? { ...answer, successor: pair } : answer };
  };
  const verification = await engine.verifier.verify(pair.accessToken);
  if (verification.status === "unavailable") return fail("keys_unavailable", true, verification.retryAfter);
  if (verification.status === "rejected")
    return fail(verification.reason, verification.reason === "unknown_key");
  const { claims } = verification;
  const { clock, clockTolerance } = engine.options;
  const now = clock();
  const session = interpretClaims(engine, {
    via: vouched.via,
    claims,
    sealed: pair.sealed,
    // A store whose clock is ahead, or that counts in milliseconds, must not make an answer young for ever.
    verifiedAt: Number.isFinite(verifiedAt) ? Math.min(verifiedAt, now) : undefined,
  });
  // Lost, a pair that is theirs would end the session over the store's own defect.
  if (session === UNREADABLE) return fail(UNREADABLE, isSameSubject(vouched, claims.sub));
  if (session === undefined) return fail("class", false);
  if (!isSameIdentity(vouched, session)) return fail("identity", false);
  const freshness = decideFreshness(session, { now, clockTolerance });
  // A time out of joint does not make the rotated pair another's: lost, it would end the session.
  return freshness === "fresh" ? { status: "verified", session, claims } : fail(freshness, true);
}

/** Whatever the store answers, one member's credential never becomes another's, nor moves to another organization. */
function isSameIdentity(vouched: Vouched, { subject, member, organizationId }: VerifiedSession): boolean {
  const { session } = vouched;
  const isSame = session === undefined || session.member.id === member.id;
  const isThere = session === undefined || session.organizationId === organizationId;
  return isSame && isThere && isSameSubject(vouched, subject);
}

function isSameSubject({ session, sealed }: Vouched, subject: string): boolean {
  return (session?.subject ?? sealed?.user?.id ?? subject) === subject;
}

function rememberProfile(
  { profiles }: Engine,
  { memberSession }: VerifiedSession,
  renewal: Partial<Profile>,
): void {
  const { member, organization } = renewal;
  if (member === undefined) return;
  const profile: Profile = { member, ...(organization !== undefined && { organization }) };
  profiles.set(memberSession.id, frozenCopy(profile));
}
