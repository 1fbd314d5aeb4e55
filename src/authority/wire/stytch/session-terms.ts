import type { AuthorityContext } from "../../context.ts";
import type { Amendable, WireDialect } from "../../wire-dialect.ts";
import type { Fields } from "../read-fields.ts";
import { readClaimsChange } from "./custom-claims.ts";
import { stytchError } from "./errors.ts";

/** How long a session lasts that a creating endpoint was not told anything about, in seconds. */
const DEFAULT_DURATION = 3600;
const LEAST_MINUTES = 5;
const MOST_MINUTES = 527_040;

/** What a request wants of the session: its duration and its custom claims. */
export interface SessionTerms {
  /** Whether the session would be changed at all. */
  readonly areGiven: boolean;
  /** For a session that exists: extends it, never shortens it. */
  readonly extend: (session: Amendable) => Amendable;
  /** For a session that begins: 60 minutes, unless the request says otherwise. */
  readonly begin: (session: Amendable) => Amendable;
}

/** Reads `session_duration_minutes` and `session_custom_claims`. */
export function readSessionTerms({ clock }: AuthorityContext, fields: Fields): SessionTerms {
  const duration = readDuration(fields);
  const change = readClaimsChange(fields);
  const amend = ({ customClaims }: Amendable, expiresAt: number): Amendable => ({
    customClaims: change === undefined ? customClaims : change(customClaims),
    expiresAt,
  });
  return {
    areGiven: duration !== undefined || change !== undefined,
    extend: (session) => amend(session, Math.max(session.expiresAt, Math.floor(clock()) + (duration ?? 0))),
    begin: (session) => amend(session, Math.floor(clock()) + (duration ?? DEFAULT_DURATION)),
  };
}

/** The context of an operation whose session is amended on its way into the repository. */
export function amending(
  context: AuthorityContext,
  amend: NonNullable<WireDialect["amend"]>,
): AuthorityContext {
  return context.wire === undefined ? context : { ...context, wire: { ...context.wire, amend } };
}

function readDuration(fields: Fields): number | undefined {
  const minutes = fields.get("session_duration_minutes");
  if (minutes === undefined || minutes === null) return undefined;
  const isGood =
    typeof minutes === "number" &&
    Number.isInteger(minutes) &&
    minutes >= LEAST_MINUTES &&
    minutes <= MOST_MINUTES;
  if (isGood) return minutes * 60;
  throw stytchError(
    400,
    "invalid_session_duration_minutes",
    `session_duration_minutes must be a whole number from ${LEAST_MINUTES} to ${MOST_MINUTES}.`,
  );
}
