import type { RejectedState, UnavailableState } from "../auth-state.ts";
import type { Credential } from "../pipeline/read-credential.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import type { Verification } from "../pipeline/verify-token.ts";
import type { SealedSession } from "../stores/session-store.ts";
import type { VerifiedClaims } from "../stores/token-profile.ts";
import type { Engine } from "./engine.ts";
import { interpretClaims, UNREADABLE } from "./interpret-claims.ts";

/** RFC 7515 section 7.1. */
const COMPACT_FORM = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Seconds, where nobody can say how long a store will go on failing to read claims. */
const RETRY_AFTER = 5;

/** A credential that is vouched for, by a good signature or a good seal of ours; or of a kind that the store wants to be asked about. */
export interface Vouched {
  readonly status: "vouched";
  readonly kind: Credential["kind"];
  readonly via: "bearer" | "cookie";
  readonly accessToken?: string;
  readonly sealed?: SealedSession;
  readonly opaqueToken?: string;
  /** Kept from the store, to be sealed again: there is nowhere to put a rotated one. */
  readonly withheldRefreshToken?: string;
  /** Absent where only the seal vouches, for opaque tokens, and where no key is known. */
  readonly claims?: VerifiedClaims;
  readonly session?: VerifiedSession;
}

/** A credential that is not. */
export interface Refused {
  readonly status: "refused";
  readonly state: RejectedState | UnavailableState;
  /** Whether the cookie can never become good again, so that it is cleared. */
  readonly clearsCookie: boolean;
  /** What a good seal holds whose token alone is refused: the session in it lives on, and can be ended. */
  readonly sealed?: SealedSession;
}

/** What became of a credential before anybody was asked. */
export type Judgement = Vouched | Refused;

/** Verifies what was presented, without asking the store. Times are judged afterwards. A promise only where it takes time. */
export function vouchFor(engine: Engine, credential: Credential): Judgement | Promise<Judgement> {
  switch (credential.kind) {
    case "bearer":
    case "jwt_cookie": {
      const verification = engine.verifier.verifyAlone(credential.value);
      return verification instanceof Promise
        ? verification.then((known) => judgeToken(engine, credential, known))
        : judgeToken(engine, credential, verification);
    }
    case "sealed":
      return vouchForSeal(engine, credential);
    default:
      return { status: "vouched", kind: credential.kind, via: "cookie", opaqueToken: credential.value };
  }
}

function judgeToken(engine: Engine, { kind, value }: Credential, verification: Verification): Judgement {
  const via = kind === "bearer" ? "bearer" : "cookie";
  if (verification.status === "unavailable") return unavailable(verification.retryAfter);
  if (verification.status === "rejected") {
    const mayAsk = engine.options.store.tokens.unknownKey === "ask";
    if (mayAsk && verification.reason === "unknown_key")
      return { status: "vouched", kind, via, accessToken: value };
    return refuseToken(engine, via, verification.reason);
  }
  const { claims } = verification;
  const session = interpretClaims(engine, { via, claims });
  if (session === UNREADABLE) return unavailable(RETRY_AFTER);
  if (session === undefined) return refuseToken(engine, via, "class");
  return { status: "vouched", kind, via, accessToken: value, claims, session };
}

async function vouchForSeal(engine: Engine, { value }: Credential): Promise<Judgement> {
  const sealed = await engine.sealer?.unseal(value);
  if (sealed === undefined) return refuseSession(engine, "seal", true);
  const judgement = await judgeSeal(engine, sealed);
  return judgement.status === "refused" && !judgement.clearsCookie ? { ...judgement, sealed } : judgement;
}

async function judgeSeal(engine: Engine, sealed: SealedSession): Promise<Judgement> {
  const { accessToken } = sealed;
  const verification = await engine.verifier.verify(accessToken);
  if (verification.status === "unavailable") return unavailable(verification.retryAfter);
  if (verification.status === "rejected") return judgeSealedToken(engine, sealed, verification);
  const { claims } = verification;
  if (sealed.user !== undefined && sealed.user.id !== claims.sub) {
    return refuseSession(engine, "subject", true);
  }
  const session = interpretClaims(engine, { via: "cookie", claims, sealed });
  if (session === UNREADABLE) return unavailable(RETRY_AFTER);
  if (session === undefined) return refuseMisconfigured(engine, "class");
  return { status: "vouched", kind: "sealed", via: "cookie", accessToken, sealed, claims, session };
}

/** A good seal around a token that does not verify: our own doing, so the session must survive it where it can. */
function judgeSealedToken(
  engine: Engine,
  sealed: SealedSession,
  { reason, expiresAt }: Extract<Verification, { status: "rejected" }>,
): Judgement {
  // A token by an algorithm or of a type that the profile no longer lists is a token still.
  if (reason === "malformed" && !COMPACT_FORM.test(sealed.accessToken)) {
    return refuseSession(engine, reason, true);
  }
  const { clock, clockTolerance } = engine.options;
  if (reason === "unknown_key" && expiresAt !== undefined && clock() >= expiresAt + clockTolerance) {
    return { status: "vouched", kind: "sealed", via: "cookie", accessToken: sealed.accessToken, sealed };
  }
  return refuseMisconfigured(engine, reason);
}

function refuseToken({ events }: Engine, via: "bearer" | "cookie", reason: string): Refused {
  events.emit({ type: "rejected", code: "invalid_token", reason });
  return {
    status: "refused",
    state: { status: "rejected", code: "invalid_token", via },
    clearsCookie: false,
  };
}

function refuseSession({ events }: Engine, reason: string, clearsCookie: boolean): Refused {
  events.emit({ type: "rejected", code: "invalid_session", reason });
  return {
    status: "refused",
    state: { status: "rejected", code: "invalid_session", via: "cookie" },
    clearsCookie,
  };
}

// A deploy's slip (another issuer, another environment's keys) must not sign everybody out: the cookie is kept.
function refuseMisconfigured(engine: Engine, reason: string): Refused {
  engine.events.emit({ type: "misconfigured", reason: `sealed_token_${reason}` });
  return refuseSession(engine, reason, false);
}

function unavailable(retryAfter: number): Refused {
  const state: UnavailableState = { status: "unavailable", code: "store_unavailable", retryAfter };
  return { status: "refused", state, clearsCookie: false };
}
