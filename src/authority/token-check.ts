import { OrgateError, StoreUnavailableError } from "../errors.ts";
import { createKeySet } from "../pipeline/key-set.ts";
import { createTokenVerifier } from "../pipeline/verify-token.ts";
import type { Interpretation } from "../stores/session-store.ts";
import type { TokenProfile, VerifiedClaims } from "../stores/token-profile.ts";
import type { Clock } from "../clock.ts";
import type { EventSink } from "../events.ts";
import { interpretClaims } from "./interpret.ts";

/** A session JWT of this authority, its signature verified. Times are not judged. */
export interface CheckedToken {
  readonly claims: VerifiedClaims;
  readonly session: Interpretation;
}

/** Verifies session JWTs outside the middleware; throws `invalid_token` or `store_unavailable`. */
export interface TokenCheck {
  check(sessionJwt: string): Promise<CheckedToken>;
  close(): void;
}

/** Makes the check over the same verification that the middleware does. */
export function createTokenCheck(
  profile: TokenProfile,
  context: { readonly clock: Clock; readonly events: EventSink },
): TokenCheck {
  const keys = createKeySet(profile.keys, context);
  const verifier = createTokenVerifier(profile, keys);
  return {
    async check(sessionJwt) {
      const verification = await verifier.verify(sessionJwt);
      if (verification.status === "unavailable") {
        throw new StoreUnavailableError({ reason: verification.reason, retryAfter: verification.retryAfter });
      }
      if (verification.status === "rejected") {
        throw new OrgateError("invalid_token", { reason: verification.reason });
      }
      const { claims } = verification;
      const session = interpretClaims(claims);
      if (session === undefined) throw new OrgateError("invalid_token", { reason: "class" });
      return { claims, session };
    },
    close: () => keys.close(),
  };
}
