import { StoreUnavailableError } from "../../../errors.ts";
import type { MemberSession } from "../../../model.ts";
import { issueAccessToken } from "../../access-token.ts";
import type { AuthorityContext } from "../../context.ts";
import type { DirectoryOrganization, DirectoryUser } from "../../directory.ts";
import { describeMemberSession } from "../../results.ts";
import { makeSessionToken } from "../../session-token.ts";
import { useSession } from "../../use-session.ts";
import type { WireAnswer, WireCall } from "../router.ts";
import { readAuthorizationCheck } from "./authorization-check.ts";
import type { VerdictBody } from "./authorization-check.ts";
import { toMemberBody } from "./member-body.ts";
import { toOrganizationBody } from "./organization-body.ts";
import { toMemberSessionBody } from "./session-body.ts";
import { assertMember, assertMutable, readSession } from "./session-reference.ts";
import { amending, readSessionTerms } from "./session-terms.ts";
import type { StytchTools } from "./tools.ts";
import { sessionNotFound } from "./errors.ts";

/** `POST /v1/b2b/sessions/authenticate` */
export async function answerAuthenticate(tools: StytchTools, { fields }: WireCall): Promise<WireAnswer> {
  const { context, policy, jwts, envelope } = tools;
  const terms = readSessionTerms(context, fields);
  const decide = readAuthorizationCheck(policy, fields);
  const named = await readSession(context, jwts, fields);
  let verdict: VerdictBody | undefined;
  const { record, subject } = await useSession(amending(context, terms.extend), named.sessionId, {
    rotate: false,
    organizationId: named.organizationId,
    withoutMembership: "end",
    authorize(found, before) {
      const { place } = assertMember(named, found);
      if (terms.areGiven) assertMutable(before);
      verdict = decide?.(place);
    },
  });
  const { user, place } = assertMember(named, subject);
  const session = await presentSession(context, {
    memberSession: describeMemberSession(record, subject),
    sessionJwt: await issueAccessToken(context, record, subject),
    user,
    organization: place.organization,
  });
  return envelope.succeed({ ...session, ...(verdict !== undefined && { verdict }) });
}

/** A session with everything that an answer tells of it. */
export interface PresentedSession {
  readonly memberSession: MemberSession;
  readonly sessionJwt: string;
  readonly user: DirectoryUser;
  readonly organization: DirectoryOrganization | undefined;
}

/** The members that all answers with a session have. */
export async function presentSession(
  { issuer }: AuthorityContext,
  { memberSession, sessionJwt, user, organization }: PresentedSession,
): Promise<Record<string, unknown>> {
  if (organization === undefined) throw sessionNotFound();
  const { id, memberId, roles } = memberSession;
  const sessionToken = await makeSessionToken(issuer, id);
  if (sessionToken === undefined) throw new StoreUnavailableError({ reason: "session_unreadable" });
  return {
    member_session: toMemberSessionBody(memberSession),
    session_token: sessionToken,
    session_jwt: sessionJwt,
    member: toMemberBody({ memberId, organizationId: organization.id, user, roles }),
    organization: toOrganizationBody(organization),
  };
}
