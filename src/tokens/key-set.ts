import { type JsonWebKey as CryptoJwk, type KeyObject, createPublicKey } from "node:crypto";
import { StoreUnavailableError, isOrgateError } from "../errors.ts";
import { type EventSink, describeCause } from "../events.ts";
import type { Clock } from "../lib/clock.ts";
import { RefreshingValue } from "../lib/concurrency.ts";
import { isObject, isString } from "../lib/values.ts";
import type { Algorithm, JsonWebKeySet, KeySource } from "../store.ts";

/** The result of looking up one key. */
export type KeyLookup =
  | { readonly status: "found"; readonly key: KeyObject }
  /** `isWithdrawn`: the source had the key, and published two sets without it. */
  | { readonly status: "unknown"; readonly isWithdrawn?: true }
  /** The source cannot be asked right now: the key may exist. `cause`: why the last load failed. */
  | { readonly status: "unavailable"; readonly retryAfter: number; readonly cause?: unknown };

/** The public keys of one store, kept current. */
export interface KeySet {
  /** Finds a key. Returns a promise only where the source must be waited for: for the first set, or for an unknown key. Never rejects. */
  find(kid: string | undefined, algorithm: Algorithm): KeyLookup | Promise<KeyLookup>;
  /** Whether it is known, without asking the source, that there is no such key. */
  lacks(kid: string | undefined, algorithm: Algorithm): boolean;
  /**
   * Looks for new and withdrawn keys in the background if the set is due, at most once a second. Call it for tokens that are
   * accepted without {@link KeySet.find}, because they were verified before.
   */
  keepCurrent(now: number): void;
  /** Tells whether the source answers, after a load that is due. `degraded`: it does not, and the keys at hand serve. Never rejects. */
  check(): Promise<KeyCheck>;
  /** Ends a load under way and loads no more. The keys at hand are still found. */
  close(): void;
}

/** Whether a key source answers. */
export type KeyCheck =
  | { readonly status: "answers" }
  | { readonly status: "degraded" | "unavailable"; readonly reason: string };

/** What a key set needs beside its source. */
export interface KeySetContext {
  readonly clock: Clock;
  readonly events: EventSink;
  /** Seconds one load may take. @defaultValue 5 */
  readonly loadBudget?: number;
  /** Called when a key was withdrawn: what it has signed must be verified again. */
  readonly onWithdrawn?: () => void;
}

const DEFAULT_MAX_AGE = 600;
const DEFAULT_COOLDOWN = 30;
const DEFAULT_LOAD_BUDGET = 5;
const MAX_STALENESS = 86_400;

/**
 * Caches a source's keys.
 *
 * They are loaded when first needed and renewed in the background after `maxAge`. While the source is down, the keys at hand
 * are found for a day after the last success; failures back off from 1 to 60 seconds, or to what the source says. An unknown key causes a load at most
 * once per `cooldown` and is not remembered, so that random key ids cost neither memory nor fetches.
 *
 * One set without a key may be a mistake of its publisher: the key is still found until a second set, loaded after the cooldown,
 * lacks it too, or until no set had it for `maxAge` and the cooldown. Then it is withdrawn.
 */
export function createKeySet(source: KeySource, context: KeySetContext): KeySet {
  return new SourcedKeySet(source, context);
}

interface LoadedKeys {
  readonly keys: ImportedKeys;
  /** The source's revision before the keys were loaded. */
  readonly revision: unknown;
  /** When they were asked for, in seconds since the epoch. */
  readonly askedAt: number;
  /** Keys that the newest sets lack, but that are not withdrawn yet. */
  readonly missing: readonly MissingKey[];
  /** Keys that the sets lack for good, since this one. */
  readonly withdrawn: readonly UsableKey[];
}

/** A key that a source has stopped publishing. */
interface MissingKey {
  readonly usable: UsableKey;
  /** When the last set that had it, and the first that did not, were asked for. */
  readonly seenAt: number;
  readonly missedAt: number;
}

/** Ids of withdrawn keys are remembered, so that seals around tokens of theirs are renewed; at most so many. */
const MAX_WITHDRAWN = 256;

const UNUSABLE = "key_set_unusable";

/** `keys_unreachable`, `keys_status`, `keys_malformed`, `keys_too_large`; `keys_unavailable` for sources that do not say. */
function reasonOf(error: unknown): string {
  const reason = isOrgateError(error) ? error.reason : undefined;
  return reason?.startsWith("keys_") === true ? reason : "keys_unavailable";
}

class SourcedKeySet implements KeySet {
  readonly #source: KeySource;
  readonly #set: RefreshingValue<LoadedKeys>;
  readonly #context: KeySetContext;
  readonly #withdrawn = new Set<string | undefined>();
  #checkedAt = -Infinity;

  constructor(source: KeySource, context: KeySetContext) {
    const { maxAge = DEFAULT_MAX_AGE, cooldown = DEFAULT_COOLDOWN } = source;
    const { clock, events, loadBudget = DEFAULT_LOAD_BUDGET } = context;
    this.#source = source;
    this.#context = context;
    this.#set = new RefreshingValue({
      load: (signal) => this.#load(signal),
      clock,
      budget: loadBudget,
      maxAge,
      // After a longer idle time, look for withdrawn keys before an old one is used.
      staleWhileLoading: cooldown,
      maxStaleness: MAX_STALENESS,
      cooldown,
      maxBackOff: source.maxBackOff,
      failureMemory: MAX_STALENESS,
      onLoad: (loaded) => this.#noteWithdrawn(loaded),
      onFailure({ error, retryAfter }) {
        if (isOrgateError(error) && error.reason === UNUSABLE) {
          events.emit({ type: "misconfigured", reason: UNUSABLE, ...describeCause(error) });
        }
        events.emit({
          type: "unavailable",
          code: "store_unavailable",
          reason: reasonOf(error),
          retryAfter,
          ...describeCause(error),
        });
      },
    });
  }

  find(kid: string | undefined, algorithm: Algorithm): KeyLookup | Promise<KeyLookup> {
    const key = this.#findHeld(kid, algorithm);
    if (key === undefined) {
      return this.#mayHaveChanged() ? this.#reload(kid, algorithm) : this.#answer(kid, algorithm);
    }
    const set = this.#refreshIfDue();
    return set instanceof Promise ? set.then(() => this.#answer(kid, algorithm)) : { status: "found", key };
  }

  lacks(kid: string | undefined, algorithm: Algorithm): boolean {
    return !this.#mayHaveChanged() && this.#answer(kid, algorithm).status === "unknown";
  }

  keepCurrent(now: number): void {
    if (Math.abs(now - this.#checkedAt) < 1) return;
    this.#checkedAt = now;
    void this.#refreshIfDue();
  }

  async check(): Promise<KeyCheck> {
    await this.#refreshIfDue();
    const { current, isFailing, lastError } = this.#set;
    if (current !== undefined && !isFailing) return { status: "answers" };
    return { status: current === undefined ? "unavailable" : "degraded", reason: reasonOf(lastError) };
  }

  close(): void {
    this.#set.close();
  }

  /** Gets the set, and loads it again where it is old or lacks a key that must be looked for once more. */
  #refreshIfDue(): LoadedKeys | undefined | Promise<LoadedKeys | undefined> {
    const { current, isLoading, secondsUntilLoad } = this.#set;
    const isInDoubt = current !== undefined && current.missing.length > 0;
    if (isInDoubt && !isLoading && secondsUntilLoad === 0) void this.#set.refresh();
    return this.#set.get();
  }

  async #load(signal: AbortSignal): Promise<LoadedKeys> {
    const revision = this.#readRevision();
    const askedAt = this.#context.clock();
    const keys = importKeys(await this.#source.load(signal), this.#set.current?.keys);
    if (keys.size === 0) {
      const message = "The key set has no key that can be used.";
      throw new StoreUnavailableError({ reason: UNUSABLE, message, cause: keys.failures[0] });
    }
    return { keys, revision, askedAt, ...this.#findLacking(keys, askedAt) };
  }

  /** Finds the keys that a new set lacks, for now or for good. */
  #findLacking(keys: ImportedKeys, askedAt: number): Pick<LoadedKeys, "missing" | "withdrawn"> {
    const { maxAge = DEFAULT_MAX_AGE, cooldown = DEFAULT_COOLDOWN } = this.#source;
    const { current } = this.#set;
    if (current === undefined) return { missing: [], withdrawn: [] };
    const lacking = [
      ...current.missing,
      ...current.keys.usable.map((usable) => ({ usable, seenAt: current.askedAt, missedAt: askedAt })),
    ].filter(({ usable }) => !keys.usable.some((key) => isSameKey(key, usable)));
    const missing = lacking.filter(
      ({ seenAt, missedAt }) => askedAt < missedAt + cooldown && askedAt < seenAt + maxAge + cooldown,
    );
    const withdrawn = lacking.filter((key) => !missing.includes(key)).map(({ usable }) => usable);
    return { missing, withdrawn };
  }

  #noteWithdrawn({ keys, withdrawn }: LoadedKeys): void {
    for (const { kid } of keys.usable) this.#withdrawn.delete(kid);
    for (const { kid } of withdrawn) {
      if (this.#withdrawn.size < MAX_WITHDRAWN) this.#withdrawn.add(kid);
    }
    if (withdrawn.length > 0) this.#context.onWithdrawn?.();
  }

  async #reload(kid: string | undefined, algorithm: Algorithm): Promise<KeyLookup> {
    const joinsLoad = this.#set.isLoading;
    await this.#set.refresh();
    // A load that began before this call may have missed a new key.
    const mayHaveMissed = joinsLoad && this.#findHeld(kid, algorithm) === undefined;
    if (mayHaveMissed && this.#set.secondsUntilLoad === 0) await this.#set.refresh();
    return this.#answer(kid, algorithm);
  }

  /** Answers from the keys at hand. */
  #answer(kid: string | undefined, algorithm: Algorithm): KeyLookup {
    const key = this.#findHeld(kid, algorithm);
    if (key !== undefined) return { status: "found", key };
    if (this.#set.current !== undefined && !this.#set.isFailing) {
      return { status: "unknown", ...(this.#withdrawn.has(kid) && { isWithdrawn: true }) };
    }
    const retryAfter = Math.max(1, Math.ceil(this.#set.secondsUntilLoad));
    return { status: "unavailable", retryAfter, cause: this.#set.lastError };
  }

  #findHeld(kid: string | undefined, algorithm: Algorithm): KeyObject | undefined {
    const { current } = this.#set;
    const key = current?.keys.find(kid, algorithm);
    if (key !== undefined || current === undefined || current.missing.length === 0) return key;
    const missing = current.missing.map(({ usable }) => usable);
    return findOnly(missing, kid, algorithm);
  }

  /** Whether the source may have keys that are not at hand, and can be asked for them. */
  #mayHaveChanged(): boolean {
    if (!this.#set.isLoading && this.#set.secondsUntilLoad > 0) return false;
    const { current } = this.#set;
    const isCurrent = this.#source.revision !== undefined && current?.revision === this.#readRevision();
    return current === undefined || !isCurrent;
  }

  #readRevision(): unknown {
    try {
      return this.#source.revision?.();
    } catch (error) {
      // Equal to no other revision: the keys are loaded, and if the source is broken, that load reports it.
      return { error };
    }
  }
}

/** Every algorithm that can be verified. A profile may choose among these, and can add nothing to them. */
export const ALGORITHMS: readonly Algorithm[] = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"];

/** Whether a value names an algorithm that can be verified. */
export function isAlgorithm(value: unknown): value is Algorithm {
  return ALGORITHMS.some((algorithm) => algorithm === value);
}

/** Further keys of a set are ignored. */
const MAX_JWKS = 256;

// Weaker ones can be broken; larger ones make every verification slow.
const MIN_MODULUS = 2n ** 2047n;
const MAX_MODULUS = 2n ** 8192n - 1n;
const MIN_EXPONENT = 65_537n;
const MAX_EXPONENT = 0xffff_ffffn;

/** Public keys that may verify, found by key id and algorithm. */
export interface ImportedKeys {
  /** How many keys are usable. */
  readonly size: number;
  readonly usable: readonly UsableKey[];
  /** Why keys that looked usable could not be imported. */
  readonly failures: readonly unknown[];
  /** Finds the one key that fits; `undefined` if none does, or if two different ones do. Without a `kid`, all are candidates. */
  find(kid: string | undefined, algorithm: Algorithm): KeyObject | undefined;
  /** Finds a key that was imported from the same material. */
  recall(material: string): KeyObject | undefined;
}

/** A key that may verify. */
export interface UsableKey {
  readonly kid: string | undefined;
  readonly algorithms: readonly Algorithm[];
  readonly material: string;
  readonly key: KeyObject;
}

/**
 * Imports the keys of a JWKS (RFC 7517) that may verify signatures.
 *
 * Used: RSA of 2048 to 8192 bits with an odd exponent from 65537 and without the ROCA fingerprint, P-256 on the curve,
 * Ed25519; of a private key, the public half. Ignored: symmetric keys, `use` other than `sig`, `key_ops` without `verify`,
 * an unknown `alg`.
 *
 * @param previous - the set before; keys that are in both are not imported again
 */
export function importKeys(set: JsonWebKeySet, previous?: ImportedKeys): ImportedKeys {
  const { usable, failures } = importUsable(set, previous);
  const byMaterial = new Map(usable.map(({ material, key }) => [material, key]));
  return {
    size: usable.length,
    usable,
    failures,
    find: (kid, algorithm) => findOnly(usable, kid, algorithm),
    recall: (material) => byMaterial.get(material),
  };
}

// Apart from importKeys, whose closures would otherwise keep the previous set in memory, and so every set before it.
function importUsable(
  set: JsonWebKeySet,
  previous: ImportedKeys | undefined,
): { readonly usable: readonly UsableKey[]; readonly failures: readonly unknown[] } {
  const usable: UsableKey[] = [];
  const failures: unknown[] = [];
  for (const jwk of set.keys.slice(0, MAX_JWKS)) {
    try {
      const key = importKey(jwk, previous);
      if (key !== undefined) usable.push(key);
    } catch (error) {
      failures.push(error);
    }
  }
  return { usable, failures };
}

function isSameKey(one: UsableKey, other: UsableKey): boolean {
  return one.kid === other.kid && one.material === other.material;
}

function findOnly(
  usable: readonly UsableKey[],
  kid: string | undefined,
  algorithm: Algorithm,
): KeyObject | undefined {
  let found: KeyObject | undefined;
  for (const candidate of usable) {
    if (kid !== undefined && candidate.kid !== kid) continue;
    if (!candidate.algorithms.includes(algorithm)) continue;
    if (found !== undefined && !found.equals(candidate.key)) return undefined;
    found = candidate.key;
  }
  return found;
}

/** @throws what `createPublicKey` throws for a key that is malformed */
function importKey(jwk: unknown, previous: ImportedKeys | undefined): UsableKey | undefined {
  if (!isObject(jwk)) return undefined;
  const { kid, use, key_ops: operations, alg } = jwk;
  if (kid !== undefined && !isString(kid)) return undefined;
  if (use !== undefined && use !== "sig") return undefined;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes("verify"))) {
    return undefined;
  }
  const type = readKeyType(jwk);
  const algorithms = type?.algorithms.filter((own) => alg === undefined || isSameAlgorithm(own, alg));
  if (type === undefined || algorithms === undefined || algorithms.length === 0) return undefined;
  const material = JSON.stringify(type.members);
  const key = previous?.recall(material) ?? createPublicKey({ key: type.members, format: "jwk" });
  return { kid, algorithms, material, key };
}

/** `EdDSA` with an Ed25519 key is `Ed25519` (RFC 9864 section 2.2). */
function isSameAlgorithm(own: Algorithm, alg: unknown): boolean {
  return own === alg || (own === "EdDSA" && alg === "Ed25519") || (own === "Ed25519" && alg === "EdDSA");
}

/** Reads the members that make the public half, and nothing else of the key. */
function readKeyType(
  jwk: Readonly<Record<string, unknown>>,
): { members: CryptoJwk; algorithms: readonly Algorithm[] } | undefined {
  const { kty, crv, n, e, x, y } = jwk;
  if (kty === "RSA" && isString(n) && isString(e) && isSoundRsa(n, e)) {
    return { members: { kty, n, e }, algorithms: ["RS256", "PS256"] };
  }
  if (kty === "EC" && crv === "P-256" && isString(x) && isString(y)) {
    return { members: { kty, crv, x, y }, algorithms: ["ES256"] };
  }
  if (kty === "OKP" && crv === "Ed25519" && isString(x)) {
    return { members: { kty, crv, x }, algorithms: ["EdDSA", "Ed25519"] };
  }
  return undefined;
}

function isSoundRsa(n: string, e: string): boolean {
  const modulus = toInteger(n);
  const exponent = toInteger(e);
  return (
    modulus >= MIN_MODULUS &&
    modulus <= MAX_MODULUS &&
    exponent >= MIN_EXPONENT &&
    exponent <= MAX_EXPONENT &&
    exponent % 2n === 1n &&
    !hasRocaFingerprint(modulus)
  );
}

function toInteger(base64url: string): bigint {
  return BigInt(`0x0${Buffer.from(base64url, "base64url").toString("hex")}`);
}

// The primes below 168 in whose multiplicative groups 65537 generates a proper subgroup carry the fingerprint.
const PRIMES = listOddPrimes(167);

const SUBGROUPS = PRIMES.map((prime) => ({ prime: BigInt(prime), members: generateSubgroup(prime) })).filter(
  ({ prime, members }) => members.size < Number(prime) - 1,
);

/**
 * Whether an RSA modulus bears the mark of the Infineon key generator, whose keys can be factored (ROCA, CVE-2017-15361).
 *
 * Such a modulus is a power of 65537 modulo every small prime; another one is by chance about once in 2^28.
 */
export function hasRocaFingerprint(modulus: bigint): boolean {
  return SUBGROUPS.every(({ prime, members }) => members.has(Number(modulus % prime)));
}

function generateSubgroup(prime: number): ReadonlySet<number> {
  const members = new Set<number>();
  for (let power = 1; !members.has(power); power = (power * 65_537) % prime) members.add(power);
  return members;
}

function listOddPrimes(limit: number): number[] {
  const primes: number[] = [];
  for (let candidate = 3; candidate <= limit; candidate += 2) {
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate);
  }
  return primes;
}
