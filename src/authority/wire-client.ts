import type { Algorithm } from "../store.ts";
import type { SessionRecord } from "./sessions.ts";
import type { Subject } from "./subject.ts";

/** A client of a wire protocol, as the credentials that it was given remember it. */
export interface WireClient {
  readonly id: string;
  /** It showed no secret (RFC 6749 section 2.1). */
  readonly isPublic: boolean;
}

/**
 * Whether a client may use what was given to another, or to nobody.
 *
 * Without a client it is the application itself that asks. A public client is given nothing that it was not the one to
 * receive: it shows no secret, so a stolen credential would be all that it takes (RFC 9700 section 4.14.2).
 */
export function mayUse(bound: WireClient | undefined, acting: WireClient | undefined): boolean {
  if (acting === undefined) return true;
  if (bound === undefined) return !acting.isPublic;
  return bound.id === acting.id && (bound.isPublic || !acting.isPublic);
}

/** Whether a stored value is a client. */
export function isWireClient(value: unknown): value is WireClient {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof Reflect.get(value, "id") === "string" &&
    typeof Reflect.get(value, "isPublic") === "boolean"
  );
}

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
