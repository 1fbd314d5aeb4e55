import { expect, it } from "@jest/globals";
import { toCamelCase, toSnakeCase } from "../../../src/lib/case.ts";

it.each([
  ["email_address", "emailAddress"],
  ["sso_jit_provisioning_allowed_connections", "ssoJitProvisioningAllowedConnections"],
  ["name", "name"],
  ["", ""],
])("converts %j to %j and back", (snake, camel) => {
  expect(toCamelCase(snake)).toBe(camel);
  expect(toSnakeCase(camel)).toBe(snake);
});

it("keeps leading, trailing and repeated underscores", () => {
  expect(["_id", "id_", "a__b"].map(toCamelCase)).toEqual(["_id", "id_", "a__b"]);
});
