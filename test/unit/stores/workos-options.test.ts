import { inspect } from "node:util";
import { describe, expect, it } from "@jest/globals";
import { isOrgateError, type ConfigurationError } from "../../../src/errors.ts";
import { workos, type WorkosOptions } from "../../../src/stores/workos/index.ts";

const GOOD: WorkosOptions = { clientId: "client_01H", apiKey: "sk_live_canary" };

function failureOf(options: unknown): ConfigurationError | undefined {
  try {
    workos(options as WorkosOptions);
    return undefined;
  } catch (error) {
    if (!isOrgateError(error)) throw error;
    return error as ConfigurationError;
  }
}

function problemsOf(options: unknown): readonly (readonly [string, string])[] {
  return (failureOf(options)?.problems ?? []).map(({ code, option }) => [code, option]);
}

function urlOf(options: Partial<WorkosOptions>): URL {
  return new URL(
    workos({ redirectUri: "https://app.example.com/cb", ...GOOD, ...options }).beginSignIn({}).url,
  );
}

describe("the options of workos()", () => {
  it("tells of all mistakes at once, and quotes nothing", () => {
    const wrong = {
      apikey: "sk_canary",
      clientId: "client/../canary",
      redirectUri: "http://app.example.com/cb?canary",
      provider: "canary-",
      logout: { returnTo: "/canary", returnto: "x" },
      issuers: ["https://canary issuer"],
      audience: [],
      baseUrl: "http://canary.example.com",
      https: false,
      authDomain: "auth.example.com",
      timeout: 6,
      fetch: "canary",
      clock: 1,
    };

    expect(inspect(failureOf(wrong), { depth: 9, showHidden: true })).not.toContain("canary");
    expect(problemsOf(wrong)).toEqual([
      ["option_unknown", "apikey"],
      ["option_invalid", "clientId"],
      ["option_missing", "apiKey"],
      ["option_invalid", "provider"],
      ["option_invalid", "baseUrl"],
      ["option_invalid", "authDomain"],
      ["option_invalid", "issuers"],
      ["option_invalid", "audience"],
      ["option_invalid", "redirectUri"],
      ["option_unknown", "logout.returnto"],
      ["option_invalid", "logout.returnTo"],
      ["option_invalid", "timeout"],
      ["option_invalid", "fetch"],
      ["option_invalid", "clock"],
      ["option_invalid", "baseUrl"],
    ]);
  });

  it.each<[string, unknown, string]>([
    ["nothing", undefined, "workos"],
    ["no client id", { ...GOOD, clientId: undefined }, "clientId"],
    ["an empty API key", { ...GOOD, apiKey: "" }, "apiKey"],
    ["an API key with a line break", { ...GOOD, apiKey: "sk_\ncanary" }, "apiKey"],
    ["http to another machine", { ...GOOD, apiHostname: "api.example.com", https: false }, "apiHostname"],
    ["a host name that is none", { ...GOOD, apiHostname: "canary.com/x" }, "apiHostname"],
    ["a port that is none", { ...GOOD, port: 70_000 }, "port"],
    ["https that is no boolean", { ...GOOD, https: "no" }, "https"],
    ["one issuer in place of a list", { ...GOOD, issuers: "https://api.workos.com" }, "issuers"],
    ["logout that is no object", { ...GOOD, logout: true }, "logout"],
  ])("refuses %s", (_, options, option) => {
    expect(problemsOf(options).map(([, name]) => name)).toContain(option);
  });

  it("reads nothing from the environment", () => {
    const before = process.env;
    process.env = { WORKOS_API_KEY: "sk_x", WORKOS_CLIENT_ID: "client_x", WORKOS_API_HOSTNAME: "127.0.0.1" };
    try {
      expect(problemsOf({}).map(([, name]) => name)).toEqual(["clientId", "apiKey"]);
      expect(urlOf({}).origin).toBe("https://api.workos.com");
    } finally {
      process.env = before;
    }
  });

  it("says where the API is, in the SDK's way or in one piece", () => {
    expect(urlOf({}).origin).toBe("https://api.workos.com");
    expect(urlOf({ baseUrl: "http://localhost:4100/base/" }).href).toMatch(
      /^http:\/\/localhost:4100\/base\/user_m/,
    );
    expect(urlOf({ apiHostname: "127.0.0.1", port: 4100, https: false }).origin).toBe(
      "http://127.0.0.1:4100",
    );
    expect(urlOf({ apiHostname: "[::1]", https: false }).origin).toBe("http://[::1]");
    expect(urlOf({ apiHostname: "api.eu.example.com" }).origin).toBe("https://api.eu.example.com");
  });

  it("does not show its key", () => {
    expect(inspect(workos(GOOD), { depth: 9, showHidden: true })).not.toContain("canary");
  });
});

describe("the issuers accepted", () => {
  it("are the known forms", () => {
    expect(workos(GOOD).tokens.issuers).toEqual([
      "https://api.workos.com",
      "https://api.workos.com/",
      "https://api.workos.com/user_management/client_01H",
      "https://api.workos.com/sso/client_01H",
      "https://api.workos.com/convex/client_01H",
    ]);
  });

  it("are also those of an authentication domain of one's own, and of another address", () => {
    const { issuers } = workos({
      ...GOOD,
      authDomain: "https://auth.example.com/",
      baseUrl: "http://localhost:1",
    }).tokens;

    expect(issuers).toContain("https://auth.example.com");
    expect(issuers).toContain("https://auth.example.com/");
    expect(issuers).toContain("https://auth.example.com/user_management/client_01H");
    expect(issuers).toContain("http://localhost:1/user_management/client_01H");
    expect(issuers).toContain("https://api.workos.com");
  });

  it("are the list that is given, and no others", () => {
    expect(workos({ ...GOOD, issuers: ["https://x.example.com"] }).tokens.issuers).toEqual([
      "https://x.example.com",
    ]);
    expect(workos({ ...GOOD, issuers: [] }).tokens.issuers).toEqual([]);
  });

  it("come with no audience, unless one is given", () => {
    expect(workos(GOOD).tokens).not.toHaveProperty("audience");
    expect(workos({ ...GOOD, audience: ["client_01H"] }).tokens.audience).toEqual(["client_01H"]);
  });
});
