import { describe, expect, it } from "@jest/globals";
import { isOrgateError, type ConfigurationError } from "../../../src/errors.ts";
import { resolveStytchOptions, toSessionMinutes } from "../../../src/stores/stytch/options.ts";
import { stytch, type StytchOptions } from "../../../src/stores/stytch/index.ts";

const GOOD: StytchOptions = { projectId: "project-test-1", secret: "secret-test-canary" };

function problemsOf(options: unknown): string[] {
  try {
    stytch(options as StytchOptions);
  } catch (error) {
    if (!isOrgateError(error)) throw error;
    const { problems } = error as ConfigurationError;
    const quoted = String(error).includes("canary") ? ["it quotes a value"] : [];
    return [...problems.map(({ option, code }) => `${option} ${code}`), ...quoted];
  }
  return [];
}

describe("the options of stytch()", () => {
  it("choose where the API is, and who issues, by the project", () => {
    expect(resolveStytchOptions(GOOD)).toMatchObject({
      baseUrl: "https://test.stytch.com",
      issuers: ["stytch.com/project-test-1", "https://test.stytch.com"],
    });
    expect(resolveStytchOptions({ ...GOOD, projectId: "project-live-1" }).baseUrl).toBe(
      "https://api.stytch.com",
    );
    const custom = resolveStytchOptions({ ...GOOD, baseUrl: "https://login.example.com/" });
    expect([custom.baseUrl, custom.issuers[1]]).toEqual([
      "https://login.example.com",
      "https://login.example.com",
    ]);
  });

  it("describe the tokens that are accepted", () => {
    const { tokens, capabilities, credential } = stytch({ ...GOOD, unknownKey: "ask" });
    expect(tokens).toMatchObject({
      issuers: ["stytch.com/project-test-1", "https://test.stytch.com"],
      audience: ["project-test-1"],
      algorithms: ["RS256"],
      types: ["JWT"],
      sessionClaim: "https://stytch.com/session",
      unknownKey: "ask",
    });
    expect(capabilities).toMatchObject({ factors: true, permissions: false, renewsBareToken: true });
    expect(credential).toEqual({ opaqueCookieName: "stytch_session" });
  });

  it.each<readonly [unknown, readonly string[]]>([
    [undefined, ["stytch option_missing"]],
    [{}, ["projectId option_missing", "secret option_missing"]],
    [{ ...GOOD, projectId: "canary" }, ["projectId option_invalid"]],
    [{ ...GOOD, secret: "secret-canary-\u00e9" }, ["secret option_invalid"]],
    [{ ...GOOD, secret: "two words canary" }, ["secret option_invalid"]],
    [{ ...GOOD, baseUrl: "http://stytch.example.com" }, ["baseUrl option_invalid"]],
    [{ ...GOOD, baseUrl: "http://127.0.0.1:8080" }, []],
    [{ ...GOOD, issuers: [] }, ["issuers option_invalid"]],
    [{ ...GOOD, issuers: "stytch.com/x" }, ["issuers option_invalid"]],
    [{ ...GOOD, sessionDuration: Number.NaN }, ["sessionDuration option_invalid"]],
    [{ ...GOOD, sessionDuration: 299 }, ["sessionDuration option_invalid"]],
    [{ ...GOOD, sessionCustomClaims: { sub: "x" } }, ["sessionCustomClaims option_invalid"]],
    [
      { ...GOOD, sessionCustomClaims: { "https://stytch.com/session": 1 } },
      ["sessionCustomClaims option_invalid"],
    ],
    [{ ...GOOD, sessionCustomClaims: { text: "x".repeat(4097) } }, ["sessionCustomClaims option_invalid"]],
    [{ ...GOOD, sessionCustomClaims: { big: 1n } }, ["sessionCustomClaims option_invalid"]],
    [{ ...GOOD, unknownKey: "maybe" }, ["unknownKey option_invalid"]],
    [{ ...GOOD, organizationPolicies: "yes" }, ["organizationPolicies option_invalid"]],
    [{ ...GOOD, opaqueCookieName: "a b" }, ["opaqueCookieName option_invalid"]],
    [{ ...GOOD, timeout: 60 }, ["timeout option_invalid"]],
    [{ ...GOOD, fetch: "x", clock: 1 }, ["fetch option_invalid", "clock option_invalid"]],
    [
      { ...GOOD, project_id: "x", maxTokenAge: 1 },
      ["project_id option_unknown", "maxTokenAge option_unknown"],
    ],
  ])("%#: tell all mistakes at once, and quote none", (options, expected) => {
    expect(problemsOf(options)).toEqual(expected);
  });

  it("read nothing from the environment", () => {
    process.env["STYTCH_SECRET"] = "canary";
    process.env["STYTCH_PROJECT_ID"] = "project-test-canary";
    try {
      expect(problemsOf({})).toHaveLength(2);
    } finally {
      delete process.env["STYTCH_SECRET"];
      delete process.env["STYTCH_PROJECT_ID"];
    }
  });

  it.each([
    [0, 5],
    [301, 5],
    [3_600, 60],
    [3_629, 60],
    [3_630, 61],
    [99_999_999, 527_040],
  ])("count %d seconds as %d minutes", (seconds, minutes) => {
    expect(toSessionMinutes(seconds)).toBe(minutes);
  });
});
