import { describe, expect, it } from "@jest/globals";
import { isOrgateError } from "../../../src/errors.ts";
import { createTestAuthority } from "../../../src/testing/index.ts";

const people = {
  users: [{ id: "user_ada", emailAddress: "ada@example.com" }],
  organizations: [{ id: "org_acme", name: "Acme" }],
  memberships: [{ userId: "user_ada", organizationId: "org_acme", roles: ["admin"] }],
};
const ada = { userId: "user_ada", authenticationMethod: "Password" };

const makeWith = (options: object) => () => createTestAuthority(options);

describe("a test authority", () => {
  it("has a clock that stands still until it is advanced", async () => {
    const authority = createTestAuthority(people);
    expect(new Date(authority.now() * 1000).toISOString()).toBe("2027-01-15T08:00:00.000Z");
    const { memberSession } = await authority.authenticate(ada);
    expect(memberSession.startedAt).toBe("2027-01-15T08:00:00.000Z");
    authority.advance(1.5);
    expect(authority.clock()).toBe(authority.now());
    expect(authority.now()).toBe(Date.UTC(2027, 0, 15, 8) / 1000 + 1.5);
    await authority.close();
  });

  it.each([-1, Number.NaN])("does not advance by %s seconds", (seconds) => {
    const authority = createTestAuthority({ startsAt: 5 });
    expect(() => authority.advance(seconds)).toThrow(RangeError);
    expect(authority.now()).toBe(5);
  });

  it("expires tokens by its own clock, and shows changes of its directory", async () => {
    const authority = createTestAuthority({ ...people, accessTokenLifetime: 60 });
    const { accessToken: sessionJwt } = await authority.authenticate(ada);
    authority.advance(59);
    const local = await authority.authenticateJwt({ sessionJwt });
    expect(local.sessionJwt === sessionJwt).toBe(true);
    authority.advance(10);
    const renewed = await authority.authenticateJwt({ sessionJwt });
    expect(renewed.sessionJwt === sessionJwt).toBe(false);
    authority.directory.setRoles("user_ada", "org_acme", ["viewer"]);
    const changed = await authority.authenticateJwt({ sessionJwt: renewed.sessionJwt });
    expect(changed.memberSession.roles).toEqual(["viewer"]);
    await authority.close();
  });

  it("is unavailable while it is down, and signs nobody out", async () => {
    const authority = createTestAuthority(people);
    const { memberSession } = await authority.authenticate(ada);
    authority.takeDown();
    await expect(authority.authenticate(ada)).rejects.toMatchObject({ code: "store_unavailable" });
    await expect(authority.listSessions({ userId: "user_ada" })).rejects.toMatchObject({
      code: "store_unavailable",
    });
    authority.bringBack();
    const sessions = await authority.listSessions({ userId: "user_ada" });
    expect(sessions.map(({ id }) => id)).toEqual([memberSession.id]);
    await authority.close();
  });

  it("refuses an inconsistent directory and unknown options", () => {
    const membership = { userId: "user_bob", organizationId: "org_acme", roles: [] };
    expect(makeWith({ ...people, memberships: [membership] })).toThrow(/user_bob/);
    expect(makeWith({ ...people, acessTokenLifetime: 5 })).toThrow(/accessTokenLifetime/);
    let thrown: unknown;
    try {
      makeWith({ accessTokenLifetime: -1 })();
    } catch (error) {
      thrown = error;
    }
    expect(isOrgateError(thrown)).toBe(true);
  });
});
