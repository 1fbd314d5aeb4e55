import { randomBytes } from "node:crypto";
import { OrgateError, StoreUnavailableError } from "../errors.ts";
import { formatTime } from "../lib/clock.ts";
import type { AuthenticationFactor, Impersonator, MemberSession } from "../model.ts";
import { assertTokenFits } from "./access-token.ts";
import type { RequestOrigin } from "./operations.ts";
import type { AuthorityContext } from "./context.ts";
import {
  type ParsedRefreshToken,
  type Predecessor,
  type RefreshFamily,
  mintRefreshToken,
} from "./refresh-token.ts";
import type { WriteOptions } from "./repository.ts";
import { makeSessionId, parseSessionId } from "./session-id.ts";
import { type Subject, memberIdOf } from "./subject.ts";
import { type WireClient, isWireClient, mayUse } from "./wire-client.ts";

/** How often a decision is made anew after somebody else's write came first. */
const MAX_ATTEMPTS = 512;

/** Why a session is over. */
export type EndReason =
  | "revoked"
  | "expired"
  | "idle"
  | "reuse_detected"
  | "membership_removed"
  | "user_removed";

/** The session has ended. */
export function sessionEnded(reason: EndReason): OrgateError {
  return new OrgateError("session_revoked", { reason });
}

/** What a new session takes from the sign-in, or from the session before it. */
export type SessionOrigin = Omit<
  SessionRecord,
  "version" | "id" | "userId" | "organizationId" | "memberIds" | "lastAccessedAt" | "family"
>;

/** Stores a new session under a new id; answers with it and with its first refresh token. */
export async function openSession(
  context: AuthorityContext,
  subject: Subject,
  origin: SessionOrigin,
): Promise<{ record: SessionRecord; refreshToken: ParsedRefreshToken }> {
  const id = makeSessionId();
  const key = randomBytes(32).toString("base64url");
  const refreshToken = mintRefreshToken(bytesOf(id), 0, key);
  const client = origin.client ?? context.wire?.client;
  const record: SessionRecord = {
    ...origin,
    ...context.wire?.amend?.(origin),
    ...(client !== undefined && { client }),
    version: 1,
    id,
    userId: subject.user.id,
    ...(subject.place !== undefined && { organizationId: subject.place.organization.id }),
    memberIds: [memberIdOf(subject)],
    lastAccessedAt: Math.floor(context.clock()),
    family: { key, generation: 0, current: refreshToken.hash, predecessors: [] },
  };
  assertTokenFits(context, record, subject);
  const isNew = await context.repository.insert("sessions", id, record, writeOptionsOf(record));
  if (!isNew) throw new StoreUnavailableError({ reason: "session_id_taken" });
  return { record, refreshToken };
}

/** The bytes of an id that {@link makeSessionId} made. */
export function bytesOf(sessionId: string): Buffer {
  const bytes = parseSessionId(sessionId);
  if (bytes === undefined) throw new StoreUnavailableError({ reason: "session_unreadable" });
  return bytes;
}

/** Reads a session that is alive; throws `session_revoked` where it is not, `invalid_token` where it is another client's. */
export async function readLiveSession(
  context: AuthorityContext,
  sessionId: string,
): Promise<{ record: SessionRecord; version: number }> {
  if (parseSessionId(sessionId) === undefined) throw sessionEnded("revoked");
  const found = await context.repository.read("sessions", sessionId);
  if (found === undefined) throw sessionEnded("revoked");
  const record = readSessionRecord(sessionId, found.value);
  if (record === undefined) {
    // Not ours to repair or to delete: it is no session, and somebody should look at it.
    context.events.emit({ type: "misconfigured", reason: "session_unreadable" });
    throw sessionEnded("revoked");
  }
  if (!mayUse(record.client, context.wire?.client)) throw new OrgateError("invalid_token");
  const end = findEnd(record, context.clock(), context.settings.idleTimeout);
  if (end === undefined) return { record, version: found.version };
  await removeSession(context, sessionId);
  throw sessionEnded(end);
}

/** What was decided of a session: its answer, and the record to store unless nothing changed. */
export interface Decision<Answer> {
  readonly answer: Answer;
  readonly record: SessionRecord;
}

/**
 * Reads, decides, and writes by compare-and-set; where somebody wrote in between, decides anew on what they wrote.
 *
 * This is the one place where a live session changes: rotation, extension and access all meet at the record's version,
 * and a session that was ended meanwhile is never written back.
 */
export async function changeSession<Answer>(
  context: AuthorityContext,
  sessionId: string,
  decide: (record: SessionRecord) => Decision<Answer> | Promise<Decision<Answer>>,
): Promise<Decision<Answer>> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const { record, version } = await readLiveSession(context, sessionId);
    const decision = await decide(record);
    if (decision.record === record) return decision;
    const options = writeOptionsOf(decision.record);
    const { repository } = context;
    if (await repository.compareAndSet("sessions", sessionId, version, decision.record, options)) {
      return decision;
    }
  }
  throw new StoreUnavailableError({ reason: "contention", retryAfter: 1 });
}

/** Ends a session; of several at once, exactly one is told `true`. Its tokens are asked about from now on. */
export async function removeSession(context: AuthorityContext, sessionId: string): Promise<boolean> {
  const ended = await context.repository.consume("sessions", sessionId);
  context.invalidations.announce({ sessionId });
  return ended !== undefined;
}

/** One session as it is stored. Times are whole seconds since the epoch. */
export interface SessionRecord {
  readonly version: 1;
  readonly id: string;
  readonly userId: string;
  /** The organization used most recently; absent while the user has none. */
  readonly organizationId?: string;
  /** Every member that the session acts or has acted as, the current one first: revoking any of them ends it. */
  readonly memberIds: readonly string[];
  readonly authenticationMethod: string;
  readonly authenticationFactors: readonly AuthenticationFactor[];
  readonly impersonator?: Impersonator;
  readonly customClaims: Readonly<Record<string, unknown>> | null;
  /** The wire's client that it was opened for; absent for the application's own sessions. */
  readonly client?: WireClient;
  readonly ipAddress?: string;
  readonly userAgent?: string;
  /** When the member authenticated; unchanged by renewals, moved by a step-up. */
  readonly authenticatedAt: number;
  readonly startedAt: number;
  readonly lastAccessedAt: number;
  readonly expiresAt: number;
  readonly family: RefreshFamily;
}

/** Kept for this long after its end, so that a late credential can be told why it is refused. */
const AFTERLIFE = 86_400;

/** When the session ends by itself, if nothing happens. */
export function deadlineOf(record: SessionRecord, idleTimeout: number | undefined): number {
  return idleTimeout === undefined
    ? record.expiresAt
    : Math.min(record.expiresAt, record.lastAccessedAt + idleTimeout);
}

/** Why the session is over by itself; `undefined`: it is alive. */
export function findEnd(
  record: SessionRecord,
  now: number,
  idleTimeout: number | undefined,
): "expired" | "idle" | undefined {
  if (now >= record.expiresAt) return "expired";
  return now >= deadlineOf(record, idleTimeout) ? "idle" : undefined;
}

/** How the record is found, and for how long. */
export function writeOptionsOf(record: SessionRecord): WriteOptions {
  const indexes = [`user:${record.userId}`, ...record.memberIds.map((id) => `member:${id}`)];
  if (record.organizationId !== undefined) indexes.push(`organization:${record.organizationId}`);
  return { expiresAt: record.expiresAt + AFTERLIFE, indexes };
}

/** The origin of a request in the form that is recorded; junk is dropped. */
export function recordOrigin({
  ipAddress,
  userAgent,
}: RequestOrigin): Pick<SessionRecord, "ipAddress" | "userAgent"> {
  const address = clean(ipAddress, 45);
  const agent = clean(userAgent, 512);
  return { ...(address !== "" && { ipAddress: address }), ...(agent !== "" && { userAgent: agent }) };
}

/** The session as orgate's model has it, acting as the member given. */
export function toMemberSession(
  record: SessionRecord,
  member: Pick<MemberSession, "memberId" | "organizationId" | "organizationSlug" | "roles">,
): MemberSession {
  return {
    id: record.id,
    ...member,
    startedAt: formatTime(record.startedAt),
    lastAccessedAt: formatTime(record.lastAccessedAt),
    expiresAt: formatTime(record.expiresAt),
    authenticationFactors: record.authenticationFactors,
    customClaims: record.customClaims,
    ...(record.impersonator !== undefined && { impersonator: record.impersonator }),
    authenticationMethod: record.authenticationMethod,
  };
}

/** Reads a stored document; `undefined`: it is not a session of this version, whoever wrote it. */
export function readSessionRecord(id: string, value: unknown): SessionRecord | undefined {
  return isSessionRecord(value) && value.id === id ? value : undefined;
}

function isSessionRecord(value: unknown): value is SessionRecord {
  return (
    isObject(value) &&
    value["version"] === 1 &&
    isString(value["id"]) &&
    isString(value["userId"]) &&
    isOptional(value["organizationId"], isString) &&
    isListOf(value["memberIds"], isString) &&
    isString(value["authenticationMethod"]) &&
    isListOf(value["authenticationFactors"], (factor) => isObject(factor) && isString(factor["type"])) &&
    isOptional(value["impersonator"], (actor) => isObject(actor) && isString(actor["email"])) &&
    (value["customClaims"] === null || isObject(value["customClaims"])) &&
    isOptional(value["client"], isWireClient) &&
    isOptional(value["ipAddress"], isString) &&
    isOptional(value["userAgent"], isString) &&
    ["authenticatedAt", "startedAt", "lastAccessedAt", "expiresAt"].every((time) => isTime(value[time])) &&
    isFamily(value["family"])
  );
}

function isFamily(value: unknown): value is RefreshFamily {
  return (
    isObject(value) &&
    isString(value["key"]) &&
    isTime(value["generation"]) &&
    isString(value["current"]) &&
    isListOf(value["predecessors"], isPredecessor)
  );
}

function isPredecessor(value: unknown): value is Predecessor {
  return (
    isObject(value) &&
    isTime(value["generation"]) &&
    isString(value["hash"]) &&
    isString(value["sealedSuccessor"]) &&
    (value["organizationId"] === null || isString(value["organizationId"])) &&
    isTime(value["rotatedAt"]) &&
    isOptional(value["successorPresentedAt"], isTime)
  );
}

function clean(text: string | undefined, length: number): string {
  if (typeof text !== "string") return "";
  // Line breaks and terminal codes have no business in a log.
  return text
    .replaceAll(/\p{Cc}/gu, "")
    .trim()
    .slice(0, length);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isString(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function isOptional(value: unknown, isKind: (value: unknown) => boolean): boolean {
  return value === undefined || isKind(value);
}

function isListOf(value: unknown, isKind: (value: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every((entry) => isKind(entry));
}
