import { StoreUnavailableError } from "../errors.ts";
import type { EventSink } from "../events.ts";
import type { Clock } from "../lib/clock.ts";
import { sha256 } from "../lib/digest.ts";
import { isAbsentOr, isFiniteNumber, isListOf, isObject, isString, isText } from "../lib/predicates.ts";
import type { AuthenticationFactor, Impersonator } from "../model.ts";
import type { Predecessor, RefreshFamily } from "./refresh-token.ts";
import type { CheckedRepository, CollectionName, Versioned, WriteOptions } from "./repository.ts";
import { makeSecret } from "./secrets.ts";
import { type WireClient, isWireClient } from "./wire-client.ts";

/** How and from where a user authenticated. Times are seconds since the epoch. */
export interface AuthenticationRecord {
  readonly authenticationMethod: string;
  readonly authenticationFactors: readonly AuthenticationFactor[];
  readonly impersonator?: Impersonator;
  readonly customClaims: Readonly<Record<string, unknown>> | null;
  /** The wire client that it was opened for; absent if the application opened it. */
  readonly client?: WireClient;
  readonly ipAddress?: string;
  readonly userAgent?: string;
  /** When the member authenticated; unchanged by renewals, moved by a step-up. */
  readonly authenticatedAt: number;
}

/** A session. */
export interface SessionRecord extends AuthenticationRecord {
  readonly version: 1;
  readonly id: string;
  readonly userId: string;
  /** The organization used most recently; absent while the user has none. */
  readonly organizationId?: string;
  /** Every member that the session acts or has acted as, the current one first: revoking any of them ends it. */
  readonly memberIds: readonly string[];
  readonly startedAt: number;
  readonly lastAccessedAt: number;
  readonly expiresAt: number;
  readonly family: RefreshFamily;
}

/** Returns the time at which the session ends if nothing happens. @param idleTimeout - in seconds */
export function deadlineOf(
  { expiresAt, lastAccessedAt }: SessionRecord,
  idleTimeout: number | undefined,
): number {
  return Math.min(expiresAt, lastAccessedAt + (idleTimeout ?? Infinity));
}

/** A user who authenticated and must still choose an organization. */
export interface PendingRecord {
  readonly version: 1;
  readonly userId: string;
  readonly evidence: AuthenticationRecord;
  readonly expiresAt: number;
}

/** An invitation to an organization. */
export interface InvitationRecord {
  readonly version: 1;
  readonly id: string;
  readonly state: "pending";
  readonly emailAddress: string;
  readonly organizationId: string;
  readonly roles: readonly string[];
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** Who signs in, to which organization, and how they authenticated. */
export interface SignInRecord {
  readonly userId: string;
  readonly organizationId?: string | undefined;
  readonly invitationToken?: string | undefined;
  readonly evidence: AuthenticationRecord;
}

/** An authorization code (RFC 6749 section 4.1.2). */
export interface CodeRecord {
  readonly version: 1;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly codeChallenge?: string;
  readonly signIn: SignInRecord;
  readonly expiresAt: number;
}

/** The sessions. */
export interface SessionRecords {
  /** Stores a new session. Throws if its id is taken. */
  insert(record: SessionRecord): Promise<void>;
  read(id: string): Promise<Versioned<SessionRecord> | undefined>;
  /** Stores a changed session; `false` if somebody else changed or ended it meanwhile. */
  replace(record: SessionRecord, version: number): Promise<boolean>;
  /** Deletes a session, readable or not; of several callers at once exactly one gets `true`. */
  remove(id: string): Promise<boolean>;
  /** The sessions of a user or a member; a member's include those that act as another member by now. */
  listBy(index: "user" | "member", id: string): Promise<readonly SessionRecord[]>;
  /** The ids of the same sessions, also of those that cannot be read. */
  listIdsBy(index: "user" | "member", id: string): Promise<readonly string[]>;
}

/** Records that are read and spent by a random token. Only the token's hash is stored. */
export interface TokenRecords<Value> {
  /** Stores a record under a new token. */
  issue(record: Value): Promise<string>;
  /** Reads without spending; `undefined` if the token is unknown, spent or expired. */
  read(token: string): Promise<Value | undefined>;
  /** Reads and deletes; of several callers at once exactly one gets the record. */
  spend(token: string): Promise<Value | undefined>;
  /** Stores a spent record again, because what it was spent for failed. */
  restore(token: string, record: Value): Promise<void>;
}

/** The authorization codes, and what was answered by them. */
export interface CodeRecords extends TokenRecords<CodeRecord> {
  /** Records which session a code was exchanged for. */
  recordExchange(code: string, sessionId: string, expiresAt: number): Promise<void>;
  /** Returns, once, the session that a code was exchanged for. */
  takeExchange(code: string): Promise<string | undefined>;
  /** Marks an authorization request as answered; `false` if it was answered before. */
  answerRequest(requestId: string, expiresAt: number): Promise<boolean>;
}

/** Everything that the authority stores. */
export interface AuthorityRecords {
  readonly sessions: SessionRecords;
  readonly pending: TokenRecords<PendingRecord>;
  readonly invitations: TokenRecords<InvitationRecord>;
  readonly codes: CodeRecords;
}

/** What {@link createRecords} needs. */
export interface RecordsContext {
  readonly repository: CheckedRepository;
  readonly clock: Clock;
  readonly events: EventSink;
}

/** Seconds that a session is kept after its end, so that a late credential can be told why it is refused. */
const SESSION_AFTERLIFE = 86_400;

const TOKEN_SHAPE = /^[\w-]{43}$/;

/**
 * Makes the typed records over a repository; nothing else calls the repository.
 *
 * A record that cannot be read (it is corrupt, or of a newer version) means "cannot know": `store_unavailable`, never "no such
 * session". It is left as it is, and reported as `misconfigured`.
 */
export function createRecords(context: RecordsContext): AuthorityRecords {
  return {
    sessions: createSessionRecords(context),
    pending: createTokenRecords(context, { collection: "pending", isValue: isPendingRecord }),
    invitations: createTokenRecords(context, {
      collection: "invitations",
      isValue: isInvitationRecord,
      indexesOf: ({ id, organizationId }) => [`invitation:${id}`, `organization:${organizationId}`],
    }),
    codes: createCodeRecords(context),
  };
}

function createSessionRecords(context: RecordsContext): SessionRecords {
  const { repository } = context;
  const requireSession = (id: string, value: unknown): SessionRecord => {
    const isThisSession = (given: unknown): given is SessionRecord =>
      isSessionRecord(given) && given.id === id;
    return requireRecord(context, "session", value, isThisSession);
  };
  return {
    async insert(record) {
      const isNew = await repository.insert("sessions", record.id, record, writeOptionsOf(record));
      if (!isNew) throw new StoreUnavailableError({ reason: "session_id_taken" });
    },
    async read(id) {
      const found = await repository.read("sessions", id);
      return found && { value: requireSession(id, found.value), version: found.version };
    },
    replace: (record, version) =>
      repository.compareAndSet("sessions", record.id, version, record, writeOptionsOf(record)),
    remove: async (id) => (await repository.consume("sessions", id)) !== undefined,
    async listBy(index, id) {
      const found = await repository.find("sessions", `${index}:${id}`);
      return found.map((document) => requireSession(document.id, document.value));
    },
    async listIdsBy(index, id) {
      return (await repository.find("sessions", `${index}:${id}`)).map((document) => document.id);
    },
  };
}

function writeOptionsOf({ userId, memberIds, organizationId, expiresAt }: SessionRecord): WriteOptions {
  const indexes = [`user:${userId}`, ...memberIds.map((id) => `member:${id}`)];
  if (organizationId !== undefined) indexes.push(`organization:${organizationId}`);
  return { expiresAt: expiresAt + SESSION_AFTERLIFE, indexes };
}

interface TokenCollection<Value> {
  readonly collection: CollectionName;
  readonly isValue: (value: unknown) => value is Value;
  /** Comes before the hash, where a collection holds several kinds. */
  readonly prefix?: string;
  readonly indexesOf?: (record: Value) => readonly string[];
}

function createTokenRecords<Value extends { readonly expiresAt: number }>(
  context: RecordsContext,
  { collection, isValue, prefix = "", indexesOf = () => [] }: TokenCollection<Value>,
): TokenRecords<Value> {
  const { repository, clock } = context;
  const insert = async (token: string, record: Value): Promise<void> => {
    const options = { expiresAt: record.expiresAt, indexes: indexesOf(record) };
    await repository.insert(collection, prefix + sha256(token), record, options);
  };
  const fetch = async (
    token: string,
    load: (name: string) => Promise<Versioned<unknown> | undefined>,
  ): Promise<Value | undefined> => {
    const found = TOKEN_SHAPE.test(token) ? await load(prefix + sha256(token)) : undefined;
    if (found === undefined) return undefined;
    const record = requireRecord(context, collection, found.value, isValue);
    // Not every repository expires records as exactly as this.
    return clock() < record.expiresAt ? record : undefined;
  };
  return {
    async issue(record) {
      const token = makeSecret();
      await insert(token, record);
      return token;
    },
    read: (token) => fetch(token, (name) => repository.read(collection, name)),
    spend: (token) =>
      fetch(token, async (name) => {
        const value = await repository.consume(collection, name);
        return value === undefined ? undefined : { value, version: 0 };
      }),
    restore: insert,
  };
}

function createCodeRecords(context: RecordsContext): CodeRecords {
  const { repository } = context;
  const collection = "authorizations";
  return {
    ...createTokenRecords(context, { collection, prefix: "code:", isValue: isCodeRecord }),
    async recordExchange(code, sessionId, expiresAt) {
      await repository.insert(collection, `spent:${sha256(code)}`, { sessionId }, { expiresAt });
    },
    async takeExchange(code) {
      const found = await repository.consume(collection, `spent:${sha256(code)}`);
      if (found === undefined) return undefined;
      return requireRecord(context, collection, found, isExchange).sessionId;
    },
    answerRequest: (requestId, expiresAt) =>
      repository.insert(collection, `request:${requestId}`, { version: 1 }, { expiresAt }),
  };
}

function requireRecord<Value>(
  { events }: RecordsContext,
  kind: string,
  value: unknown,
  isValue: (given: unknown) => given is Value,
): Value {
  if (isValue(value)) return value;
  const reason = `${kind}_unreadable`;
  events.emit({ type: "misconfigured", reason });
  // Another process may be able to read it, and other sessions are not concerned: the circuit breaker must not open.
  throw new StoreUnavailableError({ reason, retryAfter: 5, contended: true });
}

/** Checks that a value is an authentication factor. */
export function isFactor(value: unknown): value is AuthenticationFactor {
  return (
    isObject(value) &&
    isText(value["type"]) &&
    FACTOR_TEXTS.every((name) => isAbsentOr(value[name], isString)) &&
    FACTOR_ORDERS.has(value["sequenceOrder"])
  );
}

const FACTOR_TEXTS = ["deliveryMethod", "lastAuthenticatedAt", "createdAt", "updatedAt"] as const;
const FACTOR_ORDERS: ReadonlySet<unknown> = new Set([undefined, "PRIMARY", "SECONDARY"]);

function isImpersonator(value: unknown): value is Impersonator {
  return isObject(value) && isText(value["email"]) && isAbsentOr(value["reason"], isString);
}

function isAuthenticationRecord(value: unknown): value is AuthenticationRecord {
  return (
    isObject(value) &&
    isText(value["authenticationMethod"]) &&
    isListOf(value["authenticationFactors"], isFactor) &&
    isAbsentOr(value["impersonator"], isImpersonator) &&
    (value["customClaims"] === null || isObject(value["customClaims"])) &&
    isAbsentOr(value["client"], isWireClient) &&
    isAbsentOr(value["ipAddress"], isString) &&
    isAbsentOr(value["userAgent"], isString) &&
    isFiniteNumber(value["authenticatedAt"])
  );
}

/** Checks the members that every kind of record has. */
function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return isObject(value) && value["version"] === 1 && isFiniteNumber(value["expiresAt"]);
}

function isSessionRecord(value: unknown): value is SessionRecord {
  return (
    isRecord(value) &&
    isText(value["id"]) &&
    isText(value["userId"]) &&
    isAbsentOr(value["organizationId"], isText) &&
    isListOf(value["memberIds"], isText) &&
    isFiniteNumber(value["startedAt"]) &&
    isFiniteNumber(value["lastAccessedAt"]) &&
    isFamily(value["family"]) &&
    isAuthenticationRecord(value)
  );
}

function isFamily(value: unknown): value is RefreshFamily {
  return (
    isObject(value) &&
    isText(value["key"]) &&
    isFiniteNumber(value["generation"]) &&
    isText(value["current"]) &&
    isListOf(value["predecessors"], isPredecessor)
  );
}

function isPredecessor(value: unknown): value is Predecessor {
  return (
    isObject(value) &&
    isFiniteNumber(value["generation"]) &&
    isText(value["hash"]) &&
    isText(value["sealedSuccessor"]) &&
    (value["organizationId"] === null || isText(value["organizationId"])) &&
    isFiniteNumber(value["rotatedAt"]) &&
    isAbsentOr(value["successorPresentedAt"], isFiniteNumber)
  );
}

function isPendingRecord(value: unknown): value is PendingRecord {
  return isRecord(value) && isText(value["userId"]) && isAuthenticationRecord(value["evidence"]);
}

function isInvitationRecord(value: unknown): value is InvitationRecord {
  return (
    isRecord(value) &&
    value["state"] === "pending" &&
    isListOf([value["id"], value["emailAddress"], value["organizationId"]], isText) &&
    isListOf(value["roles"], isString) &&
    isFiniteNumber(value["createdAt"])
  );
}

function isCodeRecord(value: unknown): value is CodeRecord {
  return (
    isRecord(value) &&
    isText(value["clientId"]) &&
    isText(value["redirectUri"]) &&
    isAbsentOr(value["codeChallenge"], isText) &&
    isSignInRecord(value["signIn"])
  );
}

function isSignInRecord(value: unknown): value is SignInRecord {
  return (
    isObject(value) &&
    isText(value["userId"]) &&
    isAbsentOr(value["organizationId"], isText) &&
    isAbsentOr(value["invitationToken"], isString) &&
    isAuthenticationRecord(value["evidence"])
  );
}

function isExchange(value: unknown): value is { readonly sessionId: string } {
  return isObject(value) && isText(value["sessionId"]);
}
