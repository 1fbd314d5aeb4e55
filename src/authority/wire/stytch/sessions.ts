import { StoreUnavailableError } from "../../../errors.ts";
import type { Policy } from "../../../policy/policy.ts";
import { decideVerdict } from "../../../policy/verdict.ts";
import { issueAccessToken } from "../../access-token.ts";
import type { AuthenticationResult } from "../../authentication-result.ts";
import type { AuthorityContext } from "../../context.ts";
import { listSessions } from "../../revoke.ts";
import type { SessionRecord } from "../../records.ts";
import { makeSessionToken } from "../../session-id.ts";
import { useSession } from "../../sessions.ts";
import { type Subject, memberIdOf, rolesOf, toMemberSession } from "../../subject.ts";
import type { Fields } from "../read-fields.ts";
import { toStytchMember, toStytchMemberSession, toStytchOrganization } from "./bodies.ts";
import { notPermitted, sessionNotFound, stytchError, wrongTenant } from "./errors.ts";
import { readSession } from "./named-session.ts";
import { isNamed } from "./organization-names.ts";
import type { Body, StytchHandler } from "./project.ts";
import type { NamedMemberSession } from "./session-jwt.ts";
import { amending, readSessionTerms } from "./session-terms.ts";

/** `POST /v1/b2b/sessions/authenticate` */
export const answerAuthenticate: StytchHandler = async (project, { fields }) => {
  const { context } = project;
  const terms = readSessionTerms(context, fields);
  const decide = readAuthorizationCheck(context.policy, fields);
  const named = await readSession(project, fields);
  let verdict: Body | undefined;
  const { record, subject } = await useSession(amending(context, terms.extend), named.sessionId, {
    rotate: false,
    organizationId: named.organizationId,
    withoutMembership: "end",
    authorize(found, before) {
      const member = requireMember(named, found);
      if (terms.areGiven) assertMutable(before);
      verdict = decide?.(member);
    },
  });
  const { user, organization } = requireMember(named, subject);
  const session = await describeSession(context, {
    memberSession: toMemberSession(record, subject),
    accessToken: await issueAccessToken(context, record, subject),
    user,
    organization,
  });
  return { ...session, ...(verdict !== undefined && { verdict }) };
};

/** `GET /v1/b2b/sessions`: the live sessions of a member. */
export const answerMemberSessions: StytchHandler = async ({ context }, { query }) => {
  const name = query.text("organization_id");
  const sessions = await listSessions(context, { memberId: query.text("member_id") });
  const organizationId = sessions[0]?.organizationId;
  const organization =
    organizationId === undefined ? undefined : await context.directory.organization(organizationId);
  const isTheirs = organization !== undefined && isNamed(organization, name);
  return { member_sessions: isTheirs ? sessions.map(toStytchMemberSession) : [] };
};

/** Describes a session with its credentials, its member and its organization. */
export async function describeSession(
  { issuer }: AuthorityContext,
  result: Pick<AuthenticationResult, "memberSession" | "accessToken" | "user" | "organization">,
): Promise<Body> {
  const { memberSession, accessToken, user, organization } = result;
  if (organization === undefined) throw sessionNotFound();
  const { id, memberId, roles } = memberSession;
  return {
    member_session: toStytchMemberSession(memberSession),
    session_token: await makeSessionToken(issuer, id),
    session_jwt: accessToken,
    member: toStytchMember({ memberId, organizationId: organization.id, user, roles }),
    organization: toStytchOrganization(organization),
  };
}

/** Refuses to change the session of an impersonator. */
export function assertMutable({ impersonator }: SessionRecord): void {
  if (impersonator === undefined) return;
  throw stytchError(400, "session_not_mutable_impersonated", "An impersonated session cannot be changed.");
}

/** Refuses a session without an organization, or of another member than its credential names. */
function requireMember({ memberId }: NamedMemberSession, subject: Subject): Required<Subject> {
  const { user, membership, organization } = subject;
  const isTheirs = memberId === undefined || memberIdOf(subject) === memberId;
  if (membership === undefined || organization === undefined || !isTheirs) throw sessionNotFound();
  return { user, membership, organization };
}

/**
 * Reads `authorization_check`. The organization is compared with the session's id alone: tenants choose their slugs and
 * external ids themselves.
 *
 * @returns what decides it for a member, by the roles that the directory has now; `undefined` if nothing is asked
 */
function readAuthorizationCheck(
  policy: Policy | undefined,
  fields: Fields,
): ((member: Required<Subject>) => Body) | undefined {
  const check = fields.optionalObject("authorization_check");
  if (check === undefined) return undefined;
  const organizationId = readPart(check, "organization_id");
  const resource = readResource(check);
  const action = readPart(check, "action");
  return (member) => {
    if (member.organization.id !== organizationId) throw wrongTenant();
    // Without a policy the answer is unknown, which is no denial.
    if (policy === undefined) throw new StoreUnavailableError({ reason: "policy_missing" });
    const roles = rolesOf(member);
    const { authorized, grantingRoles } = decideVerdict({ policy, roles, resource, action, source: "store" });
    if (!authorized) throw notPermitted();
    return { authorized: true, granting_roles: grantingRoles };
  };
}

/** Stytch's reference names it `resource`; its SDKs send `resource_id`. */
function readResource(check: Fields): string {
  const [id, name] = [check.optionalText("resource_id"), check.optionalText("resource")];
  if (id !== undefined && name !== undefined && id !== name) throw invalidCheck("resource_id");
  return id ?? name ?? readPart(check, "resource_id");
}

function readPart(check: Fields, name: string): string {
  const value = check.optionalText(name);
  if (value === undefined) throw invalidCheck(name);
  return value;
}

function invalidCheck(name: string): Error {
  return stytchError(400, "invalid_authorization_check", `authorization_check.${name} is required, once.`);
}
