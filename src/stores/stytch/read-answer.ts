import type { MemberSession } from "../../model.ts";
import type { JsonObject } from "../json-reply.ts";
import type { SealedSession } from "../session-store.ts";
import { isObject, isText, isTextList } from "../shape.ts";
import { readMember, type StytchMember } from "./member.ts";
import { readOrganization, type StytchOrganization } from "./organization.ts";
import type { SessionIdentity } from "./peek-claims.ts";
import { readSessionFields } from "./session-fields.ts";

/** A session as Stytch has just answered for it. */
export interface SessionAnswer {
  readonly sessionJwt: string;
  readonly sessionToken: string | undefined;
  readonly memberSession: MemberSession;
  readonly member: StytchMember;
  readonly organization: StytchOrganization;
  /** The roles that grant what was asked; `undefined` where Stytch gave no verdict. */
  readonly verdict: { readonly authorized: boolean; readonly grantingRoles: readonly string[] } | undefined;
}

/** Reads an answer with a session; `undefined` for whatever is not complete, or is not of one member. */
export function readSessionAnswer(body: JsonObject): SessionAnswer | undefined {
  const { session_jwt: sessionJwt, session_token: sessionToken, member_session: session } = body;
  if (!isText(sessionJwt) || !isObject(session) || !isObject(body["member"])) return undefined;
  const memberSession = readMemberSession(session);
  const member = memberSession && readMember(body["member"], memberSession.roles);
  const organization = isObject(body["organization"]) ? readOrganization(body["organization"]) : undefined;
  if (memberSession === undefined || member === undefined || organization === undefined) return undefined;
  const isOfOne =
    memberSession.memberId === member.id &&
    memberSession.organizationId === organization.id &&
    member.organizationId === organization.id;
  if (!isOfOne) return undefined;
  return {
    sessionJwt,
    sessionToken: isText(sessionToken) ? sessionToken : undefined,
    memberSession,
    member,
    organization,
    verdict: readVerdict(body["verdict"]),
  };
}

/** Whether an answer is of the session that was asked about, as far as it is known. */
export function isAnswerFor({ memberSession }: SessionAnswer, asked: SessionIdentity): boolean {
  const { memberId, organizationId, sessionId } = asked;
  return (
    (memberId === undefined || memberId === memberSession.memberId) &&
    (organizationId === undefined || organizationId === memberSession.organizationId) &&
    (sessionId === undefined || sessionId === memberSession.id)
  );
}

/** What is sealed of a session; the session token stands in the refresh token's place, and does not rotate. */
export function toCredential({ sessionJwt, sessionToken, member }: SessionAnswer): SealedSession {
  const { id, emailAddress, name, organizationId } = member;
  return {
    accessToken: sessionJwt,
    ...(sessionToken !== undefined && { refreshToken: sessionToken }),
    user: {
      id,
      ...(emailAddress !== undefined && { email: emailAddress }),
      ...(name !== undefined && { name }),
    },
    organizationId,
  };
}

function readMemberSession(session: JsonObject): (MemberSession & { organizationId: string }) | undefined {
  const { member_session_id: id, member_id: memberId, organization_id: organizationId } = session;
  const { organization_slug: slug, custom_claims: custom } = session;
  const fields = readSessionFields(session);
  if (!isText(id) || !isText(memberId) || !isText(organizationId) || fields === undefined) return undefined;
  return {
    id,
    memberId,
    organizationId,
    ...(isText(slug) && { organizationSlug: slug }),
    ...fields,
    customClaims: isObject(custom) && Object.keys(custom).length > 0 ? custom : null,
  };
}

function readVerdict(value: unknown): SessionAnswer["verdict"] {
  if (!isObject(value)) return undefined;
  const { authorized, granting_roles: grantingRoles } = value;
  if (typeof authorized !== "boolean" || !isTextList(grantingRoles)) return undefined;
  return { authorized, grantingRoles };
}
