import type { AuthorityContext } from "../context.ts";

/** What a wire router needs from the authority that it serves. */
export interface WireAuthority {
  readonly context: AuthorityContext;
  /** Calls `close` when the authority is closed. */
  onClose(close: () => void): void;
}
