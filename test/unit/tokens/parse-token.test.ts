import { describe, expect, it } from "@jest/globals";
import {
  decodeClaims,
  MAX_TOKEN_LENGTH,
  parseClaims,
  parseHeader,
} from "../../../src/tokens/verify-token.ts";
import type { TokenHeader, UnverifiedPayload } from "../../../src/tokens/verify-token.ts";
import type { Algorithm, TokenProfile } from "../../../src/store.ts";
import { base64url, staticKeys } from "../../support/tokens.ts";

const PROFILE: TokenProfile = {
  keys: staticKeys({ keys: [] }),
  issuers: [],
  algorithms: ["RS256"],
  types: ["JWT"],
  sessionClaim: "sid",
};
const HEADER = { alg: "RS256", kid: "k", typ: "JWT" };

describe("parseHeader, then parseClaims", () => {
  it("reads header and payload, whatever the claims are", () => {
    expect(parseToken(write(HEADER, { any: { thing: [1] } }), PROFILE)).toEqual({
      status: "parsed",
      header: HEADER,
      payload: { any: { thing: [1] } },
    });
  });

  it("freezes the payload at every depth", () => {
    const parsed = parseToken(write(HEADER, { any: { thing: [1] } }), PROFILE);
    const payload = parsed.status === "parsed" ? (parsed.payload as { any: { thing: number[] } }) : undefined;
    expect(Object.isFrozen(payload) && Object.isFrozen(payload?.any.thing)).toBe(true);
  });

  it("reads a token of exactly the greatest length, and none longer", () => {
    const header = { ...HEADER, kid: "kk" };
    const rest = write(header, {}, "").length;
    const longest = write(header, {}, "A".repeat(MAX_TOKEN_LENGTH - rest));
    expect(longest).toHaveLength(12_288);
    expect(parseToken(longest, PROFILE).status).toBe("parsed");
    expect(parseToken(`${longest}AAAA`, PROFILE)).toEqual({ status: "malformed", reason: "size" });
  });

  it.each([
    ["", "structure"],
    ["a.b", "structure"],
    ["a.b.c.d", "structure"],
    ["a..c", "structure"],
    ["a.b.c\n", "structure"],
    ["a.b.c=", "structure"],
    [write(HEADER, {}, "A"), "encoding"],
    [write(HEADER, {}, "AB"), "encoding"],
    [write(HEADER, {}, "AAB"), "encoding"],
    ["e31.B.AA", "encoding"],
    ["e3.AA.AA", "encoding"],
    [`${base64url("[]")}.e30.AAAA`, "header"],
    [`${base64url('{"alg":"RS256","typ":"JWT"')}.e30.AAAA`, "header"],
    [`${Buffer.from([0xff]).toString("base64url")}.e30.AAAA`, "header"],
    [write(HEADER, []), "payload"],
    [write(HEADER, null), "payload"],
    [write(HEADER, "text"), "payload"],
  ])("refuses %s: %s", (token, reason) => {
    expect(parseToken(token, PROFILE)).toEqual({ status: "malformed", reason });
  });

  it.each<[unknown, readonly string[], boolean]>([
    ["JWT", ["JWT"], true],
    ["jwt", ["JWT"], true],
    ["application/jwt", ["JWT"], true],
    ["Application/JWT", ["jwt"], true],
    ["JWT", ["application/jwt"], true],
    ["at+jwt", ["JWT", "at+jwt"], true],
    ["application/at+jwt", ["at+jwt"], true],
    ["application/a/b", ["application/a/b"], true],
    [undefined, [""], true],
    [undefined, ["JWT", ""], true],
    [undefined, ["JWT"], false],
    ["", [""], false],
    ["application/", [""], false],
    ["a/b", ["application/a/b"], false],
    ["application/a/b", ["a/b"], false],
    ["at+jwt", ["JWT"], false],
    ["JWT ", ["JWT"], false],
    ["\u212Aey", ["key"], false],
    [1, ["1"], false],
    [null, [""], false],
    [["JWT"], ["JWT"], false],
    ["JWT", [], false],
  ])("typ %j against %j: %s", (typ, types, accepted) => {
    const parsed = parseToken(write({ ...HEADER, typ }, {}), { ...PROFILE, types });
    expect(parsed.status).toBe(accepted ? "parsed" : "malformed");
  });

  it.each<[unknown, boolean]>([
    [undefined, true],
    ["k", true],
    ["k".repeat(128), true],
    ["\u00fc", true],
    ["__proto__", true],
    ["k".repeat(129), false],
    ["", false],
    ["\ud800", false],
    [1, false],
    [null, false],
    [["k"], false],
  ])("kid %j: %s", (kid, accepted) => {
    const parsed = parseToken(write({ ...HEADER, kid }, {}), PROFILE);
    expect(parsed.status).toBe(accepted ? "parsed" : "malformed");
  });

  it("takes an algorithm only from the profile's list, and only one of ours", () => {
    const algorithms = ["RS256", "none", "HS256", "RS512"] as unknown as Algorithm[];
    const accepted = ["RS256", "none", "HS256", "RS512", "ES256", "rs256", undefined, 1].filter(
      (alg) => parseToken(write({ ...HEADER, alg }, {}), { ...PROFILE, algorithms }).status === "parsed",
    );
    expect(accepted).toEqual(["RS256"]);
  });

  it("takes further header parameters from the profile's list, but never the forbidden ones", () => {
    const names = ["cty", "nonce", "crit", "b64", "jwk", "jku", "x5u", "x5c", "zip", "enc", "epk"];
    const accept = (headerParameters: readonly string[]): string[] =>
      names.filter(
        (name) =>
          parseToken(write({ ...HEADER, [name]: "x" }, {}), { ...PROFILE, headerParameters }).status ===
          "parsed",
      );
    expect(accept([])).toEqual([]);
    expect(accept(names)).toEqual(["cty", "nonce"]);
    expect(parseToken(write({ ...HEADER, cty: "x" }, {}), PROFILE).status).toBe("malformed");
  });
});

describe("parseHeader", () => {
  it("R-27: remembers a good header for its own profile only", () => {
    const strict: TokenProfile = { ...PROFILE, algorithms: ["ES256"] };
    const token = write(HEADER, {});
    expect([PROFILE, strict, PROFILE, strict].map((profile) => parseHeader(token, profile).status)).toEqual([
      "parsed",
      "malformed",
      "parsed",
      "malformed",
    ]);
  });

  it("reads every header anew that is not the last one", () => {
    const kids = ["a", "b", "a", "a", "b"];
    const parsed = kids.map((kid) => parseHeader(write({ ...HEADER, kid }, {}), PROFILE));
    expect(parsed.map((one) => one.status === "parsed" && one.header.kid)).toEqual(kids);
  });

  it("R-01: keeps good headers and bad ones apart, in whatever order they come", () => {
    const good = ["a", "b"].map((kid) => write({ ...HEADER, kid }, {}));
    const bad = ["none", "HS256"].map((alg) => write({ ...HEADER, alg }, {}));
    const tokens = [bad[0], good[0], bad[0], bad[1], good[0], good[1], bad[0], bad[1], good[0]] as string[];
    for (const token of [...tokens, ...tokens]) {
      const { status } = parseHeader(token, PROFILE);
      expect(status).toBe(good.includes(token) ? "parsed" : "malformed");
    }
  });

  it("says where a payload lies that need not be JSON", () => {
    const token = `${base64url(JSON.stringify(HEADER))}.${base64url("foo!")}.AAAA`;
    const parsed = parseHeader(token, PROFILE);
    expect(parsed.status === "parsed" && token.slice(parsed.payloadStart, parsed.payloadEnd)).toBe(
      base64url("foo!"),
    );
  });
});

function write(header: unknown, payload: unknown, signature = "AAAA"): string {
  return `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(payload))}.${signature}`;
}

type Parsed =
  | { readonly status: "parsed"; readonly header: TokenHeader; readonly payload: UnverifiedPayload }
  | { readonly status: "malformed"; readonly reason: string };

/** Both steps, as a verifier takes them. */
function parseToken(token: string, profile: TokenProfile): Parsed {
  const parsed = parseHeader(token, profile);
  if (parsed.status === "malformed") return parsed;
  const payload = parseClaims(decodeClaims(token, parsed));
  return payload === undefined
    ? { status: "malformed", reason: "payload" }
    : { status: "parsed", header: parsed.header, payload };
}
