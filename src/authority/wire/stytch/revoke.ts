import type { IncomingMessage } from "node:http";
import { decideVerdict } from "../../../policy/verdict.ts";
import type { AuthorityContext } from "../../context.ts";
import { listSessions, revoke } from "../../revoke.ts";
import { readLiveSession } from "../../sessions.ts";
import { isSessionId } from "../../session-id.ts";
import { loadSubject, rolesOf } from "../../subject.ts";
import { Fields } from "../read-fields.ts";
import { notPermitted, sessionNotFound } from "./errors.ts";
import { openToken, readOnly, readSession } from "./named-session.ts";
import type { StytchProject, StytchHandler } from "./project.ts";

/** `POST /v1/b2b/sessions/revoke`: one session, or all of a member's. One that is over already is no error. */
export const answerRevoke: StytchHandler = async (project, { request, fields }) => {
  const target = await readTarget(project, fields);
  const acting = readActingMember(request);
  if (acting !== undefined) await assertMayRevoke(project, acting, target);
  await revoke(project.context, target);
  return {};
};

type Target = { readonly sessionId: string } | { readonly memberId: string };

const TARGET_FIELDS = ["member_session_id", "session_token", "session_jwt", "member_id"] as const;

async function readTarget(project: StytchProject, fields: Fields): Promise<Target> {
  const { name, value } = readOnly(fields, TARGET_FIELDS, "session_revoke_arguments");
  switch (name) {
    case "member_id":
      return { memberId: value };
    case "session_token":
      return { sessionId: (await openToken(project, value)).sessionId };
    case "session_jwt":
      return { sessionId: (await project.jwts.check(value)).sessionId };
    default:
      if (!isSessionId(value)) throw sessionNotFound();
      return { sessionId: value };
  }
}

/** Reads the credential, in a header, of the member on whose behalf the backend asks. */
function readActingMember({ headers }: IncomingMessage): Fields | undefined {
  const token = headers["x-stytch-member-session"];
  const jwt = headers["x-stytch-member-sessionjwt"];
  if (token === undefined && jwt === undefined) return undefined;
  return new Fields([
    ["session_token", token],
    ["session_jwt", jwt],
  ]);
}

/** Members may end their own sessions; those of others in their organization by `revoke.sessions` on `stytch.member`. */
async function assertMayRevoke(project: StytchProject, acting: Fields, target: Target): Promise<void> {
  const { context } = project;
  const named = await readSession(project, acting);
  const { value: record } = await readLiveSession(context, named.sessionId);
  const organizationId = named.organizationId ?? record.organizationId;
  const subject = await loadSubject(context.directory, record.userId, organizationId);
  if (typeof subject === "string" || subject.organization === undefined) throw sessionNotFound();
  const isOwn =
    "memberId" in target ? record.memberIds.includes(target.memberId) : target.sessionId === record.id;
  if (isOwn) return;
  const { organization } = subject;
  const organizationIds = await listOrganizationIds(context, target);
  const { authorized } = decideVerdict({
    policy: context.policy,
    roles: rolesOf(subject),
    resource: "stytch.member",
    action: "revoke.sessions",
    source: "store",
  });
  if (!authorized || !organizationIds.every((id) => id === organization.id)) throw notPermitted();
}

/** Lists the organizations that the sessions to revoke are in. */
async function listOrganizationIds(
  context: AuthorityContext,
  target: Target,
): Promise<readonly (string | undefined)[]> {
  const sessions =
    "sessionId" in target
      ? [(await readLiveSession(context, target.sessionId)).value]
      : await listSessions(context, target);
  return sessions.map(({ organizationId }) => organizationId);
}
