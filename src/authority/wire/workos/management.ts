import { isString } from "../../../lib/values.ts";
import { invalidRequest } from "../../check-input.ts";
import { listMemberships } from "../../directory.ts";
import { type SessionSummary, listSessions, revoke } from "../../revoke.ts";
import { isSessionId } from "../../secrets.ts";
import { findOrganization } from "../find-organization.ts";
import type { Fields } from "../read-fields.ts";
import type { WireAnswer } from "../router.ts";
import { notFound, parameterMissing } from "./errors.ts";
import type { WorkosHandler } from "./workos-options.ts";

/** `GET /sso/jwks/:client_id`: the public keys that sign the access tokens. */
export const answerClientKeys: WorkosHandler = async ({ context, options }, { segments: [clientId] }) => {
  if (clientId !== options.clientId) throw notFound("Client");
  const { keys } = await context.issuer.jwks();
  return { status: 200, body: { keys: keys.filter(({ alg }) => alg === "RS256") } };
};

/** `GET /user_management/users/:id` */
export const answerUser: WorkosHandler = async ({ context, bodies }, { segments: [userId = ""] }) => {
  const user = await context.directory.user(userId);
  if (user === undefined) throw notFound("User");
  return { status: 200, body: bodies.user(user) };
};

/** `GET /organizations/:id`, also by slug or external id. */
export const answerOrganization: WorkosHandler = async (
  { context, bodies },
  { segments: [organizationId = ""] },
) => {
  const organization = await findOrganization(context, organizationId);
  if (organization === undefined) throw notFound("Organization");
  return { status: 200, body: bodies.organization(organization) };
};

/** `GET /user_management/users/:id/sessions` */
export const answerUserSessions: WorkosHandler = async (
  { context, bodies },
  { segments: [userId = ""], query },
) => {
  if ((await context.directory.user(userId)) === undefined) throw notFound("User");
  const sessions = await listSessions(context, { userId });
  const newestFirst = sessions.toSorted((one, other) => (sortKeyOf(one) < sortKeyOf(other) ? 1 : -1));
  return toPage(
    newestFirst.map((session) => bodies.session(session)),
    query,
  );
};

/** Sessions of the same second need an order too, or cursors would lose some. */
function sortKeyOf({ startedAt = "", id }: SessionSummary): string {
  return `${startedAt} ${id}`;
}

/** `POST /user_management/sessions/revoke`. A session that is over already is no error. */
export const answerSessionRevoke: WorkosHandler = async ({ context }, { fields }) => {
  const sessionId = readRequired(fields, "session_id");
  if (!isSessionId(sessionId)) throw notFound("Session");
  await revoke(context, { sessionId });
  return { status: 200, body: {} };
};

/**
 * `GET /user_management/sessions/logout`: ends the session, and sends the browser to one of `signOutRedirects`.
 *
 * It needs no API key: a session's id cannot be guessed.
 */
export const answerLogout: WorkosHandler = async ({ context, options }, { query }) => {
  const { signOutRedirects = [] } = options;
  const sessionId = readRequired(query, "session_id");
  if (isSessionId(sessionId)) await revoke(context, { sessionId });
  const returnTo = query.optionalText("return_to");
  const location = signOutRedirects.find((address) => address === returnTo) ?? signOutRedirects[0];
  if (location === undefined) return { status: 200, body: { message: "Signed out." } };
  return { status: 302, headers: { Location: location } };
};

/** `GET /user_management/organization_memberships`: the memberships of a user; the directory lists active ones only. */
export const answerMemberships: WorkosHandler = async ({ context, bodies }, { query }) => {
  const userId = readRequired(query, "user_id");
  const organizationId = query.optionalText("organization_id");
  const statuses = [query.get("statuses"), query.get("statuses[]")].flat().filter(isString);
  const isActiveWanted = statuses.length === 0 || statuses.join(",").split(",").includes("active");
  const user = isActiveWanted ? await context.directory.user(userId) : undefined;
  if (user === undefined) return toPage([], query);
  const memberships = await listMemberships(context.directory, userId);
  const wanted = memberships.filter(
    ({ organization }) => organizationId === undefined || organization.id === organizationId,
  );
  return toPage(
    wanted.map((membership) => bodies.membership({ ...membership, user })),
    query,
  );
};

function readRequired(fields: Fields, name: string): string {
  const value = fields.optionalText(name);
  if (value === undefined) throw parameterMissing(name);
  return value;
}

interface Entry {
  readonly id?: unknown;
}

const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 100;

/**
 * Answers with one page of a list by WorkOS's cursors: `limit`, `order`, and `after` or `before` an id.
 *
 * @param newestFirst - the whole list
 */
export function toPage(newestFirst: readonly Entry[], query: Fields): WireAnswer {
  const limit = readLimit(query);
  const after = query.optionalText("after");
  const before = query.optionalText("before");
  const entries = query.optionalText("order") === "asc" ? newestFirst.toReversed() : newestFirst;
  const start = after === undefined ? 0 : indexOf(entries, after) + 1;
  const end = before === undefined ? entries.length : indexOf(entries, before);
  const between = entries.slice(start, end);
  const data = before === undefined ? between.slice(0, limit) : between.slice(-limit);
  const [first, last] = [data[0], data.at(-1)];
  const list_metadata = {
    before: first === undefined || first === entries[0] ? null : first.id,
    after: last === undefined || last === entries.at(-1) ? null : last.id,
  };
  return { status: 200, body: { object: "list", data, list_metadata } };
}

function indexOf(entries: readonly Entry[], id: string): number {
  const index = entries.findIndex((entry) => entry.id === id);
  if (index < 0) throw invalidRequest("after and before must be ids of the list.");
  return index;
}

function readLimit(query: Fields): number {
  const text = query.optionalText("limit") ?? String(DEFAULT_LIMIT);
  const limit = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_LIMIT) throw invalidRequest(`limit must be a number from 1 to ${MAX_LIMIT}.`);
  return limit;
}
