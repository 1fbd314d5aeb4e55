import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { createAuthority } from "../../../src/authority/index.ts";
import type { JsonWebKey } from "../../../src/store.ts";
import { makeDirectory, makeWorld, refusal, refusedWith, signInAda } from "./set-up.ts";

function headerOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()) as Record<
    string,
    unknown
  >;
}

const KEYS = {
  RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
  EdDSA: generateKeyPairSync("ed25519").privateKey,
  weak: generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey,
  exponent: generateKeyPairSync("rsa", { modulusLength: 2048, publicExponent: 3 }).privateKey,
  curve: generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey,
};

function jwk(name: keyof typeof KEYS, more: object = {}): JsonWebKey {
  return { ...KEYS[name].export({ format: "jwk" }), ...more } as JsonWebKey;
}

describe("keys", () => {
  it("are made once, when they are first needed", async () => {
    const { authority } = makeWorld();
    const sets = await Promise.all(Array.from({ length: 10 }, () => authority.jwks()));
    expect(new Set(sets.map(({ keys }) => keys[0]?.kid)).size).toBe(1);
    expect(sets[0]?.keys).toEqual([
      {
        kty: "EC",
        crv: "P-256",
        x: expect.any(String),
        y: expect.any(String),
        kid: expect.any(String),
        alg: "ES256",
        use: "sig",
      },
    ]);
  });

  it.each([
    ["RS256", {}, "RS256"],
    ["RS256", { alg: "PS256" }, "PS256"],
    ["ES256", { alg: "ES256", kid: "own" }, "ES256"],
    ["EdDSA", { use: "sig", key_ops: ["sign"], ext: true }, "EdDSA"],
  ] as const)("of the application's sign and verify: %s %j", async (name, more, alg) => {
    const world = makeWorld({ keys: [jwk(name, more)] });
    const { accessToken } = await signInAda(world);
    const { kid } = jwk(name, more);
    expect(headerOf(accessToken)).toMatchObject({ alg, typ: "JWT", ...(kid !== undefined && { kid }) });
    expect(world.authority.tokens.algorithms).toEqual([alg]);
    expect(
      (await world.authority.authenticateJwt({ sessionJwt: accessToken })).memberSession.roles,
    ).toHaveLength(2);
    expect(Object.keys((await world.authority.jwks()).keys[0] ?? {})).not.toContain("d");
  });

  it("verify with all keys, sign with the first, and can be shared by several processes", async () => {
    const old = makeWorld({ keys: [jwk("RS256")] });
    const { accessToken } = await signInAda(old);
    const next = makeWorld({ keys: [jwk("EdDSA"), jwk("RS256")], repository: old.repository }, old.clock);
    expect((await next.authority.authenticateJwt({ sessionJwt: accessToken })).sessionJwt).toBe(accessToken);
    expect(headerOf((await signInAda(next)).accessToken)["alg"]).toBe("EdDSA");
  });

  it.each([
    ["a weak modulus", () => jwk("weak"), "2048 bits"],
    ["a weak exponent", () => jwk("exponent"), "65537"],
    ["another curve", () => jwk("curve"), "P-256"],
    ["a symmetric key", () => ({ kty: "oct", k: "c2VjcmV0", d: "x" }), "Ed25519"],
    ["a public key", () => ({ ...jwk("ES256"), d: undefined }), "private"],
    ["an algorithm that does not fit", () => jwk("ES256", { alg: "RS256" }), "ES256"],
    ["a key for encryption", () => jwk("ES256", { use: "enc" }), "signatures"],
    ["junk", () => jwk("ES256", { d: "canary-secret" }), "valid"],
    ["a text", () => "-----BEGIN PRIVATE KEY-----", "private"],
  ])("refuse %s, and do not quote it", (_case, make, expected) => {
    const create = (): unknown =>
      createAuthority({
        issuer: "https://a.example",
        directory: makeDirectory(),
        keys: [make() as never],
      });
    expect(create).toThrow(expected);
    expect(create).not.toThrow("canary-secret");
  });
});

describe("rotateKeys", () => {
  it("is seen at once, and keeps older keys as long as their tokens can renew", async () => {
    const world = makeWorld({ expiredTokenRenewal: 1000 });
    const before = await signInAda(world);
    const { kid } = await world.authority.rotateKeys();
    const after = await signInAda(world);
    expect(headerOf(after.accessToken)["kid"]).toBe(kid);
    for (const { accessToken } of [before, after]) {
      expect((await world.authority.authenticateJwt({ sessionJwt: accessToken })).sessionJwt).toBe(
        accessToken,
      );
    }
    world.clock.now += 300 + 999;
    expect(
      (await world.authority.authenticateJwt({ sessionJwt: before.accessToken })).sessionToken,
    ).toBeDefined();
    world.clock.now += 61;
    expect((await world.authority.jwks()).keys.map((key) => key.kid)).toEqual([kid]);
    expect(await refusedWith(world.authority.authenticateJwt({ sessionJwt: before.accessToken }))).toMatch(
      /^(token_expired|invalid_token unknown_key)$/,
    );
  });

  it("loses no key in concurrent rotations", async () => {
    const { authority } = makeWorld();
    const rotated = await Promise.all([
      authority.rotateKeys(),
      authority.rotateKeys(),
      authority.rotateKeys(),
    ]);
    const kids = (await authority.jwks()).keys.map((key) => key.kid);
    expect(kids).toHaveLength(4);
    expect(kids).toEqual(expect.arrayContaining(rotated.map(({ kid }) => kid)));
  });

  it("stays with the algorithm of the application's key", async () => {
    const world = makeWorld({ keys: [jwk("EdDSA", { kid: "own" })] });
    await world.authority.rotateKeys();
    const { accessToken } = await signInAda(world);
    expect(headerOf(accessToken)).toMatchObject({ alg: "EdDSA", kid: expect.not.stringMatching("own") });
    expect((await world.authority.jwks()).keys).toHaveLength(2);
  });
});

describe("close", () => {
  it("stops reporting, and closes the repository that it made itself", async () => {
    const world = makeWorld();
    const { accessToken } = await signInAda(world);
    await world.authority.close();
    world.directory.removeUser("user_ada");
    expect(world.invalidated).toEqual([]);
    expect(await world.repository.find("sessions", "user:user_ada")).toHaveLength(1);
    expect(accessToken).toBeDefined();
    const own = createAuthority({ issuer: "https://a.example", directory: makeDirectory() });
    await own.authenticate({ userId: "user_bob", authenticationMethod: "SSO" });
    await own.close();
    expect(await own.listSessions({ userId: "user_bob" })).toEqual([]);
    expect((await refusal(own.authenticateSession({ sessionToken: "x" }))).status).toBe(401);
  });
});
