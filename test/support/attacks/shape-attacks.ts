import { base64url, signCompact, signToken } from "../tokens.ts";
import type { Attack, Victim } from "./victim.ts";

/** other serialisations, other counts of parts, and no token at all. */
export function serialisationAttacks(victim: Victim): Attack[] {
  const { token, header, payload, signature } = victim;
  const jweHeader = base64url(JSON.stringify({ alg: "RSA-OAEP", enc: "A256GCM", kid: victim.key.kid }));
  const direct = base64url(JSON.stringify({ alg: "dir", enc: "A128CBC-HS256", zip: "DEF" }));
  const password = base64url(
    JSON.stringify({ alg: "PBES2-HS256+A128KW", enc: "A128GCM", p2c: 2 ** 31, p2s: "AA" }),
  );
  const flattened = { protected: header, payload, signature };
  const tokens: Readonly<Record<string, string>> = {
    "JWE, RSA-OAEP": `${jweHeader}.AAAA.AAAA.AAAA.AAAA`,
    "JWE, direct, zipped": `${direct}..AAAA.AAAA.AAAA`,
    "JWE, PBES2 with 2^31 iterations": `${password}.AAAA.AAAA.AAAA.AAAA`,
    "a JWE's header on five parts of a good token": `${header}.${payload}.${signature}.AAAA.AAAA`,
    "flattened JSON": JSON.stringify(flattened),
    "general JSON": JSON.stringify({ payload, signatures: [{ protected: header, signature }] }),
    "JSON in an array": JSON.stringify([flattened]),
    "base64url of a good token": base64url(token),
    "one part": header,
    "two parts": `${header}.${payload}`,
    "two parts and a dot": `${header}.${payload}.`,
    "four parts": `${token}.AAAA`,
    "four parts, last empty": `${token}.`,
    "four parts, first empty": `.${token}`,
    "six parts": `${token}.${token}`,
    "empty header": `.${payload}.${signature}`,
    "empty payload": `${header}..${signature}`,
    "detached payload": signCompact(victim.key, headerOf(victim), ""),
    "only dots": "..",
    "many dots": ".".repeat(8000),
    empty: "",
    space: " ",
    "the word null": "null",
    "parts in another order": `${payload}.${header}.${signature}`,
    "comma for dot": token.replaceAll(".", ","),
    "two tokens": `${token},${token}`,
    "two tokens with a space": `${token} ${token}`,
    scheme: `Bearer ${token}`,
  };
  return toAttacks("R-05", Object.entries(tokens));
}

/** other spellings of a good token's bytes. */
export function spellingAttacks(victim: Victim): Attack[] {
  const { token, header, payload, signature } = victim;
  const parts = [header, payload, signature] as const;
  const insertions = [
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    "=",
    "==",
    "%",
    "\u0000",
    "\u00a0",
    "\u200b",
    "\ufeff",
    "+",
    "/",
    "~",
    "!",
  ];
  const inserted = insertions.flatMap((text) =>
    parts.flatMap((part, index) =>
      [0, 5, part.length].map((at) => {
        const changed = parts.with(index, part.slice(0, at) + text + part.slice(at));
        return [`${JSON.stringify(text)} in part ${index} at ${at}`, changed.join(".")] as const;
      }),
    ),
  );
  const standard = Buffer.from(signature, "base64url").toString("base64");
  return toAttacks("R-06", [
    ...inserted,
    ...parts.flatMap((_, index) => trailingBitVariants(parts, index)),
    ["padded as base64", `${header}.${payload}.${standard.padEnd(Math.ceil(standard.length / 4) * 4, "=")}`],
    ["a lone last character", `${header}.${payload}.${signature}${signature.length % 4 === 0 ? "A" : "AAA"}`],
    ["percent-encoded", encodeURIComponent(token).replaceAll(".", "%2E")],
    ["upper case", token.toUpperCase()],
    ["UTF-16", Buffer.from(token).toString("utf16le")],
  ]);
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Every other last character that stands for the same bytes: 15 where four bits are to spare, 3 where two are. */
export function trailingBitVariants(parts: readonly string[], index: number): (readonly [string, string])[] {
  const part = parts[index] ?? "";
  const bytes = Buffer.from(part, "base64url");
  return Array.from(ALPHABET, (last) => part.slice(0, -1) + last)
    .filter((variant) => variant !== part && Buffer.from(variant, "base64url").equals(bytes))
    .map(
      (variant) => [`part ${index} ends in ${variant.at(-1)}`, parts.with(index, variant).join(".")] as const,
    );
}

/** too long, too deep, too many members; all signed by the trusted key. */
export function sizeAttacks(victim: Victim): Attack[] {
  const { key, claims } = victim;
  const deep = (open: string, close: string, levels: number): string =>
    `{"deep":${open.repeat(levels)}1${close.repeat(levels)},${JSON.stringify(claims).slice(1)}`;
  const many = Object.fromEntries(Array.from({ length: 4_001 }, (_, index) => [`c${index}`, 1]));
  const signed = (payload: string): string => signCompact(key, headerOf(victim), payload);
  return toAttacks("R-07", [
    ["more than 12,288 characters", signToken(key, { ...claims, pad: "x".repeat(12_288) })],
    ["a megabyte", signToken(key, { ...claims, pad: "x".repeat(1_000_000) })],
    ["a megabyte of garbage", "A".repeat(1_000_000)],
    ["arrays 33 deep", signed(deep("[", "]", 32))],
    ["objects 33 deep", signed(deep('{"a":', "}", 32))],
    ["arrays thousands deep", signed(deep("[", "]", 2500))],
    ["unclosed arrays", signed("[".repeat(5000))],
    ["4,001 members and more", signToken(key, { ...many, ...claims })],
    ["4,001 members within", signToken(key, { ...claims, inner: many })],
    ["a deep header", signCompact(key, JSON.stringify({ alg: key.algorithm, kid: [[[[[[[[1]]]]]]]] }), "{}")],
  ]);
}

/** JSON that two parsers may read differently, or that is no JSON object; all signed by the trusted key. */
export function jsonAttacks(victim: Victim): Attack[] {
  const { key, claims } = victim;
  const good = JSON.stringify(claims);
  const rest = good.slice(1);
  const payloads: Readonly<Record<string, string | Buffer>> = {
    "sub twice": `{"sub":"user_eve",${rest}`,
    "exp twice": `{"exp":9999999999,${rest}`,
    "sub twice, once escaped": `{"\\u0073ub":"user_eve",${rest}`,
    "a member twice within": `{"x":{"a":1,"a":2},${rest}`,
    "a member twice within an array": `{"x":[{"a":1,"a":1}],${rest}`,
    "a duplicate that hides another": `{"x":{"a":{"b":1,"b":2}},"x":1,${rest}`,
    "the empty name twice": `{"":1,"":2,${rest}`,
    "a __proto__ member": `{"__proto__":{"sub":"user_eve"},${rest}`,
    "__proto__ escaped": `{"\\u005f_proto__":{"admin":true},${rest}`,
    "__proto__ within": `{"x":{"__proto__":null},${rest}`,
    "byte order mark": prefixed([0xef, 0xbb, 0xbf], good),
    "UTF-16": Buffer.from(good, "utf16le"),
    "UTF-16 with its mark": prefixed([0xff, 0xfe], good),
    "a stray continuation byte": prefixed([0x7b, 0x22, 0x80, 0x22, 0x3a, 0x31, 0x2c], rest),
    "an overlong slash": prefixed([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x2c], rest),
    "an encoded surrogate": prefixed([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x2c], rest),
    "a byte beyond Unicode": prefixed([0x7b, 0x22, 0xf5, 0x80, 0x80, 0x80, 0x22, 0x3a, 0x31, 0x2c], rest),
    "an array": `[${good}]`,
    "a string": JSON.stringify(good),
    "a number": "1",
    true: "true",
    null: "null",
    "no JSON": "sub=user_ada",
    "a trailing comma": `${good.slice(0, -1)},}`,
    "a comment": `/* */${good}`,
    "single quotes": good.replaceAll('"', "'"),
    "text after it": `${good} {}`,
    "a zero byte after it": `${good}\u0000`,
    NaN: `{"x":NaN,${rest}`,
    "a control character in a string": `{"x":"\u0001",${rest}`,
  };
  const asPayload = Object.entries(payloads).map(
    ([name, payload]) => [`payload: ${name}`, signCompact(key, headerOf(victim), payload)] as const,
  );
  const headerRest = headerOf(victim).slice(1);
  const headers: Readonly<Record<string, string | Buffer>> = {
    "alg twice": `{"alg":"none",${headerRest}`,
    "alg twice, the same": `{"alg":"${key.algorithm}",${headerRest}`,
    "kid twice, once escaped": `{"\\u006bid":"attackers-key",${headerRest}`,
    "a __proto__ member": `{"__proto__":{"alg":"none"},${headerRest}`,
    "byte order mark": prefixed([0xef, 0xbb, 0xbf], headerOf(victim)),
    "invalid UTF-8": prefixed([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x2c], headerRest),
    "an array": `[${headerOf(victim)}]`,
    "a string": JSON.stringify(headerOf(victim)),
    null: "null",
    "an empty object": "{}",
    "no JSON": "alg",
  };
  const asHeader = Object.entries(headers).map(
    ([name, header]) => [`header: ${name}`, signCompact(key, header, good)] as const,
  );
  return toAttacks("R-08", [...asPayload, ...asHeader]);
}

function prefixed(prefix: number[], text: string): Buffer {
  return Buffer.concat([Buffer.from(prefix), Buffer.from(text)]);
}

function headerOf({ header }: Victim): string {
  return Buffer.from(header, "base64url").toString();
}

function toAttacks(threat: string, named: readonly (readonly [string, string])[]): Attack[] {
  return named.map(([name, token]) => ({ threat, name, token }));
}
