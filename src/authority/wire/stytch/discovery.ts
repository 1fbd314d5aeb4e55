import type { AuthorityContext } from "../../context.ts";
import { readPending } from "../../pending.ts";
import { readLiveSession } from "../../sessions.ts";
import { idOfMembership } from "../../subject.ts";
import { readOptionalText } from "../read-fields.ts";
import type { Fields } from "../read-fields.ts";
import type { WireAnswer, WireCall } from "../router.ts";
import { intermediateSessionNotFound, sessionNotFound, stytchError } from "./errors.ts";
import { listPlaces } from "./find-organization.ts";
import { toMemberBody } from "./member-body.ts";
import { toOrganizationBody } from "./organization-body.ts";
import { readSession } from "./session-reference.ts";
import type { StytchTools } from "./tools.ts";

/** `POST /v1/b2b/discovery/organizations`: the organizations of whoever exactly one token names. Spends nothing. */
export async function answerDiscovery(tools: StytchTools, { fields }: WireCall): Promise<WireAnswer> {
  const { context, envelope } = tools;
  const { userId, isSession } = await identify(tools, fields);
  const user = await context.directory.user(userId);
  if (user === undefined) throw isSession ? sessionNotFound() : intermediateSessionNotFound();
  const places = await listPlaces(context, userId);
  return envelope.succeed({
    email_address: user.emailAddress,
    organization_id_hint: null,
    discovered_organizations: places.map(({ membership, organization }) => ({
      organization: toOrganizationBody(organization),
      membership: {
        type: "active_member",
        details: null,
        member: toMemberBody({
          memberId: idOfMembership(membership),
          organizationId: organization.id,
          user,
          roles: membership.roles,
        }),
      },
      member_authenticated: true,
      mfa_required: null,
      primary_required: null,
    })),
  });
}

async function identify(tools: StytchTools, fields: Fields): Promise<{ userId: string; isSession: boolean }> {
  const names = ["intermediate_session_token", "session_token", "session_jwt"];
  const given = names.filter((name) => readOptionalText(fields, name) !== undefined);
  if (given.length > 1) {
    throw stytchError(400, "too_many_session_arguments", `Only one of ${names.join(", ")} is allowed.`);
  }
  const { context } = tools;
  const intermediate = readOptionalText(fields, "intermediate_session_token");
  if (intermediate !== undefined) {
    return { userId: (await readPending(context, intermediate)).userId, isSession: false };
  }
  return { userId: await ownerOf(context, tools, fields), isSession: true };
}

async function ownerOf(context: AuthorityContext, { jwts }: StytchTools, fields: Fields): Promise<string> {
  const { sessionId } = await readSession(context, jwts, fields);
  return (await readLiveSession(context, sessionId)).record.userId;
}
