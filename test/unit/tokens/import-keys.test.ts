import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { importKeys } from "../../../src/tokens/key-set.ts";
import type { Algorithm, JsonWebKey } from "../../../src/store.ts";
import { collectGarbage } from "../../support/collect-garbage.ts";
import { generateSigningKey, publicJwk, publicJwks } from "../../support/tokens.ts";

const RSA = generateSigningKey("RS256", "rsa");
const EC = generateSigningKey("ES256", "ec");
const ED = generateSigningKey("EdDSA", "ed");
const ALGORITHMS: readonly Algorithm[] = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"];

describe("importKeys", () => {
  it.each([
    ["RSA without alg", publicJwk(RSA, { alg: undefined }), ["RS256", "PS256"]],
    ["RSA for RS256", publicJwk(RSA), ["RS256"]],
    ["RSA for PS256", publicJwk(RSA, { alg: "PS256" }), ["PS256"]],
    ["P-256 without alg", publicJwk(EC, { alg: undefined }), ["ES256"]],
    ["P-256", publicJwk(EC), ["ES256"]],
    ["Ed25519 without alg", publicJwk(ED, { alg: undefined }), ["EdDSA", "Ed25519"]],
    ["Ed25519 for EdDSA", publicJwk(ED), ["EdDSA", "Ed25519"]],
    ["Ed25519 for Ed25519", publicJwk(ED, { alg: "Ed25519" }), ["EdDSA", "Ed25519"]],
    ["without use", publicJwk(EC, { use: undefined }), ["ES256"]],
    ["with key_ops", publicJwk(EC, { key_ops: ["verify"] }), ["ES256"]],
    ["with a certificate beside it", publicJwk(EC, { x5c: ["AAAA"], x5u: "http://127.0.0.1:9" }), ["ES256"]],
  ])("uses %s", (_, jwk, algorithms) => {
    const keys = importKeys({ keys: [jwk] });
    expect(keys.size).toBe(1);
    expect(ALGORITHMS.filter((algorithm) => keys.find(jwk.kid, algorithm) !== undefined)).toEqual(algorithms);
    expect(ALGORITHMS.filter((algorithm) => keys.find(undefined, algorithm) !== undefined)).toEqual(
      algorithms,
    );
  });

  it.each([
    ["null", null],
    ["a string", "key"],
    ["an empty object", {}],
    ["a symmetric key", { kty: "oct", k: "AAAA", kid: "rsa", alg: "HS256" }],
    ["a symmetric key that says RS256", { kty: "oct", k: "AAAA", kid: "rsa", alg: "RS256" }],
    ["an unknown type", { kty: "AKP", pub: "AAAA", kid: "rsa" }],
    ["a key for encryption", publicJwk(RSA, { use: "enc" })],
    ["a use of another type", publicJwk(RSA, { use: ["sig"] })],
    ["key_ops without verify", publicJwk(RSA, { key_ops: ["encrypt"] })],
    ["key_ops of another type", publicJwk(RSA, { key_ops: "verify" })],
    ["an alg of another kind", publicJwk(RSA, { alg: "ES256" })],
    ["an alg that is not ours", publicJwk(RSA, { alg: "RS512" })],
    ["an alg for encryption", publicJwk(RSA, { alg: "RSA-OAEP" })],
    ["a symmetric alg on a public key", publicJwk(RSA, { alg: "HS256" })],
    ["an alg of another type", publicJwk(RSA, { alg: null })],
    ["a kid of another type", publicJwk(RSA, { kid: 1 })],
    ["RSA without e", publicJwk(RSA, { e: undefined })],
    ["RSA without n", publicJwk(RSA, { n: undefined })],
    ["RSA with e of another type", publicJwk(RSA, { e: 65_537 })],
    ["RSA with e = 1", publicJwk(RSA, { e: "AQ" })],
    ["RSA with e = 3", publicJwk(RSA, { e: "Aw" })],
    ["RSA with an even e", publicJwk(RSA, { e: "AQAC" })],
    ["RSA with an e of 40 bits", publicJwk(RSA, { e: "AQAAAAE" })],
    ["RSA of 1024 bits", weakRsa(1024)],
    ["RSA of 2047 bits", publicJwk(RSA, { n: modulusOf(2047) })],
    ["RSA of 8193 bits", publicJwk(RSA, { n: modulusOf(8193) })],
    ["P-256 off the curve", publicJwk(EC, { y: publicJwk(EC)["x"] })],
    ["P-256 without y", publicJwk(EC, { y: undefined })],
    ["P-256 without x", publicJwk(EC, { x: undefined })],
    ["P-384", namedCurve("P-384")],
    ["secp256k1", namedCurve("secp256k1")],
    ["Ed25519 without x", publicJwk(ED, { x: undefined })],
    ["Ed25519 of 31 bytes", publicJwk(ED, { x: Buffer.alloc(31, 1).toString("base64url") })],
    ["Ed448", { ...generateKeyPairSync("ed448").publicKey.export({ format: "jwk" }), kid: "ed448" }],
    ["X25519", { ...generateKeyPairSync("x25519").publicKey.export({ format: "jwk" }), kid: "x" }],
  ])("R-33: leaves out %s, and goes on using its neighbour", (_, jwk) => {
    const keys = importKeys({ keys: [jwk as JsonWebKey, publicJwk(EC, { kid: "neighbour" })] });
    expect(keys.size).toBe(1);
    expect(keys.find("neighbour", "ES256")).toBeDefined();
  });

  it("uses only the public half of a private key", () => {
    const jwk = { ...publicJwk(EC), ...EC.privateKey.export({ format: "jwk" }), kty: "EC" };
    expect(importKeys({ keys: [jwk] }).find("ec", "ES256")?.type).toBe("public");
  });

  it("R-33: drops both of two different keys under one kid", () => {
    const other = publicJwk(generateSigningKey("ES256"), { kid: "ec" });
    expect(importKeys({ keys: [publicJwk(EC), other] }).find("ec", "ES256")).toBeUndefined();
  });

  it("uses a key that is listed twice, or once for each algorithm", () => {
    const keys = importKeys({ keys: [publicJwk(RSA), publicJwk(RSA), publicJwk(RSA, { alg: "PS256" })] });
    expect(keys.find("rsa", "RS256")).toBeDefined();
    expect(keys.find("rsa", "PS256")).toBeDefined();
  });

  it("tells keys of different types under one kid apart by the algorithm", () => {
    const keys = importKeys({ keys: [publicJwk(RSA, { kid: "same" }), publicJwk(EC, { kid: "same" })] });
    expect(keys.find("same", "RS256")?.asymmetricKeyType).toBe("rsa");
    expect(keys.find("same", "ES256")?.asymmetricKeyType).toBe("ec");
  });

  it("finds a key without a kid only where exactly one fits", () => {
    const several = importKeys(publicJwks([RSA, EC, ED]));
    expect(several.find(undefined, "ES256")?.asymmetricKeyType).toBe("ec");
    const two = importKeys(publicJwks([EC, generateSigningKey("ES256")]));
    expect(two.find(undefined, "ES256")).toBeUndefined();
    expect(two.find("ec", "ES256")).toBeDefined();
  });

  it("does not give a key without a kid to a token with one", () => {
    const keys = importKeys({ keys: [publicJwk(EC, { kid: undefined })] });
    expect(keys.find("ec", "ES256")).toBeUndefined();
    expect(keys.find(undefined, "ES256")).toBeDefined();
  });

  it("R-03: finds nothing under the names of a prototype's members", () => {
    const keys = importKeys(publicJwks([EC]));
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
    expect(names.filter((name) => keys.find(name, "ES256") !== undefined)).toEqual([]);
  });

  it("imports a key once, however often the set is loaded", () => {
    const first = importKeys(publicJwks([EC, RSA]));
    const second = importKeys(publicJwks([EC]), first);
    expect(second.find("ec", "ES256")).toBe(first.find("ec", "ES256"));
    expect(second.find("rsa", "RS256")).toBeUndefined();
  });

  it("lets go of the sets before", async () => {
    let keys = importKeys(publicJwks([EC]));
    const first = new WeakRef(keys);
    for (let reload = 0; reload < 3; reload += 1) keys = importKeys(publicJwks([EC]), keys);
    await collectGarbage();
    expect(keys.size).toBe(1);
    expect(first.deref()).toBeUndefined();
  });

  it("looks at 256 keys and no more", () => {
    const filler = Array.from({ length: 256 }, () => ({ kty: "oct" }));
    expect(importKeys({ keys: [...filler, publicJwk(EC)] }).size).toBe(0);
    expect(importKeys({ keys: [...filler.slice(1), publicJwk(EC)] }).size).toBe(1);
  });
});

function weakRsa(modulusLength: number): JsonWebKey {
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength });
  return { ...publicKey.export({ format: "jwk" }), kty: "RSA", kid: "weak", alg: "RS256" };
}

function modulusOf(bits: number): string {
  const hex = ((1n << BigInt(bits)) - 1n).toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex").toString("base64url");
}

function namedCurve(curve: string): JsonWebKey {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: curve });
  return { ...publicKey.export({ format: "jwk" }), kty: "EC", kid: curve };
}
