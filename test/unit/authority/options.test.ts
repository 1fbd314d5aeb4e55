import { describe, expect, it } from "@jest/globals";
import { createAuthority } from "../../../src/authority/index.ts";
import { ConfigurationError } from "../../../src/errors.ts";
import type { ConfigurationProblem } from "../../../src/errors.ts";
import { makeDirectory, makeWorld } from "./set-up.ts";

function problemsOf(options: unknown): readonly ConfigurationProblem[] {
  try {
    createAuthority(options as never);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
  return [];
}

const GOOD = { issuer: "https://app.example.com", directory: makeDirectory() };

describe("the options of an authority", () => {
  it.each<[string, object, string]>([
    ["no issuer", { issuer: undefined }, "option_missing issuer"],
    ["an empty issuer", { issuer: "" }, "option_invalid issuer"],
    ["an issuer with spaces", { issuer: "a b" }, "option_invalid issuer"],
    ["no directory", { directory: undefined }, "option_missing directory"],
    ["a directory of null", { directory: null }, "option_invalid directory"],
    [
      "a directory that lacks a method",
      { directory: { ...makeDirectory(), membership: 1 } },
      "option_invalid directory",
    ],
    [
      "a directory that misspells",
      { directory: { ...makeDirectory(), onChanged: 1 } },
      "option_invalid directory.onChanged",
    ],
    ["a repository that is none", { repository: new Map() }, "option_invalid repository"],
    ["a policy that is not compiled", { policy: { roles: {} } }, "option_invalid policy"],
    ["keys that are no list", { keys: {} }, "option_invalid keys"],
    ["no keys at all", { keys: [] }, "option_invalid keys"],
    ["a key that is none", { keys: [{}] }, "option_invalid keys[0]"],
    ["tokens that never live", { accessTokenLifetime: 0 }, "option_invalid accessTokenLifetime"],
    ["a lifetime that is no number", { sessionLifetime: "3600" }, "option_invalid sessionLifetime"],
    ["a lifetime of NaN", { sessionLifetime: NaN }, "option_invalid sessionLifetime"],
    ["a lifetime without end", { sessionLifetime: Infinity }, "option_invalid sessionLifetime"],
    ["a negative grace window", { refreshGrace: -1 }, "option_invalid refreshGrace"],
    ["pending for too long", { pendingLifetime: 601 }, "option_invalid pendingLifetime"],
    ["a negative renewal", { expiredTokenRenewal: -1 }, "option_invalid expiredTokenRenewal"],
    ["idle before the token is", { idleTimeout: 300 }, "option_invalid idleTimeout"],
    ["a clock that is no function", { clock: 7 }, "option_invalid clock"],
    ["events that nobody can hear", { events: {} }, "option_invalid events"],
    ["an option that does not exist", { retries: 3 }, "option_unknown retries"],
    ["R-39: an option named after a prototype", JSON.parse('{"__proto__":1}'), "option_unknown __proto__"],
  ])("refuse %s", (_case, mistake, expected) => {
    const problems = problemsOf(Object.assign(Object.create(null), GOOD, {}, withOwn(mistake)));
    expect(problems.map(({ code, option }) => `${code} ${option}`)).toEqual([expected]);
  });

  it("are all listed at once, with a suggestion", () => {
    const problems = problemsOf({
      Issuer: "https://app.example.com",
      refreshGraze: 3,
      accessTokenLifetime: -1,
    });
    expect(problems.map(({ option, suggestion }) => [option, suggestion])).toEqual([
      ["Issuer", 'Did you mean "issuer"?'],
      ["refreshGraze", 'Did you mean "refreshGrace"?'],
      ["issuer", expect.any(String)],
      ["directory", expect.any(String)],
      ["accessTokenLifetime", expect.any(String)],
    ]);
  });

  it.each([undefined, null, 7, "options"])("are an object, not %j", (options) => {
    expect(problemsOf(options).map(({ code }) => code)).toEqual(["option_missing"]);
  });

  it("may be only the required ones", () => {
    expect(problemsOf(GOOD)).toEqual([]);
    expect(problemsOf({ ...GOOD, refreshGrace: 0, expiredTokenRenewal: 0, pendingLifetime: 600 })).toEqual(
      [],
    );
  });

  it("make a store with its token profile and capabilities", () => {
    const { authority } = makeWorld();
    expect(authority.tokens).toMatchObject({
      issuers: ["https://app.example.com"],
      algorithms: ["ES256"],
      types: ["JWT"],
      sessionClaim: "sid",
      keys: { cooldown: 0 },
    });
    expect(authority.capabilities).toEqual({
      factors: true,
      authenticationTime: true,
      impersonation: true,
      renewsBareToken: true,
      renewalSpends: "expired",
    });
  });
});

/** Own properties, also one named `__proto__`. */
function withOwn(value: object): object {
  return Object.fromEntries(Object.entries(value));
}
