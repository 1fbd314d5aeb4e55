import { describe, expect, it } from "@jest/globals";
import { credentialKey } from "../../../src/request/cache.ts";
import { canonicalSpelling } from "../../../src/tokens/verify-token.ts";
import { generateSigningKey, signToken } from "../../support/tokens.ts";

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const KEY = generateSigningKey("ES256");

/** The other good signature that anybody can make of a good one. */
function twinOf(token: string): string {
  const start = token.lastIndexOf(".") + 1;
  const bytes = Buffer.from(token.slice(start), "base64url");
  const s = ORDER - BigInt(`0x${bytes.subarray(32).toString("hex")}`);
  bytes.write(s.toString(16).padStart(64, "0"), 32, "hex");
  return token.slice(0, start) + bytes.toString("base64url");
}

describe("a token with an ES256 signature and its twin", () => {
  const tokens = Array.from({ length: 20 }, (_, index) => signToken(KEY, { sub: `user_${index}` }));

  it.each(["bearer", "jwt_cookie"] as const)("are one credential as %s", (kind) => {
    for (const token of tokens) {
      expect(twinOf(token)).not.toBe(token);
      expect(credentialKey(kind, twinOf(token))).toBe(credentialKey(kind, token));
    }
  });

  it("have the spelling with the lower s", () => {
    for (const token of tokens) expect([token, twinOf(token)]).toContain(canonicalSpelling(token));
  });

  it("share nothing with another spelling of the same bytes", () => {
    for (const token of tokens) {
      for (const one of [token, twinOf(token)]) {
        const respelled = one.slice(0, -1) + { A: "B", Q: "R", g: "h", w: "x" }[one.slice(-1)];
        expect(canonicalSpelling(respelled)).toBe(respelled);
      }
    }
  });

  it("leaves numbers alone that no signature can have", () => {
    const [token = ""] = tokens;
    const start = token.lastIndexOf(".") + 1;
    const bytes = Buffer.from(token.slice(start), "base64url").fill(0xff, 32);
    const impossible = token.slice(0, start) + bytes.toString("base64url");
    expect(canonicalSpelling(impossible)).toBe(impossible);
  });

  it("leaves signatures of the same length alone that other algorithms made", () => {
    const token = signToken(generateSigningKey("EdDSA"), { sub: "user_1" });
    expect(canonicalSpelling(token)).toBe(token);
  });
});
