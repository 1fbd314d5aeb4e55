import type { AuthenticationResult } from "../../authentication-result.ts";
import type { AuthorityContext } from "../../context.ts";
import { type DirectoryOrganization, membershipIdOf } from "../../directory.ts";
import { replaceSession } from "../../replace-session.ts";
import { readLiveSession } from "../../sessions.ts";
import { authenticateWithOrganizationSelection, requirePending } from "../../sign-in.ts";
import { listMemberships, rolesOf } from "../../subject.ts";
import { type Fields, readOptionalText, readText } from "../read-fields.ts";
import type { WireAnswer, WireCall } from "../router.ts";
import {
  intermediateSessionNotFound,
  organizationNotFound,
  sessionNotFound,
  stytchError,
} from "./answers.ts";
import { toMemberBody, toOrganizationBody } from "./bodies.ts";
import { amending, assertMutable, presentSession, readSession, readSessionTerms } from "./sessions.ts";
import type { StytchTools } from "./stytch-router.ts";

/** `POST /v1/b2b/discovery/organizations`: the organizations of whoever exactly one token names. Spends nothing. */
export async function answerDiscovery(tools: StytchTools, { fields }: WireCall): Promise<WireAnswer> {
  const { context, envelope } = tools;
  const { userId, isSession } = await identify(tools, fields);
  const user = await context.directory.user(userId);
  if (user === undefined) throw isSession ? sessionNotFound() : intermediateSessionNotFound();
  const memberships = await listMemberships(context.directory, userId);
  return envelope.succeed({
    email_address: user.emailAddress,
    organization_id_hint: null,
    discovered_organizations: memberships.map(({ membership, organization }) => ({
      organization: toOrganizationBody(organization),
      membership: {
        type: "active_member",
        details: null,
        member: toMemberBody({
          memberId: membershipIdOf(membership),
          organizationId: organization.id,
          user,
          roles: rolesOf({ user, membership, organization }),
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
    return { userId: (await requirePending(context, intermediate)).userId, isSession: false };
  }
  return { userId: await ownerOf(context, tools, fields), isSession: true };
}

async function ownerOf(context: AuthorityContext, { jwts }: StytchTools, fields: Fields): Promise<string> {
  const { sessionId } = await readSession(context, jwts, fields);
  return (await readLiveSession(context, sessionId)).value.userId;
}

/** `POST /v1/b2b/sessions/exchange`: the session goes on in another organization, until it would have ended here. */
export async function answerExchange(tools: StytchTools, { fields }: WireCall): Promise<WireAnswer> {
  const { context, jwts } = tools;
  const terms = readSessionTerms(context, fields);
  const name = readText(fields, "organization_id");
  const { sessionId } = await readSession(context, jwts, fields);
  const { value: record } = await readLiveSession(context, sessionId);
  if (terms.areGiven) assertMutable(record);
  const organizationId = await findOrganizationId(context, record.userId, name);
  const result = await replaceSession(
    amending(context, terms.extend),
    { sessionId, userId: record.userId },
    { organizationId, request: {} },
  );
  return present(tools, context, result);
}

/** `POST /v1/b2b/discovery/intermediate_sessions/exchange`: the choice of an organization, once. */
export async function answerIntermediateExchange(
  tools: StytchTools,
  { fields }: WireCall,
): Promise<WireAnswer> {
  const { context } = tools;
  const terms = readSessionTerms(context, fields);
  const pendingAuthenticationToken = readText(fields, "intermediate_session_token");
  const name = readText(fields, "organization_id");
  const { userId } = await requirePending(context, pendingAuthenticationToken);
  const organizationId = await findOrganizationId(context, userId, name);
  const result = await authenticateWithOrganizationSelection(amending(context, terms.begin), {
    pendingAuthenticationToken,
    organizationId,
  });
  return present(tools, context, result);
}

async function present(
  { envelope }: StytchTools,
  context: AuthorityContext,
  { memberSession, accessToken, user, organization }: AuthenticationResult,
): Promise<WireAnswer> {
  const named = organization === undefined ? undefined : { ...organization, name: organization.name ?? "" };
  const session = await presentSession(context, {
    memberSession,
    sessionJwt: accessToken,
    user,
    organization: named,
  });
  return envelope.succeed({
    ...session,
    member_id: memberSession.memberId,
    member_authenticated: true,
    intermediate_session_token: "",
    mfa_required: null,
    primary_required: null,
  });
}

/**
 * The id of the organization that an id, a slug or an external id names, among the user's own.
 *
 * An id comes before a slug, and a slug before an external id; a name that two organizations have is nobody's.
 */
export async function findOrganizationId(
  context: AuthorityContext,
  userId: string,
  name: string,
): Promise<string> {
  const memberships = await listMemberships(context.directory, userId);
  const organizations = memberships.map(({ organization }) => organization);
  for (const key of ["id", "slug", "externalId"]) {
    const [found, ...others] = organizations.filter((organization) => organization[key] === name);
    if (found !== undefined && others.length === 0) return found.id;
    if (found !== undefined) throw organizationNotFound();
  }
  throw organizationNotFound();
}

/** Whether an organization goes by the name: its id, its slug or its external id. */
export function isNamed(organization: DirectoryOrganization, name: string): boolean {
  return [organization.id, organization.slug, organization["externalId"]].includes(name);
}
