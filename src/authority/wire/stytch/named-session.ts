import { openSessionToken } from "../../session-id.ts";
import type { Fields } from "../read-fields.ts";
import { sessionNotFound, stytchError } from "./errors.ts";
import type { StytchProject } from "./project.ts";
import type { NamedMemberSession } from "./session-jwt.ts";

const SESSION_FIELDS = ["session_token", "session_jwt"] as const;

/** Reads the session that exactly one of `session_token` and `session_jwt` names. */
export async function readSession(project: StytchProject, fields: Fields): Promise<NamedMemberSession> {
  const { name, value } = readOnly(fields, SESSION_FIELDS, "session_arguments");
  return name === "session_jwt" ? project.jwts.check(value) : openToken(project, value);
}

/** Reads the session of a session token. */
export async function openToken({ context }: StytchProject, token: string): Promise<NamedMemberSession> {
  const sessionId = await openSessionToken(context.issuer, token);
  if (sessionId === undefined) throw sessionNotFound();
  return { sessionId };
}

interface NamedValue<Name> {
  readonly name: Name;
  readonly value: string;
}

/** Reads the one of several fields that a request has; throws `no_<type>` or `too_many_<type>`. */
export function readOnly<Name extends string>(
  fields: Fields,
  names: readonly Name[],
  type: string,
): NamedValue<Name> {
  const only = readAtMostOne(fields, names, type);
  if (only === undefined) throw stytchError(400, `no_${type}`, `One of ${listNames(names)} is required.`);
  return only;
}

/** Reads the one of several fields that a request has, if any; throws `too_many_<type>`. */
export function readAtMostOne<Name extends string>(
  fields: Fields,
  names: readonly Name[],
  type: string,
): NamedValue<Name> | undefined {
  const [first, ...others] = names.flatMap((name) => {
    const value = fields.optionalText(name);
    return value === undefined ? [] : [{ name, value }];
  });
  if (others.length === 0) return first;
  throw stytchError(400, `too_many_${type}`, `Only one of ${listNames(names)} is allowed.`);
}

function listNames(names: readonly string[]): string {
  return names.join(names.length === 2 ? " and " : ", ");
}
