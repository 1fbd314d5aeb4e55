import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { createChallenger, type Challenge } from "../../../src/lib/http.ts";

const SEED = Number(process.env["FC_SEED"] ?? 20_260_412);

function bearerChallenge(realm: string, challenge: Challenge = {}): string {
  return createChallenger(realm)(challenge);
}

/** A strict reader of `Bearer` challenges (RFC 9110 section 11.2): names and unescaped values, or nothing. */
function parseChallenge(header: string): [string, string][] | undefined {
  const parameter =
    /(?<name>[a-z_]+)="(?<value>(?:[\u0020\u0021\u0023-\u005b\u005d-\u007e]|\\["\\])*)"(?:, |$)/y;
  if (!header.startsWith("Bearer ")) return undefined;
  const found: [string, string][] = [];
  parameter.lastIndex = 7;
  while (parameter.lastIndex < header.length) {
    const match = parameter.exec(header);
    if (match?.groups === undefined) return undefined;
    found.push([match.groups["name"] ?? "", (match.groups["value"] ?? "").replaceAll(/\\(.)/g, "$1")]);
  }
  return found;
}

describe("createChallenger", () => {
  it("names no error if no credential was sent (RFC 6750 section 3.1)", () => {
    expect(bearerChallenge("app.example.com")).toBe('Bearer realm="app.example.com"');
  });

  it.each(["invalid_token", "insufficient_scope", "insufficient_user_authentication"] as const)(
    "names the error %s",
    (error) => {
      expect(bearerChallenge("r", { error })).toBe(`Bearer realm="r", error="${error}"`);
    },
  );

  it("names the oldest acceptable authentication (RFC 9470 section 3)", () => {
    expect(bearerChallenge("r", { error: "insufficient_user_authentication", maxAge: 300 })).toBe(
      'Bearer realm="r", error="insufficient_user_authentication", max_age="300"',
    );
    expect(bearerChallenge("r", { maxAge: 0 })).toBe('Bearer realm="r", max_age="0"');
  });

  it.each([
    ['a", error="invalid_token', String.raw`Bearer realm="a\", error=\"invalid_token"`],
    [String.raw`a\"b`, String.raw`Bearer realm="a\\\"b"`],
    ["a\r\nSet-Cookie: x=y", 'Bearer realm="aSet-Cookie: x=y"'],
    ["a\u0000b\u007fc\u00e9d\u2028e", 'Bearer realm="abcde"'],
    ["", 'Bearer realm=""'],
  ])("R-43: keeps the realm %j inside its quotes", (realm, expected) => {
    expect(bearerChallenge(realm)).toBe(expected);
  });

  it(`R-43: never lets a realm become a parameter (seed ${SEED})`, () => {
    const nasty = fc.constantFrom('"', "\\", ",", "=", " ", "\r", "\n", "error", "a", "\u00e9");
    fc.assert(
      fc.property(fc.array(nasty, { maxLength: 20 }), (pieces) => {
        const realm = pieces.join("");
        expect(parseChallenge(bearerChallenge(realm, { error: "invalid_token" }))).toEqual([
          ["realm", realm.replaceAll(/[^\u0020-\u007e]/g, "")],
          ["error", "invalid_token"],
        ]);
      }),
      { seed: SEED, numRuns: 2_000 },
    );
  });
});
