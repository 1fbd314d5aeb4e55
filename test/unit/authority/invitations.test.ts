import { describe, expect, it } from "@jest/globals";
import { makeDirectory, makeWorld, refusal, refusedWith } from "./set-up.ts";
import type { World } from "./set-up.ts";

const INVITATION = { emailAddress: "NORA@example.com", organizationId: "org_acme", roles: ["viewer"] };

async function inviteNora({ authority }: World): Promise<string> {
  return (await authority.invite(INVITATION)).token;
}

function accept({ authority }: World, invitationToken: string, userId = "user_nora"): Promise<unknown> {
  return authority.authenticate({ userId, authenticationMethod: "MagicAuth", invitationToken });
}

describe("invite", () => {
  it("returns the invitation, and stores only the hash of its token", async () => {
    const world = makeWorld();
    const invitation = await world.authority.invite({ ...INVITATION, expiresIn: 3600 });
    expect(invitation).toEqual({
      ...INVITATION,
      id: expect.stringMatching(/^invitation_[\w-]{24}$/),
      token: expect.stringMatching(/^[\w-]{43}$/),
      state: "pending",
      createdAt: "2027-01-15T08:00:00.000Z",
      expiresAt: "2027-01-15T09:00:00.000Z",
    });
    const stored = await world.repository.find("invitations", `invitation:${invitation.id}`);
    expect(stored).toHaveLength(1);
    expect(JSON.stringify(stored)).not.toContain(invitation.token);
  });

  it.each([
    [{ emailAddress: "nobody" }, "invalid_request"],
    [{ emailAddress: "a b@example.com" }, "invalid_request"],
    [{ emailAddress: 7 }, "invalid_request"],
    [{ organizationId: "org_unheard_of" }, "invalid_request organization_not_found"],
    [{ organizationId: "" }, "invalid_request"],
    [{ roles: "viewer" }, "invalid_request"],
    [{ roles: [""] }, "invalid_request"],
    [{ expiresIn: 0 }, "invalid_request"],
    [{ expiresIn: NaN }, "invalid_request"],
  ])("refuses %j", async (mistake, expected) => {
    const { authority } = makeWorld();
    expect(await refusedWith(authority.invite({ ...INVITATION, ...mistake } as never))).toBe(expected);
  });

  it("needs a directory that can add memberships", async () => {
    const { authority } = makeWorld({ directory: { ...makeDirectory(), addMembership: undefined } as never });
    expect(await refusedWith(authority.invite(INVITATION))).toBe("configuration_invalid");
  });
});

describe("an invitation", () => {
  it("makes the membership that it was issued for, and signs in", async () => {
    const world = makeWorld();
    const result = await accept(world, await inviteNora(world));
    expect(result).toMatchObject({ organizationId: "org_acme", member: { roles: ["viewer"] } });
    expect(await world.directory.membership("user_nora", "org_acme")).toMatchObject({ roles: ["viewer"] });
  });

  it("skips organization selection", async () => {
    const world = makeWorld();
    const { token } = await world.authority.invite({
      emailAddress: "ada@example.com",
      organizationId: "org_closed",
      roles: [],
    });
    expect(await accept(world, token, "user_ada")).toMatchObject({ organizationId: "org_closed" });
  });

  it("can be used with the selection of its own organization, and of no other", async () => {
    const world = makeWorld();
    const { token } = await world.authority.invite({
      emailAddress: "ada@example.com",
      organizationId: "org_closed",
      roles: ["viewer"],
    });
    const pending = await refusal(
      world.authority.authenticate({ userId: "user_ada", authenticationMethod: "SSO" }),
    );
    const select = (organizationId: string): Promise<unknown> =>
      world.authority.authenticateWithOrganizationSelection({
        pendingAuthenticationToken: String(Reflect.get(pending, "pendingAuthenticationToken")),
        organizationId,
        invitationToken: token,
      });
    expect(await refusedWith(select("org_acme"))).toBe("sign_in_failed invitation_invalid");
    expect(await select("org_closed")).toMatchObject({
      organizationId: "org_closed",
      member: { roles: ["viewer"] },
    });
  });

  it("is accepted once", async () => {
    const world = makeWorld();
    const token = await inviteNora(world);
    await accept(world, token);
    expect(await refusedWith(accept(world, token))).toBe("sign_in_failed invitation_invalid");
  });

  it("is accepted once when many users present it at once", async () => {
    const directory = makeDirectory();
    let additions = 0;
    const world = makeWorld({
      directory: {
        ...directory,
        addMembership: async (membership) => {
          additions += 1;
          await directory.addMembership(membership).catch(() => "there already");
        },
      },
    });
    const token = await inviteNora(world);
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => accept(world, token)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(additions).toBe(1);
  });

  it("is only for its address, and is not spent by another", async () => {
    const world = makeWorld();
    const token = await inviteNora(world);
    expect(await refusedWith(accept(world, token, "user_bob"))).toBe(
      "sign_in_failed invitation_cannot_be_used_for_email",
    );
    expect(await accept(world, token)).toMatchObject({ organizationId: "org_acme" });
  });

  it("is not spent for another organization than its own", async () => {
    const world = makeWorld();
    const invitationToken = await inviteNora(world);
    const elsewhere = world.authority.authenticate({
      userId: "user_nora",
      authenticationMethod: "SSO",
      organizationId: "org_globex",
      invitationToken,
    });
    expect(await refusedWith(elsewhere)).toBe("sign_in_failed invitation_invalid");
    expect(await accept(world, invitationToken)).toMatchObject({ organizationId: "org_acme" });
  });

  it.each([
    [7 * 86_400 - 1, "fulfilled"],
    [7 * 86_400, "rejected"],
  ])("expires after a week: %d seconds later it is %s", async (seconds, expected) => {
    const world = makeWorld();
    const token = await inviteNora(world);
    world.clock.now += seconds;
    const [outcome] = await Promise.allSettled([accept(world, token)]);
    expect(outcome?.status).toBe(expected);
  });

  it("is restored when the membership could not be made", async () => {
    const directory = makeDirectory();
    let isDown = true;
    const world = makeWorld({
      directory: {
        ...directory,
        addMembership: async (membership) => {
          if (isDown) throw new Error("down");
          await directory.addMembership(membership);
        },
      },
    });
    const token = await inviteNora(world);
    expect(await refusedWith(accept(world, token))).toBe("store_unavailable dependency_failed");
    isDown = false;
    expect(await accept(world, token)).toMatchObject({ organizationId: "org_acme" });
  });

  it("keeps the roles of a user who is a member already", async () => {
    const world = makeWorld();
    const token = await inviteNora(world);
    await world.directory.addMembership({
      userId: "user_nora",
      organizationId: "org_acme",
      roles: ["admin"],
    });
    expect(await accept(world, token)).toMatchObject({ member: { roles: ["admin"] } });
  });

  it.each(["", "x", "A".repeat(43), "__proto__"])("is not %j", async (token) => {
    expect(await refusedWith(accept(makeWorld(), token))).toBe("sign_in_failed invitation_invalid");
  });
});
