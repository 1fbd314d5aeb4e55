import { describe, expect, it } from "@jest/globals";
import { findEndpointProblem } from "../../../src/lib/json-client.ts";

describe("the address of a service", () => {
  it.each([
    "https://api.example.com",
    "https://api.example.com:8443/base/",
    "http://localhost:4100",
    "http://127.0.0.1",
    "http://[::1]:80/x",
  ])("may be %s", (address) => {
    expect(findEndpointProblem("baseUrl", address)).toBeUndefined();
  });

  it.each([
    "",
    "/api",
    "api.example.com",
    "http://api.example.com",
    "http://127.0.0.1.example.com",
    "ftp://localhost",
    "https://user@example.com",
    "https://:secret@example.com",
    "https://example.com?x=1",
    "https://example.com#x",
    undefined,
    42,
    new URL("https://api.example.com"),
  ])("may not be %p", (address) => {
    const problem = findEndpointProblem("baseUrl", address);

    expect(problem).toMatchObject({ code: "option_invalid", option: "baseUrl" });
    expect(JSON.stringify(problem)).not.toContain("secret");
  });
});
