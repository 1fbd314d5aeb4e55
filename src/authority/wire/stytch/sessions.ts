import type { IncomingMessage } from "node:http";
import { StoreUnavailableError } from "../../../errors.ts";
import { type Policy, decideVerdict } from "../../../policy/policy.ts";
import { issueAccessToken } from "../../access-token.ts";
import type { AuthenticationResult } from "../../authentication-result.ts";
import type { AmendableSession, AuthorityContext, WireDialect } from "../../context.ts";
import {
  type Subject,
  loadSubject,
  memberIdOf,
  rolesOf,
  toMemberSession,
  toProfile,
} from "../../directory.ts";
import type { SessionRecord } from "../../records.ts";
import { listSessions, revoke } from "../../revoke.ts";
import { isSessionId, makeSessionToken, openSessionToken } from "../../secrets.ts";
import { readLiveSession, useSession } from "../../sessions.ts";
import { Fields } from "../read-fields.ts";
import { toStytchMember, toStytchMemberSession, toStytchOrganization } from "./bodies.ts";
import { readClaimsChange } from "./custom-claims.ts";
import { notPermitted, sessionNotFound, stytchError, wrongTenant } from "./errors.ts";
import { isNamed } from "./organization-names.ts";
import type { NamedMemberSession } from "./session-jwt.ts";
import type { Body, StytchHandler, StytchProject } from "./stytch-options.ts";

/** `POST /v1/b2b/sessions/authenticate` */
export const answerAuthenticate: StytchHandler = async (project, { fields }) => {
  const { context } = project;
  const terms = readSessionTerms(context, fields);
  const decide = readAuthorizationCheck(context.policy, fields);
  const named = await readSession(project, fields);
  let verdict: Body | undefined;
  const { record, subject, claims } = await useSession(amending(context, terms.extend), named.sessionId, {
    rotate: false,
    organizationId: named.organizationId,
    withoutMembership: "end",
    authorize(found, before) {
      const member = requireMember(named, found);
      if (terms.areGiven) assertMutable(before);
      verdict = decide?.(member);
    },
  });
  const session = await describeSession(context, {
    memberSession: toMemberSession(record, subject),
    accessToken: await issueAccessToken(context, claims),
    ...toProfile(requireMember(named, subject)),
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

/** What is told of a session. */
type DescribedSession = Pick<
  AuthenticationResult,
  "memberSession" | "accessToken" | "member" | "organization"
>;

/** Describes a session with its credentials, its member and its organization. */
export async function describeSession(
  { issuer }: AuthorityContext,
  { memberSession, accessToken, member, organization }: DescribedSession,
): Promise<Body> {
  if (organization === undefined) throw sessionNotFound();
  return {
    member_session: toStytchMemberSession(memberSession),
    session_token: await makeSessionToken(issuer, memberSession.id),
    session_jwt: accessToken,
    member: toStytchMember(member, organization.id),
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
  const { membership, organization } = subject;
  const isTheirs = memberId === undefined || memberIdOf(subject) === memberId;
  if (membership === undefined || organization === undefined || !isTheirs) throw sessionNotFound();
  return { ...subject, membership, organization };
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

const SESSION_FIELDS = ["session_token", "session_jwt"] as const;

/** Reads the session that exactly one of `session_token` and `session_jwt` names. */
export async function readSession(project: StytchProject, fields: Fields): Promise<NamedMemberSession> {
  const { name, value } = readOnly(fields, SESSION_FIELDS, "session_arguments");
  return name === "session_jwt" ? project.jwts.check(value) : openToken(project, value);
}

/** Reads the session of a session token. */
export async function openToken({ context }: StytchProject, token: string): Promise<NamedMemberSession> {
  const sessionId = await openSessionToken(context.issuer, token);
  if (sessionId === undefined) throw sessionNotFound();
  return { sessionId };
}

interface NamedValue<Name> {
  readonly name: Name;
  readonly value: string;
}

/** Reads the one of several fields that a request has; throws `no_<type>` or `too_many_<type>`. */
export function readOnly<Name extends string>(
  fields: Fields,
  names: readonly Name[],
  type: string,
): NamedValue<Name> {
  const only = readAtMostOne(fields, names, type);
  if (only === undefined) throw stytchError(400, `no_${type}`, `One of ${listNames(names)} is required.`);
  return only;
}

/** Reads the one of several fields that a request has, if any; throws `too_many_<type>`. */
export function readAtMostOne<Name extends string>(
  fields: Fields,
  names: readonly Name[],
  type: string,
): NamedValue<Name> | undefined {
  const [first, ...others] = names.flatMap((name) => {
    const value = fields.optionalText(name);
    return value === undefined ? [] : [{ name, value }];
  });
  if (others.length === 0) return first;
  throw stytchError(400, `too_many_${type}`, `Only one of ${listNames(names)} is allowed.`);
}

function listNames(names: readonly string[]): string {
  return names.join(names.length === 2 ? " and " : ", ");
}

/** Seconds that a new session lasts unless the request says otherwise. */
const DEFAULT_DURATION = 3600;
const MIN_MINUTES = 5;
const MAX_MINUTES = 527_040;

/** The duration and the custom claims that a request asks for. */
export interface SessionTerms {
  /** Whether the request asks for either. */
  readonly areGiven: boolean;
  /** Changes an existing session; never shortens it. */
  readonly extend: (session: AmendableSession) => AmendableSession;
  /** Changes a new session. */
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

/** Returns the context of an operation that changes its session before it is stored. */
export function amending(
  context: AuthorityContext,
  amend: NonNullable<WireDialect["amend"]>,
): AuthorityContext {
  return context.wire === undefined ? context : { ...context, wire: { ...context.wire, amend } };
}

function readDuration(fields: Fields): number | undefined {
  const minutes = fields.get("session_duration_minutes") ?? undefined;
  if (minutes === undefined) return undefined;
  const isWhole = typeof minutes === "number" && Number.isInteger(minutes);
  if (isWhole && minutes >= MIN_MINUTES && minutes <= MAX_MINUTES) return minutes * 60;
  throw stytchError(
    400,
    "invalid_session_duration_minutes",
    `session_duration_minutes must be a whole number from ${MIN_MINUTES} to ${MAX_MINUTES}.`,
  );
}

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
  const subject = await loadSubject(context, record.userId, organizationId, record.authenticationFactors);
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
