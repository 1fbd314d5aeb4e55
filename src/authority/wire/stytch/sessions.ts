import type { IncomingMessage } from "node:http";
import { StoreUnavailableError } from "../../../errors.ts";
import type { MemberSession } from "../../../model.ts";
import type { Policy } from "../../../policy/policy.ts";
import { decideVerdict } from "../../../policy/verdict.ts";
import { issueAccessToken } from "../../access-token.ts";
import type { DirectoryOrganization, DirectoryUser } from "../../directory.ts";
import type { AmendableSession, AuthorityContext, WireDialect } from "../../context.ts";
import type { SessionRecord } from "../../records.ts";
import { listSessions, revoke } from "../../revoke.ts";
import { isSessionId, makeSessionToken, openSessionToken } from "../../session-id.ts";
import { readLiveSession, useSession } from "../../sessions.ts";
import { type Subject, loadSubject, memberIdOf, rolesOf, toMemberSession } from "../../subject.ts";
import { type Fields, readOptionalObject, readOptionalText } from "../read-fields.ts";
import type { WireAnswer, WireCall } from "../router.ts";
import { notPermitted, sessionNotFound, stytchError, wrongTenant } from "./answers.ts";
import { toMemberBody, toMemberSessionBody, toOrganizationBody } from "./bodies.ts";
import { type SessionJwtCheck, readClaimsChange } from "./claims.ts";
import type { StytchTools } from "./stytch-router.ts";

/** `POST /v1/b2b/sessions/authenticate` */
export async function answerAuthenticate(tools: StytchTools, { fields }: WireCall): Promise<WireAnswer> {
  const { context, jwts, envelope } = tools;
  const terms = readSessionTerms(context, fields);
  const decide = readAuthorizationCheck(context.policy, fields);
  const named = await readSession(context, jwts, fields);
  let verdict: VerdictBody | undefined;
  const { record, subject } = await useSession(amending(context, terms.extend), named.sessionId, {
    rotate: false,
    organizationId: named.organizationId,
    withoutMembership: "end",
    authorize(found, before) {
      const member = assertMember(named, found);
      if (terms.areGiven) assertMutable(before);
      verdict = decide?.(member);
    },
  });
  const { user, organization } = assertMember(named, subject);
  const session = await presentSession(context, {
    memberSession: toMemberSession(record, subject),
    sessionJwt: await issueAccessToken(context, record, subject),
    user,
    organization,
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
  return {
    member_session: toMemberSessionBody(memberSession),
    session_token: sessionToken,
    session_jwt: sessionJwt,
    member: toMemberBody({ memberId, organizationId: organization.id, user, roles }),
    organization: toOrganizationBody(organization),
  };
}

/** The answer to an authorization check; a refusal is thrown. */
export interface VerdictBody {
  readonly authorized: true;
  readonly granting_roles: readonly string[];
}

/**
 * Reads `authorization_check`. The organization is compared with the session's id alone: slugs and external ids are the
 * tenants' own choice.
 *
 * @returns what decides it for a member, by the roles that the directory says now.
 */
export function readAuthorizationCheck(
  policy: Policy | undefined,
  fields: Fields,
): ((member: Required<Subject>) => VerdictBody) | undefined {
  const check = readOptionalObject(fields, "authorization_check");
  if (check === undefined) return undefined;
  const organizationId = readPart(check, "organization_id");
  const resource = readResource(check);
  const action = readPart(check, "action");
  return (member) => {
    if (member.organization.id !== organizationId) throw wrongTenant();
    // Without a policy nobody knows; that is no denial.
    if (policy === undefined) throw new StoreUnavailableError({ reason: "policy_missing" });
    const question = { policy, roles: rolesOf(member), resource, action, source: "store" } as const;
    const { authorized, grantingRoles } = decideVerdict(question);
    if (!authorized) throw notPermitted();
    return { authorized: true, granting_roles: grantingRoles };
  };
}

/** Stytch's reference names it `resource`; its SDKs send `resource_id`. */
function readResource(check: Fields): string {
  const [id, name] = [readOptionalText(check, "resource_id"), readOptionalText(check, "resource")];
  if (id !== undefined && name !== undefined && id !== name) throw invalid("resource_id");
  return id ?? name ?? readPart(check, "resource_id");
}

function readPart(check: Fields, name: string): string {
  const value = readOptionalText(check, name);
  if (value === undefined) throw invalid(name);
  return value;
}

function invalid(name: string): Error {
  return stytchError(400, "invalid_authorization_check", `authorization_check.${name} is required, once.`);
}

/** The session that a request names, and what its credential says of it. */
export interface NamedSession {
  readonly sessionId: string;
  /** Absent for a session token, which says neither. */
  readonly memberId?: string;
  readonly organizationId?: string;
}

/** Reads the session that exactly one of `session_token` and `session_jwt` names. */
export async function readSession(
  context: AuthorityContext,
  jwts: SessionJwtCheck,
  fields: Fields,
): Promise<NamedSession> {
  const token = readOptionalText(fields, "session_token");
  const jwt = readOptionalText(fields, "session_jwt");
  if (token !== undefined && jwt !== undefined) {
    throw stytchError(
      400,
      "too_many_session_arguments",
      "Only one of session_token and session_jwt is allowed.",
    );
  }
  if (jwt !== undefined) return jwts.check(jwt);
  if (token === undefined) {
    throw stytchError(400, "no_session_arguments", "One of session_token and session_jwt is required.");
  }
  return openToken(context, token);
}

/** The session of a session token. */
export async function openToken({ issuer }: AuthorityContext, token: string): Promise<NamedSession> {
  const sessionId = await openSessionToken(issuer, token);
  if (sessionId === undefined) throw sessionNotFound();
  return { sessionId };
}

/** A member session is of a member, in an organization, and of the one that the credential names. */
export function assertMember({ memberId }: NamedSession, subject: Subject): Required<Subject> {
  const { user, membership, organization } = subject;
  if (membership === undefined || organization === undefined) throw sessionNotFound();
  if (memberId !== undefined && memberIdOf(subject) !== memberId) throw sessionNotFound();
  return { user, membership, organization };
}

/** What an impersonator may not change. */
export function assertMutable({ impersonator }: SessionRecord): void {
  if (impersonator === undefined) return;
  throw stytchError(400, "session_not_mutable_impersonated", "An impersonated session cannot be changed.");
}

/** How long a session lasts that a creating endpoint was not told anything about, in seconds. */
const DEFAULT_DURATION = 3600;
const LEAST_MINUTES = 5;
const MOST_MINUTES = 527_040;

/** What a request wants of the session: its duration and its custom claims. */
export interface SessionTerms {
  /** Whether the session would be changed at all. */
  readonly areGiven: boolean;
  /** For a session that exists: extends it, never shortens it. */
  readonly extend: (session: AmendableSession) => AmendableSession;
  /** For a session that begins: 60 minutes, unless the request says otherwise. */
  readonly begin: (session: AmendableSession) => AmendableSession;
}

/** Reads `session_duration_minutes` and `session_custom_claims`. */
export function readSessionTerms({ clock }: AuthorityContext, fields: Fields): SessionTerms {
  const duration = readDuration(fields);
  const change = readClaimsChange(fields);
  const amend = ({ customClaims }: AmendableSession, expiresAt: number): AmendableSession => ({
    customClaims: change === undefined ? customClaims : change(customClaims),
    expiresAt,
  });
  return {
    areGiven: duration !== undefined || change !== undefined,
    extend: (session) => amend(session, Math.max(session.expiresAt, Math.floor(clock()) + (duration ?? 0))),
    begin: (session) => amend(session, Math.floor(clock()) + (duration ?? DEFAULT_DURATION)),
  };
}

/** The context of an operation whose session is amended on its way into the repository. */
export function amending(
  context: AuthorityContext,
  amend: NonNullable<WireDialect["amend"]>,
): AuthorityContext {
  return context.wire === undefined ? context : { ...context, wire: { ...context.wire, amend } };
}

function readDuration(fields: Fields): number | undefined {
  const minutes = fields.get("session_duration_minutes");
  if (minutes === undefined || minutes === null) return undefined;
  const isGood =
    typeof minutes === "number" &&
    Number.isInteger(minutes) &&
    minutes >= LEAST_MINUTES &&
    minutes <= MOST_MINUTES;
  if (isGood) return minutes * 60;
  throw stytchError(
    400,
    "invalid_session_duration_minutes",
    `session_duration_minutes must be a whole number from ${LEAST_MINUTES} to ${MOST_MINUTES}.`,
  );
}

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
  if (!isSessionId(value)) throw sessionNotFound();
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
  if ("sessionId" in target) return [(await readLiveSession(context, target.sessionId)).value.organizationId];
  return (await listSessions(context, target)).map(({ organizationId }) => organizationId);
}

/** A member ends their own sessions; those of another in their organization by `stytch.member` `revoke.sessions`. */
async function assertMayRevoke(tools: StytchTools, acting: Fields, target: Target): Promise<void> {
  const { context, jwts } = tools;
  const named = await readSession(context, jwts, acting);
  const { value: record } = await readLiveSession(context, named.sessionId);
  const organizationId = named.organizationId ?? record.organizationId;
  const subject = await loadSubject(context.directory, record.userId, organizationId);
  if (typeof subject === "string" || subject.organization === undefined) throw sessionNotFound();
  const isOwn =
    "memberId" in target ? record.memberIds.includes(target.memberId) : target.sessionId === record.id;
  if (isOwn) return;
  const targets = await organizationsOf(context, target);
  const isNeighbour = targets.every((one) => one === subject.organization?.id);
  const question = { resource: "stytch.member", action: "revoke.sessions", source: "store" } as const;
  const { authorized } = decideVerdict({ ...question, policy: context.policy, roles: rolesOf(subject) });
  if (!authorized || !isNeighbour) throw notPermitted();
}
