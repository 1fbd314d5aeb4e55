import type { Policy } from "../../policy/policy.ts";
import type { TokenCheck } from "../authenticate-jwt.ts";
import type { AuthorityContext } from "../options.ts";

/** What a wire router needs from the authority that it serves. */
export interface WireAuthority {
  readonly context: AuthorityContext;
  /** Verifies the authority's own session JWTs. */
  readonly tokens: TokenCheck;
  readonly policy: Policy | undefined;
  /** Calls `close` when the authority is closed. */
  onClose(close: () => void): void;
}
