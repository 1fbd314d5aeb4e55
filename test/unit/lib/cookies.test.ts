import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import {
  clearCookieLine,
  clearEveryForm,
  setCookieLine,
  splitIntoCookies,
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

describe("R-12: clearEveryForm", () => {
  it("clears a cookie host-only and under each domain", () => {
    const lines = clearEveryForm("orgate", SHARED, ["app.example.com", "example.com"]);
    const domains = lines.map((line) => /domain=([^;]*)/i.exec(line)?.[1]);
    expect(domains).toEqual([undefined, "app.example.com", "example.com"]);
    expect(lines.every((line) => line.startsWith("orgate=; ") && line.includes("Path=/app"))).toBe(true);
  });

  it.each(["__Host-orgate", "__host-orgate"])(
    "gives %s no domain, because browsers ignore such a line",
    (name) => {
      expect(clearEveryForm(name, SECURE, ["app.example.com"])).toEqual([clearCookieLine(name, SECURE)]);
    },
  );
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
