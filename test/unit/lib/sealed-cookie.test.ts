import { describe, expect, it } from "@jest/globals";
import { isText } from "../../../src/lib/values.ts";
import { createSealer } from "../../../src/lib/crypto.ts";
import { type SealedCookieKind, openCookie, sealCookie } from "../../../src/lib/cookies.ts";

const sealer = createSealer({ 1: "a-cookie-password-of-at-least-32-characters" });
const NOTE: SealedCookieKind<string> = {
  name: "note",
  lifetime: 600,
  parse: ({ text }) => (isText(text) ? text : undefined),
};

function makeOptions(): { now: number; clock: () => number; clockTolerance: number; secure: boolean } {
  const options = { now: 1_800_000_000, clock: () => options.now, clockTolerance: 5, secure: true };
  return options;
}

type Options = ReturnType<typeof makeOptions>;

function seal(options: Options, members: object, more: { expiresAt?: number; prefix?: string } = {}) {
  const expiresAt = options.now + NOTE.lifetime;
  const cookie = { sealer, cookieName: "__Host-note", members, secret: "the secret", expiresAt, ...more };
  return sealCookie(options, NOTE, cookie);
}

async function sealedValue(options: Options, members: object, expiresAt?: number): Promise<string> {
  const line = (await seal(options, members, expiresAt === undefined ? {} : { expiresAt })) ?? "";
  return line.slice("__Host-note=".length, line.indexOf(";"));
}

describe("a sealed cookie", () => {
  it("opens with its secret, and its line has the attributes of orgate's own cookies", async () => {
    const options = makeOptions();
    const line = await seal(options, { text: "hello" });
    expect(line).toMatch(/^__Host-note=Fe26\.2\*.+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
    const sealed = await sealedValue(options, { text: "hello" });
    expect(await openCookie({ sealer, options }, NOTE, { sealed, secret: "the secret" })).toBe("hello");
  });

  it("does not open with another secret, as another kind, or without a sealer", async () => {
    const options = makeOptions();
    const sealed = await sealedValue(options, { text: "hello" });
    const secret = "the secret";
    expect(await openCookie({ sealer, options }, NOTE, { sealed, secret: "another" })).toBeUndefined();
    const other = { ...NOTE, name: "other" };
    expect(await openCookie({ sealer, options }, other, { sealed, secret })).toBeUndefined();
    expect(await openCookie({ sealer: undefined, options }, NOTE, { sealed, secret })).toBeUndefined();
  });

  it.each([
    [-6, undefined, undefined],
    [-5, undefined, "hello"],
    [599, undefined, "hello"],
    [600, undefined, undefined],
    [99, 100, "hello"],
    [100, 100, undefined],
    // An end beyond the lifetime does not count.
    [600, 10_000, undefined],
  ])("after %d seconds, sealed for %s, opens as %s", async (seconds, lifetime, expected) => {
    const options = makeOptions();
    const end = lifetime === undefined ? undefined : options.now + lifetime;
    const sealed = await sealedValue(options, { text: "hello" }, end);
    options.now += seconds;
    expect(await openCookie({ sealer, options }, NOTE, { sealed, secret: "the secret" })).toBe(expected);
  });

  it("does not open if a member that is used fails its check", async () => {
    const options = makeOptions();
    const sealed = await sealedValue(options, { text: 7 });
    expect(await openCookie({ sealer, options }, NOTE, { sealed, secret: "the secret" })).toBeUndefined();
  });

  it.each([null, "text", ["a"], {}, { kind: "note", binding: "x", issuedAt: "now", expiresAt: 1 }])(
    "does not open if %j was sealed",
    async (value) => {
      const options = makeOptions();
      const sealed = await sealer.sealValue(value);
      expect(await openCookie({ sealer, options }, NOTE, { sealed, secret: "the secret" })).toBeUndefined();
    },
  );

  it("is not made if browsers would drop it", async () => {
    expect(await seal(makeOptions(), { text: "x".repeat(4_000) })).toBeUndefined();
  });

  it("carries its prefix in front of the seal", async () => {
    expect(await seal(makeOptions(), { text: "hello" }, { prefix: "1." })).toMatch(/^__Host-note=1\.Fe26/);
  });
});
