import type { ErrorCode } from "../errors.ts";

/** Why a request does not reach its handler, and the answer it would get. */
export interface Denial {
  readonly code: ErrorCode;
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** Response headers that belong to the answer (`WWW-Authenticate`, `Retry-After`). */
  readonly headers: Readonly<Record<string, string>>;
  /** Members of the problem beside the standard ones: `resource`, `action`, `organizations`, ... */
  readonly extensions: Readonly<Record<string, unknown>>;
  /** Where a browser is sent instead, if anywhere. */
  readonly redirectTo?: string;
  /** Gives the default answer. */
  respond(): void;
}
