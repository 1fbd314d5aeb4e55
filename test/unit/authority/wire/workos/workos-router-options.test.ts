import { describe, expect, it } from "@jest/globals";
import { checkWorkosOptions } from "../../../../../src/authority/wire/workos/workos-options.ts";
import type { WorkosRouterOptions } from "../../../../../src/authority/wire/workos/workos-options.ts";
import { isOrgateError } from "../../../../../src/errors.ts";
import type { ConfigurationError } from "../../../../../src/errors.ts";

const GOOD: WorkosRouterOptions = { clientId: "client_1", apiKey: "sk_0123456789abcdef" };

function problemsOf(options: unknown, canSign = true): string[] {
  try {
    checkWorkosOptions(options as WorkosRouterOptions, canSign);
    return [];
  } catch (error) {
    if (!isOrgateError(error) || error.code !== "configuration_invalid") throw error;
    if (error.message.includes("marker")) throw new Error("A value was quoted.", { cause: error });
    return (error as ConfigurationError).problems.map(({ code, option }) => `${code} ${option}`);
  }
}

describe("checkWorkosOptions", () => {
  it("takes what is right", () => {
    expect(problemsOf(GOOD)).toEqual([]);
    const redirectUris = [
      "https://a.example/cb",
      "http://127.0.0.1:3000/cb",
      "http://localhost/cb",
      "com.example:/cb",
    ];
    const all = {
      ...GOOD,
      redirectUris,
      signOutRedirects: [],
      codeLifetime: 60,
      permissions: false,
      issuer: "https://i",
    };
    expect(problemsOf({ ...all, signIn: { path: "/sign-in?x=1" } })).toEqual([]);
    expect(problemsOf({ ...all, signIn: () => undefined })).toEqual([]);
  });

  it("tells of everything at once, and of no value", () => {
    const bad = {
      clientId: "with marker",
      apiKey: "marker",
      clientID: 1,
      issuer: "",
      permissions: "marker",
      codeLifetime: 59,
      signIn: { path: "//marker.example" },
    };
    expect(problemsOf(bad, false)).toEqual([
      "option_unknown clientID",
      "option_invalid clientId",
      "option_invalid apiKey",
      "option_invalid issuer",
      "option_invalid permissions",
      "option_invalid signIn",
      "option_invalid codeLifetime",
      "option_missing redirectUris",
      "option_invalid keys",
    ]);
  });

  it.each([undefined, null, "x", []])("asks for options in place of %j", (options) => {
    expect(problemsOf(options)).toEqual(["option_missing workosRouter"]);
  });

  it.each([
    "http://app.example/cb",
    "https://app.example/cb#fragment",
    "https://app.example/cb#",
    "javascript:alert(1)",
    "data:text/html,x",
    "//app.example/cb",
    "/cb",
    "https://app.example/c b",
    "",
    7,
  ])("R-16: takes no redirect URI %j", (uri) => {
    expect(problemsOf({ ...GOOD, redirectUris: [uri] })).toEqual(["option_invalid redirectUris"]);
    expect(problemsOf({ ...GOOD, signOutRedirects: [uri] })).toEqual(["option_invalid signOutRedirects"]);
  });

  it.each(["sign-in", "/\\evil", "/a#b", "https://evil.example", { path: 7 }, {}])(
    "R-16: takes no sign-in at %j",
    (path) => {
      const signIn = typeof path === "string" ? { path } : path;
      const redirectUris = ["https://a.example/cb"];
      expect(problemsOf({ ...GOOD, redirectUris, signIn })).toEqual(["option_invalid signIn"]);
    },
  );

  it.each([601, Number.NaN, "60", Infinity])("R-19: keeps codes for no %j seconds", (codeLifetime) => {
    expect(problemsOf({ ...GOOD, codeLifetime })).toEqual(["option_invalid codeLifetime"]);
  });
});
