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
 * fails if another write came first; single use is `consume`, an atomic get-and-delete. An expired document does not exist.
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
  close(): Promise<void>;
}
