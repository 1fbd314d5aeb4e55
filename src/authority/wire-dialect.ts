import type { Algorithm } from "../stores/token-profile.ts";
import type { SessionRecord } from "./session-record.ts";
import type { Subject } from "./subject.ts";
import type { WireClient } from "./wire-client.ts";

/** What a wire protocol decides of a session that it opens or uses. */
export type Amendable = Pick<SessionRecord, "customClaims" | "expiresAt">;

/** What a wire protocol makes of the authority's operations. */
export interface WireDialect {
  /** Whom the operation is for. What it opens is bound to them, and what is bound to others is refused. */
  readonly client?: WireClient;
  /** What its access tokens are signed with. */
  readonly algorithm: Algorithm;
  /** The claims of its access tokens, made of the authority's own. */
  claims(
    native: Readonly<Record<string, unknown>>,
    record: SessionRecord,
    subject: Subject,
  ): Record<string, unknown>;
  /** Changes a session on its way into the repository; answers with the same members where nothing is to change. */
  readonly amend?: (session: Amendable) => Amendable;
}
