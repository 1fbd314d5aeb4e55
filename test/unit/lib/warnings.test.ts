import { expect, it, jest } from "@jest/globals";
import { createWarner } from "../../../src/lib/warnings.ts";

it("warns the developer once per reason, with the error's name and without its message", () => {
  const emitWarning = jest.spyOn(process, "emitWarning").mockImplementation(() => undefined);
  const warn = createWarner();
  const error = new TypeError("a secret");
  warn({ type: "misconfigured", reason: "interpret_failed", error });
  warn({ type: "misconfigured", reason: "interpret_failed", error });
  warn({ type: "unavailable", code: "store_unavailable", reason: "timeout" });
  warn({ type: "denied", code: "unauthenticated" });
  const { calls } = emitWarning.mock;
  emitWarning.mockRestore();
  expect(calls).toEqual([
    [
      expect.stringContaining("misconfigured (interpret_failed, TypeError)"),
      { type: "OrgateWarning", code: "ORGATE_INTERPRET_FAILED" },
    ],
  ]);
  expect(JSON.stringify(calls)).not.toContain("secret");
});
