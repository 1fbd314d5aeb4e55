import { describe, expect, it } from "@jest/globals";
import { hasRocaFingerprint } from "../../../src/tokens/key-set.ts";
import { generateSigningKey, publicJwk } from "../../support/tokens.ts";

describe("hasRocaFingerprint", () => {
  it("recognises a product of two powers of 65537 modulo the primorial", () => {
    expect(hasRocaFingerprint(markedNumber(1234n) * markedNumber(777n))).toBe(true);
  });

  it("does not see the mark once a prime disagrees", () => {
    expect(hasRocaFingerprint(markedNumber(1234n) * 11n)).toBe(false);
  });

  it("clears an ordinary key", () => {
    const n = Buffer.from(String(publicJwk(generateSigningKey("RS256"))["n"]), "base64url");
    expect(hasRocaFingerprint(BigInt(`0x${n.toString("hex")}`))).toBe(false);
  });
});

/** The form of the flawed generator's primes: `k * M + (65537 ** a mod M)`. */
function markedNumber(exponent: bigint): bigint {
  const primorial = 962947420735983927056946215901134429196419130606213075415963491270n;
  let power = 1n;
  for (let i = 0n; i < exponent; i += 1n) power = (power * 65_537n) % primorial;
  return primorial * 12_345n + power;
}
