import { once } from "node:events";
import { expect, it } from "@jest/globals";
import { createWarner } from "../../../src/lib/warnings.ts";

it("warns the developer once per reason, with the error's name and without its message", async () => {
  const heard: Error[] = [];
  const hear = (warning: Error): void => void heard.push(warning);
  process.on("warning", hear);
  const warn = createWarner();
  const error = new TypeError("a secret");
  const first = once(process, "warning");
  warn({ type: "misconfigured", reason: "interpret_failed", error });
  warn({ type: "misconfigured", reason: "interpret_failed", error });
  warn({ type: "unavailable", code: "store_unavailable", reason: "timeout" });
  warn({ type: "denied", code: "unauthenticated" });
  await first;
  process.off("warning", hear);
  expect(heard).toHaveLength(1);
  expect(heard[0]).toMatchObject({ name: "OrgateWarning", code: "ORGATE_INTERPRET_FAILED" });
  expect(heard[0]?.message).toContain("interpret_failed, TypeError");
  expect(heard[0]?.message).not.toContain("secret");
});
