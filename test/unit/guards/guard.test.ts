import { describe, expect, it } from "@jest/globals";
import { ConfigurationError } from "../../../src/errors.ts";
import { refuseUncalled } from "../../../src/guards/guard.ts";
import { makeRequest } from "../../support/exchange.ts";

describe("R-41: refuseUncalled", () => {
  it("detects a guard that was passed to a route without being called, and passes the error to next", () => {
    const handedOn: unknown[] = [];
    const next = (error: unknown): void => void handedOn.push(error);
    expect(refuseUncalled("requireAuth", [makeRequest(), {}, next])).toBe(true);
    expect(handedOn).toEqual([expect.any(ConfigurationError)]);
    expect((handedOn[0] as ConfigurationError).problems).toMatchObject([
      { code: "guard_not_called", option: "requireAuth", suggestion: "Write auth.requireAuth(...)." },
    ]);
  });

  it("throws where there is no next", () => {
    expect(() => refuseUncalled("requireAuth", [makeRequest()])).toThrow(ConfigurationError);
  });

  it.each([
    [[]],
    [[undefined]],
    [["documents", "read"]],
    [[{ maxTokenAge: 0 }]],
    [[null]],
    [[{ headers: 1 }]],
    [[{ method: 1 }]],
  ])("takes %j for a call", (given) => {
    expect(refuseUncalled("requireAuth", given)).toBe(false);
  });
});
