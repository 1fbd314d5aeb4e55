import { describe, expect, it } from "@jest/globals";
import { readUnverifiedClaims } from "../../../src/stores/hosted-store.ts";

function tokenOf(payload: string): string {
  return `e30.${Buffer.from(payload).toString("base64url")}.signature`;
}

describe("readUnverifiedClaims", () => {
  it("reads the claims whatever the signature is", () => {
    expect(readUnverifiedClaims(tokenOf('{"sub":"user_1","sid":"s"}'))).toEqual({ sub: "user_1", sid: "s" });
  });

  it.each([
    undefined,
    "",
    "a",
    "a.b.c",
    tokenOf("[]"),
    tokenOf("null"),
    tokenOf('{"sub":'),
    tokenOf('{"a":1,"a":2}'),
  ])("reads nothing from %j", (token) => {
    expect(readUnverifiedClaims(token)).toEqual({});
  });
});
