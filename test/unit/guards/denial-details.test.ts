import { describe, expect, it } from "@jest/globals";
import { ERROR_TABLE } from "../../../src/errors.ts";
import { DENIAL_DETAILS } from "../../../src/guards/denial.ts";

describe("DENIAL_DETAILS", () => {
  it("has a sentence for every code, and no other", () => {
    expect(Object.keys(DENIAL_DETAILS).toSorted()).toEqual(Object.keys(ERROR_TABLE).toSorted());
    for (const detail of Object.values(DENIAL_DETAILS)) expect(detail).toMatch(/^[A-Z].+\.$/);
  });

  it("R-10: says nothing that tells forged from unknown", () => {
    for (const code of ["invalid_token", "invalid_session"] as const) {
      expect(DENIAL_DETAILS[code]).not.toMatch(
        /signature|forged|unknown|key|issuer|audience|algorithm|seal/i,
      );
    }
  });

  it("does not call anybody signed out when that is not known", () => {
    expect(DENIAL_DETAILS.store_unavailable).toContain("Nobody was signed out");
  });
});
