import { describe, expect, it } from "@jest/globals";
import { ERROR_TABLE } from "../../../src/errors.ts";
import { DENIAL_DETAILS } from "../../../src/guards/denial.ts";

describe("DENIAL_DETAILS", () => {
  it("has a sentence for every code and for nothing else", () => {
    expect(Object.keys(DENIAL_DETAILS).toSorted()).toEqual(Object.keys(ERROR_TABLE).toSorted());
    for (const detail of Object.values(DENIAL_DETAILS)) expect(detail).toMatch(/^[A-Z].+\.$/);
  });

  it("R-10: does not distinguish forged credentials from unknown ones", () => {
    for (const code of ["invalid_token", "invalid_session"] as const) {
      expect(DENIAL_DETAILS[code]).not.toMatch(
        /signature|forged|unknown|key|issuer|audience|algorithm|seal/i,
      );
    }
  });

  it("does not call a member signed out when that is unknown", () => {
    expect(DENIAL_DETAILS.store_unavailable).toContain("Nobody was signed out");
  });
});
