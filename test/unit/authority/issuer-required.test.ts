import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { Issuer } from "../../../src/authority/issuer.ts";
import type { JsonWebKey } from "../../../src/store.ts";
import { START } from "./set-up.ts";

describe("an algorithm that a wire protocol requires", () => {
  const make = (keys?: readonly JsonWebKey[]): Issuer =>
    new Issuer({ keys, retention: 1000, clock: () => START });

  it("gets one key when many callers ask at once, and signs with it alone", async () => {
    const issuer = make();
    const first = await issuer.sign({ a: 1 });
    expect(issuer.require("RS256")).toBe(true);
    expect(issuer.algorithms).toEqual(["ES256", "RS256"]);
    const tokens = await Promise.all([
      issuer.sign({}, "RS256"),
      issuer.sign({}, "RS256"),
      issuer.sign({}),
      issuer.sign({}),
    ]);
    expect(tokens.map(algorithmOf)).toEqual(["RS256", "RS256", "ES256", "ES256"]);
    expect((await issuer.jwks()).keys.map(({ alg }) => alg)).toEqual(["ES256", "RS256"]);
    expect(kidOf(tokens[2])).toBe(kidOf(first));
  });

  it("is rotated with the key in force, also by concurrent rotations", async () => {
    const issuer = make();
    issuer.require("RS256");
    const before = kidOf(await issuer.sign({}, "RS256"));
    await Promise.all([issuer.rotate(), issuer.rotate()]);
    const after = kidOf(await issuer.sign({}, "RS256"));
    expect(after).not.toBe(before);
    const { keys } = await issuer.jwks();
    for (const alg of ["ES256", "RS256"]) expect(keys.filter((key) => key.alg === alg)).toHaveLength(3);
    expect(new Set(keys.map(({ kid }) => kid)).size).toBe(6);
  });

  it("is refused when the application keeps the keys", () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const issuer = make([{ ...privateKey.export({ format: "jwk" }), kty: "EC" }]);
    expect(issuer.require("RS256")).toBe(false);
    expect(issuer.algorithms).toEqual(["ES256"]);
  });
});

function headerOf(token = ""): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()) as Record<
    string,
    unknown
  >;
}

const algorithmOf = (token: string): unknown => headerOf(token)["alg"];
const kidOf = (token: string | undefined): unknown => headerOf(token)["kid"];
