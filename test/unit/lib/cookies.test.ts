import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import {
  clearCookieLine,
  configuredPlaces,
  setCookieLine,
  splitIntoCookies,
  surroundingPlaces,
  type CookieAttributes,
} from "../../../src/lib/cookies.ts";
import { findCookie } from "../../../src/lib/cookies.ts";

const SEED = Number(process.env["FC_SEED"] ?? 20_260_412);
const SECURE: CookieAttributes = { path: "/", sameSite: "lax", secure: true, httpOnly: true };
const SHARED: CookieAttributes = { ...SECURE, domain: "example.com", path: "/app", sameSite: "none" };

/** The attributes of a line, in lower case. */
function attributesOf(line: string): string[] {
  return line.toLowerCase().split("; ").slice(1).toSorted();
}

describe("setCookieLine", () => {
  it("sends the value as it is, and every attribute", () => {
    const line = setCookieLine("__Host-orgate", "Fe26.2*1*aa*-_~2", SECURE, 60);
    expect(line.startsWith("__Host-orgate=Fe26.2*1*aa*-_~2; ")).toBe(true);
    expect(attributesOf(line)).toEqual(["httponly", "max-age=60", "path=/", "samesite=lax", "secure"]);
  });

  it("names the domain and the age only if they are given", () => {
    expect(attributesOf(setCookieLine("n", "v", SHARED, undefined))).toEqual([
      "domain=example.com",
      "httponly",
      "path=/app",
      "samesite=none",
      "secure",
    ]);
    const plain = setCookieLine(
      "n",
      "v",
      { ...SECURE, secure: false, httpOnly: false, sameSite: "strict" },
      1,
    );
    expect(attributesOf(plain)).toEqual(["max-age=1", "path=/", "samesite=strict"]);
  });

  it.each(["v; Domain=evil.example", "v\r\nSet-Cookie: x=y", "v\u0000", "v,w x"])(
    "R-43: refuses the value %j, which would be more than a value",
    (value) => {
      expect(() => setCookieLine("n", value, SECURE, 1)).toThrow(TypeError);
    },
  );
});

describe("clearCookieLine", () => {
  it("clears the cookie with the attributes it was set with", () => {
    const line = clearCookieLine("n", SHARED);
    expect(line.startsWith("n=; ")).toBe(true);
    expect(attributesOf(line)).toEqual(
      expect.arrayContaining(["max-age=0", "domain=example.com", "path=/app", "secure", "httponly"]),
    );
    expect(line).toContain("Expires=Thu, 01 Jan 1970 00:00:00 GMT");
  });
});

describe("R-12: the places where a cookie may lie", () => {
  const at = { hostname: "app.eu.example.com", pathname: "/app/documents/1" };

  it("are, as configured, host-only and on the domain", () => {
    expect(configuredPlaces("orgate", SHARED)).toEqual([
      { path: "/app" },
      { path: "/app", domain: "example.com" },
    ]);
    expect(configuredPlaces("orgate", SECURE)).toEqual([{ path: "/" }]);
  });

  it("are, around them, the host's own domain, those above but the last label, and the paths above", () => {
    const places = surroundingPlaces("orgate", SHARED, at);
    expect(places.slice(0, 2)).toEqual([
      { path: "/app", domain: "app.eu.example.com" },
      { path: "/app", domain: "eu.example.com" },
    ]);
    const keys = places.map(({ domain = "", path }) => `${domain} ${path}`);
    expect(keys).toContain(" /");
    expect(keys).toContain("example.com /app/documents");
    expect(keys.some((key) => key.startsWith("com "))).toBe(false);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).not.toContain(" /app");
  });

  it.each(["__Host-orgate", "__host-orgate"])("are the host alone for %s", (name) => {
    expect(configuredPlaces(name, SECURE)).toEqual([{ path: "/" }]);
    expect(surroundingPlaces(name, SECURE, at)).toEqual([]);
  });

  it.each(["127.0.0.1", "[::1]", "localhost"])("have no domain on %s", (hostname) => {
    expect(surroundingPlaces("orgate", SECURE, { hostname, pathname: "/" })).toEqual([]);
  });

  it("are few, however deep or odd the path is", () => {
    for (const pathname of [`/${"a/".repeat(5_000)}`, "/".repeat(9_000), "/a\u0000;b", "*"]) {
      expect(surroundingPlaces("orgate", SHARED, { ...at, pathname }).length).toBeLessThan(80);
    }
  });
});

describe("R-14: splitIntoCookies", () => {
  const whole = setCookieLine("orgate", "", SECURE, 60).length;

  it("keeps a value that fits in one cookie", () => {
    const fits = "x".repeat(4_096 - whole);
    expect([...splitIntoCookies("orgate", fits, SECURE, 60).keys()]).toEqual(["orgate"]);
    expect([...splitIntoCookies("orgate", `${fits}x`, SECURE, 60).keys()]).toEqual(["orgate.0", "orgate.1"]);
  });

  it(`makes lines that browsers keep, and that join to the value again (seed ${SEED})`, () => {
    const letter = fc.constantFrom("a", "*", "-", "_");
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 12_286 }),
        letter,
        fc.constantFrom(SECURE, SHARED),
        (size, filler, how) => {
          const value = `${filler.repeat(size)}~2`;
          const lines = splitIntoCookies("orgate", value, how, 34_560_000);
          expect(Math.max(...[...lines.values()].map((line) => line.length))).toBeLessThanOrEqual(4_096);
          const header = [...lines.values()].map((line) => line.split(";", 1)[0]).join("; ");
          expect(findCookie(header, "orgate")).toMatchObject({
            status: "found",
            value,
            names: [...lines.keys()],
          });
        },
      ),
      { seed: SEED, numRuns: 300 },
    );
  });

  it("joins again at every place where the split can run through the suffix", () => {
    const room = 4_096 - setCookieLine("orgate.00", "", SECURE, 60).length;
    for (const size of [
      room - 2,
      room - 1,
      room,
      room + 1,
      2 * room - 2,
      2 * room - 1,
      2 * room,
      2 * room + 1,
    ]) {
      const value = `${"a".repeat(size)}~2`;
      const lines = splitIntoCookies("orgate", value, SECURE, 60);
      const header = [...lines.values()].map((line) => line.split(";", 1)[0]).join("; ");
      expect(findCookie(header, "orgate")).toMatchObject({ status: "found", value });
    }
  });
});
