import { constants, createHmac, sign } from "node:crypto";
import { base64url, publicJwk, publicJwks, signBytes, signToken } from "../tokens.ts";
import type { SigningKey } from "../tokens.ts";
import type { Attack, Victim } from "./victim.ts";

/** no algorithm, an algorithm of another kind with a public value as its secret, an algorithm swapped for its sibling. */
export function algorithmAttacks(victim: Victim): Attack[] {
  return [...unsigned(victim), ...confused(victim), ...substituted(victim)].map(([name, token]) => ({
    threat: "R-01",
    name,
    token,
  }));
}

type Sibling = readonly [algorithm: string, signWith: (input: string) => Buffer];
type Named = readonly [name: string, token: string];

const NO_ALGORITHM: readonly unknown[] = [
  "none",
  "None",
  "NONE",
  "nOnE",
  "none ",
  " none",
  "none\u0000",
  "",
  "null",
  "n\u043Ene",
  null,
  0,
  false,
  true,
  [],
  {},
  ["none"],
  ["RS256"],
  { toString: "RS256" },
];

function unsigned(victim: Victim): Named[] {
  return NO_ALGORITHM.flatMap((alg) => {
    const input = `${base64url(JSON.stringify({ alg, kid: victim.key.kid, typ: "JWT" }))}.${victim.payload}`;
    return ["", "AA", victim.signature].map(
      (signature) =>
        [`alg ${JSON.stringify(alg)}, signature ${signature.slice(0, 4)}`, `${input}.${signature}`] as const,
    );
  });
}

function confused(victim: Victim): Named[] {
  const { publicKey, kid } = victim.key;
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  const jwk = publicJwk(victim.key);
  const material = String(jwk["n"] ?? jwk["x"]);
  const secrets: Readonly<Record<string, string | Buffer>> = {
    "SPKI PEM": pem,
    "SPKI PEM without its newline": pem.trimEnd(),
    "SPKI PEM with CRLF": pem.replaceAll("\n", "\r\n"),
    "SPKI PEM's body": pem.replaceAll(/-----[^-]+-----|\n/g, ""),
    "SPKI DER": publicKey.export({ type: "spki", format: "der" }),
    JWK: JSON.stringify(jwk),
    "bare JWK": JSON.stringify(publicKey.export({ format: "jwk" })),
    JWKS: JSON.stringify(publicJwks([victim.key])),
    "key material": material,
    "key material's bytes": Buffer.from(material, "base64url"),
    kid,
    nothing: "",
  };
  return ["256", "384", "512"].flatMap((bits) =>
    Object.entries(secrets).map(([name, secret]) => {
      const header = { alg: `HS${bits}`, kid, typ: "JWT" };
      const input = `${base64url(JSON.stringify(header))}.${victim.payload}`;
      const mac = createHmac(`sha${bits}`, secret).update(input).digest("base64url");
      return [`HS${bits} keyed with ${name}`, `${input}.${mac}`] as const;
    }),
  );
}

function substituted(victim: Victim): Named[] {
  const { key } = victim;
  const lies = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
  ]
    .concat([
      "rs256",
      "RS256 ",
      "RS256\u0000",
      "es256",
      "eddsa",
      "HS256",
      "ES256K",
      "Ed448",
      "ML-DSA-44",
      "dir",
    ])
    .filter((alg) => alg !== key.algorithm && !(alg === "Ed25519" && key.algorithm === "EdDSA"))
    .map(
      (alg) =>
        [
          `the good signature under alg ${JSON.stringify(alg)}`,
          signToken(key, victim.claims, { alg }),
        ] as const,
    );
  const siblings = siblingSignatures(key).map(([alg, signWith]) => {
    const input = `${base64url(JSON.stringify({ alg, kid: key.kid, typ: "JWT" }))}.${victim.payload}`;
    return [`a true ${alg} signature by the trusted key`, `${input}.${base64url(signWith(input))}`] as const;
  });
  const honest = `${victim.header}.${victim.payload}`;
  const mismatched = siblingSignatures(key).map(
    ([alg, signWith]) =>
      [`alg ${key.algorithm}, signature ${alg}`, `${honest}.${base64url(signWith(honest))}`] as const,
  );
  const zero = (bytes: number): Named => [
    `${bytes} zero bytes`,
    `${honest}.${base64url(Buffer.alloc(bytes))}`,
  ];
  return [...lies, ...siblings, ...mismatched, ...[1, 32, 64, 70, 256].map(zero), ...foreign(victim)];
}

function siblingSignatures(signer: SigningKey): Sibling[] {
  const key = signer.privateKey;
  if (key.asymmetricKeyType === "ed25519") return [];
  if (key.asymmetricKeyType === "ec") {
    return [
      ["ES384", (input) => sign("sha384", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" })],
      ["ES256-in-DER", (input) => sign("sha256", Buffer.from(input), { key, dsaEncoding: "der" })],
    ];
  }
  const pss = (bits: number) => (input: string) =>
    sign(`sha${bits}`, Buffer.from(input), {
      key,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: bits / 8,
    });
  const all: Sibling[] = [
    ["RS384", (input) => sign("sha384", Buffer.from(input), key)],
    ["RS512", (input) => sign("sha512", Buffer.from(input), key)],
    ["PS256", pss(256)],
    ["PS384", pss(384)],
    ["PS512", pss(512)],
  ];
  return all.filter(([alg]) => alg !== signer.algorithm);
}

function foreign({ key, attacker, claims, header, payload }: Victim): Named[] {
  return [
    ["the attacker's key under the trusted kid", signToken(attacker, claims, { kid: key.kid })],
    ["the attacker's key under its own kid", signToken(attacker, claims)],
    ["the attacker's key without a kid", signToken(attacker, claims, { kid: undefined })],
    ["the payload alone signed", `${header}.${payload}.${base64url(signBytes(key, Buffer.from(payload)))}`],
  ];
}
