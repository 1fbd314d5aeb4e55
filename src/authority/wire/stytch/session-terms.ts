import type { AmendableSession, AuthorityContext, WireDialect } from "../../context.ts";
import type { Fields } from "../read-fields.ts";
import { readClaimsChange } from "./custom-claims.ts";
import { stytchError } from "./errors.ts";

/** Seconds that a new session lasts unless the request says otherwise. */
const DEFAULT_DURATION = 3600;
const MIN_MINUTES = 5;
const MAX_MINUTES = 527_040;

/** The duration and the custom claims that a request asks for. */
export interface SessionTerms {
  /** Whether the request asks for either. */
  readonly areGiven: boolean;
  /** Changes an existing session; never shortens it. */
  readonly extend: (session: AmendableSession) => AmendableSession;
  /** Changes a new session. */
  readonly begin: (session: AmendableSession) => AmendableSession;
}

/** Reads `session_duration_minutes` and `session_custom_claims`. */
export function readSessionTerms({ clock }: AuthorityContext, fields: Fields): SessionTerms {
  const duration = readDuration(fields);
  const change = readClaimsChange(fields);
  const amend = ({ customClaims }: AmendableSession, expiresAt: number): AmendableSession => ({
    customClaims: change === undefined ? customClaims : change(customClaims),
    expiresAt,
  });
  return {
    areGiven: duration !== undefined || change !== undefined,
    extend: (session) => amend(session, Math.max(session.expiresAt, Math.floor(clock()) + (duration ?? 0))),
    begin: (session) => amend(session, Math.floor(clock()) + (duration ?? DEFAULT_DURATION)),
  };
}

/** Returns the context of an operation that changes its session before it is stored. */
export function amending(
  context: AuthorityContext,
  amend: NonNullable<WireDialect["amend"]>,
): AuthorityContext {
  return context.wire === undefined ? context : { ...context, wire: { ...context.wire, amend } };
}

function readDuration(fields: Fields): number | undefined {
  const minutes = fields.get("session_duration_minutes") ?? undefined;
  if (minutes === undefined) return undefined;
  const isWhole = typeof minutes === "number" && Number.isInteger(minutes);
  if (isWhole && minutes >= MIN_MINUTES && minutes <= MAX_MINUTES) return minutes * 60;
  throw stytchError(
    400,
    "invalid_session_duration_minutes",
    `session_duration_minutes must be a whole number from ${MIN_MINUTES} to ${MAX_MINUTES}.`,
  );
}
