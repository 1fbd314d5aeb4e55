import { base64url, publicJwk, signBytes, signCompact, signToken } from "../tokens.ts";
import type { Attack, Victim } from "./victim.ts";

/** a header that brings its own key, says where to fetch one, or asks for decryption. */
export function keyInjectionAttacks(victim: Victim): Attack[] {
  const { attacker, key, claims } = victim;
  const jwk = publicJwk(attacker, { kid: key.kid });
  const der = attacker.publicKey.export({ type: "spki", format: "der" }).toString("base64");
  const parameters: Readonly<Record<string, unknown>> = {
    jwk,
    jku: "http://127.0.0.1:9/jwks",
    "jku ": "https://attacker.example/jwks",
    x5u: "http://127.0.0.1:9/certificate",
    x5c: [der],
    x5t: "AAAA",
    "x5t#S256": "AAAA",
    epk: jwk,
    zip: "DEF",
    enc: "A256GCM",
    apu: "AAAA",
    p2c: 1_000_000_000,
    cty: "JWT",
    url: "http://127.0.0.1:9/",
    nonce: "1",
  };
  return Object.entries(parameters).flatMap(([name, value]) =>
    [key, attacker].flatMap((signer) =>
      [key.kid, attacker.kid, undefined].map((kid) => ({
        threat: "R-02",
        name: `${name} signed by ${signer.kid} under kid ${kid}`,
        token: signToken(signer, claims, { [name]: value, kid }),
      })),
    ),
  );
}

const HOSTILE_KIDS: readonly unknown[] = [
  "../../../../dev/null",
  "/dev/null",
  "..\\..\\windows\\win.ini",
  "file:///etc/passwd",
  "key\u0000.pem",
  "' OR '1'='1",
  "1; DROP TABLE keys--",
  "http://127.0.0.1:9/jwks",
  "//attacker.example/key",
  "$(id)",
  "| id",
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "\ud800",
  "\udfff trusted-key",
  "",
  "trusted-key ",
  " trusted-key",
  "TRUSTED-KEY",
  "trusted-key\u0000",
  "trusted\u2010key",
  "l".repeat(129),
  "k".repeat(8192),
  "*",
  "trusted-key,attackers-key",
  "undefined",
  "null",
  "0",
  0,
  1,
  -1,
  true,
  false,
  null,
  [],
  {},
  ["trusted-key"],
  { kid: "trusted-key" },
  [["trusted-key"]],
];

/** a key id that is a path, a query, a prototype's member, or no string at all; by the trusted key and by the attacker's. */
export function keyIdAttacks({ key, attacker, claims }: Victim): Attack[] {
  return HOSTILE_KIDS.flatMap((kid) =>
    [key, attacker].map((signer) => ({
      threat: "R-03",
      name: `kid ${JSON.stringify(kid).slice(0, 40)} signed by ${signer.kid}`,
      token: signToken(signer, claims, { kid }),
    })),
  );
}

/** extensions that must be understood, and payloads that are not encoded (RFC 7797). */
export function criticalAttacks({ key, claims, payload }: Victim): Attack[] {
  const base = { alg: key.algorithm, kid: key.kid, typ: "JWT" };
  const values: readonly unknown[] = [
    [],
    ["exp"],
    ["b64"],
    ["b64", "b64"],
    ["alg"],
    "b64",
    "",
    null,
    1,
    {},
    [1],
  ];
  const signed = values
    .map((crit) => ({ ...base, crit }))
    .concat(values.map((crit) => ({ ...base, crit, b64: true, exp: 1 })))
    .map((header) => [JSON.stringify(header), JSON.stringify(claims)] as const);
  const loose = [true, false, null].map(
    (b64) => [JSON.stringify({ ...base, b64 }), JSON.stringify(claims)] as const,
  );
  const twice = `{"crit":["b64"],"crit":["b64"],"b64":true,${JSON.stringify(base).slice(1)}`;
  const unencoded = base64url(JSON.stringify({ ...base, b64: false, crit: ["b64"] }));
  const input = `${unencoded}.${payload}`;
  return [...signed, ...loose, [twice, JSON.stringify(claims)] as const]
    .map(([header, body]) => ({ name: header, token: signCompact(key, header, body) }))
    .concat({
      name: "an unencoded payload",
      token: `${input}.${base64url(signBytes(key, Buffer.from(input)))}`,
    })
    .map((attack) => ({ threat: "R-04", ...attack }));
}
