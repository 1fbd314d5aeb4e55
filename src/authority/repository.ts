import { StoreUnavailableError, isOrgateError } from "../errors.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { functionLike, optional, readOptions, schema } from "../lib/options.ts";
import { readGiven } from "../lib/problems.ts";

/** The collections that the authority keeps. */
export type CollectionName = "sessions" | "pending" | "invitations" | "authorizations" | "keys";

/** A stored document and the version that a compare-and-set must name. */
export interface Versioned<Value> {
  readonly value: Value;
  readonly version: number;
}

/** Options of a write. */
export interface WriteOptions {
  /** Seconds since the epoch after which the document no longer exists. */
  readonly expiresAt: number;
  /** Names by which `find` reads it: `user:...`, `member:...`, `organization:...`. @defaultValue none */
  readonly indexes?: readonly string[];
}

/**
 * Where the authority keeps its sessions: JSON documents by collection and id.
 *
 * A plain get and set cannot be correct here. Every write is an `insert` that fails if the id exists, or a `compareAndSet` that
 * fails if another write came first; an end is `consume`, an atomic get-and-delete. An expired document does not exist.
 * Values are JSON: no `undefined`, no dates, no instances. A method that fails throws; the authority is then unavailable.
 */
export interface Repository {
  /** Reads a document and its version. */
  read(collection: CollectionName, id: string): Promise<Versioned<unknown> | undefined>;
  /** Stores a new document; `false` if the id exists. */
  insert(collection: CollectionName, id: string, value: unknown, options: WriteOptions): Promise<boolean>;
  /** Replaces a document; `false` if its version is no longer the one named, or the document is gone. */
  compareAndSet(
    collection: CollectionName,
    id: string,
    version: number,
    value: unknown,
    options: WriteOptions,
  ): Promise<boolean>;
  /** Reads and deletes in one step: of N callers at once exactly one receives the value. */
  consume(collection: CollectionName, id: string): Promise<unknown>;
  /** Moves the expiry of a document that exists; never restores one that has expired. */
  touchIfExists(collection: CollectionName, id: string, expiresAt: number): Promise<boolean>;
  /** Lists every document under an index name. */
  find(
    collection: CollectionName,
    index: string,
  ): Promise<readonly { readonly id: string; readonly value: unknown }[]>;
  /** Whether the engine behind it answers and can be written to; throws where not. Used by `auth.health()`. */
  ping?(): Promise<void>;
  /**
   * What the authority must know of where its documents lie. `shared`: other processes see them, so signing keys kept there must
   * be sealed with `keyEncryption`. `memory`: they are lost with the process.
   *
   * @defaultValue unknown: an application's own
   */
  readonly durability?: "shared" | "memory";
  close(): Promise<void>;
}

/** Options of {@link memoryRepository}. */
export interface MemoryRepositoryOptions {
  /** @defaultValue the machine's clock */
  readonly clock?: Clock | undefined;
}

interface StoredDocument {
  /** JSON text, so that later changes to a value that was read or written have no effect. */
  readonly text: string;
  readonly version: number;
  readonly expiresAt: number;
  readonly indexes: readonly string[];
}

/** Documents looked at for expiry on each write: enough to outpace what is written. */
const SWEPT_PER_WRITE = 4;

const MEMORY_REPOSITORY_OPTIONS = schema<MemoryRepositoryOptions>()({
  clock: optional(functionLike<Clock>(), systemClock),
});

/**
 * Keeps the authority's documents in this process: for development, tests, and applications of one process.
 *
 * Everything is lost with the process. An expired document is gone at once, and its memory is freed as others are written.
 */
export function memoryRepository(options: MemoryRepositoryOptions = {}): Repository {
  const collections = new Map<CollectionName, MemoryCollection>();
  const suggestion = "Pass { clock }, or nothing.";
  const { clock } = readGiven("memoryRepository", () =>
    readOptions(
      MEMORY_REPOSITORY_OPTIONS,
      options,
      "memoryRepository",
      suggestion,
      "memoryRepository.",
    ).complete(),
  );
  const at = (name: CollectionName): MemoryCollection => {
    const collection = collections.get(name) ?? new MemoryCollection(clock);
    collections.set(name, collection);
    return collection;
  };
  return {
    read: async (collection, id) => at(collection).read(id),
    insert: async (collection, id, value, write) => at(collection).insert(id, value, write),
    compareAndSet: async (collection, id, ...change) => at(collection).compareAndSet(id, ...change),
    consume: async (collection, id) => at(collection).consume(id),
    touchIfExists: async (collection, id, expiresAt) => at(collection).touchIfExists(id, expiresAt),
    find: async (collection, index) => at(collection).find(index),
    durability: "memory",
    close: async () => collections.clear(),
  };
}

class MemoryCollection {
  readonly #clock: Clock;
  readonly #documents = new Map<string, StoredDocument>();
  readonly #idsByIndex = new Map<string, Set<string>>();
  #sweep: Iterator<[string, StoredDocument]> | undefined;
  // Never reused, so that a document that was deleted and made anew is not taken for the old one.
  #lastVersion = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  read(id: string): { value: unknown; version: number } | undefined {
    const found = this.#findLive(id);
    return found && { value: JSON.parse(found.text), version: found.version };
  }

  insert(id: string, value: unknown, write: WriteOptions): boolean {
    if (this.#findLive(id) !== undefined) return false;
    this.#put(id, value, write);
    return true;
  }

  compareAndSet(id: string, version: number, value: unknown, write: WriteOptions): boolean {
    if (this.#findLive(id)?.version !== version) return false;
    this.#delete(id);
    this.#put(id, value, write);
    return true;
  }

  consume(id: string): unknown {
    const found = this.#findLive(id);
    if (found === undefined) return undefined;
    this.#delete(id);
    return JSON.parse(found.text);
  }

  touchIfExists(id: string, expiresAt: number): boolean {
    const found = this.#findLive(id);
    if (found === undefined) return false;
    this.#documents.set(id, { ...found, expiresAt });
    return true;
  }

  find(index: string): { id: string; value: unknown }[] {
    const ids = [...(this.#idsByIndex.get(index) ?? [])];
    return ids.flatMap((id) => {
      const found = this.#findLive(id);
      return found === undefined ? [] : [{ id, value: JSON.parse(found.text) }];
    });
  }

  #findLive(id: string): StoredDocument | undefined {
    const found = this.#documents.get(id);
    if (found === undefined || this.#clock() < found.expiresAt) return found;
    this.#delete(id);
    return undefined;
  }

  #put(id: string, value: unknown, { expiresAt, indexes = [] }: WriteOptions): void {
    this.#lastVersion += 1;
    const text = JSON.stringify(value);
    this.#documents.set(id, { text, version: this.#lastVersion, expiresAt, indexes: [...indexes] });
    for (const index of indexes) {
      const ids = this.#idsByIndex.get(index) ?? new Set();
      this.#idsByIndex.set(index, ids.add(id));
    }
    this.#sweepSome();
  }

  #delete(id: string): void {
    for (const index of this.#documents.get(id)?.indexes ?? []) {
      const ids = this.#idsByIndex.get(index);
      ids?.delete(id);
      if (ids?.size === 0) this.#idsByIndex.delete(index);
    }
    this.#documents.delete(id);
  }

  #sweepSome(): void {
    const now = this.#clock();
    this.#sweep ??= this.#documents.entries();
    for (let looked = 0; looked < SWEPT_PER_WRITE; looked += 1) {
      const next = this.#sweep.next();
      if (next.done === true) {
        this.#sweep = undefined;
        return;
      }
      const [id, { expiresAt }] = next.value;
      if (now >= expiresAt) this.#delete(id);
    }
  }
}

/**
 * Calls a function of the application's own, such as `directory.user`.
 *
 * What it throws means "cannot know", and becomes a `StoreUnavailableError` with the original as its `cause`. An `OrgateError`
 * is passed on unchanged.
 */
export async function callDependency<Value>(name: string, call: () => Promise<Value>): Promise<Value> {
  try {
    return await call();
  } catch (cause) {
    if (isOrgateError(cause)) throw cause;
    // The message of the original may quote a secret, so this one names only its kind.
    const message = `${name} failed (${kindOf(cause)})`;
    throw new StoreUnavailableError({ message, reason: "dependency_failed", concerns: "unknown", cause });
  }
}

/** Makes the error for a value that a function of the application must not return. */
export function malformedAnswer(name: string, cause?: unknown): StoreUnavailableError {
  const message = `${name} returned a value that its interface does not allow`;
  return new StoreUnavailableError({ message, reason: "dependency_malformed", concerns: "unknown", cause });
}

function kindOf(thrown: unknown): string {
  try {
    return thrown instanceof Error && /^[\w.$]{1,64}$/.test(thrown.name) ? thrown.name : typeof thrown;
  } catch {
    // A proxy may throw when it is read; its own error would tell nothing about the one that was thrown.
    return typeof thrown;
  }
}
