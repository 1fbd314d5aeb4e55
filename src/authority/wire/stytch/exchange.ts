import type { AuthenticationResult } from "../../answers.ts";
import type { AuthorityContext } from "../../context.ts";
import { readPending } from "../../pending.ts";
import { replaceSession } from "../../replace-session.ts";
import { readLiveSession } from "../../sessions.ts";
import { authenticateWithOrganizationSelection } from "../../sign-in.ts";
import { readText } from "../read-fields.ts";
import type { WireAnswer, WireCall } from "../router.ts";
import { presentSession } from "./authenticate.ts";
import { findOrganizationId } from "./find-organization.ts";
import { assertMutable, readSession } from "./session-reference.ts";
import { amending, readSessionTerms } from "./session-terms.ts";
import type { StytchTools } from "./tools.ts";

/** `POST /v1/b2b/sessions/exchange`: the session goes on in another organization, until it would have ended here. */
export async function answerExchange(tools: StytchTools, { fields }: WireCall): Promise<WireAnswer> {
  const { context, jwts } = tools;
  const terms = readSessionTerms(context, fields);
  const name = readText(fields, "organization_id");
  const { sessionId } = await readSession(context, jwts, fields);
  const { record } = await readLiveSession(context, sessionId);
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
  const { userId } = await readPending(context, pendingAuthenticationToken);
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
