import { StoreUnavailableError } from "../errors.ts";
import type { EventSink } from "../events.ts";
import { foldEmailAddress } from "../lib/case.ts";
import type { Clock } from "../lib/clock.ts";
import { sha256 } from "../lib/crypto.ts";
import {
  type MemberChecks,
  type Predicate,
  absentOr,
  arrayOf,
  isFiniteNumber,
  isObject,
  isOneOf,
  isString,
  isText,
  nullOr,
  objectWith,
} from "../lib/values.ts";
import type { AuthenticationFactor, Impersonator } from "../model.ts";
import { type CheckedRepository, checkedRepository } from "./checked-repository.ts";
import { type KeyRingStorage, isKeyRingRecord } from "./key-ring.ts";
import type { Predecessor, RefreshFamily } from "./refresh-token.ts";
import {
  type CollectionName,
  type Repository,
  type Versioned,
  type WriteOptions,
  callDependency,
} from "./repository.ts";
import { type RecordsContext, requireRecord } from "./require-record.ts";
import { makeSecret } from "./secrets.ts";
import { type Place, type Spendable, isUnspent, spendRecord } from "./spend-record.ts";
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
export interface SessionRecord extends AuthenticationRecord, Spendable {
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
export interface PendingRecord extends Spendable {
  readonly version: 1;
  readonly userId: string;
  readonly evidence: AuthenticationRecord;
  /** The organization that more was demanded for; absent while it is an organization that must be chosen. */
  readonly organizationId?: string | undefined;
  /** The invitation that is accepted once the rules are met. */
  readonly invitationToken?: string | undefined;
  /** The session that was being switched or stepped up: if it ends, so does this. */
  readonly sessionId?: string | undefined;
  readonly expiresAt: number;
}

/** An invitation to an organization. */
export interface InvitationRecord extends Spendable {
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
export interface CodeRecord extends Spendable {
  readonly version: 1;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly codeChallenge?: string;
  readonly signIn: SignInRecord;
  readonly expiresAt: number;
}

/** Checks that a value is an authentication factor. */
export const isFactor = objectWith<AuthenticationFactor>({
  type: isText,
  deliveryMethod: absentOr(isString),
  lastAuthenticatedAt: absentOr(isString),
  createdAt: absentOr(isString),
  updatedAt: absentOr(isString),
  sequenceOrder: isOneOf(undefined, "PRIMARY", "SECONDARY"),
});

const AUTHENTICATION_CHECKS: MemberChecks<AuthenticationRecord> = {
  authenticationMethod: isText,
  authenticationFactors: arrayOf(isFactor),
  impersonator: absentOr(objectWith<Impersonator>({ email: isText, reason: absentOr(isString) })),
  customClaims: nullOr(isObject),
  client: absentOr(isWireClient),
  ipAddress: absentOr(isString),
  userAgent: absentOr(isString),
  authenticatedAt: isFiniteNumber,
};

const isPredecessor = objectWith<Predecessor>({
  generation: isFiniteNumber,
  hash: isText,
  sealedSuccessor: isText,
  organizationId: nullOr(isText),
  rotatedAt: isFiniteNumber,
  successorPresentedAt: absentOr(isFiniteNumber),
});

const isFamily = objectWith<RefreshFamily>({
  key: isText,
  generation: isFiniteNumber,
  current: isText,
  predecessors: arrayOf(isPredecessor),
});

export const isSessionRecord = objectWith<SessionRecord>({
  ...AUTHENTICATION_CHECKS,
  version: isOneOf(1),
  spentBy: absentOr(isText),
  id: isText,
  userId: isText,
  organizationId: absentOr(isText),
  memberIds: arrayOf(isText),
  startedAt: isFiniteNumber,
  lastAccessedAt: isFiniteNumber,
  expiresAt: isFiniteNumber,
  family: isFamily,
});

export const isPendingRecord = objectWith<PendingRecord>({
  version: isOneOf(1),
  spentBy: absentOr(isText),
  userId: isText,
  evidence: objectWith(AUTHENTICATION_CHECKS),
  organizationId: absentOr(isText),
  invitationToken: absentOr(isText),
  sessionId: absentOr(isText),
  expiresAt: isFiniteNumber,
});

export const isInvitationRecord = objectWith<InvitationRecord>({
  version: isOneOf(1),
  spentBy: absentOr(isText),
  id: isText,
  state: isOneOf("pending"),
  emailAddress: isText,
  organizationId: isText,
  roles: arrayOf(isString),
  createdAt: isFiniteNumber,
  expiresAt: isFiniteNumber,
});

export const isCodeRecord = objectWith<CodeRecord>({
  version: isOneOf(1),
  spentBy: absentOr(isText),
  clientId: isText,
  redirectUri: isText,
  codeChallenge: absentOr(isText),
  signIn: objectWith<SignInRecord>({
    userId: isText,
    organizationId: absentOr(isText),
    invitationToken: absentOr(isString),
    evidence: objectWith(AUTHENTICATION_CHECKS),
  }),
  expiresAt: isFiniteNumber,
});

/** Everything that the authority stores. */
export interface AuthorityRecords {
  readonly sessions: SessionRecords;
  readonly pending: TokenRecords<PendingRecord>;
  readonly invitations: TokenRecords<InvitationRecord>;
  readonly codes: CodeRecords;
  readonly keys: KeyRingStorage;
  /** Throws where the repository does not answer. */
  ping(): Promise<void>;
  /** Closes the repository. */
  close(): Promise<void>;
}

/**
 * Makes the typed records over a repository; nothing else calls the repository.
 *
 * A record that cannot be read (it is corrupt, or of a newer version) means "cannot know": `store_unavailable`, never "no such
 * session". It is left as it is, and reported as `misconfigured`.
 */
export function createRecords(
  repository: Repository,
  {
    clock,
    events,
    timeout,
  }: { readonly clock: Clock; readonly events: EventSink; readonly timeout?: number },
): AuthorityRecords {
  const context = { repository: checkedRepository(repository, timeout), clock, events };
  return {
    sessions: new SessionRecords(context),
    pending: new TokenRecords(context, { collection: "pending", isRecord: isPendingRecord }),
    invitations: new TokenRecords(context, {
      collection: "invitations",
      isRecord: isInvitationRecord,
      indexesOf: ({ id, organizationId, emailAddress }) => [
        `invitation:${id}`,
        `organization:${organizationId}`,
        invitationIndexOf(emailAddress),
      ],
    }),
    codes: new CodeRecords(context),
    keys: keyRingStorage(context),
    ping: () => context.repository.ping(),
    close: () => callDependency("repository.close", () => repository.close()),
  };
}

/** Names the invitations for an e-mail address, without showing it. */
export function invitationIndexOf(emailAddress: string): string {
  return `address:${sha256(foldEmailAddress(emailAddress))}`;
}

/** Seconds that a session is kept after its end, so that a late credential can be told why it is refused. */
const SESSION_AFTERLIFE = 86_400;

/** The sessions. */
export class SessionRecords {
  readonly #context: RecordsContext;
  readonly #repository: CheckedRepository;

  constructor(context: RecordsContext) {
    this.#context = context;
    this.#repository = context.repository;
  }

  /** Stores a new session. Throws if its id is taken. */
  async insert(record: SessionRecord): Promise<void> {
    const isNew = await this.#repository.insert("sessions", record.id, record, writeOptionsOf(record));
    if (!isNew) throw new StoreUnavailableError({ reason: "session_id_taken" });
  }

  async read(id: string): Promise<Versioned<SessionRecord> | undefined> {
    const found = await this.#readAny(id);
    return found?.value.spentBy === undefined ? found : undefined;
  }

  /** Stores a changed session; `false` if another caller changed or ended it meanwhile. */
  replace(record: SessionRecord, version: number): Promise<boolean> {
    return this.#repository.compareAndSet("sessions", record.id, version, record, writeOptionsOf(record));
  }

  /**
   * Ends a session that {@link read} returned, because another session replaces it. Of several callers at once exactly one gets
   * `true`, also if the reply to its write is lost: see {@link spendRecord}.
   */
  spend(found: Versioned<SessionRecord>, successorId: string): Promise<boolean> {
    const { id } = found.value;
    const place: Place<SessionRecord> = {
      read: () => this.#readAny(id),
      replace: (...change) => this.#repository.compareAndSet("sessions", id, ...change),
    };
    return spendRecord(this.#context, place, found, successorId);
  }

  /** Deletes a session, readable or not; of several callers at once exactly one gets `true`. */
  async remove(id: string): Promise<boolean> {
    return isUnspent(await this.#repository.consume("sessions", id));
  }

  /** Lists the sessions of a user or a member; a member's include those that act as another member by now. */
  async listBy(index: "user" | "member", id: string): Promise<readonly SessionRecord[]> {
    const found = await this.#repository.find("sessions", `${index}:${id}`);
    return found.map((document) => this.#require(document.id, document.value));
  }

  /** Lists the ids of the same sessions, also of those that cannot be read. */
  async listIdsBy(index: "user" | "member", id: string): Promise<readonly string[]> {
    return (await this.#repository.find("sessions", `${index}:${id}`)).map((document) => document.id);
  }

  async #readAny(id: string): Promise<Versioned<SessionRecord> | undefined> {
    const found = await this.#repository.read("sessions", id);
    return found && { value: this.#require(id, found.value), version: found.version };
  }

  #require(id: string, value: unknown): SessionRecord {
    const isThisSession = (given: unknown): given is SessionRecord =>
      isSessionRecord(given) && given.id === id;
    return requireRecord(this.#context, value, isThisSession, "session_unreadable");
  }
}

function writeOptionsOf({ userId, memberIds, expiresAt }: SessionRecord): WriteOptions {
  const indexes = [`user:${userId}`, ...memberIds.map((id) => `member:${id}`)];
  return { expiresAt: expiresAt + SESSION_AFTERLIFE, indexes };
}

const SINGLE_USE_TOKEN_SHAPE = /^[\w-]{43}$/;

/** How records of one kind are stored. */
interface TokenRecordKind<Value> {
  readonly collection: CollectionName;
  readonly isRecord: Predicate<Value>;
  /** Comes before the hash in a collection that holds several kinds. */
  readonly prefix?: string;
  readonly indexesOf?: (record: Value) => readonly string[];
}

/** Records that are read and spent by a random token. Only the token's hash is stored. */
export class TokenRecords<Value extends Spendable> {
  readonly #context: RecordsContext;
  readonly #kind: TokenRecordKind<Value>;

  constructor(context: RecordsContext, kind: TokenRecordKind<Value>) {
    this.#context = context;
    this.#kind = kind;
  }

  /** Stores a record under a new token, and returns the token. */
  async issue(record: Value): Promise<string> {
    const token = makeSecret();
    const { collection } = this.#kind;
    const options = this.#writeOptionsOf(record);
    await this.#context.repository.insert(collection, this.#nameOf(token), record, options);
    return token;
  }

  /** Reads without spending; `undefined` if the token is unknown, spent or expired. */
  async read(token: string): Promise<Versioned<Value> | undefined> {
    if (!SINGLE_USE_TOKEN_SHAPE.test(token)) return undefined;
    const found = await this.#readAny(token);
    return found && this.#isLive(found.value) ? found : undefined;
  }

  /**
   * Spends a record that {@link read} returned. Of several callers at once exactly one gets `true`, also if the reply to its
   * write is lost: see {@link spendRecord}.
   */
  spend(token: string, found: Versioned<Value>, by: string): Promise<boolean> {
    return spendRecord(this.#context, this.#placeOf(token), found, by);
  }

  /** Makes a spent record unspent again, because what it was spent for failed. Does nothing if the caller did not spend it. */
  async restore(token: string, record: Value, by: string): Promise<void> {
    const { read, replace } = this.#placeOf(token);
    const found = await read();
    if (found?.value.spentBy === by) await replace(found.version, record, this.#writeOptionsOf(record));
  }

  /** Deletes a record whose token nobody has received. */
  async discard(token: string): Promise<void> {
    await this.remove(this.#nameOf(token));
  }

  /** Lists the records under an index, each with the name to remove it by. */
  async listBy(index: string): Promise<readonly { readonly name: string; readonly record: Value }[]> {
    const found = await this.#context.repository.find(this.#kind.collection, index);
    return found
      .map(({ id: name, value }) => ({ name, record: this.#require(value) }))
      .filter(({ record }) => this.#isLive(record));
  }

  /** Deletes a listed record; of several callers at once exactly one gets `true`. */
  async remove(name: string): Promise<boolean> {
    return isUnspent(await this.#context.repository.consume(this.#kind.collection, name));
  }

  #nameOf(token: string): string {
    return (this.#kind.prefix ?? "") + sha256(token);
  }

  #placeOf(token: string): Place<Value> {
    const { collection } = this.#kind;
    const name = this.#nameOf(token);
    return {
      read: () => this.#readAny(token),
      replace: (...change) => this.#context.repository.compareAndSet(collection, name, ...change),
    };
  }

  #writeOptionsOf(record: Value): WriteOptions {
    return { expiresAt: record.expiresAt, indexes: this.#kind.indexesOf?.(record) ?? [] };
  }

  async #readAny(token: string): Promise<Versioned<Value> | undefined> {
    const found = await this.#context.repository.read(this.#kind.collection, this.#nameOf(token));
    return found && { value: this.#require(found.value), version: found.version };
  }

  #require(value: unknown): Value {
    return requireRecord(this.#context, value, this.#kind.isRecord);
  }

  #isLive({ expiresAt }: Value): boolean {
    // Not every repository expires records as exactly as this. The time of a spent record is over too.
    return this.#context.clock() < expiresAt;
  }
}

/** The authorization codes, and what was answered by them. */
export class CodeRecords extends TokenRecords<CodeRecord> {
  readonly #context: RecordsContext;

  constructor(context: RecordsContext) {
    super(context, { collection: "authorizations", prefix: "code:", isRecord: isCodeRecord });
    this.#context = context;
  }

  /** Records which session a code was exchanged for. */
  async recordExchange(code: string, sessionId: string, expiresAt: number): Promise<void> {
    const name = `spent:${sha256(code)}`;
    await this.#context.repository.insert("authorizations", name, { sessionId }, { expiresAt });
  }

  /** Returns the session that a code was exchanged for. */
  async readExchange(code: string): Promise<string | undefined> {
    if (!SINGLE_USE_TOKEN_SHAPE.test(code)) return undefined;
    const found = await this.#context.repository.read("authorizations", `spent:${sha256(code)}`);
    return found && requireRecord(this.#context, found.value, isExchange).sessionId;
  }

  /** Marks an authorization request as answered; `false` if it was answered before. */
  answerRequest(requestId: string, expiresAt: number): Promise<boolean> {
    const name = `request:${requestId}`;
    return this.#context.repository.insert("authorizations", name, { version: 1 }, { expiresAt });
  }
}

const KEY_RING_ID = "signing-keys";

function keyRingStorage(context: RecordsContext): KeyRingStorage {
  const { repository } = context;
  return {
    async read() {
      const found = await repository.read("keys", KEY_RING_ID);
      if (found === undefined) return undefined;
      const value = requireRecord(context, found.value, isKeyRingRecord, "keys_unreadable");
      return { value, version: found.version };
    },
    insert(record) {
      return repository.insert("keys", KEY_RING_ID, record, { expiresAt: record.expiresAt });
    },
    replace(record, version) {
      return repository.compareAndSet("keys", KEY_RING_ID, version, record, { expiresAt: record.expiresAt });
    },
  };
}

const isExchange = objectWith<{ readonly sessionId: string }>({ sessionId: isText });
