import { describe, expect, it } from "@jest/globals";
import { isSameSecret, sha256 } from "../../../src/lib/crypto.ts";

describe("isSameSecret", () => {
  it("compares whole secrets of any length", () => {
    expect(isSameSecret("secret", "secret")).toBe(true);
    for (const other of ["", "secre", "secrets", "Secret", "secret "]) {
      expect(isSameSecret(other, "secret")).toBe(false);
    }
  });
});

describe("sha256", () => {
  it("returns base64url without padding unless another encoding is named (RFC 6234 test vector 1)", () => {
    const hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    expect(sha256("abc", "hex")).toBe(hex);
    expect(sha256("abc")).toBe(Buffer.from(hex, "hex").toString("base64url"));
  });
});
