import { type JsonWebKey as CryptoJwk, type KeyObject, createPublicKey } from "node:crypto";
import { isObject, isString } from "../lib/predicates.ts";
import type { Algorithm, JsonWebKeySet } from "../store.ts";

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
  /** Why keys that looked usable could not be imported. */
  readonly failures: readonly unknown[];
  /** Finds the one key that fits; `undefined` if none does, or if two different ones do. Without a `kid`, all are candidates. */
  find(kid: string | undefined, algorithm: Algorithm): KeyObject | undefined;
  /** Finds a key that was imported from the same material. */
  recall(material: string): KeyObject | undefined;
}

interface UsableKey {
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
