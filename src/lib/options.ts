import { isConfidential } from "./json-client.ts";
import { type Problems, createProblems, describeValue } from "./problems.ts";
import { isBoolean, isFiniteNumber, isFunction, isListOf, isObject, isString } from "./values.ts";

/** Reports what is wrong with one option. */
export interface Report {
  /** The option's full name: `cookie.password`. */
  readonly option: string;
  readonly problems: Problems;
  /** Adds a problem. Returns `undefined`, so that a check can return it. */
  invalid(message: string, suggestion: string): undefined;
  /** The report for a member of the option's value. */
  member(name: string): Report;
}

/** Checks a value and returns it as it will be used; reports what is wrong with it and returns `undefined`. */
export type Check<Value> = (given: unknown, report: Report) => Value | undefined;

/** How one option is read. */
export interface Option<Value, Presence extends "required" | "optional" = "required" | "optional"> {
  readonly presence: Presence;
  readonly defaultValue?: Value;
  /** Reads the value that was given; `undefined` after a problem. */
  read(given: unknown, report: Report): Value | undefined;
}

/** An option that must be given. Without a suggestion of its own, a missing option is refused by its check. */
export function required<Value>(check: Check<Value>, suggestion?: string): Option<Value, "required"> {
  return {
    presence: "required",
    read(given, report) {
      if (given !== undefined || suggestion === undefined) return check(given, report);
      report.problems.missing(report.option, suggestion);
      return undefined;
    },
  };
}

/** A required option that usually comes from an environment variable: an empty string counts as missing. */
export function requiredVariable<Value>(check: Check<Value>, suggestion: string): Option<Value, "required"> {
  const option = required(check, suggestion);
  return { ...option, read: (given, report) => option.read(given === "" ? undefined : given, report) };
}

/** An option that may be left out. */
export function optional<Value>(check: Check<Value>): Option<Value | undefined, "optional">;
export function optional<Value>(check: Check<Value>, defaultValue: Value): Option<Value, "optional">;
export function optional<Value>(
  check: Check<Value>,
  defaultValue?: Value,
): Option<Value | undefined, "optional"> {
  return {
    presence: "optional",
    ...(defaultValue !== undefined && { defaultValue }),
    read: (given, report) => (given === undefined ? defaultValue : check(given, report)),
  };
}

type Schema = Readonly<Record<string, Option<unknown>>>;

type PresenceOf<Options, Name extends keyof Options> =
  Pick<Options, Name> extends Required<Pick<Options, Name>> ? "required" : "optional";

/** An entry for every option of an interface, as required or as optional as the interface says. */
type SchemaFor<Options> = {
  readonly [Name in keyof Required<Options>]: Option<unknown, PresenceOf<Options, Name>>;
};

/** What options become when they are read by a schema. */
export type Resolved<Entries> = {
  readonly [Name in keyof Entries]: Entries[Name] extends Option<infer Value> ? Value : never;
};

/**
 * Declares how the options of an interface are read: `schema<Options>()({ ... })`.
 *
 * An option without an entry, or an entry without an option, does not compile.
 */
export function schema<Options>() {
  return <Entries extends SchemaFor<Options>>(
    entries: Entries & Readonly<Record<Exclude<keyof Entries, keyof Options>, never>>,
  ): Entries => entries;
}

/** Options that were read, and the problems so far. */
export interface OptionReading<Entries> {
  /** Options with a problem are `undefined`. For checks that concern several options. */
  readonly read: Partial<Resolved<Entries>>;
  readonly problems: Problems;
  /** @throws ConfigurationError with every problem */
  complete(): Resolved<Entries>;
}

/**
 * Reads options by their schema.
 *
 * @param owner - the function that the options are for; named if they are not an object at all
 * @param suggestion - what to pass to it
 * @param prefix - put before the options' names in problems
 * @throws ConfigurationError if the options are not an object
 */
export function readOptions<Entries extends Schema>(
  entries: Entries,
  given: unknown,
  owner: string,
  suggestion: string,
  prefix = "",
): OptionReading<Entries> {
  const problems = createProblems();
  if (!isObject(given)) problems.missing(owner, suggestion);
  problems.throwIfAny();
  const read = isObject(given) ? readMembers(entries, given, problems, prefix) : {};
  return {
    read,
    problems,
    complete() {
      problems.throwIfAny();
      // Without a problem, every option has its value: each reader returns `undefined` only after a report.
      return read as Resolved<Entries>;
    },
  };
}

function readMembers<Entries extends Schema>(
  entries: Entries,
  given: Readonly<Record<string, unknown>>,
  problems: Problems,
  prefix: string,
): Partial<Resolved<Entries>> {
  const read: Record<string, unknown> = {};
  try {
    problems.unknown(given, Object.keys(entries), prefix);
  } catch (error) {
    problems.unreadable(prefix.slice(0, -1) || "options", error);
  }
  for (const [name, option] of Object.entries(entries)) {
    const report = reportOf(prefix + name, problems);
    try {
      read[name] = option.read(given[name], report);
    } catch (error) {
      problems.unreadable(report.option, error);
    }
  }
  // Each entry's own reader returned the value of its name.
  return read as Partial<Resolved<Entries>>;
}

/** Makes the report for an option. */
export function reportOf(option: string, problems: Problems): Report {
  return {
    option,
    problems,
    invalid(message, suggestion) {
      problems.invalid(option, message, suggestion);
      return undefined;
    },
    member: (name) => reportOf(`${option}.${name}`, problems),
  };
}

/** Accepts what passes a predicate: "must be `what`". */
export function must<Value>(
  what: string,
  isValid: (given: unknown) => given is Value,
  suggestion: string,
): Check<Value> {
  return (given, report) =>
    isValid(given) ? given : report.invalid(`must be ${what}, but is ${describeValue(given)}.`, suggestion);
}

/** Accepts strings that match a pattern. */
export function matching(what: string, pattern: RegExp, suggestion: string): Check<string> {
  return must(what, (given): given is string => isString(given) && pattern.test(given), suggestion);
}

/** Accepts lists whose items pass a predicate. */
export function listWith<Item>(
  what: string,
  isItem: (given: unknown) => given is Item,
  suggestion: string,
  { mayBeEmpty = true }: { readonly mayBeEmpty?: boolean } = {},
): Check<readonly Item[]> {
  return must(
    `a${mayBeEmpty ? "" : " non-empty"} list of ${what}`,
    (given): given is readonly Item[] => isListOf(given, isItem) && (mayBeEmpty || given.length > 0),
    suggestion,
  );
}

/** Limits of a number. `min` and `max` are included, `above` is not. */
export interface NumberLimits {
  /** @defaultValue 0 */
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
}

/** Accepts durations in seconds. */
export function seconds(limits: NumberLimits, suggestion: string): Check<number> {
  return must(`a finite number of seconds${describeLimits(limits)}`, isWithin(limits), suggestion);
}

/** Accepts whole numbers. */
export function wholeNumber(limits: NumberLimits, suggestion: string): Check<number> {
  const isNumber = isWithin(limits);
  return must(
    `a whole number${describeLimits(limits)}`,
    (given): given is number => isNumber(given) && Number.isInteger(given),
    suggestion,
  );
}

function isWithin({ min = 0, max = Infinity, above = -Infinity }: NumberLimits) {
  return (given: unknown): given is number =>
    isFiniteNumber(given) && given >= min && given <= max && given > above;
}

function describeLimits({ min = 0, max, above }: NumberLimits): string {
  if (above !== undefined) return ` above ${above}`;
  return max === undefined ? `, ${min} or more` : ` from ${min} to ${max}`;
}

/** Accepts one of a few strings. */
export function oneOf<const Choices extends readonly string[]>(...choices: Choices): Check<Choices[number]> {
  const names = choices.map((choice) => `"${choice}"`);
  const list = [names.slice(0, -1).join(", "), names.at(-1)].join(" or ");
  const isChoice = (given: unknown): given is Choices[number] => choices.some((choice) => choice === given);
  return must(list, isChoice, `Use ${list}.`);
}

/** Accepts `true` and `false`. */
export const trueOrFalse: Check<boolean> = must("a boolean", isBoolean, "Pass true or false.");

/** Accepts functions. What a function takes and returns cannot be checked. */
export function functionLike<Value>(): Check<Value> {
  return must("a function", (given): given is Value => isFunction(given), "Leave it out for the default.");
}

/** Accepts objects that have methods of these names. What a method takes and returns cannot be checked. */
export function withMethods<Value extends object>(
  what: string,
  methods: readonly (keyof Value & string)[],
): Check<Value> {
  const isComplete = (given: unknown): given is Value =>
    isObject(given) && methods.every((name) => isFunction(given[name]));
  return must(what, isComplete, `It has ${methods.map((name) => `${name}()`).join(", ")}.`);
}

/** Accepts objects with options of their own. Options in it that have a problem are `undefined`. */
export function nested<Entries extends Schema>(
  entries: Entries,
  suggestion: string,
): Check<Partial<Resolved<Entries>>> {
  return (given, report) =>
    isObject(given)
      ? readMembers(entries, given, report.problems, `${report.option}.`)
      : report.invalid(`must be an object, but is ${describeValue(given)}.`, suggestion);
}

/** Accepts objects with one member, such as `{ path }`, and returns the member's value. */
export function onlyMember<Value>(name: string, check: Check<Value>, defaultValue?: Value): Check<Value> {
  return (given, report) => {
    const member = report.member(name);
    // Not an object: the member's own suggestion shows the whole form.
    if (!isObject(given)) return check(undefined, member);
    report.problems.unknown(given, [name], `${report.option}.`);
    const value = given[name];
    return value === undefined && defaultValue !== undefined ? defaultValue : check(value, member);
  };
}

/** Accepts `false` as well, which switches the option off. */
export function orFalse<Value>(check: Check<Value>): Check<Value | false> {
  return (given, report) => (given === false ? false : check(given, report));
}

/** Visible ASCII characters: what headers, tokens and HTTP Basic carry whatever the encoding. */
export const PRINTABLE = /^[!-~]{1,512}$/;

/** A cookie's name: an HTTP token (RFC 6265 section 4.1.1). */
export const COOKIE_NAME = /^[\w!#$%&'*+.^`|~-]{1,128}$/;

/** Accepts absolute URLs of services: https, or http on this machine, without user name, query and fragment. */
export const endpoint: Check<string> = (given, report) => {
  if (!isString(given) || !URL.canParse(given)) {
    const message = `must be an absolute URL, but is ${describeValue(given)}.`;
    return report.invalid(message, 'Pass one like "https://api.example.com".');
  }
  const url = new URL(given);
  if (!isConfidential(url)) {
    return report.invalid("is neither https nor on this machine.", "Secrets travel over it: use https.");
  }
  const { username, password, search, hash } = url;
  return username + password + search + hash === ""
    ? given
    : report.invalid("holds more than an origin and a path.", "Leave out user name, query and fragment.");
};
