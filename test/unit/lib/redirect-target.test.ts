import { describe, expect, it } from "@jest/globals";
import { toRedirectTarget } from "../../../src/lib/http.ts";

describe("toRedirectTarget", () => {
  it.each([
    ["/", "/"],
    ["/signed-out?a=1#b", "/signed-out?a=1#b"],
    ["https://sso.example.com", "https://sso.example.com/"],
    ["http://localhost:3000/x", "http://localhost:3000/x"],
    ["HTTPS://SSO.example.com/a b", "https://sso.example.com/a%20b"],
    ["https://sso.example/\r\nSet-Cookie: x=y", "https://sso.example/Set-Cookie:%20x=y"],
  ])("takes %j", (value, expected) => {
    expect(toRedirectTarget(value)).toBe(expected);
  });

  it.each([
    "",
    "//evil.example",
    "/\\evil.example",
    "/.//evil.example",
    "javascript:alert(1)",
    " javascript:alert(1)",
    "data:text/html,x",
    "ftp://a.example",
    "https:",
    "https://",
    "https:evil.example",
    "sso.example.com",
    undefined,
    null,
    7,
    {},
    ["https://sso.example.com"],
    { toString: () => "https://sso.example.com" },
  ])("R-43: does not take %p", (value) => {
    expect(toRedirectTarget(value)).toBeUndefined();
  });
});
