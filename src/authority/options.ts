import type { Clock } from "../clock.ts";
import type { OrgateEvent } from "../events.ts";
import type { Policy } from "../policy/policy.ts";
import type { JsonWebKey } from "../stores/token-profile.ts";
import type { Directory } from "./directory.ts";
import type { Repository } from "./repository.ts";

/** What an authority is made of. Durations are seconds. */
export interface AuthorityOptions {
  /** `iss` of the access tokens, compared as an exact string: the application's origin. */
  readonly issuer: string;
  /** Who the users, organizations and memberships are. */
  readonly directory: Directory;
  /** Where sessions are kept. @defaultValue `memoryRepository()` */
  readonly repository?: Repository | undefined;
  /**
   * Private keys (RFC 7517): the first signs, all verify. RSA from 2048 bits (`RS256`, `PS256`), P-256 (`ES256`) or Ed25519
   * (`EdDSA`). Several processes must share them. @defaultValue one ES256 key, made when it is first needed
   */
  readonly keys?: readonly JsonWebKey[] | undefined;
  /** Answers authorization checks, and the middleware where it has no policy of its own. */
  readonly policy?: Policy | undefined;
  /** @defaultValue 300 */
  readonly accessTokenLifetime?: number | undefined;
  /** From sign-in on; only `sessionDuration` and `sessionDurationMinutes` extend it. @defaultValue 30 days */
  readonly sessionLifetime?: number | undefined;
  /** Ends a session that the store has not been asked about for this long; more than `accessTokenLifetime`. @defaultValue never */
  readonly idleTimeout?: number | undefined;
  /** For this long a rotated refresh token is answered with the same successor. @defaultValue 30 */
  readonly refreshGrace?: number | undefined;
  /** For organization selection; at most 600. @defaultValue 600 */
  readonly pendingLifetime?: number | undefined;
  /** For this long past its `exp` a JWT of a live session renews; `0`: refresh tokens only. @defaultValue `sessionLifetime` */
  readonly expiredTokenRenewal?: number | undefined;
  /** For tests: the time in seconds. @defaultValue the machine's clock */
  readonly clock?: Clock | undefined;
  /** Hears what the authority notices: `revoked`, `reuse_detected`. @defaultValue the `events` of the middleware it is the store of */
  readonly events?: ((event: OrgateEvent) => void) | undefined;
}
