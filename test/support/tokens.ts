import {
  constants,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
} from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { Algorithm, JsonWebKey, JsonWebKeySet, KeySource } from "../../src/store.ts";

/** A key pair that signs tokens in tests, and the algorithm it signs with. */
export interface SigningKey {
  readonly algorithm: Algorithm;
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** RSA keys that the run has made in advance, in PEM; each test file takes every one of them once. */
const readyRsaKeys = JSON.parse(process.env["TEST_RSA_KEYS"] ?? "[]") as string[];

/** Makes a key pair that no other call in the test file returns. Synchronous. */
export function generateSigningKey(
  algorithm: Algorithm,
  kid = `key-${randomBytes(6).toString("hex")}`,
): SigningKey {
  return { algorithm, kid, ...generatePair(algorithm) };
}

function generatePair(algorithm: Algorithm): { publicKey: KeyObject; privateKey: KeyObject } {
  switch (algorithm) {
    case "RS256":
    case "PS256":
      return takeRsaPair();
    case "ES256":
      return generateKeyPairSync("ec", { namedCurve: "P-256" });
    default:
      return generateKeyPairSync("ed25519");
  }
}

function takeRsaPair(): { publicKey: KeyObject; privateKey: KeyObject } {
  const pem = readyRsaKeys.shift();
  if (pem === undefined) return generateKeyPairSync("rsa", { modulusLength: 2048 });
  const privateKey = createPrivateKey(pem);
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

/** Signs bytes the way the algorithm says (RFC 7518 section 3, RFC 8037 section 3.1). */
export function signBytes(key: SigningKey, bytes: Buffer): Buffer {
  switch (key.algorithm) {
    case "RS256":
      return sign("sha256", bytes, key.privateKey);
    case "PS256":
      return sign("sha256", bytes, {
        key: key.privateKey,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: 32,
      });
    case "ES256":
      return sign("sha256", bytes, { key: key.privateKey, dsaEncoding: "ieee-p1363" });
    default:
      return sign(null, bytes, key.privateKey);
  }
}

/** Signs any header and payload, however malformed they are, into the compact form. The header's own `alg` plays no part. */
export function signCompact(key: SigningKey, header: string | Buffer, payload: string | Buffer): string {
  const input = `${base64url(header)}.${base64url(payload)}`;
  return `${input}.${signBytes(key, Buffer.from(input)).toString("base64url")}`;
}

/** Signs claims with the header `{ alg, kid, typ: "JWT" }`. An override of `undefined` leaves that member out. */
export function signToken(
  key: SigningKey,
  claims: Readonly<Record<string, unknown>>,
  header: Readonly<Record<string, unknown>> = {},
): string {
  const merged = { alg: key.algorithm, kid: key.kid, typ: "JWT", ...header };
  return signCompact(key, JSON.stringify(merged), JSON.stringify(claims));
}

/** Encodes without padding (RFC 7515 section 2). */
export function base64url(bytes: string | Buffer): string {
  return Buffer.from(bytes).toString("base64url");
}

/** The public half as a JWK with `kid`, `alg` and `use`. An override of `undefined` leaves that member out. */
export function publicJwk(key: SigningKey, overrides: Readonly<Record<string, unknown>> = {}): JsonWebKey {
  const jwk: Record<string, unknown> = {
    ...key.publicKey.export({ format: "jwk" }),
    kid: key.kid,
    alg: key.algorithm,
    use: "sig",
    ...overrides,
  };
  for (const name of Object.keys(jwk)) if (jwk[name] === undefined) delete jwk[name];
  return { ...jwk, kty: String(jwk["kty"]) };
}

/** The public halves as a JWKS; `{ alg: undefined }` publishes them without `alg`. */
export function publicJwks(
  keys: readonly SigningKey[],
  overrides: Readonly<Record<string, unknown>> = {},
): JsonWebKeySet {
  return { keys: keys.map((key) => publicJwk(key, overrides)) };
}

/** A source of keys in this process, without a cool-down. */
export function staticKeys(set: JsonWebKeySet): KeySource {
  return { load: () => Promise.resolve(set), cooldown: 0 };
}
