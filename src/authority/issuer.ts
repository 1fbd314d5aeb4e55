import { type KeyObject, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { SignJWT, calculateJwkThumbprint, exportJWK, generateKeyPair } from "jose";
import type { Clock } from "../lib/clock.ts";
import { type SingleFlight, createSingleFlight } from "../lib/concurrency.ts";
import { isObject, isString } from "../lib/values.ts";
import type { Algorithm, JsonWebKey, JsonWebKeySet } from "../store.ts";
import { canonicalSpelling } from "../tokens/verify-token.ts";
import { certifyKey } from "./key-certificate.ts";
import { deriveKey } from "./secrets.ts";

/** Options of {@link Issuer}. */
export interface IssuerOptions {
  readonly keys: readonly JsonWebKey[] | undefined;
  /** Seconds that a key continues to verify after the next one replaced it. */
  readonly retention: number;
  readonly clock: Clock;
}

interface RingKey {
  readonly kid: string;
  readonly algorithm: Algorithm;
  readonly privateKey: KeyObject;
  readonly privateJwk: JsonWebKey;
  readonly publicJwk: JsonWebKey;
  /** Absent while it is in force, and for keys that the application keeps. */
  readonly retiredUntil?: number;
}

const DEFAULT_ALGORITHM: Algorithm = "ES256";
/** Seconds that making a key may take; one that takes longer is waited for again. */
const KEY_BUDGET = 30;

/**
 * Signs access tokens, and keeps the keys for that. Without keys from the application, the first is made when it is first needed.
 *
 * The keys live in this process: several processes, or one that must survive a restart, are given the same `keys`.
 */
export class Issuer {
  readonly #options: IssuerOptions;
  readonly #algorithms: Set<Algorithm>;
  /** The algorithms needed beside that of the key in force. */
  readonly #required = new Set<Algorithm>();
  #keys: readonly RingKey[] = [];
  readonly #completing: SingleFlight<void>;

  constructor(options: IssuerOptions) {
    this.#options = options;
    this.#completing = createSingleFlight({ clock: options.clock, budget: KEY_BUDGET });
    this.#algorithms = new Set(options.keys?.map(algorithmOf) ?? [DEFAULT_ALGORITHM]);
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

  /** Signs claims as a JWT of `typ` `JWT`, with the key in force or with the first key of the algorithm named. */
  async sign(claims: Readonly<Record<string, unknown>>, wanted?: Algorithm): Promise<string> {
    const { kid, algorithm, privateKey } = inForce(await this.#load(), wanted);
    const header = { alg: algorithm, kid, typ: "JWT" };
    return canonicalSpelling(await new SignJWT({ ...claims }).setProtectedHeader(header).sign(privateKey));
  }

  /** Returns the public half of every key that may still verify. */
  async jwks(): Promise<JsonWebKeySet> {
    return { keys: (await this.#load()).map(({ publicJwk }) => publicJwk) };
  }

  /** Returns another value whenever the keys have changed. */
  revision(): unknown {
    // The list is replaced with every change.
    return this.#keys;
  }

  /** Puts a new key in force; the keys before it continue to verify for `retention` seconds. */
  async rotate(): Promise<{ kid: string }> {
    const made = await Promise.all(this.#signers(await this.#load()).map((key) => makeKey(key.algorithm)));
    // Read again: another rotation may have ended while the keys were made.
    const before = await this.#load();
    const replaced = new Set(this.#signers(before));
    const retiredUntil = this.#options.clock() + this.#options.retention;
    this.#keys = [...made, ...before.map((key) => (replaced.has(key) ? { ...key, retiredUntil } : key))];
    return { kid: inForce(made).kid };
  }

  /** Derives one secret from each key that may still verify, the one in force first. */
  async secrets(purpose: string): Promise<readonly [Buffer, ...Buffer[]]> {
    const keys = await this.#load();
    const derive = ({ privateJwk }: RingKey): Buffer =>
      deriveKey(Buffer.from(String(privateJwk["d"]), "base64url"), "orgate", purpose);
    return [derive(inForce(keys)), ...keys.slice(1).map(derive)];
  }

  /** The keys that may still verify, the one in force first. */
  async #load(): Promise<readonly RingKey[]> {
    while (!this.#isComplete()) {
      // oxlint-disable-next-line no-await-in-loop -- what was required meanwhile is made next
      await this.#completing.run({ key: "keys", start: () => this.#complete() });
    }
    const now = this.#options.clock();
    return this.#keys.filter(({ retiredUntil }) => retiredUntil === undefined || now < retiredUntil);
  }

  /** The keys that sign: the one in force, and the first of every algorithm required. */
  #signers(keys: readonly RingKey[]): readonly RingKey[] {
    return [...new Set([inForce(keys), ...[...this.#required].map((algorithm) => inForce(keys, algorithm))])];
  }

  #isComplete(): boolean {
    const isCovered = (wanted: Algorithm): boolean => this.#keys.some((key) => key.algorithm === wanted);
    return this.#keys.length > 0 && [...this.#required].every(isCovered);
  }

  async #complete(): Promise<void> {
    const { keys } = this.#options;
    if (keys !== undefined) {
      this.#keys = await Promise.all(keys.map((jwk) => toRingKey(jwk, algorithmOf(jwk))));
      return;
    }
    const known = new Set(this.#keys.map(({ algorithm }) => algorithm));
    const missing = [...this.#algorithms].filter((algorithm) => !known.has(algorithm));
    const made = await Promise.all(missing.map(makeKey));
    this.#keys = [...this.#keys, ...made];
  }
}

function inForce(keys: readonly RingKey[], wanted?: Algorithm): RingKey {
  const current = keys.find(({ algorithm }) => wanted === undefined || algorithm === wanted);
  if (current === undefined) throw new TypeError("An issuer has a key for everything that it signs.");
  return current;
}

async function makeKey(algorithm: Algorithm): Promise<RingKey> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const { kty = "", ...parameters } = await exportJWK(privateKey);
  return toRingKey({ kty, ...parameters }, algorithm);
}

async function toRingKey(jwk: JsonWebKey, algorithm: Algorithm): Promise<RingKey> {
  const kid = jwk.kid ?? (await calculateJwkThumbprint(jwk));
  const privateKey = createPrivateKey({ key: { ...jwk }, format: "jwk" });
  const certificate = algorithm === "RS256" ? certifyKey(privateKey) : {};
  const publicJwk = { ...toPublicJwk(jwk), kid, alg: algorithm, use: "sig", ...certificate };
  return { kid, algorithm, privateKey, privateJwk: jwk, publicJwk };
}

function toPublicJwk({ kty, crv, x, y, n, e }: JsonWebKey): JsonWebKey {
  const parameters = Object.entries({ crv, x, y, n, e }).filter(([, value]) => value !== undefined);
  return { kty, ...Object.fromEntries(parameters) };
}

/** Tells why a private JWK cannot sign; `undefined`: it can. Says nothing about the key's contents. */
export function findKeyProblem(jwk: unknown): string | undefined {
  const checked = checkKey(jwk);
  return "problem" in checked ? checked.problem : undefined;
}

function algorithmOf(jwk: JsonWebKey): Algorithm {
  const checked = checkKey(jwk);
  if ("problem" in checked) throw new TypeError(`A signing key ${checked.problem}`, { cause: checked.cause });
  return checked.algorithm;
}

interface KeyProblem {
  readonly problem: string;
  readonly cause?: unknown;
}

function checkKey(jwk: unknown): { readonly algorithm: Algorithm } | KeyProblem {
  if (!isPrivateJwk(jwk)) return { problem: "is not a private JWK." };
  if (jwk.use !== undefined && jwk.use !== "sig") return { problem: 'must be for signatures (use "sig").' };
  const algorithms = algorithmsFor(jwk);
  const [preferred] = algorithms;
  if (preferred === undefined) return { problem: "must be an RSA, a P-256 or an Ed25519 key." };
  const algorithm = jwk.alg === undefined ? preferred : algorithms.find((known) => known === jwk.alg);
  if (algorithm === undefined) {
    return { problem: `has an alg that does not fit; use ${algorithms.join(" or ")}.` };
  }
  return findMaterialProblem(jwk) ?? { algorithm };
}

function algorithmsFor(jwk: JsonWebKey): readonly Algorithm[] {
  if (jwk.kty === "RSA") return ["RS256", "PS256"];
  if (jwk.kty === "EC" && jwk["crv"] === "P-256") return ["ES256"];
  return jwk.kty === "OKP" && jwk["crv"] === "Ed25519" ? ["EdDSA", "Ed25519"] : [];
}

function findMaterialProblem(jwk: JsonWebKey): KeyProblem | undefined {
  try {
    const privateKey = createPrivateKey({ key: { ...jwk }, format: "jwk" });
    const { modulusLength = 2048, publicExponent = 65_537n } = privateKey.asymmetricKeyDetails ?? {};
    if (modulusLength < 2048) return { problem: "is too weak: RSA needs 2048 bits." };
    if (publicExponent < 65_537n) {
      return { problem: "is too weak: its public exponent must be at least 65537." };
    }
    // Not every mismatch of the two halves is found when a key is imported.
    const digest = jwk.kty === "OKP" ? null : "sha256";
    const sample = Buffer.from("orgate");
    const publicKey = createPublicKey({ key: { ...toPublicJwk(jwk) }, format: "jwk" });
    const isPair = verify(digest, sample, publicKey, sign(digest, sample, privateKey));
    return isPair ? undefined : { problem: "is not a valid private key." };
  } catch (cause) {
    return { problem: "is not a valid private key.", cause };
  }
}

function isPrivateJwk(value: unknown): value is JsonWebKey {
  return isObject(value) && isString(value["kty"]) && isString(value["d"]);
}
