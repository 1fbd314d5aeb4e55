import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { OrgateError } from "../errors.ts";
import { formatTime } from "../lib/clock.ts";
import type { AuthenticationFactor, Impersonator, Member, MemberSession, Organization } from "../model.ts";
import type { Interpretation, VerifiedClaims } from "../store.ts";
import type { Issuer } from "./issuer.ts";
import type { AuthorityContext } from "./context.ts";
import { type SessionRecord, deadlineOf } from "./sessions.ts";
import { ID_BYTES, parseSessionId, toSessionId } from "./session-id.ts";
import { type Subject, memberIdOf } from "./subject.ts";

/** The longest token that goes out; verifiers refuse longer ones undecoded. */
const MAX_TOKEN_LENGTH = 8192;
/** Header, signature (RSA of 4096 bits) and separators. */
const AROUND_CLAIMS = 1024;

/** Signs the access token of a session, acting as the subject given. */
export function issueAccessToken(
  context: AuthorityContext,
  record: SessionRecord,
  subject: Subject,
): Promise<string> {
  return context.issuer.sign(buildClaims(context, record, subject), context.wire?.algorithm);
}

/** Throws `session_too_large` where a token would not be accepted back: before anything is stored. */
export function assertTokenFits(context: AuthorityContext, record: SessionRecord, subject: Subject): void {
  const bytes = Buffer.byteLength(JSON.stringify(buildClaims(context, record, subject)));
  if (Math.ceil((bytes * 4) / 3) + AROUND_CLAIMS <= MAX_TOKEN_LENGTH) return;
  throw new OrgateError("session_too_large", {
    message: "The roles, factors and custom claims of this session do not fit into an access token.",
  });
}

function buildClaims(
  context: AuthorityContext,
  record: SessionRecord,
  subject: Subject,
): Readonly<Record<string, unknown>> {
  const native = buildNativeClaims(context, record, subject);
  return context.wire?.claims(native, record, subject) ?? native;
}

/** What is not a registered claim is nested, so that no custom claim can pass for one of ours. */
function buildNativeClaims(
  { settings, clock }: AuthorityContext,
  record: SessionRecord,
  subject: Subject,
): Record<string, unknown> {
  const { user, place } = subject;
  const issuedAt = Math.floor(clock());
  const [role] = place?.membership.roles ?? [];
  return {
    iss: settings.issuer,
    sub: user.id,
    sid: record.id,
    iat: issuedAt,
    exp: Math.min(
      issuedAt + Math.floor(settings.accessTokenLifetime),
      Math.floor(deadlineOf(record, settings.idleTimeout)),
    ),
    jti: randomBytes(12).toString("base64url"),
    auth_time: record.authenticatedAt,
    ...(place !== undefined && {
      org_id: place.organization.id,
      ...(role !== undefined && { role }),
      roles: place.membership.roles,
      org: { slug: place.organization.slug ?? undefined, name: place.organization.name },
    }),
    ...(record.impersonator !== undefined && {
      act: { sub: record.impersonator.email, reason: record.impersonator.reason },
    }),
    member: { id: memberIdOf(subject), email: user.emailAddress, name: user.name ?? undefined },
    session: {
      started_at: record.startedAt,
      last_accessed_at: record.lastAccessedAt,
      expires_at: record.expiresAt,
      factors: record.authenticationFactors,
      method: record.authenticationMethod,
    },
    ...(record.customClaims !== null && { custom_claims: record.customClaims }),
  };
}

interface SessionClaims {
  readonly started_at: number;
  readonly last_accessed_at: number;
  readonly expires_at: number;
  readonly factors: readonly AuthenticationFactor[];
  readonly method: string;
}

/**
 * Reads the claims of an access token as orgate's model. Pure.
 *
 * @returns `undefined` for whatever is not a session of this authority, down to the type of each claim.
 */
export function interpretClaims(claims: VerifiedClaims): Interpretation | undefined {
  const { sid, auth_time: authenticatedAt, session, custom_claims: customClaims = null } = claims;
  const place = readPlace(claims);
  const impersonator = readImpersonator(claims["act"]);
  if (!isText(sid) || !isTime(authenticatedAt) || !isSession(session)) return undefined;
  if (place === undefined || impersonator === "malformed") return undefined;
  if (customClaims !== null && !isObject(customClaims)) return undefined;
  const member = readMember(claims, place);
  if (member === undefined) return undefined;
  const { organization, roles } = place;
  // Frozen as it is made: a frozen copy of what is not costs many times more.
  const memberSession = Object.freeze<MemberSession>({
    id: sid,
    memberId: member.id,
    ...(organization !== undefined && { organizationId: organization.id }),
    ...(organization?.slug !== undefined && { organizationSlug: organization.slug }),
    startedAt: formatTime(session.started_at),
    lastAccessedAt: formatTime(session.last_accessed_at),
    expiresAt: formatTime(session.expires_at),
    authenticationFactors: session.factors,
    roles,
    customClaims,
    ...(impersonator !== undefined && { impersonator }),
    authenticationMethod: session.method,
  });
  return {
    memberSession,
    member,
    ...(organization !== undefined && { organization }),
    sessionExpiresAt: session.expires_at,
    authenticatedAt,
    isFrozen: true,
  };
}

function readMember({ sub, member }: VerifiedClaims, { organization, roles }: Place): Member | undefined {
  if (!isObject(member)) return undefined;
  const { id, email, name } = member;
  if (!isText(id) || typeof email !== "string" || !isOptionalText(name)) return undefined;
  return Object.freeze<Member>({
    id,
    userId: sub,
    emailAddress: email,
    ...(name !== undefined && { name }),
    ...(organization !== undefined && { organizationId: organization.id }),
    roles,
  });
}

/** Where a session is, and as what. */
interface Place {
  readonly organization?: Organization;
  readonly roles: readonly string[];
}

const NOWHERE: Place = { roles: Object.freeze([]) };

function readPlace({ org_id: id, org, roles }: VerifiedClaims): Place | undefined {
  if (id === undefined && org === undefined && roles === undefined) return NOWHERE;
  if (!isText(id) || !isObject(org) || !isListOf(roles, (role) => typeof role === "string")) return undefined;
  const { slug, name } = org;
  if (typeof name !== "string" || !isOptionalText(slug)) return undefined;
  const organization = Object.freeze<Organization>({ id, ...(slug !== undefined && { slug }), name });
  return { organization, roles };
}

function readImpersonator(act: unknown): Impersonator | undefined | "malformed" {
  if (act === undefined) return undefined;
  if (!isObject(act)) return "malformed";
  const { sub: email, reason } = act;
  if (!isText(email) || !isOptionalText(reason)) return "malformed";
  return Object.freeze<Impersonator>({ email, ...(reason !== undefined && { reason }) });
}

function isSession(value: unknown): value is SessionClaims {
  return (
    isObject(value) &&
    isTime(value["started_at"]) &&
    isTime(value["last_accessed_at"]) &&
    isTime(value["expires_at"]) &&
    isListOf(value["factors"], isFactor) &&
    isText(value["method"])
  );
}

function isFactor(value: unknown): value is AuthenticationFactor {
  return isObject(value) && isText(value["type"]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isOptionalText(value: unknown): value is string | undefined {
  return value === undefined || typeof value === "string";
}

/** What RFC 3339 can write: later than this, a date throws instead of being formatted. */
const LATEST_TIME = 253_402_300_799;

function isTime(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= LATEST_TIME;
}

function isListOf<Item>(value: unknown, isItem: (item: unknown) => item is Item): value is readonly Item[] {
  return Array.isArray(value) && value.every((item) => isItem(item));
}

const PURPOSE = "orgate session token";
const TAG_BYTES = 30;
// A multiple of three bytes: one spelling.
const TOKEN_SHAPE = /^[\w-]{64}$/;

/**
 * Makes the session token: the session's id, and a tag that only holders of the signing keys can make.
 *
 * Nothing of it is stored. It lasts as long as the session, and as the key that was in force when it was made.
 */
export async function makeSessionToken(issuer: Issuer, sessionId: string): Promise<string | undefined> {
  const id = parseSessionId(sessionId);
  const [secret] = await issuer.secrets(PURPOSE);
  if (id === undefined || secret === undefined) return undefined;
  return Buffer.concat([id, tagOf(id, secret)]).toString("base64url");
}

/** The session that a token names; `undefined`: it is none of ours. */
export async function openSessionToken(issuer: Issuer, token: string): Promise<string | undefined> {
  if (!TOKEN_SHAPE.test(token)) return undefined;
  const bytes = Buffer.from(token, "base64url");
  const id = bytes.subarray(0, ID_BYTES);
  const secrets = await issuer.secrets(PURPOSE);
  const isOurs = secrets.some((secret) => timingSafeEqual(bytes.subarray(ID_BYTES), tagOf(id, secret)));
  return isOurs ? toSessionId(id) : undefined;
}

function tagOf(id: Buffer, secret: Buffer): Buffer {
  return createHmac("sha256", secret).update(id).digest().subarray(0, TAG_BYTES);
}
