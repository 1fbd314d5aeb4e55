import { describe, expect, it } from "@jest/globals";
import { membershipIdOf } from "../../../src/authority/directory.ts";
import { makeWorld } from "./set-up.ts";

describe("an invitation", () => {
  it.each([
    ["KATE@Example.com", true],
    // The Kelvin sign folds to a "k".
    ["\u212Aate@example.com", false],
    // A dotted capital I folds to more than an "i".
    ["k\u0130te@example.com", false],
  ])("for kate@example.com is accepted by %s: %s", async (emailAddress, isAccepted) => {
    const { authority, directory } = makeWorld();
    directory.addUser({ id: "user_kate", emailAddress });
    const invitation = { emailAddress: "kate@example.com", organizationId: "org_acme", roles: ["viewer"] };
    const { token: invitationToken } = await authority.invite(invitation);
    const accepted = authority.authenticate({
      userId: "user_kate",
      authenticationMethod: "MagicAuth",
      invitationToken,
    });
    const outcome = await accepted.catch((error: unknown) => error);
    expect(outcome).toMatchObject(
      isAccepted ? { organizationId: "org_acme" } : { reason: "invitation_cannot_be_used_for_email" },
    );
  });
});

describe("the default id of a member", () => {
  const idOf = (userId: string, organizationId: string): string => membershipIdOf({ userId, organizationId });

  it("is made of both ids", () => {
    expect(idOf("user_ada", "org_acme")).toBe("user_ada:org_acme");
  });

  it("is that of one pair alone, also where an id holds the separator or its escape", () => {
    const parts = ["a", "a:b", "b", "a%3Ab", "a%", "3Ab", "a%3A", ":", "%"];
    const ids = parts.flatMap((user) => parts.map((organization) => idOf(user, organization)));
    expect(new Set(ids).size).toBe(ids.length);
  });
});
