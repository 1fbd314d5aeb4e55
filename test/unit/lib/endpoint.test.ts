import { describe, expect, it } from "@jest/globals";
import { endpoint, reportOf } from "../../../src/lib/options.ts";
import { createProblems } from "../../../src/lib/problems.ts";

function check(address: unknown): string | undefined {
  const problems = createProblems();
  const checked = endpoint(address, reportOf("baseUrl", problems));
  problems.throwIfAny();
  return checked;
}

describe("the address of a service", () => {
  it.each([
    "https://api.example.com",
    "https://api.example.com:8443/base/",
    "http://localhost:4100",
    "http://127.0.0.1",
    "http://[::1]:80/x",
  ])("may be %s", (address) => {
    expect(check(address)).toBe(address);
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
    expect(() => check(address)).toThrow("baseUrl");
  });

  it("is not quoted where it may hold a secret", () => {
    expect(() => check("https://:canary@example.com")).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("canary") }),
    );
  });
});
