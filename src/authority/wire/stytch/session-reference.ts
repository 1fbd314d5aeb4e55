import type { AuthorityContext } from "../../context.ts";
import type { SessionRecord } from "../../session-record.ts";
import { openSessionToken } from "../../session-token.ts";
import { memberIdOf } from "../../subject.ts";
import type { Subject } from "../../subject.ts";
import { readOptionalText } from "../read-fields.ts";
import type { Fields } from "../read-fields.ts";
import { sessionNotFound, stytchError } from "./errors.ts";
import type { SessionJwtCheck } from "./session-jwt.ts";

/** The session that a request names, and what its credential says of it. */
export interface NamedSession {
  readonly sessionId: string;
  /** Absent for a session token, which says neither. */
  readonly memberId?: string;
  readonly organizationId?: string;
}

/** Reads the session that exactly one of `session_token` and `session_jwt` names. */
export async function readSession(
  context: AuthorityContext,
  jwts: SessionJwtCheck,
  fields: Fields,
): Promise<NamedSession> {
  const token = readOptionalText(fields, "session_token");
  const jwt = readOptionalText(fields, "session_jwt");
  if (token !== undefined && jwt !== undefined) {
    throw stytchError(
      400,
      "too_many_session_arguments",
      "Only one of session_token and session_jwt is allowed.",
    );
  }
  if (jwt !== undefined) return jwts.check(jwt);
  if (token === undefined) {
    throw stytchError(400, "no_session_arguments", "One of session_token and session_jwt is required.");
  }
  return openToken(context, token);
}

/** The session of a session token. */
export async function openToken({ issuer }: AuthorityContext, token: string): Promise<NamedSession> {
  const sessionId = await openSessionToken(issuer, token);
  if (sessionId === undefined) throw sessionNotFound();
  return { sessionId };
}

/** A member session is of a member, in an organization, and of the one that the credential names. */
export function assertMember({ memberId }: NamedSession, subject: Subject): Required<Subject> {
  const { user, place } = subject;
  if (place === undefined || (memberId !== undefined && memberIdOf(subject) !== memberId))
    throw sessionNotFound();
  return { user, place };
}

/** What an impersonator may not change. */
export function assertMutable({ impersonator }: SessionRecord): void {
  if (impersonator === undefined) return;
  throw stytchError(400, "session_not_mutable_impersonated", "An impersonated session cannot be changed.");
}
