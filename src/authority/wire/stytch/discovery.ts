import type { AuthenticationResult } from "../../authentication-result.ts";
import type { AuthorityContext } from "../../context.ts";
import { listMemberships, subjectOf, toMember } from "../../directory.ts";
import type { AuthenticationRecord } from "../../records.ts";
import { replaceSession } from "../../replace-session.ts";
import { readLiveSession } from "../../sessions.ts";
import { authenticateWithOrganizationSelection, requirePending } from "../../sign-in.ts";
import type { Fields } from "../read-fields.ts";
import { toStytchMember, toStytchOrganization } from "./bodies.ts";
import { intermediateSessionNotFound, sessionNotFound } from "./errors.ts";
import { findJoinableOrganizationId, findOrganizationId } from "./organization-names.ts";
import {
  amending,
  assertMutable,
  describeSession,
  readAtMostOne,
  readSession,
  readSessionTerms,
} from "./sessions.ts";
import { describeDiscovered, describeStepUp } from "./step-ups.ts";
import type { Body, StytchHandler, StytchProject } from "./stytch-options.ts";

/** `POST /v1/b2b/discovery/organizations`: the organizations of the user whom one token names. Spends nothing. */
export const answerDiscovery: StytchHandler = async (project, { fields }) => {
  const { directory, clock } = project.context;
  const { userId, session, from, notFound } = await readUser(project, fields);
  const readAt = clock();
  const user = await directory.user(userId);
  if (user === undefined) throw notFound();
  const known = { user, factors: [], readAt };
  const memberships = await listMemberships(directory, userId);
  return {
    email_address: user.emailAddress,
    organization_id_hint: null,
    discovered_organizations: memberships.map((seat) => {
      const subject = subjectOf(project.context, { ...known, ...seat });
      const { organization } = seat;
      return {
        organization: toStytchOrganization(organization),
        membership: {
          type: "active_member",
          details: null,
          member: toStytchMember(toMember(subject), organization.id),
        },
        ...describeDiscovered(project.context, subject, session, from),
      };
    }),
  };
};

const USER_FIELDS = ["intermediate_session_token", "session_token", "session_jwt"] as const;

/** Who looks for organizations, and how they authenticated. */
interface DiscoveringUser {
  readonly userId: string;
  readonly session: AuthenticationRecord;
  /** The organization that the session is in. */
  readonly from: string | undefined;
  readonly notFound: () => Error;
}

async function readUser(project: StytchProject, fields: Fields): Promise<DiscoveringUser> {
  const { context } = project;
  const given = readAtMostOne(fields, USER_FIELDS, "session_arguments");
  if (given?.name === "intermediate_session_token") {
    const { userId, evidence } = await requirePending(context, given.value);
    return { userId, session: evidence, from: undefined, notFound: intermediateSessionNotFound };
  }
  const { sessionId } = await readSession(project, fields);
  const { value: record } = await readLiveSession(context, sessionId);
  const { userId, organizationId: from } = record;
  return { userId, session: record, from, notFound: sessionNotFound };
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
  const { userId } = record;
  const exchanging = replaceSession(
    amending(context, terms.extend),
    { sessionId, userId },
    { organizationId, request: {} },
  );
  return describeExchange(context, exchanging, { userId, organizationId });
};

/** `POST /v1/b2b/discovery/intermediate_sessions/exchange`: the choice of an organization, once. */
export const answerIntermediateExchange: StytchHandler = async ({ context }, { fields }) => {
  const terms = readSessionTerms(context, fields);
  const pendingAuthenticationToken = fields.text("intermediate_session_token");
  const name = fields.text("organization_id");
  const { userId } = await requirePending(context, pendingAuthenticationToken);
  const organizationId = await findJoinableOrganizationId(context, userId, name);
  const choice = { pendingAuthenticationToken, organizationId };
  const choosing = authenticateWithOrganizationSelection(amending(context, terms.begin), choice);
  return describeExchange(context, choosing, { userId, organizationId });
};

/** Describes the session that an exchange opened, or the step that is due before. */
async function describeExchange(
  context: AuthorityContext,
  exchanging: Promise<AuthenticationResult>,
  who: { readonly userId: string; readonly organizationId: string },
): Promise<Body> {
  try {
    return await describeAuthentication(context, await exchanging);
  } catch (error) {
    const stepUp = await describeStepUp(context, error, who);
    if (stepUp === undefined) throw error;
    return stepUp;
  }
}

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
