import { type KeyObject, createPrivateKey, createPublicKey, hkdfSync, sign, verify } from "node:crypto";
import { SignJWT, calculateJwkThumbprint, exportJWK, generateKeyPair } from "jose";
import type { Clock } from "../lib/clock.ts";
import type { Algorithm, JsonWebKey, JsonWebKeySet } from "../store.ts";

/** Signs access tokens, and keeps the keys that do. */
export interface Issuer {
  /** What its tokens are signed with, after any rotation too. Only {@link Issuer.require} adds to it. */
  readonly algorithms: readonly Algorithm[];
  /**
   * Makes sure that tokens of this algorithm can be signed, beside those of the key in force.
   *
   * @returns `false`: none of the application's keys can, and a key made here would be unknown to its other processes.
   */
  require(algorithm: Algorithm): boolean;
  /** Signs claims as a JWT of `typ` `JWT`: with the key in force, or with the first key of the algorithm named. */
  sign(claims: Readonly<Record<string, unknown>>, algorithm?: Algorithm): Promise<string>;
  /** The public half of every key that may still verify. */
  jwks(): Promise<JsonWebKeySet>;
  /** Another value whenever the keys have changed. */
  revision(): unknown;
  /** Puts a new key in force; those before it go on verifying for as long as `retention` says. */
  rotate(): Promise<{ readonly kid: string }>;
  /** One secret for each key that may still verify, the one in force first. */
  secrets(purpose: string): Promise<readonly Buffer[]>;
}

/** What an issuer is made of. */
export interface IssuerOptions {
  readonly keys: readonly JsonWebKey[] | undefined;
  /** Seconds that a key goes on verifying after the next one took its place. */
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

/**
 * Makes the issuer. Without keys of the application's, the first is made when it is first needed.
 *
 * The ring lives in this process: several processes, or one that must outlive a restart, are given the same `keys`.
 */
export function createIssuer(options: IssuerOptions): Issuer {
  const ring = new KeyRing(options);
  return {
    get algorithms() {
      return ring.algorithms;
    },
    require: (algorithm) => ring.require(algorithm),
    async sign(claims, wanted) {
      const { kid, algorithm, privateKey } = inForce(await ring.load(), wanted);
      return new SignJWT({ ...claims })
        .setProtectedHeader({ alg: algorithm, kid, typ: "JWT" })
        .sign(privateKey);
    },
    jwks: async () => ({ keys: (await ring.load()).map(({ publicJwk }) => publicJwk) }),
    revision: () => ring.revision,
    rotate: () => ring.rotate(),
    secrets: async (purpose) =>
      (await ring.load()).map(({ privateJwk }) => deriveSecret(privateJwk, purpose)),
  };
}

class KeyRing {
  readonly #options: IssuerOptions;
  readonly #algorithms: Set<Algorithm>;
  /** What must be signed for, beside the algorithm of the key in force. */
  readonly #required = new Set<Algorithm>();
  #keys: readonly RingKey[] = [];
  #completing: Promise<void> | undefined;

  constructor(options: IssuerOptions) {
    this.#options = options;
    this.#algorithms = new Set(options.keys?.map(algorithmOf) ?? [DEFAULT_ALGORITHM]);
  }

  get algorithms(): readonly Algorithm[] {
    return [...this.#algorithms];
  }

  /** The list that is replaced with every change. */
  get revision(): unknown {
    return this.#keys;
  }

  require(algorithm: Algorithm): boolean {
    if (this.#options.keys !== undefined && !this.#algorithms.has(algorithm)) return false;
    this.#algorithms.add(algorithm);
    this.#required.add(algorithm);
    return true;
  }

  /** The keys that may still verify, the one in force first. */
  async load(): Promise<readonly RingKey[]> {
    while (!this.#isComplete()) {
      // oxlint-disable-next-line no-await-in-loop -- what was required meanwhile is made next
      await (this.#completing ??= this.#complete());
    }
    const now = this.#options.clock();
    return this.#keys.filter(({ retiredUntil }) => retiredUntil === undefined || now < retiredUntil);
  }

  async rotate(): Promise<{ kid: string }> {
    const made = await Promise.all(this.#signers(await this.load()).map((key) => makeKey(key.algorithm)));
    // Read again: another rotation may have ended while the keys were made.
    const before = await this.load();
    const replaced = new Set(this.#signers(before));
    const retiredUntil = this.#options.clock() + this.#options.retention;
    this.#keys = [...made, ...before.map((key) => (replaced.has(key) ? { ...key, retiredUntil } : key))];
    return { kid: inForce(made).kid };
  }

  /** The keys that sign: the one in force, and the first of every algorithm required. */
  #signers(ring: readonly RingKey[]): readonly RingKey[] {
    return [...new Set([inForce(ring), ...[...this.#required].map((algorithm) => inForce(ring, algorithm))])];
  }

  #isComplete(): boolean {
    return (
      this.#keys.length > 0 &&
      [...this.#required].every((wanted) => this.#keys.some((key) => key.algorithm === wanted))
    );
  }

  async #complete(): Promise<void> {
    try {
      const { keys } = this.#options;
      if (keys !== undefined) {
        this.#keys = await Promise.all(keys.map((jwk) => toRingKey(jwk, algorithmOf(jwk))));
        return;
      }
      const known = this.#keys.map(({ algorithm }) => algorithm);
      const missing = [...this.#algorithms].filter((algorithm) => !known.includes(algorithm));
      const made = await Promise.all(missing.map(makeKey));
      this.#keys = [...this.#keys, ...made];
    } finally {
      // A key that could not be made is tried again by whoever needs it next.
      this.#completing = undefined;
    }
  }
}

function inForce(ring: readonly RingKey[], wanted?: Algorithm): RingKey {
  const current = ring.find(({ algorithm }) => wanted === undefined || algorithm === wanted);
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
  const publicJwk = { kty: jwk.kty, ...publicParametersOf(jwk), kid, alg: algorithm, use: "sig" };
  return { kid, algorithm, privateKey: importPrivateKey(jwk), privateJwk: jwk, publicJwk };
}

/** Which algorithm a private key signs with; the reason, where it may not sign at all. */
type KeyJudgement = { readonly algorithm: Algorithm } | { readonly problem: string };

/** Why a private JWK cannot sign; `undefined`: it can. Never says anything of the key's contents. */
export function findKeyProblem(jwk: unknown): string | undefined {
  const judgement = judgeKey(jwk);
  return "problem" in judgement ? judgement.problem : undefined;
}

/** The algorithm of a private JWK that has no problem. */
export function algorithmOf(jwk: JsonWebKey): Algorithm {
  const judgement = judgeKey(jwk);
  if ("problem" in judgement) throw new TypeError(`A signing key ${judgement.problem}`);
  return judgement.algorithm;
}

/** Imports a private JWK that has no problem. */
export function importPrivateKey(jwk: JsonWebKey): KeyObject {
  return createPrivateKey({ key: { ...jwk }, format: "jwk" });
}

/** What may be published of a key. */
export function publicParametersOf(jwk: JsonWebKey): Record<string, unknown> {
  const { crv, x, y, n, e } = jwk;
  const parameters = Object.entries({ crv, x, y, n, e });
  return Object.fromEntries(parameters.filter(([, value]) => value !== undefined));
}

function importPublicKey(jwk: JsonWebKey): KeyObject {
  return createPublicKey({ key: { kty: jwk.kty, ...publicParametersOf(jwk) }, format: "jwk" });
}

/** Derives a secret for another purpose, which tells nothing of the key. */
export function deriveSecret(jwk: JsonWebKey, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", Buffer.from(String(jwk["d"]), "base64url"), "orgate", purpose, 32));
}

function judgeKey(jwk: unknown): KeyJudgement {
  if (!isJwk(jwk)) return { problem: "is not a private JWK." };
  if (jwk.use !== undefined && jwk.use !== "sig") return { problem: 'must be for signatures (use "sig").' };
  const algorithms = algorithmsOf(jwk);
  const [preferred] = algorithms;
  if (preferred === undefined) return { problem: "must be an RSA, a P-256 or an Ed25519 key." };
  const algorithm = jwk.alg === undefined ? preferred : algorithms.find((known) => known === jwk.alg);
  if (algorithm === undefined)
    return { problem: `has an alg that does not fit; use ${algorithms.join(" or ")}.` };
  return findMaterialProblem(jwk) ?? { algorithm };
}

function algorithmsOf(jwk: JsonWebKey): readonly Algorithm[] {
  if (jwk.kty === "RSA") return ["RS256", "PS256"];
  if (jwk.kty === "EC" && jwk["crv"] === "P-256") return ["ES256"];
  return jwk.kty === "OKP" && jwk["crv"] === "Ed25519" ? ["EdDSA", "Ed25519"] : [];
}

function findMaterialProblem(jwk: JsonWebKey): { problem: string } | undefined {
  try {
    const privateKey = importPrivateKey(jwk);
    const details = privateKey.asymmetricKeyDetails;
    if (details?.modulusLength !== undefined && details.modulusLength < 2048) {
      return { problem: "is too weak: RSA needs 2048 bits." };
    }
    if (details?.publicExponent !== undefined && details.publicExponent < 65_537n) {
      return { problem: "is too weak: its public exponent must be at least 65537." };
    }
    // Not every mismatch of the two halves is found when a key is imported.
    const digest = jwk.kty === "OKP" ? null : "sha256";
    const sample = Buffer.from("orgate");
    const isPair = verify(digest, sample, importPublicKey(jwk), sign(digest, sample, privateKey));
    return isPair ? undefined : { problem: "is not a valid private key." };
  } catch {
    return { problem: "is not a valid private key." };
  }
}

function isJwk(value: unknown): value is JsonWebKey {
  return (
    typeof value === "object" &&
    value !== null &&
    "kty" in value &&
    typeof value.kty === "string" &&
    "d" in value &&
    typeof value.d === "string"
  );
}
