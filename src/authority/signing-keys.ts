import { type KeyObject, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { SignJWT, calculateJwkThumbprint, exportJWK, generateKeyPair } from "jose";
import { isObject, isString } from "../lib/values.ts";
import type { Algorithm, JsonWebKey } from "../store.ts";
import { canonicalSpelling } from "../tokens/verify-token.ts";
import { certifyKey } from "./key-certificate.ts";

/** A key that signs access tokens. */
export interface SigningKey {
  readonly kid: string;
  readonly algorithm: Algorithm;
  readonly privateKey: KeyObject;
  readonly privateJwk: JsonWebKey;
  readonly publicJwk: JsonWebKey;
}

/** Signs claims as a JWT of `typ` `JWT`. */
export async function signClaims(
  { kid, algorithm, privateKey }: SigningKey,
  claims: Readonly<Record<string, unknown>>,
): Promise<string> {
  const header = { alg: algorithm, kid, typ: "JWT" };
  return canonicalSpelling(await new SignJWT({ ...claims }).setProtectedHeader(header).sign(privateKey));
}

/** Makes a key; its id is its thumbprint (RFC 7638). */
export async function makeSigningKey(algorithm: Algorithm): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const { kty = "", ...parameters } = await exportJWK(privateKey);
  return importSigningKey({ kty, ...parameters, alg: algorithm });
}

/** Imports a private JWK. Throws a `TypeError` for one that cannot sign. */
export async function importSigningKey(jwk: JsonWebKey): Promise<SigningKey> {
  const algorithm = algorithmOf(jwk);
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

/** Returns the algorithm that a private JWK signs by. Throws a `TypeError` for one that cannot sign. */
export function algorithmOf(jwk: JsonWebKey): Algorithm {
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
