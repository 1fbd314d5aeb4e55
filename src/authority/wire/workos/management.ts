import { invalidRequest } from "../../check-input.ts";
import type { SessionSummary } from "../../operations.ts";
import type { AuthorityContext } from "../../options.ts";
import { listSessions, revoke } from "../../revoke.ts";
import { parseSessionId } from "../../session-id.ts";
import { type Fields, WireRefusal, fieldsOfQuery, readOptionalText } from "../read-fields.ts";
import type { WireAnswer, WireCall } from "../router.ts";
import { toMembershipBody, toOrganizationBody, toSessionBody, toUserBody } from "./bodies.ts";
import { notFound } from "./errors.ts";
import type { WorkosRouterOptions } from "./workos-options.ts";

/** `GET /user_management/users/:id` */
export async function answerUser(
  { directory }: AuthorityContext,
  { segments: [userId = ""] }: WireCall,
): Promise<WireAnswer> {
  const user = await directory.user(userId);
  if (user === undefined) throw notFound("User");
  return { status: 200, body: toUserBody(user) };
}

/** `GET /organizations/:id` */
export async function answerOrganization(
  { directory }: AuthorityContext,
  { segments: [organizationId = ""] }: WireCall,
): Promise<WireAnswer> {
  const organization = await directory.organization(organizationId);
  if (organization === undefined) throw notFound("Organization");
  return { status: 200, body: toOrganizationBody(organization) };
}

/** `GET /user_management/users/:id/sessions` */
export async function answerSessions(
  context: AuthorityContext,
  { segments: [userId = ""], query }: WireCall,
): Promise<WireAnswer> {
  if ((await context.directory.user(userId)) === undefined) throw notFound("User");
  const sessions = await listSessions(context, { userId });
  const newestFirst = sessions.toSorted((one, other) => (placeOf(one) < placeOf(other) ? 1 : -1));
  return toPage(newestFirst.map(toSessionBody), fieldsOfQuery(query));
}

/** Sessions of the same second have an order too, or cursors would lose some. */
function placeOf({ startedAt = "", id }: SessionSummary): string {
  return `${startedAt} ${id}`;
}

/** `POST /user_management/sessions/revoke`. A session that is over already is no error. */
export async function answerRevoke(context: AuthorityContext, { fields }: WireCall): Promise<WireAnswer> {
  const sessionId = readOptionalText(fields, "session_id");
  if (sessionId === undefined) throw unprocessable("session_id", "session_id is required.");
  if (parseSessionId(sessionId) === undefined) throw notFound("Session");
  await revoke(context, { sessionId });
  return { status: 200, body: {} };
}

/**
 * `GET /user_management/sessions/logout`: ends the session, and sends the browser to an address of the list.
 *
 * Whoever knows a session's id may end it: nobody can guess one.
 */
export async function answerLogout(
  context: AuthorityContext,
  { signOutRedirects = [] }: WorkosRouterOptions,
  { query }: WireCall,
): Promise<WireAnswer> {
  const asked = fieldsOfQuery(query);
  const sessionId = readOptionalText(asked, "session_id");
  if (sessionId === undefined) throw unprocessable("session_id", "session_id is required.");
  if (parseSessionId(sessionId) !== undefined) await revoke(context, { sessionId });
  const returnTo = readOptionalText(asked, "return_to");
  const location = signOutRedirects.find((address) => address === returnTo) ?? signOutRedirects[0];
  if (location === undefined) return { status: 200, body: { message: "Signed out." } };
  return { status: 302, headers: { Location: location } };
}

/** `GET /user_management/organization_memberships`: what the directory can list, the active ones of a user. */
export async function answerMemberships(context: AuthorityContext, { query }: WireCall): Promise<WireAnswer> {
  const asked = fieldsOfQuery(query);
  const userId = readOptionalText(asked, "user_id");
  if (userId === undefined) throw unprocessable("user_id", "user_id is required.");
  const organizationId = readOptionalText(asked, "organization_id");
  const statuses = [...query.getAll("statuses"), ...query.getAll("statuses[]")].flatMap((list) =>
    list.split(","),
  );
  if (statuses.length > 0 && !statuses.includes("active")) return toPage([], asked);
  const memberships = await context.directory.memberships(userId);
  const wanted = memberships.filter(
    (one) => organizationId === undefined || one.organizationId === organizationId,
  );
  const entries = await Promise.all(
    wanted.map(async (membership) => {
      const organization = await context.directory.organization(membership.organizationId);
      return organization === undefined ? undefined : toMembershipBody(membership, organization);
    }),
  );
  return toPage(
    entries.filter((entry) => entry !== undefined),
    asked,
  );
}

function unprocessable(field: string, message: string): WireRefusal {
  const errors = [{ field, code: "required" }];
  return new WireRefusal({ status: 422, body: { code: "invalid_request_parameters", message, errors } });
}

interface Entry {
  readonly id?: unknown;
}

const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 100;

/** One page of a list, newest first, by WorkOS's cursors: `limit`, `order`, and `after` or `before` an id. */
export function toPage(entries: readonly Entry[], query: Fields): WireAnswer {
  const limit = readLimit(query);
  const after = readOptionalText(query, "after");
  const before = readOptionalText(query, "before");
  const order = readOptionalText(query, "order") ?? "desc";
  const ordered = order === "asc" ? entries.toReversed() : entries;
  const start = after === undefined ? 0 : indexOf(ordered, after) + 1;
  const end = before === undefined ? ordered.length : indexOf(ordered, before);
  const within = ordered.slice(start, end);
  const data = before === undefined ? within.slice(0, limit) : within.slice(-limit);
  const first = ordered.indexOf(data[0] ?? {});
  const hasBefore = data.length > 0 && first > 0;
  const hasAfter = data.length > 0 && first + data.length < ordered.length;
  return {
    status: 200,
    body: {
      object: "list",
      data,
      list_metadata: {
        before: hasBefore ? data[0]?.id : null,
        after: hasAfter ? data.at(-1)?.id : null,
      },
    },
  };
}

function indexOf(entries: readonly Entry[], id: string): number {
  const index = entries.findIndex((entry) => entry.id === id);
  if (index < 0) throw invalidRequest("after and before must be ids of the list.");
  return index;
}

function readLimit(query: Fields): number {
  const text = readOptionalText(query, "limit");
  if (text === undefined) return DEFAULT_LIMIT;
  const limit = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_LIMIT) throw invalidRequest(`limit must be a number from 1 to ${MAX_LIMIT}.`);
  return limit;
}
