import { describe, expect, it } from "@jest/globals";
import { camelCaseKeys, toCamelCase, toSnakeCase } from "../../../src/lib/case.ts";

describe("names in snake_case and camelCase", () => {
  it.each([
    ["status", "status"],
    ["email_address", "emailAddress"],
    ["member_oauth_registration_id", "memberOauthRegistrationId"],
  ])("converts %s to %s and back", (snake, camel) => {
    expect(toCamelCase(snake)).toBe(camel);
    expect(toSnakeCase(camel)).toBe(snake);
  });

  it("leaves an underscore that does not join two words", () => {
    expect(toCamelCase("_x__y_Z_")).toBe("_x__y_Z_");
  });

  it("renames the members of an object and keeps their values", () => {
    const inner = { inner_name: 1 };
    expect(camelCaseKeys({ outer_name: inner })).toEqual({ outerName: inner });
  });
});
