import { describe, expect, it } from "@jest/globals";
import { isWireClient, mayUse } from "../../../src/authority/wire-client.ts";

const A = { id: "a", isPublic: false };
const A_PUBLIC = { id: "a", isPublic: true };
const B = { id: "b", isPublic: false };

describe("mayUse", () => {
  it.each([
    ["the application itself, whatever is whose", A, undefined, true],
    ["a client, what is its own", A, A, true],
    ["a client, what it was given while it showed no secret", A_PUBLIC, A, true],
    ["a public client, what it was given as such", A_PUBLIC, A_PUBLIC, true],
    ["a client, the application's own", undefined, A, true],
  ])("R-24: lets %s", (_, bound, acting, expected) => {
    expect(mayUse(bound, acting)).toBe(expected);
  });

  it.each([
    ["another client", A, B],
    ["another client, what was given in public", A_PUBLIC, B],
    ["somebody without the secret, what was given for it", A, A_PUBLIC],
    ["somebody without a secret, the application's own", undefined, A_PUBLIC],
  ])("R-24: refuses %s", (_, bound, acting) => {
    expect(mayUse(bound, acting)).toBe(false);
  });
});

it.each([null, undefined, "a", {}, { id: "a" }, { id: 1, isPublic: true }, { id: "a", isPublic: "no" }])(
  "does not take %j for a client",
  (value) => {
    expect(isWireClient(value)).toBe(false);
  },
);
