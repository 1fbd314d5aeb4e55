import { describe, expect, it } from "@jest/globals";
import { systemClock } from "../../../src/lib/clock.ts";
import { ConfigurationError, type ConfigurationProblem } from "../../../src/errors.ts";
import { resolveOptions, type ResolvedOptions } from "../../../src/options/options.ts";
import { definePolicy } from "../../../src/policy/policy.ts";
import { makeFakeStore } from "../../support/fake-store.ts";

const PASSWORD = "a-cookie-password-of-at-least-32-characters";
const store = makeFakeStore();
const policy = definePolicy({ resources: { documents: ["read"] }, roles: {} });
const GOOD = { baseUrl: "https://app.example.com", store, cookie: { password: PASSWORD } };

function resolve(options: object): ResolvedOptions {
  return resolveOptions({ ...GOOD, ...options });
}

/** The one error that the options throw, as its problems. */
function problemsOf(options: unknown): readonly ConfigurationProblem[] {
  let thrown: unknown;
  try {
    resolveOptions(options);
  } catch (error) {
    thrown = error;
  }
  if (!(thrown instanceof ConfigurationError))
    throw new Error("expected a ConfigurationError", { cause: thrown });
  expect(thrown.code).toBe("configuration_invalid");
  return thrown.problems;
}

type Code = "option_missing" | "option_invalid" | "option_unknown";

/** Options that replace the good ones, the one problem they are, and a word of its suggestion. */
type Mistake = readonly [what: string, given: object, code: Code, option: string, suggestion: RegExp];

const MISSING: readonly Mistake[] = [
  ["no baseUrl", { baseUrl: undefined }, "option_missing", "baseUrl", /https:\/\/app\.example\.com/],
  ["an empty baseUrl", { baseUrl: "" }, "option_missing", "baseUrl", /public origin/],
  ["no store", { store: undefined }, "option_missing", "store", /createAuthority/],
  ["no cookie", { cookie: undefined }, "option_missing", "cookie.password", /openssl rand/],
  ["no password", { cookie: {} }, "option_missing", "cookie.password", /openssl rand/],
  [
    "a password variable that is not set",
    { cookie: { password: undefined } },
    "option_missing",
    "cookie.password",
    /./,
  ],
  ["an empty password", { cookie: { password: "" } }, "option_missing", "cookie.password", /openssl rand/],
];

const MISSPELT: readonly Mistake[] = [
  ["maxTokenage", { maxTokenage: 60 }, "option_unknown", "maxTokenage", /^Did you mean "maxTokenAge"\?$/],
  ["maxTokenAgeSeconds", { maxTokenAgeSeconds: 60 }, "option_unknown", "maxTokenAgeSeconds", /maxTokenAge/],
  ["baseURL", { baseURL: "x" }, "option_unknown", "baseURL", /Did you mean "baseUrl"/],
  ["credential", { credential: ["bearer"] }, "option_unknown", "credential", /Did you mean "credentials"/],
  ["clockTolerence", { clockTolerence: 5 }, "option_unknown", "clockTolerence", /"clockTolerance"/],
  ["csfr", { csfr: false }, "option_unknown", "csfr", /Did you mean "csrf"/],
  ["onDenid", { onDenid: () => undefined }, "option_unknown", "onDenid", /Did you mean "onDenied"/],
  ["secret", { secret: "x" }, "option_unknown", "secret", /Known options: baseUrl, store, cookie/],
  [
    "a name of Object.prototype",
    JSON.parse('{"__proto__": 1}') as object,
    "option_unknown",
    "__proto__",
    /Known/,
  ],
  [
    "cookie.passwords",
    { cookie: { password: PASSWORD, passwords: [] } },
    "option_unknown",
    "cookie.passwords",
    /"password"/,
  ],
  [
    "cookie.samesite",
    { cookie: { password: PASSWORD, samesite: "lax" } },
    "option_unknown",
    "cookie.samesite",
    /"sameSite"/,
  ],
  [
    "cookie.secure",
    { cookie: { password: PASSWORD, secure: false } },
    "option_unknown",
    "cookie.secure",
    /Known options/,
  ],
  [
    "csrf.trustedOrigin",
    { csrf: { trustedOrigin: [] } },
    "option_unknown",
    "csrf.trustedOrigin",
    /"trustedOrigins"/,
  ],
  [
    "cache.maxEntry",
    { cache: { maxEntries: 1, maxEntry: 2 } },
    "option_unknown",
    "cache.maxEntry",
    /"maxEntries"/,
  ],
  [
    "credentials.jwtCooky",
    { credentials: ["cookie", { jwtCookie: "jwt", jwtCooky: "x" }] },
    "option_unknown",
    "credentials.jwtCooky",
    /Did you mean "jwtCookie"/,
  ],
  [
    "attach.members",
    { attach: { members: "m" } },
    "option_unknown",
    "attach.members",
    /Did you mean "member"/,
  ],
  [
    "signIn.url",
    { signIn: { path: "/in", url: "/x" } },
    "option_unknown",
    "signIn.url",
    /Known options: path/,
  ],
];

const invalid = (what: string, given: object, option: string, suggestion = /./): Mistake => [
  what,
  given,
  "option_invalid",
  option,
  suggestion,
];

const cookie = (more: object): object => ({ cookie: { password: PASSWORD, ...more } });
const NOT_SECONDS: readonly unknown[] = [
  NaN,
  Infinity,
  -Infinity,
  -1,
  -0.001,
  "60",
  "",
  null,
  true,
  [60],
  {},
  60n,
];

const DURATIONS: readonly Mistake[] = [
  "maxTokenAge",
  "sessionDuration",
  "staleIfUnavailable",
  "clockTolerance",
].flatMap((option) =>
  NOT_SECONDS.map((value) => invalid(`${option}: ${describeValue(value)}`, { [option]: value }, option)),
);

const WRONG: readonly Mistake[] = [
  ...[0, -0].map((value) =>
    invalid(
      `sessionDuration: ${describeValue(value)}`,
      { sessionDuration: value },
      "sessionDuration",
      /Leave it out, and no session is extended/,
    ),
  ),
  ...[
    "app.example.com",
    "//app.example.com",
    "ftp://app.example.com",
    "javascript:alert(1)",
    7,
    null,
    {},
  ].map((value) =>
    invalid(`baseUrl: ${describeValue(value)}`, { baseUrl: value }, "baseUrl", /public origin/),
  ),
  ...[
    "https://app.example.com/app",
    "https://app.example.com/?a=1",
    "https://app.example.com/#a",
    "https://user@app.example.com",
    "https://:pass@app.example.com",
  ].map((value) => invalid(`baseUrl: ${value}`, { baseUrl: value }, "baseUrl", /public origin/)),
  ...[null, "store", [], {}, { tokens: {}, capabilities: {} }, { ...store, renew: undefined }].map(
    (value, index) =>
      invalid(
        `store that is none (${index})`,
        { store: value },
        "store",
        /tokens, capabilities, interpret\(\) and renew\(\)/,
      ),
  ),
  invalid(
    "store without keys",
    { store: { ...store, tokens: { ...store.tokens, keys: {} } } },
    "store.tokens.keys",
  ),
  invalid("store with issuers that are a string", tokens({ issuers: "https://x" }), "store.tokens.issuers"),
  invalid(
    "store with the algorithm none",
    tokens({ algorithms: ["RS256", "none"] }),
    "store.tokens.algorithms",
    /RS256/,
  ),
  invalid(
    "store with a symmetric algorithm",
    tokens({ algorithms: ["HS256"] }),
    "store.tokens.algorithms",
    /EdDSA/,
  ),
  invalid("store without algorithms", tokens({ algorithms: [] }), "store.tokens.algorithms"),
  invalid("store without types", tokens({ types: undefined }), "store.tokens.types"),
  invalid("store without a session claim", tokens({ sessionClaim: "" }), "store.tokens.sessionClaim"),
  invalid("store with an audience that is a string", tokens({ audience: "api" }), "store.tokens.audience"),
  invalid("cookie: a string", { cookie: PASSWORD, credentials: ["bearer"] }, "cookie", /process\.env/),
  invalid("cookie: null", { cookie: null, credentials: ["bearer"] }, "cookie"),
  invalid(
    "a password of 31 characters",
    cookie({ password: "x".repeat(31) }),
    "cookie.password",
    /openssl rand/,
  ),
  invalid(
    "a short one among good ones",
    cookie({ password: [PASSWORD, "short"] }),
    "cookie.password",
    /openssl/,
  ),
  invalid(
    "a hole among good ones",
    cookie({ password: [PASSWORD, undefined] }),
    "cookie.password",
    /openssl/,
  ),
  invalid("a number for a password", cookie({ password: 12_345 }), "cookie.password", /newest first/),
  invalid("null for a password", cookie({ password: null }), "cookie.password"),
  invalid("no passwords in a list", cookie({ password: [] }), "cookie.password", /newest first/),
  invalid("no passwords by number", cookie({ password: {} }), "cookie.password", /newest first/),
  invalid(
    "six passwords",
    cookie({ password: Array(6).fill(PASSWORD) }),
    "cookie.password",
    /Drop the oldest/,
  ),
  ...["0", "01", "-1", "1.5", "new", "1e3", "9999999999"].map((id) =>
    invalid(`a password by the number ${id}`, cookie({ password: { [id]: PASSWORD } }), "cookie.password"),
  ),
  invalid("a cookie name with a space", cookie({ name: "my session" }), "cookie.name", /Letters/),
  invalid("a cookie name with a semicolon", cookie({ name: "a;b" }), "cookie.name"),
  invalid("an empty cookie name", cookie({ name: "" }), "cookie.name"),
  invalid("a cookie name that is no string", cookie({ name: 7 }), "cookie.name"),
  invalid("a cookie name that leaves no room", cookie({ name: "x".repeat(300) }), "cookie.name"),
  invalid(
    "__Host- with a domain",
    cookie({ name: "__Host-s", domain: "example.com" }),
    "cookie.name",
    /__Secure-/,
  ),
  invalid("__Host- with a path", cookie({ name: "__Host-s", path: "/app" }), "cookie.name", /__Secure-/),
  invalid("__host- in small letters with a path", cookie({ name: "__host-s", path: "/app" }), "cookie.name"),
  invalid(
    "__Host- on http",
    { baseUrl: "http://localhost:3000", ...cookie({ name: "__Host-s" }) },
    "cookie.name",
  ),
  invalid(
    "__Secure- on http",
    { baseUrl: "http://localhost:3000", ...cookie({ name: "__Secure-s" }) },
    "cookie.name",
  ),
  invalid(
    "a domain with a scheme",
    cookie({ domain: "https://example.com" }),
    "cookie.domain",
    /example\.com/,
  ),
  invalid("a domain with a port", cookie({ domain: "example.com:443" }), "cookie.domain"),
  invalid("a domain with a leading dot", cookie({ domain: ".example.com" }), "cookie.domain"),
  invalid("an empty domain", cookie({ domain: "" }), "cookie.domain"),
  invalid("a domain that is no string", cookie({ domain: 7 }), "cookie.domain"),
  invalid(
    "a domain that baseUrl is not within",
    cookie({ domain: "example.net" }),
    "cookie.domain",
    /app\.example\.com/,
  ),
  invalid("a domain below baseUrl's", cookie({ domain: "x.app.example.com" }), "cookie.domain"),
  invalid("a domain that only ends alike", cookie({ domain: "ample.com" }), "cookie.domain"),
  invalid("a path without a slash", cookie({ path: "app" }), "cookie.path", /starts with/),
  invalid("a path with a semicolon", cookie({ path: "/a;b" }), "cookie.path"),
  invalid("a path that is no string", cookie({ path: null }), "cookie.path"),
  invalid("a path that leaves no room", cookie({ path: `/${"x".repeat(1_100)}` }), "cookie.path"),
  invalid(
    "sameSite in capitals",
    cookie({ sameSite: "Lax" }),
    "cookie.sameSite",
    /"lax", "strict" or "none"/,
  ),
  invalid("sameSite: false", cookie({ sameSite: false }), "cookie.sameSite"),
  invalid(
    "sameSite none on http",
    { baseUrl: "http://localhost", ...cookie({ sameSite: "none" }) },
    "cookie.sameSite",
    /https/,
  ),
  ...[0, -1, 1.5, NaN, Infinity, "60", null].map((value) =>
    invalid(`cookie.maxAge: ${describeValue(value)}`, cookie({ maxAge: value }), "cookie.maxAge"),
  ),
  ...[
    [],
    "bearer",
    {},
    null,
    ["Bearer"],
    ["basic"],
    [{}],
    [{ jwtCookie: "" }],
    [{ jwtCookie: "a b" }],
    [undefined],
  ].map((value) =>
    invalid(`credentials: ${describeValue(value)}`, { credentials: value }, "credentials", /precedence/),
  ),
  invalid("one credential twice", { credentials: ["bearer", "bearer"] }, "credentials", /once/),
  invalid(
    "one cookie in two ways",
    { credentials: ["cookie", { jwtCookie: "__Host-orgate" }] },
    "credentials",
  ),
  invalid("clockTolerance above 60", { clockTolerance: 60.001 }, "clockTolerance", /5/),
  ...[null, 7, "read", {}, { resources: {}, roles: {} }, { grantingRoles: () => new Set() }].map((value) =>
    invalid(`policy: ${describeValue(value)}`, { policy: value }, "policy", /definePolicy/),
  ),
  ...[
    "/in",
    null,
    {},
    { path: "in" },
    { path: "//evil.example" },
    { path: "/in?a=1" },
    { path: "/\\evil" },
    { path: 7 },
  ].map((value) =>
    invalid(`signIn: ${describeValue(value)}`, { signIn: value }, "signIn.path", /without a query/),
  ),
  invalid(
    "organizationSelection elsewhere",
    { organizationSelection: { path: "https://x" } },
    "organizationSelection.path",
    /"\/select-organization"/,
  ),
  ...[null, {}, { acquire: () => undefined }, "redis"].map((value) =>
    invalid(`coordinator: ${describeValue(value)}`, { coordinator: value }, "coordinator", /acquire\(\)/),
  ),
  ...[
    true,
    null,
    {},
    100,
    { maxEntries: 0 },
    { maxEntries: -1 },
    { maxEntries: 1.5 },
    { maxEntries: "9" },
    { maxEntries: 1e12 },
  ].map((value) =>
    invalid(`cache: ${describeValue(value)}`, { cache: value }, "cache.maxEntries", /cache: false/),
  ),
  ...[
    true,
    null,
    [],
    { trustedOrigins: "https://a.example" },
    { trustedOrigins: ["a.example"] },
    { trustedOrigins: ["https://a.example/"] },
    { trustedOrigins: ["https://a.example/path"] },
    { trustedOrigins: ["https://A.example"] },
    { trustedOrigins: ["https://*"] },
    { trustedOrigins: ["https://*.*.example"] },
    { trustedOrigins: ["https://a.*.example"] },
    { trustedOrigins: ["https://*a.example"] },
    { trustedOrigins: ["*"] },
    { trustedOrigins: ["null"] },
    { trustedOrigins: ["ftp://a.example"] },
    { trustedOrigins: [undefined] },
  ].map((value) =>
    invalid(`csrf: ${describeValue(value)}`, { csrf: value }, "csrf.trustedOrigins", /\*\.example\.com/),
  ),
  ...[true, null, "member", []].map((value) =>
    invalid(`attach: ${describeValue(value)}`, { attach: value }, "attach"),
  ),
  ...["", "a b", "1st", "a-b", 7, null].map((value) =>
    invalid(`attach.member: ${describeValue(value)}`, { attach: { member: value } }, "attach", /letters/),
  ),
  invalid("one name for two things", { attach: { member: "who", organization: "who" } }, "attach", /own/),
  ...["__proto__", "constructor", "headers", "url", "method", "socket", "on", "pipe", "toString"].map(
    (value) =>
      invalid(
        `attach.member: ${value}, which Node needs`,
        JSON.parse(`{"attach":{"member":"${value}"}}`) as object,
        "attach",
      ),
  ),
  ...["ipAddress", "onDenied", "events", "clock"].flatMap((option) =>
    [null, "x", {}, 7].map((value) =>
      invalid(`${option}: ${describeValue(value)}`, { [option]: value }, option),
    ),
  ),
];

function tokens(more: object): object {
  return { store: { ...store, tokens: { ...store.tokens, ...more } } };
}

function describeValue(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  return typeof value === "number" || value === undefined ? String(value) : JSON.stringify(value);
}

describe("resolveOptions", () => {
  it.each([...MISSING, ...MISSPELT, ...DURATIONS, ...WRONG])(
    "refuses %s",
    (_, given, code, option, suggestion) => {
      // Where a mistake is in a value, nothing else may be found fault with.
      const problems = problemsOf({ ...GOOD, ...given });
      expect(problems.map((problem) => [problem.code, problem.option])).toEqual([[code, option]]);
      expect(problems[0]?.suggestion).toMatch(suggestion);
      expect(problems[0]?.message).toMatch(/\.$/);
    },
  );

  it.each([undefined, null, "https://app.example.com", 7, [], () => undefined])(
    "refuses %p for the options",
    (given) => {
      expect(problemsOf(given)).toEqual([
        expect.objectContaining({
          code: "option_missing",
          option: "options",
          suggestion: expect.stringContaining("orgate("),
        }),
      ]);
    },
  );

  it("tells that a request is no options, and nothing of its members", () => {
    const problems = problemsOf({ method: "GET", headers: { host: "app.example.com" }, socket: {} });
    expect(problems).toEqual([
      expect.objectContaining({ option: "orgate", suggestion: expect.stringContaining("app.use(auth)") }),
    ]);
  });

  it("tells all mistakes at once", () => {
    const problems = problemsOf({
      baseURL: "https://app.example.com",
      cookie: { password: "short", samesite: "lax" },
      maxTokenAge: "60",
      clockTolerance: 600,
      csrf: true,
      credentials: ["bearer", "cookie"],
      attach: { member: "a b" },
    });
    expect(problems.map(({ option }) => option).toSorted()).toEqual(
      [
        "attach",
        "baseURL",
        "baseUrl",
        "clockTolerance",
        "cookie.password",
        "cookie.samesite",
        "csrf.trustedOrigins",
        "maxTokenAge",
        "store",
      ].toSorted(),
    );
  });

  it("R-44: never repeats a password, or whatever else was given, in what it says", () => {
    const canary = "canary-canary-canary";
    const options = {
      ...GOOD,
      baseUrl: `https://user:${canary}@app.example.com`,
      cookie: { password: [canary, canary], domain: `${canary}/`, name: `${canary};` },
      signIn: { path: canary },
      csrf: { trustedOrigins: [canary] },
      attach: { member: `${canary}-` },
    };
    expect(JSON.stringify(problemsOf(options))).not.toContain(canary);
  });
});

describe("what the options come to", () => {
  it("are the documented defaults, frozen", () => {
    const resolved = resolve({});
    expect(resolved).toMatchObject({
      origin: "https://app.example.com",
      secure: true,
      store,
      cookie: {
        name: "__Host-orgate",
        attributes: { path: "/", sameSite: "lax", secure: true, httpOnly: true },
        maxAge: undefined,
        passwords: { 1: PASSWORD },
      },
      sources: [{ kind: "bearer" }, { kind: "sealed", cookieName: "__Host-orgate" }],
      maxTokenAge: undefined,
      clockTolerance: 5,
      sessionDuration: undefined,
      policy: undefined,
      signInPath: undefined,
      selectionPath: "/select-organization",
      staleIfUnavailable: 0,
      cacheEntries: 20_000,
      trustedOrigins: [],
      checksCrossSite: true,
      names: {
        member: "member",
        organization: "organization",
        memberSession: "memberSession",
        verdict: "verdict",
      },
      clock: systemClock,
    });
    expect(Object.isFrozen(resolved)).toBe(true);
    expect(Object.isFrozen(resolved.cookie.attributes)).toBe(true);
    expect(Object.isFrozen(resolved.names)).toBe(true);
  });

  it.each([
    ["https", {}, "__Host-orgate"],
    ["https with a domain", { cookie: { password: PASSWORD, domain: "example.com" } }, "__Secure-orgate"],
    [
      "https with the host for a domain",
      { cookie: { password: PASSWORD, domain: "APP.example.com" } },
      "__Secure-orgate",
    ],
    ["https with a path", { cookie: { password: PASSWORD, path: "/app" } }, "__Secure-orgate"],
    ["http", { baseUrl: "http://localhost:3000" }, "orgate"],
    [
      "http with a path",
      { baseUrl: "http://localhost:3000", cookie: { password: PASSWORD, path: "/app" } },
      "orgate",
    ],
    ["a name of one's own", { cookie: { password: PASSWORD, name: "sid" } }, "sid"],
    ["the store's name", { store: { ...store, credential: { cookieName: "wos-session" } } }, "wos-session"],
    [
      "a name of one's own over the store's",
      {
        store: { ...store, credential: { cookieName: "wos-session" } },
        cookie: { password: PASSWORD, name: "sid" },
      },
      "sid",
    ],
  ])("name the cookie by %s", (_, options, expected) => {
    expect(resolve(options).cookie.name).toBe(expected);
  });

  it("seal with the newest password, in each of the forms", () => {
    const [oldest, older, newest] = ["a", "b", "c"].map((letter) => letter.repeat(32)) as [
      string,
      string,
      string,
    ];
    const passwordsOf = (password: unknown): unknown => resolve({ cookie: { password } }).cookie.passwords;
    expect(passwordsOf(newest)).toEqual({ 1: newest });
    expect(passwordsOf([newest, older, oldest])).toEqual({ 3: newest, 2: older, 1: oldest });
    expect(passwordsOf({ 7: newest, 2: oldest })).toEqual({ 7: newest, 2: oldest });
    expect(passwordsOf(Array(5).fill(newest))).toBeDefined();
  });

  it("need no password where no sealed cookie is read", () => {
    const bearerOnly = resolve({ credentials: ["bearer"], cookie: undefined });
    expect(bearerOnly.sources).toEqual([{ kind: "bearer" }]);
    expect(bearerOnly.cookie.passwords).toBeUndefined();
  });

  it("read credentials in the order they are listed, a store's opaque cookie last", () => {
    const withOpaque = { ...store, credential: { opaqueCookieName: "stytch_session" } };
    const credentials = [{ jwtCookie: "stytch_session_jwt" }, "bearer"];
    const attributes = { path: "/", sameSite: "lax", secure: true, httpOnly: false };
    expect(resolve({ store: withOpaque, credentials, cookie: undefined }).sources).toEqual([
      { kind: "jwt_cookie", cookieName: "stytch_session_jwt", attributes },
      { kind: "bearer" },
      { kind: "opaque", cookieName: "stytch_session", attributes },
    ]);
    expect(resolve({ store: withOpaque, credentials: ["bearer"], cookie: undefined }).sources).toEqual([
      { kind: "bearer" },
    ]);
  });

  it("take the edges of what is allowed", () => {
    expect(
      resolve({ maxTokenAge: 0, clockTolerance: 60, staleIfUnavailable: 0.5, sessionDuration: 3_600 }),
    ).toMatchObject({
      maxTokenAge: 0,
      clockTolerance: 60,
      staleIfUnavailable: 0.5,
      sessionDuration: 3_600,
    });
    expect(resolve({ clockTolerance: 0 }).clockTolerance).toBe(0);
    expect(resolve({ sessionDuration: 0.5 }).sessionDuration).toBe(0.5);
    expect(resolve({ cache: { maxEntries: 1 } }).cacheEntries).toBe(1);
    expect(resolve({ cache: false }).cacheEntries).toBe(0);
    expect(resolve({ cookie: { password: "x".repeat(32), maxAge: 1 } }).cookie.maxAge).toBe(1);
    expect(resolve({ attach: false }).names).toBeUndefined();
    expect(resolve({ attach: { member: "$user_1" } }).names).toMatchObject({
      member: "$user_1",
      verdict: "verdict",
    });
    expect(resolve({ attach: { member: undefined, organization: "tenant" } }).names).toMatchObject({
      member: "member",
      organization: "tenant",
    });
    expect(resolve({ attach: { member: "organization", organization: "member" } }).names).toMatchObject({
      member: "organization",
      organization: "member",
    });
  });

  it("trust origins that are listed, and check nothing where that is switched off", () => {
    const trustedOrigins = ["https://admin.example.com", "https://*.example.org", "http://*.local.test:3000"];
    expect(resolve({ csrf: { trustedOrigins } })).toMatchObject({ trustedOrigins, checksCrossSite: true });
    expect(resolve({ csrf: {} })).toMatchObject({ trustedOrigins: [], checksCrossSite: true });
    expect(resolve({ csrf: false })).toMatchObject({ trustedOrigins: [], checksCrossSite: false });
  });

  it("take a policy, or a function that gets one", () => {
    expect(resolve({ policy }).policy).toBe(policy);
    const load = (): Promise<typeof policy> => Promise.resolve(policy);
    expect(resolve({ policy: load }).policy).toBe(load);
  });

  it("take the origin out of baseUrl, in its one spelling", () => {
    expect(resolve({ baseUrl: "HTTPS://App.Example.COM:443/" }).origin).toBe("https://app.example.com");
  });

  it("pass on what is to be called", () => {
    const [ipAddress, onDenied, events, clock] = Array.from({ length: 4 }, () => () => 0);
    const resolved = resolve({
      ipAddress,
      onDenied,
      events,
      clock,
      signIn: { path: "/in" },
      organizationSelection: { path: "/o" },
    });
    expect(resolved).toMatchObject({
      ipAddress,
      onDenied,
      events,
      clock,
      signInPath: "/in",
      selectionPath: "/o",
    });
  });
});
