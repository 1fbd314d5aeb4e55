import { StoreUnavailableError } from "../errors.ts";
import type { Clock } from "../lib/clock.ts";
import { type SingleFlight, createSingleFlight } from "../lib/concurrency.ts";
import type { Algorithm, JsonWebKey, JsonWebKeySet, KeySource } from "../store.ts";
import { type KeyRing, type RingKey, createProcessKeyRing, findSigner, isLive } from "./key-ring.ts";
import { deriveKey } from "./secrets.ts";
import { type SigningKey, algorithmOf, makeSigningKey, signClaims } from "./signing-keys.ts";

/** Options of {@link Issuer}. */
export interface IssuerOptions {
  /** The application's own keys. They are not stored. */
  readonly keys: readonly JsonWebKey[] | undefined;
  /** Where keys that are made here lie. @defaultValue in this process */
  readonly ring?: KeyRing;
  /** Seconds that a key continues to verify after the next one replaced it. */
  readonly retention: number;
  readonly clock: Clock;
}

/** A new key. */
export interface RotatedKey {
  readonly kid: string;
  /** When it begins to sign, in seconds since the epoch. It is published at once. */
  readonly signsFrom: number;
}

interface HeldKeys {
  readonly keys: readonly RingKey[];
  /** When they were asked for, in seconds since the epoch. */
  readonly readAt: number;
}

const DEFAULT_ALGORITHM: Algorithm = "ES256";
/** Seconds that making a key may take. */
const KEY_BUDGET = 30;
/** How often a change is decided anew because another process changed the keys first. */
const MAX_ATTEMPTS = 64;
/** While the repository cannot be read, keys of this age are all there are: newer ones do not sign yet. Seconds. */
const TRUSTED_AGE = 60;
/** Seconds after which verifiers look for new keys. */
const KEY_SET_MAX_AGE = 30;

/**
 * Signs access tokens, and keeps the keys for that.
 *
 * Without keys from the application, the first is made when it is first needed, and lies where the sessions lie: all processes
 * over one repository have the same. Whoever cannot read them makes no others.
 */
export class Issuer {
  readonly #options: IssuerOptions;
  readonly #ring: KeyRing;
  readonly #algorithms: Set<Algorithm>;
  /** The algorithms needed beside that of the key in force. */
  readonly #required = new Set<Algorithm>();
  #held: HeldKeys | undefined;
  readonly #reading: SingleFlight<readonly RingKey[]>;

  constructor(options: IssuerOptions) {
    const { keys, ring = createProcessKeyRing(keys), clock } = options;
    this.#options = options;
    this.#ring = keys === undefined ? ring : createProcessKeyRing(keys);
    this.#reading = createSingleFlight({ clock, budget: KEY_BUDGET });
    this.#algorithms = new Set(keys?.map(algorithmOf) ?? [DEFAULT_ALGORITHM]);
  }

  /** The algorithms of its tokens, also after a rotation. Only {@link Issuer.require} adds to them. */
  get algorithms(): readonly Algorithm[] {
    return [...this.#algorithms];
  }

  /**
   * Makes sure that tokens of this algorithm can be signed, beside those of the key in force.
   *
   * @returns `false` if none of the application's keys can; a key made here would be unknown to its other processes.
   */
  require(algorithm: Algorithm): boolean {
    if (this.#options.keys !== undefined && !this.#algorithms.has(algorithm)) return false;
    this.#algorithms.add(algorithm);
    this.#required.add(algorithm);
    return true;
  }

  /** The public keys, for what verifies the tokens in this process. */
  get keySource(): KeySource {
    const { maxAge, cooldown } = this.#ring;
    return {
      load: () => this.#loadForVerifiers(),
      // Where nobody else changes the keys, a change is seen at once, and an unknown key id is known to be none.
      ...(maxAge === Infinity && { revision: () => this.#held?.keys }),
      maxAge: KEY_SET_MAX_AGE,
      cooldown,
      // The keys lie where the sessions lie: when that is back, both are.
      maxBackOff: 1,
    };
  }

  /** Signs claims as a JWT of `typ` `JWT`, with the key in force or with the one in force of the algorithm named. */
  async sign(claims: Readonly<Record<string, unknown>>, wanted?: Algorithm): Promise<string> {
    const keys = await this.#load();
    return signClaims(findSigner(keys, this.#options.clock(), wanted), claims);
  }

  /** Returns the public half of every key that may still verify. While nobody can know, the last ones that were known. */
  async jwks(): Promise<JsonWebKeySet> {
    try {
      return toKeySet(await this.#load());
    } catch (error) {
      const held = this.#liveKeys();
      if (held.length === 0) throw error;
      return toKeySet(held);
    }
  }

  /**
   * Makes a new key, which signs once every process has it. The keys before it continue to verify for `retention` seconds from
   * then on.
   */
  async rotate(): Promise<RotatedKey> {
    const { clock, retention } = this.#options;
    const made = new Map<Algorithm, SigningKey>();
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      // oxlint-disable-next-line no-await-in-loop -- each attempt goes on from what another process wrote
      const { keys, version } = await this.#readComplete();
      const now = clock();
      const signsFrom = now + this.#ring.publishAhead;
      const signers = this.#signers(keys, now);
      const missing = signers.map(({ algorithm }) => algorithm).filter((algorithm) => !made.has(algorithm));
      // oxlint-disable-next-line no-await-in-loop -- as above
      for (const key of await Promise.all(missing.map(makeSigningKey))) made.set(key.algorithm, key);
      const isReplaced = (key: RingKey): boolean =>
        key.retiredUntil === undefined &&
        made.has(key.algorithm) &&
        (signers.includes(key) || key.signsFrom > now);
      const fresh = [...made.values()].map((key) => ({ ...key, signsFrom }));
      const older = keys.map((key) =>
        isReplaced(key) ? { ...key, retiredUntil: signsFrom + retention } : key,
      );
      // oxlint-disable-next-line no-await-in-loop -- as above
      if (await this.#write([...fresh, ...older], version)) {
        return { kid: findSigner(fresh, signsFrom, signers[0]?.algorithm).kid, signsFrom };
      }
    }
    throw tooManyChanges();
  }

  /** Derives one secret from each key that may still verify, the one in force first. */
  async secrets(purpose: string): Promise<readonly [Buffer, ...Buffer[]]> {
    const keys = await this.#load();
    const signer = findSigner(keys, this.#options.clock());
    const derive = ({ privateJwk }: RingKey): Buffer =>
      deriveKey(Buffer.from(String(privateJwk["d"]), "base64url"), "orgate", purpose);
    return [derive(signer), ...keys.filter((key) => key !== signer).map(derive)];
  }

  /** The keys that may still verify, newer ones before those that they replace. */
  async #load(): Promise<readonly RingKey[]> {
    const held = this.#liveKeys();
    return this.#isHeldFor(this.#ring.maxAge) && this.#findMissing(held).length === 0
      ? held
      : this.#refresh();
  }

  async #refresh(): Promise<readonly RingKey[]> {
    const start = async (): Promise<readonly RingKey[]> => (await this.#readComplete()).keys;
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- an algorithm that was required meanwhile gets its key next
      const flight = await this.#reading.run({ key: "keys", start });
      if (flight.status !== "settled") throw new StoreUnavailableError({ reason: "keys_unavailable" });
      if (this.#findMissing(flight.settled.result).length === 0) return flight.settled.result;
    }
  }

  async #loadForVerifiers(): Promise<JsonWebKeySet> {
    if (this.#ring.maxAge === Infinity) return toKeySet(await this.#load());
    try {
      return toKeySet(await this.#refresh());
    } catch (error) {
      if (!this.#isHeldFor(TRUSTED_AGE)) throw error;
      return toKeySet(this.#liveKeys());
    }
  }

  /** Reads the keys, and makes those that are missing. */
  async #readComplete(): Promise<{
    readonly keys: readonly RingKey[];
    readonly version: number | undefined;
  }> {
    const { clock } = this.#options;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const readAt = clock();
      // oxlint-disable-next-line no-await-in-loop -- each attempt goes on from what another process wrote
      const { keys, version, isDue } = await this.#ring.read(this.#held?.keys ?? []);
      const live = keys.filter((key) => isLive(key, readAt));
      const missing = this.#findMissing(live);
      if (missing.length === 0 && !isDue) {
        this.#held = { keys: live, readAt };
        return { keys: live, version };
      }
      // oxlint-disable-next-line no-await-in-loop -- as above
      const made = await Promise.all(missing.map(makeSigningKey));
      // There is no older key of the algorithm that could sign until verifiers have the new one.
      // oxlint-disable-next-line no-await-in-loop -- as above
      await this.#write([...live, ...made.map((key) => ({ ...key, signsFrom: 0 }))], version);
    }
    throw tooManyChanges();
  }

  async #write(keys: readonly RingKey[], version: number | undefined): Promise<boolean> {
    const readAt = this.#options.clock();
    const isWritten = await this.#ring.write(keys, version);
    if (isWritten) this.#held = { keys, readAt };
    return isWritten;
  }

  #liveKeys(): readonly RingKey[] {
    const now = this.#options.clock();
    return this.#held?.keys.filter((key) => isLive(key, now)) ?? [];
  }

  /** Whether the keys at hand were asked for within so many seconds. */
  #isHeldFor(seconds: number): boolean {
    return this.#held !== undefined && Math.abs(this.#options.clock() - this.#held.readAt) < seconds;
  }

  #findMissing(keys: readonly RingKey[]): readonly Algorithm[] {
    const known = new Set(keys.map(({ algorithm }) => algorithm));
    return [...this.#algorithms].filter((algorithm) => !known.has(algorithm));
  }

  /** The keys that sign now: the one in force first, and one of every further algorithm. */
  #signers(keys: readonly RingKey[], now: number): readonly RingKey[] {
    // Of the application's own keys, those of further algorithms may be there only to verify.
    const further =
      this.#options.keys === undefined ? keys.map(({ algorithm }) => algorithm) : this.#required;
    const current = findSigner(keys, now);
    return [...new Set([current, ...[...further].map((algorithm) => findSigner(keys, now, algorithm))])];
  }
}

function toKeySet(keys: readonly RingKey[]): JsonWebKeySet {
  return { keys: keys.map(({ publicJwk }) => publicJwk) };
}

function tooManyChanges(): StoreUnavailableError {
  return new StoreUnavailableError({ reason: "contention", retryAfter: 1 });
}
