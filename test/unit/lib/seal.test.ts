import { inspect } from "node:util";
import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { defaults, seal as ironSeal } from "iron-webcrypto";
import { createSealer, MAX_SEAL_LENGTH } from "../../../src/lib/crypto.ts";
import type { SealedSession } from "../../../src/store.ts";

/** For what is run many times, on a machine that has other things to do. */
const LONG = 60_000;
const SEED = Number(process.env["FC_SEED"] ?? 20_260_412);
const OLD = "an-old-password-of-more-than-32-characters";
const NEW = "a-new-password-of-more-than-32-characters!";
const OTHER = "somebody-elses-password-of-32-characters-";

const SESSION: SealedSession = {
  accessToken: "aaa.bbb.ccc",
  refreshToken: "refresh-1",
  user: { id: "user_1", firstName: "Ada" },
  organizationId: "org_1",
  featureFromTomorrow: { nested: [1, 2, 3] },
};

const sealer = createSealer({ 1: NEW });

/** Seals any value the way another library of this format would. */
function sealAs(value: unknown, password: string, id = "1"): Promise<string> {
  return ironSeal(value, { id, secret: password }, defaults);
}

describe("createSealer", () => {
  it("opens what it sealed, fields of others included", async () => {
    const cookie = await sealer.seal(SESSION);
    expect(cookie).toMatch(/^Fe26\.2\*1\*.+~2$/);
    expect(sealer.unseal(cookie)).toEqual(SESSION);
  });

  it("needs a password", () => {
    expect(() => createSealer({})).toThrow(RangeError);
  });

  it("opens the forms that WorkOS's and iron-session's libraries make", async () => {
    const plain = await sealAs(SESSION, NEW);
    expect(sealer.unseal(`${plain}~2`)).toEqual(SESSION);
    const versionOne = await sealAs({ persistent: SESSION }, NEW);
    expect(sealer.unseal(`${versionOne}~1`)).toEqual(SESSION);
    expect(sealer.unseal(versionOne)).toEqual(SESSION);
    expect(sealer.unseal(`${versionOne}~2`)).toBeUndefined();
    const anonymous = await sealAs({ ...SESSION, user: null }, NEW);
    const { user: _none, ...withoutUser } = SESSION;
    expect(sealer.unseal(`${anonymous}~2`)).toEqual(withoutUser);
  });

  it.each([
    ["no object", "aaa.bbb.ccc"],
    ["a list", ["aaa.bbb.ccc"]],
    ["null", null],
    ["an empty object", {}],
    ["an access token that is no string", { accessToken: 1 }],
    ["a refresh token that is no string", { accessToken: "a.b.c", refreshToken: {} }],
    ["a user that is a string", { accessToken: "a.b.c", user: "user_1" }],
    ["a user without an id", { accessToken: "a.b.c", user: {} }],
    ["a user whose id is no string", { accessToken: "a.b.c", user: { id: 1 } }],
    ["a version 1 without its inside", { persistent: 1 }],
  ])("R-37: finds no session in %s, though the seal is good", async (_, value) => {
    expect(sealer.unseal(`${await sealAs(value, NEW)}~2`)).toBeUndefined();
    expect(sealer.unseal(`${await sealAs(value, NEW)}~1`)).toBeUndefined();
  });
});

describe("R-38: the rotation of passwords", () => {
  const before = createSealer({ 1: OLD });
  const during = createSealer({ 2: NEW, 1: OLD });
  const after = createSealer({ 2: NEW });

  it("seals with the highest number and opens with all, until the old one is removed", async () => {
    const old = await before.seal(SESSION);
    const fresh = await during.seal(SESSION);
    expect(fresh).toMatch(/^Fe26\.2\*2\*/);
    expect(during.unseal(old)).toEqual(SESSION);
    expect(during.unseal(fresh)).toEqual(SESSION);
    expect(after.unseal(fresh)).toEqual(SESSION);
    expect(after.unseal(old)).toBeUndefined();
    expect(before.unseal(fresh)).toBeUndefined();
  });

  it("goes by the number's value, not by its digits", async () => {
    const many = createSealer({ 9: OTHER, 10: NEW, 2: OLD });
    await expect(many.seal(SESSION)).resolves.toMatch(/^Fe26\.2\*10\*/);
    expect(many.unseal(await before.seal(SESSION))).toEqual(SESSION);
  });

  it("opens with each of five", async () => {
    const passwords = [1, 2, 3, 4, 5].map((n) => `password-number-${n}-of-at-least-32-characters`);
    const five = createSealer(Object.fromEntries(passwords.map((password, index) => [index + 1, password])));
    const seals = await Promise.all(
      passwords.map((password, index) => sealAs(SESSION, password, `${index + 1}`)),
    );
    const opened = seals.map((seal) => five.unseal(`${seal}~2`));
    expect(opened).toEqual(passwords.map(() => SESSION));
  });

  it.each(["__proto__", "constructor", "toString", "02", "0", "3", "", "a".repeat(64), "2"])(
    "does not open by the id %j what that id's password did not seal",
    async (id) => {
      expect(during.unseal(`${await sealAs(SESSION, OTHER, id)}~2`)).toBeUndefined();
      const renamed = (await before.seal(SESSION)).replace("*1*", `*${id}*`);
      expect(during.unseal(renamed)).toBeUndefined();
    },
  );

  it.each(["__proto__", "constructor", "02", "x", ""])(
    "takes the id %j for a hint, because others number differently: the password decides",
    async (id) => {
      expect(during.unseal(`${await sealAs(SESSION, OLD, id)}~2`)).toEqual(SESSION);
    },
  );
});

describe("R-37: what is not a seal of ours", () => {
  const HOSTILE: readonly (readonly [string, string])[] = [
    ["nothing", ""],
    ["a word", "hello"],
    ["the marker alone", "Fe26.2"],
    ["stars", "*".repeat(100)],
    ["another version", "Fe26.1*1*aa*bb*cc**dd*ee"],
    ["a JWT", "eyJhbGciOiJub25lIn0.e30."],
    ["a NUL byte", "Fe26.2*1*\u0000"],
    ["percent signs", "%46e26.2*1*aa"],
    ["a suffix alone", "~2"],
    ["junk in every part", "Fe26.2*1*!*!*!*!*!*!"],
  ];

  it.each(HOSTILE)("answers %s with nothing, and does not throw", async (_, cookie) => {
    expect(sealer.unseal(cookie)).toBeUndefined();
    expect(sealer.unsealValue(cookie)).toBeUndefined();
  });

  it("R-14: refuses a seal that is too long before opening it", async () => {
    const session = { ...SESSION, filler: "x".repeat(MAX_SEAL_LENGTH) };
    expect(sealer.unseal(await sealer.seal(session))).toBeUndefined();
  });

  it("R-06: opens one spelling of a seal only", async () => {
    const cookie = await sealer.seal(SESSION);
    const parts = cookie.slice(0, -2).split("*");
    const spellings = [3, 7].flatMap((part) => respell(parts, part));
    expect(spellings.length).toBeGreaterThan(10);
    for (const spelling of spellings) {
      expect(sealer.unseal(`${spelling}~2`)).toBeUndefined();
    }
    for (const spelling of [
      ` ${cookie}`,
      `${cookie} `,
      `"${cookie}"`,
      cookie.replace("Fe26", "fe26"),
      `${cookie}~2`,
      cookie.slice(0, -2),
      ...["0", "1", "3", "02", "22", "999", ""].map((suffix) => `${cookie.slice(0, -1)}${suffix}`),
    ]) {
      expect(sealer.unseal(spelling)).toBeUndefined();
    }
  });

  it(
    `opens nothing that differs in one place from what it sealed (seed ${SEED})`,
    async () => {
      const cookie = await sealer.seal(SESSION);
      const end = cookie.length - 2;
      const letter = fc.constantFrom(..."Aa0_-*.~Z9 \u00a0=/".split(""));
      await fc.assert(
        fc.asyncProperty(
          fc.nat(end - 1),
          letter,
          fc.constantFrom("replace", "insert", "delete"),
          async (at, put, how) => {
            const kept = how === "insert" ? at : at + 1;
            const mutated = cookie.slice(0, at) + (how === "delete" ? "" : put) + cookie.slice(kept);
            fc.pre(mutated !== cookie);
            expect(sealer.unseal(mutated)).toBeUndefined();
          },
        ),
        { seed: SEED, numRuns: 300 },
      );
    },
    LONG,
  );
});

describe("sealed values", () => {
  it("come out as they went in", async () => {
    const value = { flow: "f", at: 1, list: [null, true] };
    expect(sealer.unsealValue(await sealer.sealValue(value))).toEqual(value);
  });

  it("R-44: no secret shows in the sealer, nor in what it makes", async () => {
    const cookie = await sealer.seal(SESSION);
    for (const shown of [
      inspect(sealer, { depth: 9, showHidden: true }),
      cookie,
      await sealer.sealValue(SESSION),
    ]) {
      expect(shown).not.toContain(NEW);
      expect(shown).not.toContain("refresh-1");
    }
  });
});

/** Other letters at the end of a part that decode to the same bytes. */
function respell(parts: readonly string[], index: number): string[] {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const part = parts[index] ?? "";
  const bytes = Buffer.from(part, "base64url");
  return alphabet
    .split("")
    .map((last) => part.slice(0, -1) + last)
    .filter((other) => other !== part && Buffer.from(other, "base64url").equals(bytes))
    .map((other) => parts.map((kept, at) => (at === index ? other : kept)).join("*"));
}
