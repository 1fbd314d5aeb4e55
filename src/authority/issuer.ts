import type { KeyObject } from "node:crypto";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from "jose";
import type { Clock } from "../clock.ts";
import type { Algorithm, JsonWebKey, JsonWebKeySet } from "../stores/token-profile.ts";
import { algorithmOf, deriveSecret, importPrivateKey, publicParametersOf } from "./signing-key.ts";

/** Signs access tokens, and keeps the keys that do. */
export interface Issuer {
  /** What its tokens are signed with, now and after any rotation. */
  readonly algorithms: readonly Algorithm[];
  /** Signs claims with the key in force, as a JWT of `typ` `JWT`. */
  sign(claims: Readonly<Record<string, unknown>>): Promise<string>;
  /** The public half of every key that may still verify. */
  jwks(): Promise<JsonWebKeySet>;
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
    algorithms: ring.algorithms,
    async sign(claims) {
      const { kid, algorithm, privateKey } = inForce(await ring.load());
      return new SignJWT({ ...claims })
        .setProtectedHeader({ alg: algorithm, kid, typ: "JWT" })
        .sign(privateKey);
    },
    jwks: async () => ({ keys: (await ring.load()).map(({ publicJwk }) => publicJwk) }),
    rotate: () => ring.rotate(),
    secrets: async (purpose) =>
      (await ring.load()).map(({ privateJwk }) => deriveSecret(privateJwk, purpose)),
  };
}

class KeyRing {
  readonly algorithms: readonly Algorithm[];
  readonly #options: IssuerOptions;
  #keys: readonly RingKey[] | undefined;
  #loading: Promise<readonly RingKey[]> | undefined;

  constructor(options: IssuerOptions) {
    this.#options = options;
    this.algorithms =
      options.keys === undefined ? [DEFAULT_ALGORITHM] : [...new Set(options.keys.map(algorithmOf))];
  }

  /** The keys that may still verify, the one in force first. */
  async load(): Promise<readonly RingKey[]> {
    const keys = this.#keys ?? (await (this.#loading ??= this.#begin()));
    const now = this.#options.clock();
    return keys.filter(({ retiredUntil }) => retiredUntil === undefined || now < retiredUntil);
  }

  async rotate(): Promise<{ kid: string }> {
    const made = await makeKey(inForce(await this.load()).algorithm);
    // Read again: another rotation may have ended while the key was made.
    const [current, ...older] = await this.load();
    const retiredUntil = this.#options.clock() + this.#options.retention;
    this.#keys = current === undefined ? [made] : [made, { ...current, retiredUntil }, ...older];
    return { kid: made.kid };
  }

  async #begin(): Promise<readonly RingKey[]> {
    try {
      const { keys } = this.#options;
      this.#keys =
        keys === undefined
          ? [await makeKey(DEFAULT_ALGORITHM)]
          : await Promise.all(keys.map((jwk) => toRingKey(jwk, algorithmOf(jwk))));
      return this.#keys;
    } finally {
      // A key that could not be made is tried again by whoever needs it next.
      this.#loading = undefined;
    }
  }
}

function inForce(ring: readonly RingKey[]): RingKey {
  const [current] = ring;
  if (current === undefined) throw new TypeError("An issuer has at least one key.");
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
