import { createPrivateKey, createPublicKey, hkdfSync, sign, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { Algorithm, JsonWebKey } from "../stores/token-profile.ts";

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
