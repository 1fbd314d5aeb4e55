import type { Engine } from "../engine/engine.ts";
import { judge } from "../engine/question.ts";
import { interpretClaims, UNREADABLE } from "../engine/interpret-claims.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import type { SealedSession } from "../stores/session-store.ts";
import type { VerifiedClaims } from "../stores/token-profile.ts";

/** Who a new session must belong to, where that is known. */
export interface Expectations {
  /** The organization that was chosen. */
  readonly organizationId?: string;
  /** The token's `sub` before a switch. */
  readonly subject?: string;
}

/** A new session as it was handed over by the store. */
export interface IssuedCredential extends Expectations {
  readonly credential: SealedSession;
  readonly via: "bearer" | "cookie";
}

/** What verifying it came to. */
export type IssuedCheck =
  | { readonly status: "verified"; readonly session: VerifiedSession; readonly claims: VerifiedClaims }
  | {
      readonly status: "failed";
      readonly code: "store_unavailable" | "clock_skew";
      readonly retryAfter: number;
      /** Whether the pair may still turn out to be good. */
      readonly keepsPair: boolean;
    };

const RETRY_AFTER = 5;

/** Verifies a new session like any other credential, and that it is the one asked for: a store that errs, or lies, signs in nobody. */
export async function verifyIssued(engine: Engine, issued: IssuedCredential): Promise<IssuedCheck> {
  const { credential, via } = issued;
  const verification = await engine.verifier.verify(credential.accessToken);
  if (verification.status === "unavailable") {
    return fail(engine, "keys_unavailable", { keepsPair: true, retryAfter: verification.retryAfter });
  }
  if (verification.status === "rejected") {
    const { reason } = verification;
    return fail(engine, reason, { keepsPair: reason === "unknown_key" });
  }
  const { claims } = verification;
  const verifiedAt = engine.options.clock();
  const session = interpretClaims(engine, { via, claims, sealed: credential, verifiedAt });
  if (session === UNREADABLE) {
    return fail(engine, UNREADABLE, { keepsPair: isExpectedSubject(issued, claims.sub) });
  }
  if (session === undefined) return fail(engine, "class");
  if (!isExpected(issued, session)) return fail(engine, "identity");
  const need = judge(engine, session, { maxAge: undefined });
  if (need === "not_yet_valid") return fail(engine, need, { code: "clock_skew", keepsPair: true });
  return need === "expired" ? fail(engine, need) : { status: "verified", session, claims };
}

function isExpected(issued: IssuedCredential, { subject, memberSession }: VerifiedSession): boolean {
  const { organizationId } = issued;
  const isThere = organizationId === undefined || organizationId === memberSession.organizationId;
  return isThere && isExpectedSubject(issued, subject);
}

function isExpectedSubject({ credential, subject }: IssuedCredential, found: string): boolean {
  return (credential.user?.id ?? found) === found && (subject ?? found) === found;
}

function fail(
  { events }: Engine,
  reason: string,
  known: Partial<Extract<IssuedCheck, { status: "failed" }>> = {},
): IssuedCheck {
  const { code = "store_unavailable", retryAfter = RETRY_AFTER, keepsPair = false } = known;
  events.emit({ type: "misconfigured", reason: `issued_token_${reason}` });
  events.emit({ type: "unavailable", code, reason, retryAfter });
  return { status: "failed", code, retryAfter, keepsPair };
}
