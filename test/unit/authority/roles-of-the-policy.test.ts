import { describe, expect, it } from "@jest/globals";
import { createAuthority } from "../../../src/authority/authority.ts";
import { memoryDirectory } from "../../../src/authority/memory-directory.ts";
import { ConfigurationError, isOrgateError } from "../../../src/errors.ts";
import { definePolicy } from "../../../src/policy/policy.ts";

const policy = definePolicy({
  resources: { documents: ["read", "write"] },
  roles: { viewer: { documents: ["read"] }, admin: { documents: "*" } },
});

const people = (role: string) => ({
  users: [{ id: "ada", emailAddress: "ada@example.com" }],
  organizations: [{ id: "acme", name: "Acme" }],
  memberships: [{ userId: "ada", organizationId: "acme", roles: [role] }],
});

function problemsOf(act: () => unknown): readonly string[] {
  try {
    act();
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.problems.map(({ option, message, suggestion }) => `${option}: ${message} ${suggestion}`);
  }
  return [];
}

describe("roles that the policy does not know", () => {
  it("are refused when the directory is made with the policy", () => {
    expect(problemsOf(() => memoryDirectory(people("amdin") as never, { policy }))).toEqual([
      'memberships[0].roles: "amdin" is not a role of the policy. Did you mean "admin"?',
    ]);
    expect(problemsOf(() => memoryDirectory(people("amdin")))).toEqual([]);
  });

  it("are refused when an authority with the policy gets the directory", () => {
    const directory = memoryDirectory(people("amdin"));
    const make = () => createAuthority({ issuer: "https://auth.example.com", directory, policy });
    expect(problemsOf(make)).toHaveLength(1);
  });

  it("are refused in later changes of the directory, which then change nothing", async () => {
    const directory = memoryDirectory(people("admin"));
    createAuthority({ issuer: "https://auth.example.com", directory, policy });
    expect(problemsOf(() => directory.setRoles("ada", "acme", ["veiwer"]))).toHaveLength(1);
    expect(await directory.membership("ada", "acme")).toMatchObject({ roles: ["admin"] });
    directory.addUser({ id: "bo", emailAddress: "bo@example.com" });
    const added = directory.addMembership({ userId: "bo", organizationId: "acme", roles: ["owner"] });
    await expect(added).rejects.toThrow('"owner" is not a role of the policy');
    expect(await directory.memberships("bo")).toEqual([]);
    expect(problemsOf(() => directory.setRoles("ada", "acme", ["viewer", "admin"]))).toEqual([]);
  });

  it("are refused in an invitation", async () => {
    const directory = memoryDirectory(people("admin"));
    const authority = createAuthority({ issuer: "https://auth.example.com", directory, policy });
    const invite = (roles: readonly string[]) =>
      authority.invite({ emailAddress: "kate@example.com", organizationId: "acme", roles: roles as never });
    const error: unknown = await invite(["viewer", "amdin"]).catch((thrown: unknown) => thrown);
    if (!isOrgateError(error)) throw error;
    expect([error.code, error.reason, error.message.includes('"amdin"')]).toEqual([
      "invalid_request",
      "role_unknown",
      true,
    ]);
    expect(await invite(["viewer"])).toMatchObject({ state: "pending" });
  });
});
