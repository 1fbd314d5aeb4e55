import { describe, expect, it } from "@jest/globals";
import { memoryRepository } from "../../../src/authority/index.ts";
import type { AuthenticationResult } from "../../../src/authority/index.ts";
import type { CollectionName } from "../../../src/authority/repository.ts";
import { sha256 } from "../../../src/lib/crypto.ts";
import { makeWorld, refusal, refusedWith, signInAda, START } from "./set-up.ts";
import type { World } from "./set-up.ts";
import { unsteadyRepository } from "./unsteady-repository.ts";
import type { Fate, UnsteadyRepository } from "./unsteady-repository.ts";

type UnsteadyWorld = World & UnsteadyRepository;

function makeUnsteadyWorld(collection: CollectionName): UnsteadyWorld {
  const clock = { now: START };
  const unsteady = unsteadyRepository(memoryRepository({ clock: () => clock.now }), collection);
  return { ...unsteady, ...makeWorld({ repository: unsteady.repository }, clock) };
}

const ONE_FAILURE = [["reply lost"], ["reply and next read lost"], ["not carried out"], ["late"]] as const;

function times(count: number, fate: Fate): readonly Fate[] {
  return Array.from({ length: count }, () => fate);
}

async function sessionIds({ repository }: World, userId = "user_ada"): Promise<string[]> {
  return (await repository.find("sessions", `user:${userId}`)).map(({ id }) => id);
}

/** How a session is replaced by another one. */
const REPLACEMENTS = {
  switch: ({ authority }: World, sessionId: string) =>
    authority.exchange({ sessionId, organizationId: "org_globex" }),
  "step-up": ({ authority }: World, sessionId: string) =>
    authority.stepUp({ sessionId, factor: { type: "totp" } }),
} as const;

describe.each(["switch", "step-up"] as const)("a %s", (kind) => {
  const replace = REPLACEMENTS[kind];

  it.each(ONE_FAILURE)("succeeds when the write that ends the old session fails once (%s)", async (fate) => {
    const world = makeUnsteadyWorld("sessions");
    const first = await signInAda(world);
    world.fates.push(fate);
    const second = await replace(world, first.memberSession.id);
    await world.carryOutLateWrites();
    expect(await sessionIds(world)).toEqual([second.memberSession.id]);
    const { refreshToken } = first;
    expect(await refusedWith(world.authority.authenticateWithRefreshToken({ refreshToken }))).toBe(
      "session_revoked revoked",
    );
    world.clock.now += 300;
    const renewed = await world.authority.authenticateWithRefreshToken(second);
    expect(renewed.memberSession.id).toBe(second.memberSession.id);
    expect(world.invalidated).toEqual([{ sessionId: first.memberSession.id }]);
  });

  it("succeeds after a 503, and signs nobody out, when the write was never carried out", async () => {
    const world = makeUnsteadyWorld("sessions");
    const first = await signInAda(world);
    world.fates.push(...times(3, "not carried out"));
    expect(await refusedWith(replace(world, first.memberSession.id))).toBe(
      "store_unavailable dependency_failed",
    );
    expect(await sessionIds(world)).toEqual([first.memberSession.id]);
    const { refreshToken } = await world.authority.authenticateWithRefreshToken(first);
    expect(refreshToken).not.toBe(first.refreshToken);
    const second = await replace(world, first.memberSession.id);
    expect(await sessionIds(world)).toEqual([second.memberSession.id]);
  });

  it("answers 503 and leaves no second session when the outcome stays unknown", async () => {
    const world = makeUnsteadyWorld("sessions");
    const first = await signInAda(world);
    world.fates.push(...times(3, "reply lost"));
    expect(await refusedWith(replace(world, first.memberSession.id))).toBe(
      "store_unavailable dependency_failed",
    );
    expect(await sessionIds(world)).toEqual([]);
    // Its tokens must not be served without asking.
    expect(world.invalidated).toContainEqual({ sessionId: first.memberSession.id });
  });

  it("has one winner when many run at once and every reply is lost", async () => {
    const world = makeUnsteadyWorld("sessions");
    const { memberSession } = await signInAda(world);
    world.fates.push(...times(8, "reply lost"));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, () => replace(world, memberSession.id)),
    );
    const winners = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    expect(winners.map((winner) => winner.memberSession.id)).toEqual(await sessionIds(world));
    expect(winners).toHaveLength(1);
  });

  it("takes one read, one insert and one compare-and-set of sessions", async () => {
    const world = makeUnsteadyWorld("sessions");
    const { memberSession } = await signInAda(world);
    world.calls.length = 0;
    await replace(world, memberSession.id);
    const calls = world.calls.filter((call) => call.endsWith(" sessions"));
    expect(calls).toEqual(["read sessions", "insert sessions", "compareAndSet sessions"]);
  });

  it("succeeds when the old session is renewed meanwhile", async () => {
    const world = makeUnsteadyWorld("sessions");
    const first = await signInAda(world);
    const insert = world.repository.insert.bind(world.repository);
    let isFirst = true;
    world.repository.insert = async (...document) => {
      if (isFirst) {
        isFirst = false;
        await world.authority.authenticateWithRefreshToken(first);
      }
      return insert(...document);
    };
    const second = await replace(world, first.memberSession.id);
    expect(await sessionIds(world)).toEqual([second.memberSession.id]);
  });

  it("does not bring back a session that was revoked meanwhile", async () => {
    const world = makeUnsteadyWorld("sessions");
    const first = await signInAda(world);
    const insert = world.repository.insert.bind(world.repository);
    world.repository.insert = async (...document) => {
      const isNew = await insert(...document);
      await world.authority.revoke({ sessionId: first.memberSession.id });
      return isNew;
    };
    expect(await refusedWith(replace(world, first.memberSession.id))).toBe("session_revoked revoked");
    expect(await sessionIds(world)).toEqual([]);
  });
});

describe("a session that was replaced", () => {
  it("is kept for a minute, under no index, as a session that is over", async () => {
    const world = makeUnsteadyWorld("sessions");
    const { memberSession } = await signInAda(world);
    const second = await REPLACEMENTS.switch(world, memberSession.id);
    const read = () => world.repository.read("sessions", memberSession.id);
    // A release that does not know `spentBy` reads a session that has expired.
    expect(await read()).toMatchObject({ value: { expiresAt: 0, spentBy: second.memberSession.id } });
    expect(await sessionIds(world)).toEqual([second.memberSession.id]);
    world.clock.now += 60;
    expect(await read()).toBeUndefined();
  });

  it("cannot be revoked any more", async () => {
    const world = makeUnsteadyWorld("sessions");
    const { memberSession } = await signInAda(world);
    await REPLACEMENTS.switch(world, memberSession.id);
    await world.authority.revoke({ sessionId: memberSession.id });
    expect(world.events).toEqual([]);
  });
});

describe("a pending authentication", () => {
  async function begin({ authority }: World): Promise<string> {
    const error = await refusal(authority.authenticate({ userId: "user_ada", authenticationMethod: "SSO" }));
    return String(Reflect.get(error, "pendingAuthenticationToken"));
  }

  const COMPLETIONS = {
    "by choosing an organization": ({ authority }: World, pendingAuthenticationToken: string) =>
      authority.authenticateWithOrganizationSelection({
        pendingAuthenticationToken,
        organizationId: "org_acme",
      }),
    "by a further factor": ({ authority }: World, pendingAuthenticationToken: string) =>
      authority.authenticate({
        userId: "user_ada",
        authenticationMethod: "Password",
        organizationId: "org_acme",
        pendingAuthenticationToken,
      }),
  } as const;

  describe.each(["by choosing an organization", "by a further factor"] as const)("completed %s", (way) => {
    const complete = COMPLETIONS[way];

    it.each(ONE_FAILURE)(
      "R-19: signs in once when the write that spends it fails once (%s)",
      async (fate) => {
        const world = makeUnsteadyWorld("pending");
        const token = await begin(world);
        world.fates.push(fate);
        const { memberSession } = await complete(world, token);
        await world.carryOutLateWrites();
        expect(await sessionIds(world)).toEqual([memberSession.id]);
        expect(await refusedWith(complete(world, token))).toBe("invalid_pending_authentication");
        expect(await sessionIds(world)).toEqual([memberSession.id]);
      },
    );

    it("R-19: can be completed after a 503 when the write was never carried out", async () => {
      const world = makeUnsteadyWorld("pending");
      const token = await begin(world);
      world.fates.push(...times(3, "not carried out"));
      expect(await refusedWith(complete(world, token))).toBe("store_unavailable dependency_failed");
      expect(await sessionIds(world)).toEqual([]);
      const { memberSession } = await complete(world, token);
      expect(await sessionIds(world)).toEqual([memberSession.id]);
    });

    it("R-19: opens no session that somebody holds when the outcome stays unknown", async () => {
      const world = makeUnsteadyWorld("pending");
      const token = await begin(world);
      world.fates.push(...times(3, "reply lost"));
      expect(await refusedWith(complete(world, token))).toBe("store_unavailable dependency_failed");
      expect(await sessionIds(world)).toEqual([]);
    });

    it("R-19: opens one session when it is submitted many times at once and every reply is lost", async () => {
      const world = makeUnsteadyWorld("pending");
      const token = await begin(world);
      world.fates.push(...times(8, "reply lost"));
      const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => complete(world, token)));
      const winners = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
      expect(winners.map((winner) => winner.memberSession.id)).toEqual(await sessionIds(world));
      expect(winners).toHaveLength(1);
    });
  });

  it("R-19: is spent with one compare-and-set, and kept for a minute as one that is over", async () => {
    const world = makeUnsteadyWorld("pending");
    const token = await begin(world);
    world.calls.length = 0;
    const { memberSession } = await COMPLETIONS["by choosing an organization"](world, token);
    expect(world.calls.filter((call) => call.endsWith(" pending"))).toEqual([
      "read pending",
      "compareAndSet pending",
    ]);
    const read = () => world.repository.read("pending", sha256(token));
    expect(await read()).toMatchObject({ value: { expiresAt: 0, spentBy: memberSession.id } });
    world.clock.now += 60;
    expect(await read()).toBeUndefined();
  });
});

describe("an invitation", () => {
  const INVITATION = { emailAddress: "nora@example.com", organizationId: "org_acme", roles: ["viewer"] };

  const signIn = ({ authority }: World, invitationToken: string): Promise<AuthenticationResult> =>
    authority.authenticate({ userId: "user_nora", authenticationMethod: "SSO", invitationToken });

  const ACCEPTANCES = {
    "by signing in": signIn,
    "without signing in": ({ authority }: World, invitationToken: string) =>
      authority.acceptInvitation({ invitationToken }),
  } as const;

  describe.each(["by signing in", "without signing in"] as const)("accepted %s", (way) => {
    const accept = ACCEPTANCES[way];

    it.each(ONE_FAILURE)("makes the member when the write that spends it fails once (%s)", async (fate) => {
      const world = makeUnsteadyWorld("invitations");
      const { token } = await world.authority.invite(INVITATION);
      world.fates.push(fate);
      await accept(world, token);
      await world.carryOutLateWrites();
      expect(await world.directory.membership("user_nora", "org_acme")).toMatchObject({
        roles: ["viewer"],
      });
      expect(await refusedWith(accept(world, token))).toBe("sign_in_failed invitation_invalid");
      expect(await world.authority.listInvitations({ organizationId: "org_acme" })).toEqual([]);
    });

    it("can be accepted after a 503 when the write was never carried out", async () => {
      const world = makeUnsteadyWorld("invitations");
      const { token } = await world.authority.invite(INVITATION);
      world.fates.push(...times(3, "not carried out"));
      expect(await refusedWith(accept(world, token))).toBe("store_unavailable dependency_failed");
      expect(await world.directory.membership("user_nora", "org_acme")).toBeUndefined();
      await accept(world, token);
      expect(await world.directory.membership("user_nora", "org_acme")).toBeDefined();
    });

    it("has one winner when it is accepted many times at once and every reply is lost", async () => {
      const world = makeUnsteadyWorld("invitations");
      const { token } = await world.authority.invite(INVITATION);
      world.fates.push(...times(8, "reply lost"));
      const outcomes = await Promise.allSettled<unknown>(
        Array.from({ length: 8 }, () => accept(world, token)),
      );
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    });
  });

  it("is not sent again once it was accepted, also where its mark is still kept", async () => {
    const world = makeUnsteadyWorld("invitations");
    const { token, id } = await world.authority.invite(INVITATION);
    const insert = world.repository.insert.bind(world.repository);
    world.repository.insert = async (...document) => {
      const isNew = await insert(...document);
      if (document[0] === "invitations") {
        world.repository.insert = insert;
        await signIn(world, token);
      }
      return isNew;
    };
    expect(await refusedWith(world.authority.resendInvitation(id))).toBe(
      "invalid_request invitation_not_found",
    );
    expect(await world.authority.listInvitations({ organizationId: "org_acme" })).toEqual([]);
  });
});
