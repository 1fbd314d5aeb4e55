import type { AuthenticationResult } from "../../authentication-result.ts";
import type { AuthorityContext } from "../../context.ts";
import { listMemberships, toMember } from "../../directory.ts";
import { replaceSession } from "../../replace-session.ts";
import { readLiveSession } from "../../sessions.ts";
import { authenticateWithOrganizationSelection, requirePending } from "../../sign-in.ts";
import type { Fields } from "../read-fields.ts";
import { toStytchMember, toStytchOrganization } from "./bodies.ts";
import { intermediateSessionNotFound, sessionNotFound } from "./errors.ts";
import { findOrganizationId } from "./organization-names.ts";
import {
  amending,
  assertMutable,
  describeSession,
  readAtMostOne,
  readSession,
  readSessionTerms,
} from "./sessions.ts";
import type { Body, StytchHandler, StytchProject } from "./stytch-options.ts";

/** `POST /v1/b2b/discovery/organizations`: the organizations of the user whom one token names. Spends nothing. */
export const answerDiscovery: StytchHandler = async (project, { fields }) => {
  const { directory, clock, policy } = project.context;
  const { userId, notFound } = await readUser(project, fields);
  const readAt = clock();
  const user = await directory.user(userId);
  if (user === undefined) throw notFound();
  const known = { user, factors: [], memberRoles: policy?.memberRoles ?? [], readAt };
  const memberships = await listMemberships(directory, userId);
  return {
    email_address: user.emailAddress,
    organization_id_hint: null,
    discovered_organizations: memberships.map(({ membership, organization }) => ({
      organization: toStytchOrganization(organization),
      membership: {
        type: "active_member",
        details: null,
        member: toStytchMember(toMember({ ...known, membership, organization }), organization.id),
      },
      member_authenticated: true,
      mfa_required: null,
      primary_required: null,
    })),
  };
};

const USER_FIELDS = ["intermediate_session_token", "session_token", "session_jwt"] as const;

async function readUser(
  project: StytchProject,
  fields: Fields,
): Promise<{ readonly userId: string; readonly notFound: () => Error }> {
  const { context } = project;
  const given = readAtMostOne(fields, USER_FIELDS, "session_arguments");
  if (given?.name === "intermediate_session_token") {
    const { userId } = await requirePending(context, given.value);
    return { userId, notFound: intermediateSessionNotFound };
  }
  const { sessionId } = await readSession(project, fields);
  const { value: record } = await readLiveSession(context, sessionId);
  return { userId: record.userId, notFound: sessionNotFound };
}

/** `POST /v1/b2b/sessions/exchange`: continues the session in another organization; its end stays the same. */
export const answerExchange: StytchHandler = async (project, { fields }) => {
  const { context } = project;
  const terms = readSessionTerms(context, fields);
  const name = fields.text("organization_id");
  const { sessionId } = await readSession(project, fields);
  const { value: record } = await readLiveSession(context, sessionId);
  if (terms.areGiven) assertMutable(record);
  const organizationId = await findOrganizationId(context, record.userId, name);
  const result = await replaceSession(
    amending(context, terms.extend),
    { sessionId, userId: record.userId },
    { organizationId, request: {} },
  );
  return describeAuthentication(context, result);
};

/** `POST /v1/b2b/discovery/intermediate_sessions/exchange`: the choice of an organization, once. */
export const answerIntermediateExchange: StytchHandler = async ({ context }, { fields }) => {
  const terms = readSessionTerms(context, fields);
  const pendingAuthenticationToken = fields.text("intermediate_session_token");
  const name = fields.text("organization_id");
  const { userId } = await requirePending(context, pendingAuthenticationToken);
  const organizationId = await findOrganizationId(context, userId, name);
  const choice = { pendingAuthenticationToken, organizationId };
  const result = await authenticateWithOrganizationSelection(amending(context, terms.begin), choice);
  return describeAuthentication(context, result);
};

async function describeAuthentication(
  context: AuthorityContext,
  result: AuthenticationResult,
): Promise<Body> {
  return {
    ...(await describeSession(context, result)),
    member_id: result.memberSession.memberId,
    member_authenticated: true,
    intermediate_session_token: "",
    mfa_required: null,
    primary_required: null,
  };
}
