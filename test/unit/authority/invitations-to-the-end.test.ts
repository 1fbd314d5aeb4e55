import { describe, expect, it } from "@jest/globals";
import type { OrgateError } from "../../../src/errors.ts";
import { refusal, refusedWith } from "./set-up.ts";
import { demanded, makeRulesWorld, type RulesWorld } from "./rules/rules-world.ts";

const FOR_NORA = { emailAddress: "nora@example.com", organizationId: "org_acme", roles: ["viewer"] };
const FOR_ZOE = { ...FOR_NORA, emailAddress: "zoe@example.com" };

const accept = ({ authority }: RulesWorld, invitationToken: string, userId = "user_nora") =>
  authority.authenticate({ userId, authenticationMethod: "MagicAuth", invitationToken });

describe("the status of an invited user", () => {
  it.each(["invited", "pending"])("%s becomes active in the organization", async (status) => {
    const world = makeRulesWorld();
    world.setUser("user_nora", { status });
    const { token } = await world.authority.invite(FOR_NORA);
    expect(await accept(world, token)).toMatchObject({ organizationId: "org_acme" });
    expect(await world.directory.membership("user_nora", "org_acme")).toMatchObject({ status: "active" });
  });

  it.each(["inactive", "deleted"])("%s leaves the invitation as it is", async (status) => {
    const world = makeRulesWorld();
    world.setUser("user_nora", { status });
    const { token } = await world.authority.invite(FOR_NORA);
    expect(await refusedWith(accept(world, token))).toBe("organization_not_available");
    expect(await world.directory.membership("user_nora", "org_acme")).toBeUndefined();
    expect(await world.authority.readInvitation(token)).toMatchObject({ state: "pending" });
  });
});

describe("inviting", () => {
  it("says that the address is a member's already", async () => {
    const world = makeRulesWorld();
    const invite = { ...FOR_NORA, emailAddress: "BOB@example.com" };
    expect(await refusedWith(world.authority.invite(invite))).toBe("invalid_request already_member");
    world.setMember("user_bob", "org_acme", { status: "deleted" });
    expect(await world.authority.invite(invite)).toMatchObject({ state: "pending" });
  });

  it("does not take somebody with a similar address for a member", async () => {
    const world = makeRulesWorld(
      {},
      { userByEmailAddress: async () => ({ id: "user_bob", emailAddress: "b\u00f6b@example.com" }) },
    );
    expect(await world.authority.invite({ ...FOR_NORA, emailAddress: "bob@example.com" })).toBeDefined();
  });

  it.each<[string, object, string, string | undefined]>([
    ["NOT_ALLOWED", { emailInvites: "NOT_ALLOWED" }, "nora@example.com", "invitations_not_allowed"],
    ["a misspelt setting", { emailInvites: "none" }, "nora@example.com", "invitations_not_allowed"],
    ["ALL_ALLOWED", { emailInvites: "ALL_ALLOWED" }, "nora@example.com", undefined],
    [
      "RESTRICTED",
      { emailInvites: "RESTRICTED", emailAllowedDomains: ["example.com"] },
      "nora@example.com",
      undefined,
    ],
    [
      "RESTRICTED to another domain",
      { emailInvites: "RESTRICTED", emailAllowedDomains: ["acme.example"] },
      "nora@example.com",
      "invitation_domain_not_allowed",
    ],
    [
      "RESTRICTED to a common domain",
      { emailInvites: "RESTRICTED", emailAllowedDomains: ["gmail.com"] },
      "nora@gmail.com",
      "invitation_domain_not_allowed",
    ],
  ])("follows emailInvites: %s", async (_name, fields, emailAddress, reason) => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", { ...fields });
    const answer = await world.authority.invite({ ...FOR_NORA, emailAddress }).then(
      ({ state }) => state,
      ({ code, reason: why }: OrgateError) => `${code} ${why}`,
    );
    expect(answer).toBe(reason === undefined ? "pending" : `invalid_request ${reason}`);
  });
});

describe("a pending invitation", () => {
  it("is read without being spent, and says whether the address has a user", async () => {
    const world = makeRulesWorld();
    const { token, ...invitation } = await world.authority.invite(FOR_NORA);
    const read = { ...invitation, organizationName: "Acme", hasUser: true };
    expect(await world.authority.readInvitation(token)).toEqual(read);
    expect(await world.authority.readInvitation(token)).toEqual(read);
    const { token: other } = await world.authority.invite(FOR_ZOE);
    expect(await world.authority.readInvitation(other)).toMatchObject({ hasUser: false });
    await accept(world, token);
    expect(await world.authority.readInvitation(token)).toBeUndefined();
    expect(await world.authority.readInvitation("made up")).toBeUndefined();
    world.clock.now += 7 * 86_400;
    expect(await world.authority.readInvitation(other)).toBeUndefined();
  });

  it("is listed by organization and by address, newest first and without its token", async () => {
    const world = makeRulesWorld();
    const first = await world.authority.invite(FOR_NORA);
    world.clock.now += 1;
    const second = await world.authority.invite(FOR_ZOE);
    await world.authority.invite({ ...FOR_NORA, organizationId: "org_globex" });
    const listed = await world.authority.listInvitations({ organizationId: "org_acme" });
    expect(listed.map(({ id }) => id)).toEqual([second.id, first.id]);
    expect(JSON.stringify(listed)).not.toContain(first.token);
    const ofNora = await world.authority.listInvitations({ emailAddress: "Nora@Example.com" });
    expect(ofNora.map(({ organizationId }) => organizationId).toSorted()).toEqual(["org_acme", "org_globex"]);
    expect(await refusedWith(world.authority.listInvitations({}))).toBe("invalid_request");
  });

  it("is revoked once and for all", async () => {
    const world = makeRulesWorld();
    const { id, token } = await world.authority.invite(FOR_NORA);
    await world.authority.revokeInvitation(id);
    await world.authority.revokeInvitation(id);
    expect(await refusedWith(accept(world, token))).toBe("sign_in_failed invitation_invalid");
    expect(await world.authority.listInvitations({ organizationId: "org_acme" })).toEqual([]);
  });

  it("is sent again with a new token and a new end; the token before is no longer good", async () => {
    const world = makeRulesWorld();
    const before = await world.authority.invite({ ...FOR_NORA, expiresIn: 3600 });
    world.clock.now += 1800;
    const after = await world.authority.resendInvitation(before.id);
    expect(after).toMatchObject({ id: before.id, expiresAt: "2027-01-15T09:30:00.000Z" });
    expect(await refusedWith(accept(world, before.token))).toBe("sign_in_failed invitation_invalid");
    expect(await accept(world, after.token)).toMatchObject({ organizationId: "org_acme" });
    const again = world.authority.resendInvitation(before.id);
    expect(await refusedWith(again)).toBe("invalid_request invitation_not_found");
  });

  it("leaves one good token when it is sent again by several at once", async () => {
    const world = makeRulesWorld();
    const { id } = await world.authority.invite(FOR_NORA);
    const sent = await Promise.allSettled([1, 2, 3, 4].map(() => world.authority.resendInvitation(id)));
    const tokens = sent.flatMap((one) => (one.status === "fulfilled" ? [one.value.token] : []));
    const read = await Promise.all(tokens.map((token) => world.authority.readInvitation(token)));
    expect(read.filter((one) => one !== undefined)).toHaveLength(1);
    expect(await world.authority.listInvitations({ organizationId: "org_acme" })).toHaveLength(1);
  });

  it("is not sent again where the organization has switched invitations off meanwhile", async () => {
    const world = makeRulesWorld();
    const { id, token } = await world.authority.invite(FOR_NORA);
    world.setOrganization("org_acme", { emailInvites: "NOT_ALLOWED" });
    const again = world.authority.resendInvitation(id);
    expect(await refusedWith(again)).toBe("invalid_request invitations_not_allowed");
    expect(await world.authority.readInvitation(token)).toBeDefined();
  });
});

describe("accepting without signing in", () => {
  it("makes the membership of the user with the address", async () => {
    const world = makeRulesWorld();
    const { token, id } = await world.authority.invite(FOR_NORA);
    const accepted = await world.authority.acceptInvitation({ invitationToken: token });
    expect(accepted).toMatchObject({
      invitation: { id },
      user: { id: "user_nora" },
      membership: { userId: "user_nora", organizationId: "org_acme", roles: ["viewer"] },
      isNewUser: false,
    });
    expect(JSON.stringify(accepted)).not.toContain(token);
    const again = world.authority.acceptInvitation({ invitationToken: token });
    expect(await refusedWith(again)).toBe("sign_in_failed invitation_invalid");
  });

  it("makes the user where there is none, only once the token is known to be good", async () => {
    const world = makeRulesWorld();
    const users = async () => (await world.directory.userByEmailAddress("zoe@example.com"))?.id;
    const bad = world.authority.acceptInvitation({ invitationToken: "made up", user: { name: "Zoe" } });
    expect([await refusedWith(bad), await users()]).toEqual(["sign_in_failed invitation_invalid", undefined]);
    const { token } = await world.authority.invite(FOR_ZOE);
    const user = { name: "Zoe", emailAddress: "mallory@example.com", emailVerified: false };
    const accepted = await world.authority.acceptInvitation({ invitationToken: token, user });
    expect(accepted).toMatchObject({
      isNewUser: true,
      user: { emailAddress: "zoe@example.com", emailVerified: true, name: "Zoe" },
    });
    expect(await users()).toBe(accepted.user.id);
    const signedIn = world.authority.authenticate({
      userId: accepted.user.id,
      authenticationMethod: "magic_link",
    });
    expect(await signedIn).toMatchObject({ organizationId: "org_acme" });
  });

  it("makes one user when it is accepted by several at once", async () => {
    let made = 0;
    const base = makeRulesWorld().directory;
    const world = makeRulesWorld(
      {},
      {
        createUser: async (user) => {
          made += 1;
          return { ...(await base.createUser(user)) };
        },
        addMembership: async () => undefined,
      },
    );
    const { token } = await world.authority.invite(FOR_ZOE);
    const accepting = Array.from({ length: 6 }, () =>
      world.authority.acceptInvitation({ invitationToken: token }),
    );
    const outcomes = await Promise.allSettled(accepting);
    expect([outcomes.filter(({ status }) => status === "fulfilled").length, made]).toEqual([1, 1]);
  });

  it.each([
    ["the Kelvin sign for a k", "erika@example.com", "eri\u212aa@example.com"],
    ["a letter that looks alike", "zoe@example.com", "z\u043ee@example.com"],
    ["an accent", "zoe@example.com", "zo\u00e9@example.com"],
    ["a dotless i", "mira@example.com", "m\u0131ra@example.com"],
    ["a sharp s", "strasse@example.com", "stra\u00dfe@example.com"],
    ["another domain", "zoe@example.com", "zoe@example.co"],
  ])("is not for an address with %s", async (_name, emailAddress, folded) => {
    // A database with a loose collation finds the one by the other.
    const found = { id: "user_folded", emailAddress: folded };
    const world = makeRulesWorld(
      {},
      {
        userByEmailAddress: async () => found,
        user: async (id) => (id === "user_folded" ? found : undefined),
        createUser: async (user) => ({ ...user, id: "user_new" }),
        addMembership: async () => undefined,
      },
    );
    const { token } = await world.authority.invite({ ...FOR_ZOE, emailAddress });
    const input = { invitationToken: token, userId: "user_folded" };
    expect(await refusedWith(world.authority.acceptInvitation(input))).toBe(
      "sign_in_failed invitation_cannot_be_used_for_email",
    );
    expect(await refusedWith(accept(world, token, "user_folded"))).toBe(
      "sign_in_failed invitation_cannot_be_used_for_email",
    );
    expect(await world.authority.readInvitation(token)).toMatchObject({ hasUser: false });
    const accepted = await world.authority.acceptInvitation({ invitationToken: token });
    expect(accepted.user.id).toBe("user_new");
  });

  it.each<[string, object]>([
    ["cannot make users", { createUser: undefined }],
    ["fails to make one", { createUser: () => Promise.reject(new Error("down")) }],
    ["makes another one", { createUser: async () => ({ id: "x", emailAddress: "mallory@example.com" }) }],
    ["fails to make the membership", { addMembership: () => Promise.reject(new Error("down")) }],
  ])("keeps the invitation where the directory %s", async (_name, more) => {
    const world = makeRulesWorld({}, { ...more });
    const { token } = await world.authority.invite(FOR_ZOE);
    const accepting = world.authority.acceptInvitation({ invitationToken: token });
    expect((await refusal(accepting)).code).toMatch(/^(?:sign_in_failed|store_unavailable)$/);
    expect(await world.authority.readInvitation(token)).toMatchObject({ emailAddress: "zoe@example.com" });
  });

  it.each([
    ["another user", { userId: "user_bob" }, "sign_in_failed invitation_cannot_be_used_for_email"],
    ["nobody", { userId: "user_unheard_of" }, "sign_in_failed user_not_found"],
    ["a user that is no object", { user: "Zoe" }, "invalid_request"],
    ["a token that is no text", { invitationToken: 7 }, "invalid_request"],
  ])("refuses %s", async (_name, more, expected) => {
    const world = makeRulesWorld();
    const { token } = await world.authority.invite(FOR_NORA);
    const input = { invitationToken: token, ...more } as never;
    expect(await refusedWith(world.authority.acceptInvitation(input))).toBe(expected);
    expect(await world.authority.readInvitation(token)).toBeDefined();
  });
});

describe("an invitation and the organization's rules", () => {
  it("is spent, and the membership made, only once the rules are met", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", { mfaPolicy: "REQUIRED_FOR_ALL" });
    const { token: invitationToken } = await world.authority.invite(FOR_NORA);
    const { token, reason } = await demanded(accept(world, invitationToken));
    expect(reason).toBe("mfa_required");
    expect(await world.authority.readInvitation(invitationToken)).toBeDefined();
    expect(await world.directory.membership("user_nora", "org_acme")).toBeUndefined();
    const more = { userId: "user_nora", pendingAuthenticationToken: token, authenticationMethod: "totp" };
    expect(await world.authority.authenticate(more)).toMatchObject({
      organizationId: "org_acme",
      member: { roles: ["viewer"] },
    });
    expect(await world.authority.readInvitation(invitationToken)).toBeUndefined();
  });

  it("puts a membership in force that is not active", async () => {
    const base = makeRulesWorld().directory;
    base.addUser({ id: "user_zoe", emailAddress: "zoe@example.com" });
    await base.addMembership({
      userId: "user_zoe",
      organizationId: "org_acme",
      roles: ["admin"],
      status: "deleted",
    } as never);
    const world = makeRulesWorld({}, { ...base });
    const { token } = await world.authority.invite(FOR_ZOE);
    expect(await accept(world, token, "user_zoe")).toMatchObject({ member: { roles: ["viewer"] } });
  });

  it("does not open another organization by the selection that carries it", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_closed", { mfaPolicy: "REQUIRED_FOR_ALL" });
    const invite = { emailAddress: "ada@example.com", organizationId: "org_closed", roles: ["viewer"] };
    const { token: invitationToken } = await world.authority.invite(invite);
    const { token } = await demanded(accept(world, invitationToken, "user_ada"));
    const choose = (organizationId: string): Promise<unknown> =>
      world.authority.authenticateWithOrganizationSelection({
        pendingAuthenticationToken: String(token),
        organizationId,
      });
    expect(await choose("org_acme")).toMatchObject({ organizationId: "org_acme" });
    expect(await world.authority.readInvitation(invitationToken)).toBeDefined();
  });
});
