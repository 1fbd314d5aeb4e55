import { expect, it } from "@jest/globals";
import { checkStytchOptions } from "../../../../../src/authority/wire/stytch/stytch-options.ts";

const GOOD = { projectId: "project-test-1", secret: "secret-test-0123456789" };

it("takes what is right", () => {
  expect(() => checkStytchOptions(GOOD, true)).not.toThrow();
});

it.each([
  [undefined, /stytchRouter/],
  [{}, /projectId/],
  [{ ...GOOD, projectId: "a:b" }, /projectId/],
  [{ ...GOOD, secret: "short" }, /secret/],
  [{ ...GOOD, projectID: "a" }, /Did you mean "projectId"/],
])("refuses %j", (options, message) => {
  expect(() => checkStytchOptions(options as typeof GOOD, true)).toThrow(message);
});

it("asks for an RSA key", () => {
  expect(() => checkStytchOptions(GOOD, false)).toThrow(/RS256/);
});
