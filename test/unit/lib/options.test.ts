import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { AUTHORITY_OPTIONS } from "../../../src/authority/options.ts";
import { WORKOS_ROUTER_OPTIONS } from "../../../src/authority/wire/workos/workos-options.ts";
import { ConfigurationError } from "../../../src/errors.ts";
import {
  type Option,
  trueOrFalse,
  functionLike,
  listWith,
  nested,
  oneOf,
  onlyMember,
  optional,
  orFalse,
  readOptions,
  required,
  requiredVariable,
  schema,
  seconds,
  matching,
  wholeNumber,
  withMethods,
} from "../../../src/lib/options.ts";
import { isString } from "../../../src/lib/values.ts";
import { describeValue } from "../../../src/lib/problems.ts";
import { ORGATE_OPTIONS } from "../../../src/options/options.ts";
import { REMOTE_KEYS_OPTIONS } from "../../../src/stores/remote-keys.ts";
import { STYTCH_OPTIONS } from "../../../src/stores/stytch/options.ts";
import { WORKOS_OPTIONS } from "../../../src/stores/workos/options.ts";

const CANARY = "canary-5f2d";

interface Sample {
  readonly name: string;
  readonly secret: string | undefined;
  readonly wait?: number;
  readonly size?: number;
  readonly mode?: "on" | "off";
  readonly isLoud?: boolean;
  readonly tags?: readonly string[];
  readonly notify?: () => void;
  readonly target?: { readonly path?: string };
  readonly limit?: { readonly size: number } | false;
  readonly plugin?: { readonly start: () => void };
}

const SAMPLE = schema<Sample>()({
  name: required(matching("a name", /^\w+$/, "Pass a word."), "Pass a name."),
  secret: requiredVariable(matching("a secret", /^\S+$/, "Look it up."), "Set SECRET."),
  wait: optional(seconds({ min: 1, max: 60 }, "Leave it out for 5."), 5),
  size: optional(wholeNumber({ min: 1 }, "Leave it out.")),
  mode: optional(oneOf("on", "off"), "on"),
  isLoud: optional(trueOrFalse, false),
  tags: optional(listWith("tags", isString, "List some.", { mayBeEmpty: false })),
  notify: optional(functionLike<() => void>()),
  target: optional(nested({ path: optional(matching("a path", /^\//, "Start with /.")) }, "Pass { path }.")),
  limit: optional(orFalse(onlyMember("size", wholeNumber({ min: 1, max: 9 }, "Pass limit: false."))), 3),
  plugin: optional(withMethods<{ start: () => void }>("a plugin", ["start"])),
});

const GOOD = { name: "ada", secret: "s3cret" };

function read(given: unknown) {
  return readOptions(SAMPLE, given, "sample", "Pass { name, secret }.").complete();
}

function errorOf(given: unknown): ConfigurationError {
  try {
    read(given);
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
  throw new Error("Nothing was refused.");
}

describe("options read by a schema", () => {
  it("have their defaults", () => {
    expect(read(GOOD)).toEqual({ ...GOOD, wait: 5, mode: "on", isLoud: false, limit: 3 });
  });

  it("have the values that were given", () => {
    const notify = (): void => undefined;
    const given = {
      ...GOOD,
      wait: 60,
      size: 1,
      mode: "off",
      isLoud: true,
      tags: ["a"],
      notify,
      target: { path: "/x" },
      limit: false,
      plugin: { start: notify },
    };
    expect(read(given)).toEqual(given);
    expect(read({ ...GOOD, limit: { size: 9 } }).limit).toBe(9);
  });

  it.each<[object, string, string]>([
    [{ name: undefined }, "option_missing", "is required. Pass a name."],
    [{ name: "" }, "option_invalid", "must be a name, but is an empty string. Pass a word."],
    [{ secret: "" }, "option_missing", "is required. Set SECRET."],
    [{ wait: 61 }, "option_invalid", "must be a finite number of seconds from 1 to 60, but is 61."],
    [{ wait: Number.NaN }, "option_invalid", "but is NaN."],
    [{ wait: 60n }, "option_invalid", "but is a bigint."],
    [{ wait: Symbol(CANARY) }, "option_invalid", "but is a symbol."],
    [{ size: 1.5 }, "option_invalid", "must be a whole number, 1 or more, but is 1.5."],
    [{ mode: CANARY }, "option_invalid", 'must be "on" or "off", but is a string of length 11.'],
    [{ isLoud: 1 }, "option_invalid", "must be a boolean, but is 1."],
    [{ tags: [] }, "option_invalid", "must be a non-empty list of tags, but is a list of 0."],
    [{ tags: ["a", Symbol(CANARY)] }, "option_invalid", "but is a list of 2."],
    [{ notify: {} }, "option_invalid", "must be a function, but is an object."],
    [{ target: null }, "option_invalid", "must be an object, but is null. Pass { path }."],
    [{ target: { path: 7 } }, "option_invalid", "must be a path, but is 7."],
    [{ target: { pth: "/" } }, "option_unknown", 'Did you mean "path"?'],
    [{ limit: { size: 10 } }, "option_invalid", "Pass limit: false."],
    [{ limit: true }, "option_invalid", "Pass limit: false."],
    [{ plugin: { start: 1 } }, "option_invalid", "It has start()."],
    [{ nmae: "ada" }, "option_unknown", 'Did you mean "name"?'],
  ])("%#: are refused with what is wrong, the value, and what to do", (given, code, message) => {
    const error = errorOf({ ...GOOD, ...given });
    expect(error.problems.map((problem) => problem.code)).toEqual([code]);
    expect(error.message).toContain(message);
    expect(error.message).not.toContain(CANARY);
  });

  it.each([undefined, null, 7, "x", [], () => undefined, Symbol("x")])("are an object, not %p", (given) => {
    expect(errorOf(given).problems).toEqual([
      expect.objectContaining({ code: "option_missing", option: "sample" }),
    ]);
  });

  it("are all refused at once, also those whose getters throw, and the cause is kept", () => {
    const sprung = new Error(CANARY);
    const given = {
      get name(): string {
        throw sprung;
      },
      target: {
        get path(): string {
          throw new Error(CANARY);
        },
      },
      tags: new Proxy([], {
        get() {
          throw new Error(CANARY);
        },
      }),
      plugin: new Proxy(
        {},
        {
          get() {
            throw new Error(CANARY);
          },
        },
      ),
    };
    const error = errorOf(given);
    expect(error.problems.map(({ code, option }) => `${code} ${option}`)).toEqual([
      "option_invalid name",
      "option_missing secret",
      "option_invalid tags",
      "option_invalid target.path",
      "option_invalid plugin",
    ]);
    expect(error.cause).toBe(sprung);
    expect(Object.keys(error)).not.toContain("cause");
    expect(error.message).not.toContain(CANARY);
  });

  it("are refused if their names cannot be listed", () => {
    const hostile = new Proxy(GOOD, {
      ownKeys() {
        throw new Error(CANARY);
      },
    });
    expect(errorOf(hostile).problems).toHaveLength(1);
  });
});

describe("describeValue", () => {
  it.each<[unknown, string]>([
    [undefined, "undefined"],
    [null, "null"],
    [true, "true"],
    [-0.5, "-0.5"],
    ["", "an empty string"],
    [CANARY, "a string of length 11"],
    [1n, "a bigint"],
    [Symbol(CANARY), "a symbol"],
    [() => CANARY, "a function"],
    [[CANARY], "a list of 1"],
    [{ [CANARY]: CANARY }, "an object"],
    [Proxy.revocable([], {}).proxy, "a list of 0"],
  ])("describes %# and repeats no text", (value, expected) => {
    expect(describeValue(value)).toBe(expected);
  });

  it("describes a revoked proxy", () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(describeValue(proxy)).toBe("a value that cannot be read (object thrown)");
  });
});

describe("the documented defaults", () => {
  it.each<[string, string, Readonly<Record<string, Option<unknown>>>]>([
    ["src/options/options.ts", "OrgateOptions", ORGATE_OPTIONS],
    ["src/authority/options.ts", "AuthorityOptions", AUTHORITY_OPTIONS],
    ["src/authority/wire/workos/workos-options.ts", "WorkosRouterOptions", WORKOS_ROUTER_OPTIONS],
    ["src/stores/workos/options.ts", "WorkosOptions", WORKOS_OPTIONS],
    ["src/stores/stytch/options.ts", "StytchOptions", STYTCH_OPTIONS],
    ["src/stores/remote-keys.ts", "RemoteKeysOptions", REMOTE_KEYS_OPTIONS],
  ])("%s: those of %s are the ones in force", (path, name, entries) => {
    const literals = [...documentedDefaults(path, name)].flatMap(([option, written]) => {
      const value = literalOf(written);
      return value === undefined || entries[option]?.defaultValue === undefined ? [] : [{ option, value }];
    });
    for (const { option, value } of literals) {
      expect({ option, value: entries[option]?.defaultValue }).toEqual({ option, value });
    }
    const undocumented = Object.entries(entries).filter(
      ([option, entry]) =>
        ["number", "string", "boolean"].includes(typeof entry.defaultValue) &&
        !documentedDefaults(path, name).has(option),
    );
    expect(undocumented.map(([option]) => option)).toEqual([]);
  });
});

/** The text of each option's `@defaultValue`. */
function documentedDefaults(path: string, name: string): ReadonlyMap<string, string> {
  const [, body = ""] =
    new RegExp(String.raw`export interface ${name}\b[^{]*\{(.*?)\n\}`, "s").exec(
      readFileSync(path, "utf8"),
    ) ?? [];
  const members = body.matchAll(/\/\*\*((?:(?!\*\/).)*)\*\/\s*readonly (\w+)\??:/gs);
  return new Map(
    [...members].flatMap(([, comment = "", option = ""]) => {
      const written = /@defaultValue (.*)/.exec(comment)?.[1]?.trim();
      return written === undefined ? [] : [[option, written]];
    }),
  );
}

/** The number, string, boolean or list that a default is written as; `undefined` for prose. */
function literalOf(written: string): unknown {
  const text = written.replace(/^`(.*)`$/, "$1").replaceAll(/(\d)_(\d)/g, "$1$2");
  const days = /^(\d+) days$/.exec(text)?.[1];
  if (days !== undefined) return Number(days) * 86_400;
  const only = /^\{ \w+: (.+) \}$/.exec(text)?.[1];
  try {
    return JSON.parse(only ?? text);
  } catch {
    return undefined;
  }
}
