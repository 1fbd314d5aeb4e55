import { Buffer } from "node:buffer";
import { randomInt } from "node:crypto";
import type { CollectionName, Repository, Versioned, WriteOptions } from "../../authority/repository.ts";
import { type OrgateEvent, createEventSink } from "../../events.ts";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { functionLike, optional, readOptions, schema, trueOrFalse } from "../../lib/options.ts";
import { readGiven } from "../../lib/problems.ts";
import { isListOf, isString } from "../../lib/values.ts";
import { createWarner } from "../../lib/warnings.ts";
import type { RedisClient } from "./client.ts";
import { REDIS_OPTIONS, RedisConnection, type RedisOptions } from "./connection.ts";
import { readDocument, readValue, writeDocument } from "./document.ts";
import { EvictionCheck } from "./eviction-check.ts";
import { CollectionKeys, escapeName, unescapeName } from "./keys.ts";
import { redisError, unreadableValue } from "./redis-error.ts";
import { CLOCK_MARGIN, DOCUMENT_SCRIPTS, INDEX_SCRIPTS, type IndexMode } from "./scripts.ts";

/** Options of {@link redisRepository}. */
export interface RedisRepositoryOptions extends RedisOptions {
  /** The authority's clock: a document exists until its expiry by this clock. @defaultValue the machine's clock */
  readonly clock?: Clock | undefined;
  /** Hears of `misconfigured`: Redis may evict sessions. @defaultValue `node:diagnostics_channel` alone */
  readonly events?: ((event: OrgateEvent) => void) | undefined;
  /** Whether it is also a process warning. @defaultValue `true` */
  readonly warnings?: boolean | undefined;
}

const REPOSITORY_OPTIONS = schema<RedisRepositoryOptions>()({
  ...REDIS_OPTIONS,
  clock: optional(functionLike<Clock>(), systemClock),
  events: optional(functionLike<(event: OrgateEvent) => void>()),
  warnings: optional(trueOrFalse, true),
});

/**
 * Keeps the authority's documents in Redis 6.2 or later, or Valkey: for applications of several processes, and for sessions that
 * outlive a restart. Redis must not evict (`maxmemory-policy noeviction`), and should keep an append-only file.
 *
 * Each operation is one round trip, and each key expires by itself. In a cluster an index lies on another node than its
 * document, and is written before it: `insert` and `find` then take two. The client stays open when the repository is closed.
 *
 * Its methods throw a `StoreUnavailableError` with one of the reasons `redis_unreachable`, `redis_timeout`, `redis_not_ready`,
 * `redis_client_closed`, `redis_credentials_refused`, `redis_permission_denied`, `redis_read_only`, `redis_out_of_memory`,
 * `redis_cannot_persist`, `redis_cluster_client_required`, `redis_value_unreadable`, `redis_value_newer` and `redis_failed`.
 *
 * @param client - of `ioredis` or `redis`; a client of `redis` must be connected
 * @throws ConfigurationError
 */
export function redisRepository(client: RedisClient, options: RedisRepositoryOptions = {}): Repository {
  return readGiven("redisRepository", () => {
    const suggestion = "Pass { prefix }, or nothing.";
    const { prefix, timeout, clock, events, warnings } = readOptions(
      REPOSITORY_OPTIONS,
      options,
      "redisRepository",
      suggestion,
      "redisRepository.",
    ).complete();
    const connection = new RedisConnection("redisRepository", client, timeout);
    const sink = createEventSink(events, warnings ? createWarner() : undefined);
    return new RedisRepository(connection, prefix, clock, new EvictionCheck(connection, prefix, sink));
  });
}

/** Larger than any version in use; versions are random, because a counter would be one more key, on another node. */
const VERSION_LIMIT = 281_474_976_710_655;

/** Milliseconds: more than a thousand years, which Redis can still add to its time. */
const MAX_LIFE = 35_184_372_088_832;

class RedisRepository implements Repository {
  readonly durability = "shared";
  readonly #connection: RedisConnection;
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #evictionCheck: EvictionCheck;
  readonly #collections = new Map<CollectionName, CollectionKeys>();

  constructor(connection: RedisConnection, prefix: string, clock: Clock, evictionCheck: EvictionCheck) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.#clock = clock;
    this.#evictionCheck = evictionCheck;
  }

  async read(collection: CollectionName, id: string): Promise<Versioned<unknown> | undefined> {
    const text = await this.#connection.run(DOCUMENT_SCRIPTS.read, [
      this.#keysOf(collection).document(escapeName(id)),
    ]);
    this.#evictionCheck.start();
    const found = isString(text) ? readDocument(text) : undefined;
    if (found === undefined || this.#clock() >= found.expiresAt) return undefined;
    return { value: found.value, version: found.version };
  }

  async insert(
    collection: CollectionName,
    id: string,
    value: unknown,
    options: WriteOptions,
  ): Promise<boolean> {
    const write = this.#prepare(collection, id, value, options);
    if (this.#connection.isCluster) await this.#writeHints(write, write.indexKeys);
    const keys = this.#connection.isCluster ? [write.key] : [write.key, ...write.indexKeys];
    const outcome = await this.#write(DOCUMENT_SCRIPTS.insert, keys, write.parameters);
    this.#evictionCheck.start();
    return outcome === "done";
  }

  async compareAndSet(
    collection: CollectionName,
    id: string,
    version: number,
    value: unknown,
    options: WriteOptions,
  ): Promise<boolean> {
    const write = this.#prepare(collection, id, value, options);
    const replace = (mode: IndexMode): Promise<unknown> => {
      const keys = mode === "one" ? [write.key, ...write.indexKeys] : [write.key];
      return this.#write(DOCUMENT_SCRIPTS.replace, keys, [
        ...write.parameters,
        String(version),
        write.names,
        mode,
        ...this.#pathFrom(collection, write.id),
      ]);
    };
    let outcome = await replace(this.#connection.isCluster ? "ask" : "one");
    if (outcome === "index") {
      await this.#writeHints(write, write.indexKeys);
      outcome = await replace("told");
    }
    return outcome === "done";
  }

  async consume(collection: CollectionName, id: string): Promise<unknown> {
    const keys = this.#keysOf(collection);
    const escapedId = escapeName(id);
    const isCluster = this.#connection.isCluster;
    const answer = await this.#connection.run(
      DOCUMENT_SCRIPTS.consume,
      [keys.document(escapedId)],
      [
        String(this.#clock()),
        String(randomInt(VERSION_LIMIT)),
        isCluster ? "told" : "one",
        escapedId,
        ...this.#pathFrom(collection, escapedId),
      ],
    );
    throwIfUnreadable(answer);
    if (!isListOf(answer, isString)) return undefined;
    const [json = "", names = ""] = answer;
    if (isCluster) await this.#dropHints(collection, escapedId, namesIn(names));
    return readValue(json);
  }

  async touchIfExists(collection: CollectionName, id: string, expiresAt: number): Promise<boolean> {
    const keys = this.#keysOf(collection);
    const escapedId = escapeName(id);
    const now = this.#clock();
    const parameters = [String(now), lifeInMilliseconds(expiresAt, now), String(expiresAt)];
    const touch = async (mode: IndexMode): Promise<readonly string[]> => {
      const answer = await this.#connection.run(
        DOCUMENT_SCRIPTS.touch,
        [keys.document(escapedId)],
        [...parameters, mode, escapedId, ...this.#pathFrom(collection, escapedId)],
      );
      throwIfUnreadable(answer);
      return isListOf(answer, isString) ? answer : [];
    };
    const [outcome, names = ""] = await touch(this.#connection.isCluster ? "ask" : "one");
    if (outcome !== "index") return outcome === "done";
    const indexKeys = namesIn(names).map((name) => keys.index(name));
    await this.#writeHints({ id: escapedId, expiresAt }, indexKeys);
    return (await touch("told"))[0] === "done";
  }

  async find(
    collection: CollectionName,
    index: string,
  ): Promise<readonly { readonly id: string; readonly value: unknown }[]> {
    const name = escapeName(index);
    const now = this.#clock();
    const found = this.#connection.isCluster
      ? await this.#findOverNodes(collection, name, now)
      : await this.#findAtOnce(collection, name, now);
    return found.flatMap(([id, text]) => {
      const document = readDocument(text);
      // An entry of the index is a hint: what the document says counts.
      if (document === undefined || now >= document.expiresAt) return [];
      return namesIn(document.names).includes(name) ? [{ id: unescapeName(id), value: document.value }] : [];
    });
  }

  async ping(): Promise<void> {
    await this.#connection.probe(this.#prefix);
    this.#evictionCheck.start();
  }

  /** Stops listening to the client, which the application closes. */
  async close(): Promise<void> {
    this.#connection.close();
  }

  #keysOf(collection: CollectionName): CollectionKeys {
    const known = this.#collections.get(collection);
    if (known !== undefined) return known;
    const keys = new CollectionKeys(this.#prefix, collection);
    this.#collections.set(collection, keys);
    return keys;
  }

  #prepare(
    collection: CollectionName,
    id: string,
    value: unknown,
    { expiresAt, indexes = [] }: WriteOptions,
  ): PreparedWrite {
    const keys = this.#keysOf(collection);
    const escapedId = escapeName(id);
    const escapedNames = [...new Set(indexes.map(escapeName))].toSorted();
    const names = escapedNames.map((name) => ` ${name}`).join("");
    const version = randomInt(VERSION_LIMIT);
    const now = this.#clock();
    const text = writeDocument({ version, expiresAt, names, value });
    return {
      id: escapedId,
      key: keys.document(escapedId),
      expiresAt,
      names,
      indexKeys: escapedNames.map((name) => keys.index(name)),
      parameters: [
        String(now),
        lifeInMilliseconds(expiresAt, now),
        String(version),
        text,
        escapedId,
        String(expiresAt),
      ],
    };
  }

  /** What a script needs to name index keys from the key of a document. */
  #pathFrom(collection: CollectionName, escapedId: string): readonly string[] {
    const { documentStart, indexStart } = this.#keysOf(collection);
    return [String(Buffer.byteLength(documentStart + escapedId)), indexStart];
  }

  async #write(
    script: typeof DOCUMENT_SCRIPTS.insert,
    keys: readonly string[],
    parameters: readonly string[],
  ): Promise<unknown> {
    const outcome = await this.#connection.run(script, keys, parameters);
    throwIfUnreadable(outcome);
    return outcome;
  }

  async #writeHints(
    { id, expiresAt }: { readonly id: string; readonly expiresAt: number },
    keys: readonly string[],
  ): Promise<void> {
    const now = this.#clock();
    const parameters = [id, String(expiresAt), String(now), lifeInMilliseconds(expiresAt, now)];
    await Promise.all(keys.map((key) => this.#connection.run(INDEX_SCRIPTS.add, [key], parameters)));
  }

  /** An entry that stays does no harm: it is checked when it is read, and expires. */
  async #dropHints(collection: CollectionName, escapedId: string, names: readonly string[]): Promise<void> {
    const keys = this.#keysOf(collection);
    await Promise.allSettled(
      names.map((name) => this.#connection.run(INDEX_SCRIPTS.remove, [keys.index(name)], [escapedId])),
    );
  }

  async #findAtOnce(collection: CollectionName, name: string, now: number): Promise<Hit[]> {
    const keys = this.#keysOf(collection);
    const tail = String(Buffer.byteLength(keys.indexStart + name));
    const answer = await this.#connection.run(
      INDEX_SCRIPTS.find,
      [keys.index(name)],
      [String(now), tail, keys.documentStart, name],
    );
    const parts = textsIn(answer);
    return Array.from({ length: parts.length / 2 }, (_, pair): Hit => {
      return [parts[2 * pair] ?? "", parts[2 * pair + 1] ?? ""];
    });
  }

  async #findOverNodes(collection: CollectionName, name: string, now: number): Promise<Hit[]> {
    const keys = this.#keysOf(collection);
    const ids = textsIn(await this.#connection.run(INDEX_SCRIPTS.list, [keys.index(name)], [String(now)]));
    const texts = await Promise.all(
      ids.map((id) => this.#connection.run(DOCUMENT_SCRIPTS.read, [keys.document(id)])),
    );
    return texts.flatMap((text, index): Hit[] => (isString(text) ? [[ids[index] ?? "", text]] : []));
  }
}

interface PreparedWrite {
  readonly id: string;
  readonly key: string;
  readonly expiresAt: number;
  readonly names: string;
  readonly indexKeys: readonly string[];
  readonly parameters: readonly string[];
}

/** An escaped id, and the text of the document. */
type Hit = readonly [id: string, text: string];

/** How long Redis keeps a key. The document ends by the authority's clock, a little earlier. */
function lifeInMilliseconds(expiresAt: number, now: number): string {
  const left = Math.max(0, expiresAt - now) + CLOCK_MARGIN;
  return String(Math.min(Math.ceil(left * 1000), MAX_LIFE));
}

function namesIn(names: string): readonly string[] {
  return names.split(" ").filter((name) => name !== "");
}

function textsIn(answer: unknown): readonly string[] {
  if (isListOf(answer, isString)) return answer;
  throw redisError(new TypeError("Redis answered with something else than a list of texts."));
}

function throwIfUnreadable(answer: unknown): void {
  if (answer === "unreadable" || answer === "newer") throw unreadableValue(answer);
}
