import type { IncomingMessage } from "node:http";
import { decideVerdict } from "../../../policy/verdict.ts";
import type { AuthorityContext } from "../../context.ts";
import { listSessions, revoke } from "../../revoke.ts";
import { parseSessionId } from "../../session-id.ts";
import { readLiveSession } from "../../sessions.ts";
import { loadSubject } from "../../subject.ts";
import { readOptionalText } from "../read-fields.ts";
import type { Fields } from "../read-fields.ts";
import type { WireAnswer, WireCall } from "../router.ts";
import { notPermitted, sessionNotFound, stytchError } from "./errors.ts";
import { openToken, readSession } from "./session-reference.ts";
import type { StytchTools } from "./tools.ts";

const NAMES = ["member_session_id", "session_token", "session_jwt", "member_id"] as const;

/** `POST /v1/b2b/sessions/revoke`: one session, or all of a member's. One that is over already is no error. */
export async function answerRevoke(tools: StytchTools, call: WireCall): Promise<WireAnswer> {
  const target = await readTarget(tools, call.fields);
  const acting = readActing(call.request);
  if (acting.size > 0) await assertMayRevoke(tools, acting, target);
  await revoke(tools.context, target);
  return tools.envelope.succeed({});
}

type Target = { readonly sessionId: string } | { readonly memberId: string };

async function readTarget({ context, jwts }: StytchTools, fields: Fields): Promise<Target> {
  const given = NAMES.flatMap((name) => {
    const value = readOptionalText(fields, name);
    return value === undefined ? [] : [{ name, value }];
  });
  const [only, ...others] = given;
  if (only === undefined) {
    throw stytchError(400, "no_session_revoke_arguments", `One of ${NAMES.join(", ")} is required.`);
  }
  if (others.length > 0) {
    throw stytchError(
      400,
      "too_many_session_revoke_arguments",
      `Only one of ${NAMES.join(", ")} is allowed.`,
    );
  }
  const { name, value } = only;
  if (name === "member_id") return { memberId: value };
  if (name === "session_token") return { sessionId: (await openToken(context, value)).sessionId };
  if (name === "session_jwt") return { sessionId: (await jwts.check(value)).sessionId };
  if (parseSessionId(value) === undefined) throw sessionNotFound();
  return { sessionId: value };
}

/** The member on whose behalf the backend asks, named in headers. */
function readActing({ headers }: IncomingMessage): Fields {
  const named = { session_token: "x-stytch-member-session", session_jwt: "x-stytch-member-sessionjwt" };
  return new Map(
    Object.entries(named).flatMap(([field, header]) =>
      headers[header] === undefined ? [] : [[field, headers[header]]],
    ),
  );
}

async function organizationsOf(
  context: AuthorityContext,
  target: Target,
): Promise<readonly (string | undefined)[]> {
  if ("sessionId" in target)
    return [(await readLiveSession(context, target.sessionId)).record.organizationId];
  return (await listSessions(context, target)).map(({ organizationId }) => organizationId);
}

/** A member ends their own sessions; those of another in their organization by `stytch.member` `revoke.sessions`. */
async function assertMayRevoke(tools: StytchTools, acting: Fields, target: Target): Promise<void> {
  const { context, policy, jwts } = tools;
  const named = await readSession(context, jwts, acting);
  const { record } = await readLiveSession(context, named.sessionId);
  const organizationId = named.organizationId ?? record.organizationId;
  const subject = await loadSubject(context.directory, record.userId, organizationId);
  if (typeof subject === "string" || subject.place === undefined) throw sessionNotFound();
  const isOwn =
    "memberId" in target ? record.memberIds.includes(target.memberId) : target.sessionId === record.id;
  if (isOwn) return;
  const targets = await organizationsOf(context, target);
  const isNeighbour = targets.every((one) => one === subject.place?.organization.id);
  const question = { resource: "stytch.member", action: "revoke.sessions", source: "store" } as const;
  const { authorized } = decideVerdict({ ...question, policy, roles: subject.place.membership.roles });
  if (!authorized || !isNeighbour) throw notPermitted();
}
