import { formatTime } from "../clock.ts";
import type { AuthenticationFactor, Impersonator, MemberSession } from "../model.ts";
import type { RequestOrigin } from "./operations.ts";
import type { Predecessor, RefreshFamily } from "./refresh-family.ts";
import type { WriteOptions } from "./repository.ts";
import { isWireClient } from "./wire-client.ts";
import type { WireClient } from "./wire-client.ts";

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
