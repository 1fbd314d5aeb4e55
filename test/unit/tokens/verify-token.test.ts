import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it, jest } from "@jest/globals";
import { compactVerify } from "jose";
import type { KeySet } from "../../../src/tokens/key-set.ts";
import { createTokenVerifier, isSignedBy } from "../../../src/tokens/verify-token.ts";
import type { Algorithm, TokenProfile } from "../../../src/store.ts";
import { createVictim, GOOD_CLAIMS } from "../../support/attacks/victim.ts";
import { generateSigningKey, signCompact, signToken, staticKeys } from "../../support/tokens.ts";
import type { SigningKey } from "../../support/tokens.ts";

const KEY = generateSigningKey("ES256", "trusted-key");
const HEADER = JSON.stringify({ alg: "ES256", kid: "trusted-key", typ: "JWT" });
const PROFILE: TokenProfile = {
  keys: staticKeys({ keys: [] }),
  issuers: [GOOD_CLAIMS.iss, "other-issuer"],
  audience: [GOOD_CLAIMS.aud, "other-audience"],
  algorithms: ["ES256"],
  types: ["JWT"],
  sessionClaim: "sid",
};

describe("createTokenVerifier", () => {
  it.each<Algorithm>(["RS256", "PS256", "ES256", "EdDSA", "Ed25519"])("verifies %s", async (algorithm) => {
    const { key, token } = createVictim(algorithm);
    const verifier = createTokenVerifier({ ...PROFILE, algorithms: [algorithm] }, holding(key));
    expect(await verifier.verify(token)).toEqual({ status: "verified", claims: GOOD_CLAIMS });
  });

  it.each([
    ["a session claim that is an object", { sid: { id: "session_1" } }],
    ["another issuer of the list", { iss: "other-issuer" }],
    ["another audience of the list", { aud: "other-audience" }],
    ["one audience of several", { aud: ["elsewhere", "orgate-tests"] }],
    ["no nbf", { nbf: undefined }],
    ["times long ago", { iat: 1, nbf: 1, exp: 2 }],
    ["times to come", { iat: 9e9, nbf: 9e9, exp: 9.1e9 }],
    ["times with fractions, or before the epoch", { iat: -1.5, nbf: 0.25, exp: 1.75 }],
    ["names beyond ASCII", { sub: "\u{1f600}", sid: "\u00fc" }],
  ])("accepts %s", async (_, claims) => {
    expect(await verify(claims)).toMatchObject({ status: "verified" });
  });

  it.each([
    ["class", { sid: undefined }],
    ["claims", { sid: null }],
    ["claims", { sid: "" }],
    ["claims", { sid: 1 }],
    ["claims", { sid: ["session_1"] }],
    ["claims", { sub: undefined }],
    ["claims", { sub: "" }],
    ["claims", { sub: 1 }],
    ["claims", { sub: "\udfff" }],
    ["claims", { iat: undefined }],
    ["claims", { iat: "1" }],
    ["claims", { exp: undefined }],
    ["claims", { exp: null }],
    ["claims", { nbf: null }],
    ["claims", { nbf: "1" }],
    ["issuer", { iss: undefined }],
    ["issuer", { iss: "https://app.example.com/" }],
    ["issuer", { iss: ["https://app.example.com"] }],
    ["audience", { aud: undefined }],
    ["audience", { aud: [] }],
    ["audience", { aud: "elsewhere" }],
    ["audience", { aud: ["orgate-tests", 1] }],
  ])("rejects for its %s: %j", async (reason, claims) => {
    expect(await verify(claims)).toEqual({ status: "rejected", reason });
  });

  it("does not check what the profile does not name", async () => {
    const { audience: _, ...rest } = PROFILE;
    const verifier = createTokenVerifier({ ...rest, issuers: [] }, holding(KEY));
    const token = signToken(KEY, { ...GOOD_CLAIMS, iss: 1, aud: [1] });
    expect(await verifier.verify(token)).toMatchObject({ status: "verified" });
  });

  it("R-27: freezes the claims at every depth", async () => {
    const verified = await verify({ sid: { id: "session_1", roles: ["a"] } });
    const claims = verified.status === "verified" ? verified.claims : undefined;
    const session = claims?.["sid"] as { roles: string[] };
    expect([claims, session, session.roles].every((node) => Object.isFrozen(node))).toBe(true);
  });

  it("rejects another key's signature", async () => {
    const token = signToken(generateSigningKey("ES256", KEY.kid), GOOD_CLAIMS);
    expect(await createTokenVerifier(PROFILE, holding(KEY)).verify(token)).toEqual({
      status: "rejected",
      reason: "signature",
    });
  });

  it("rejects an unknown key, and says when its token expires", async () => {
    const keys = answering({ status: "unknown" });
    expect(await createTokenVerifier(PROFILE, keys).verify(signToken(KEY, GOOD_CLAIMS))).toEqual({
      status: "rejected",
      reason: "unknown_key",
      expiresAt: GOOD_CLAIMS.exp,
    });
  });

  it("cannot know while keys are unavailable", async () => {
    const keys = answering({ status: "unavailable", retryAfter: 7 });
    expect(await createTokenVerifier(PROFILE, keys).verify(signToken(KEY, GOOD_CLAIMS))).toEqual({
      status: "unavailable",
      reason: "keys_unavailable",
      retryAfter: 7,
    });
  });

  it.each([
    ["a key set that rejects", () => Promise.reject(new Error("unforeseen"))],
    ["a key set that throws", () => unforeseen()],
    ["a key that cannot be used", () => ({ status: "found" as const, key: KEY.privateKey })],
    [
      "a key of another kind",
      () => ({ status: "found" as const, key: generateSigningKey("EdDSA").publicKey }),
    ],
  ])("cannot know with %s, and passes on why", async (_, find) => {
    const verifier = createTokenVerifier(PROFILE, keySetOf(find));
    expect(await verifier.verify(signToken(KEY, GOOD_CLAIMS))).toEqual({
      status: "unavailable",
      reason: "verification_failed",
      retryAfter: 1,
      cause: expect.objectContaining({ message: expect.any(String) }),
    });
  });

  it("refuses by its header a token that stands alone and whose key is known to be no one's", () => {
    const asked: unknown[] = [];
    const lacks: KeySet["lacks"] = (...named) => asked.push(named) > 0;
    const verifier = createTokenVerifier(PROFILE, keySetOf(unforeseen, lacks));
    const [header] = signToken(KEY, GOOD_CLAIMS).split(".");
    const token = `${header}.${Buffer.from(GOOD_CLAIMS.iss).toString("base64url")}.AAAA`;
    expect(verifier.verifyAlone(token)).toEqual({ status: "rejected", reason: "unknown_key" });
    expect(asked).toEqual([["trusted-key", "ES256"]]);
    expect(verifier.verify(token)).toEqual({ status: "rejected", reason: "malformed" });
    expect(verifier.verifyAlone("garbage")).toEqual({
      status: "rejected",
      reason: "malformed",
      defect: "structure",
    });
    expect(asked.length).toBe(1);
  });

  it("reads it whole where the store wants to be asked about unknown keys", async () => {
    const profile: TokenProfile = { ...PROFILE, unknownKey: "ask" };
    const verifier = createTokenVerifier(
      profile,
      keySetOf(() => ({ status: "unknown" }), unforeseen),
    );
    expect(await verifier.verifyAlone(signToken(KEY, GOOD_CLAIMS))).toMatchObject({ reason: "unknown_key" });
    const ofAnother = signToken(KEY, { ...GOOD_CLAIMS, iss: "elsewhere" });
    expect(await verifier.verifyAlone(ofAnother)).toEqual({ status: "rejected", reason: "issuer" });
  });

  it("verifies a token that stands alone like any other", async () => {
    const verifier = createTokenVerifier(PROFILE, holding(KEY));
    expect(await verifier.verifyAlone(signToken(KEY, GOOD_CLAIMS))).toMatchObject({ status: "verified" });
  });

  it("R-09: knows an issuer however it is written, and by nothing but its whole name in its own claim", async () => {
    const verifier = createTokenVerifier(PROFILE, holding(KEY));
    const { iss, ...claims } = GOOD_CLAIMS;
    const rest = JSON.stringify(claims).slice(1);
    const escaped = iss.replaceAll(/./g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);
    for (const written of [iss, iss.replaceAll("/", String.raw`\/`), escaped]) {
      const token = signCompact(KEY, HEADER, `{"iss":"${written}",${rest}`);
      expect(await verifier.verify(token)).toMatchObject({ status: "verified", claims: { iss } });
    }
    for (const [written, reason] of [
      [`{"iss":"https://elsewhere.example.com","aka":"${iss}",${rest}`, "issuer"],
      [`{"iss":"${iss}.example.com",${rest}`, "issuer"],
      [`{"iss":"https:\\/\\/elsewhere.example.com",${rest}`, "issuer"],
      [`{"iss":"${iss}","iss":"https://elsewhere.example.com",${rest}`, "malformed"],
    ] as const) {
      expect(await verifier.verify(signCompact(KEY, HEADER, written))).toEqual({
        status: "rejected",
        reason,
      });
    }
  });

  it("cannot know when cryptography itself fails", async () => {
    const failing = jest.spyOn(crypto.subtle, "verify").mockRejectedValue(new Error("out of memory"));
    const outcome = await createTokenVerifier(PROFILE, holding(KEY)).verify(signToken(KEY, GOOD_CLAIMS));
    failing.mockRestore();
    expect(outcome).toMatchObject({ status: "unavailable", reason: "verification_failed" });
  });

  it("asks for no key before everything else is in order", async () => {
    const verifier = createTokenVerifier(PROFILE, keySetOf(unforeseen));
    const tokens = [
      "garbage",
      signToken(KEY, GOOD_CLAIMS, { alg: "none" }),
      signToken(KEY, { ...GOOD_CLAIMS, sid: undefined }),
      signToken(KEY, { ...GOOD_CLAIMS, exp: "1" }),
      signToken(KEY, { ...GOOD_CLAIMS, iss: "elsewhere" }),
      signToken(KEY, { ...GOOD_CLAIMS, aud: "elsewhere" }),
    ];
    const outcomes = await Promise.all(tokens.map(async (token) => verifier.verify(token)));
    expect(outcomes.map((outcome) => outcome.status === "rejected" && outcome.reason)).toEqual([
      "malformed",
      "malformed",
      "class",
      "claims",
      "issuer",
      "audience",
    ]);
  });
});

describe("isSignedBy", () => {
  it.each<Algorithm>(["RS256", "PS256", "ES256", "EdDSA"])(
    "answers for signatures of any length under %s",
    async (algorithm) => {
      const { key, header, payload } = createVictim(algorithm);
      const lengths = [1, 31, 32, 63, 64, 65, 71, 72, 96, 132, 255, 256, 257, 512, 1024];
      const answers = await Promise.all(
        lengths.flatMap((length) =>
          [0x00, 0x30, 0xff].map((byte) => {
            const signature = Buffer.alloc(length, byte).toString("base64url");
            return Promise.resolve(isSignedBy(`${header}.${payload}.${signature}`, key.publicKey, algorithm));
          }),
        ),
      );
      expect(new Set(answers)).toEqual(new Set([false]));
    },
  );

  it("throws for a key that could not have made the signature", async () => {
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const { token } = createVictim("RS256");
    await expect(isSignedBy(token, publicKey, "RS256")).rejects.toThrow(TypeError);
  });

  it("answers at once for RSA keys of usual size, and with a promise for others", () => {
    for (const algorithm of ["RS256", "PS256"] as const) {
      const { key, token } = createVictim(algorithm);
      expect(isSignedBy(token, key.publicKey, algorithm)).toBe(true);
    }
    const { key, token } = createVictim("ES256");
    expect(isSignedBy(token, key.publicKey, "ES256")).toBeInstanceOf(Promise);
  });

  it.each<Algorithm>(["RS256", "PS256"])(
    "agrees with jose about %s signatures, good and tampered",
    async (algorithm) => {
      const { key, token } = createVictim(algorithm);
      const end = token.lastIndexOf(".");
      const signature = Buffer.from(token.slice(end + 1), "base64url");
      const signatures = Array.from({ length: 300 }, (_, index) => {
        const changed = Buffer.from(signature);
        if (index > 0) changed[index % changed.length]! ^= 1 << (index % 8);
        return index % 7 === 6 ? changed.subarray(0, index) : changed;
      });
      for (const each of signatures) {
        const variant = `${token.slice(0, end)}.${each.toString("base64url")}`;
        const [theirs] = await Promise.allSettled([
          compactVerify(variant, key.publicKey, { algorithms: [algorithm] }),
        ]);
        expect(isSignedBy(variant, key.publicKey, algorithm)).toBe(theirs?.status === "fulfilled");
      }
    },
  );

  it("holds to the one algorithm", async () => {
    const { key, token } = createVictim("RS256");
    expect(await isSignedBy(token, key.publicKey, "RS256")).toBe(true);
    expect(await isSignedBy(token, key.publicKey, "PS256")).toBe(false);
  });
});

function verify(
  claims: Readonly<Record<string, unknown>>,
): ReturnType<ReturnType<typeof createTokenVerifier>["verify"]> {
  const token = signToken(KEY, { ...GOOD_CLAIMS, ...claims });
  return createTokenVerifier(PROFILE, holding(KEY)).verify(token);
}

function holding(key: SigningKey): KeySet {
  return answering({ status: "found", key: key.publicKey });
}

function answering(lookup: Awaited<ReturnType<KeySet["find"]>>): KeySet {
  return keySetOf(() => lookup);
}

function keySetOf(find: KeySet["find"], lacks: KeySet["lacks"] = () => false): KeySet {
  const check: KeySet["check"] = async () => ({ status: "answers" });
  return { find, lacks, check, keepCurrent: () => undefined, close: () => undefined };
}

function unforeseen(): never {
  throw new Error("unforeseen");
}
