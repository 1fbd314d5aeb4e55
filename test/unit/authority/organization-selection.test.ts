import { describe, expect, it } from "@jest/globals";
import type { AuthenticationResult, Repository } from "../../../src/authority/index.ts";
import { claimsOf, context, makeWorld, refusal, refusedWith, START } from "./set-up.ts";
import type { World } from "./set-up.ts";

async function begin(world: World, more: object = {}): Promise<string> {
  const input = { userId: "user_ada", authenticationMethod: "GoogleOAuth", ...more };
  const error = await refusal(world.authority.authenticate(input));
  expect(error.code).toBe("organization_selection_required");
  return String(Reflect.get(error, "pendingAuthenticationToken"));
}

function choose(
  { authority }: World,
  pendingAuthenticationToken: string,
  organizationId = "org_acme",
): Promise<AuthenticationResult> {
  return authority.authenticateWithOrganizationSelection({ pendingAuthenticationToken, organizationId });
}

describe("organization selection", () => {
  it("signs in to the organization chosen, with the details of the sign-in", async () => {
    const world = makeWorld();
    const token = await begin(world, {
      customClaims: { plan: "pro" },
      impersonator: { email: "support@example.com" },
      ipAddress: "192.0.2.1",
      userAgent: "first",
    });
    world.clock.now += 100;
    const result = await world.authority.authenticateWithOrganizationSelection({
      pendingAuthenticationToken: token,
      organizationId: "org_globex",
      userAgent: "second",
    });
    expect(result).toMatchObject({
      organizationId: "org_globex",
      authenticationMethod: "GoogleOAuth",
      impersonator: { email: "support@example.com" },
      memberSession: {
        roles: ["viewer"],
        customClaims: { plan: "pro" },
        startedAt: "2027-01-15T08:01:40.000Z",
        authenticationFactors: [{ type: "oauth", deliveryMethod: "oauth_google" }],
      },
    });
    expect(claimsOf(result.accessToken)["auth_time"]).toBe(START);
    const [session] = await world.authority.listSessions({ userId: "user_ada" });
    expect(session).toMatchObject({ ipAddress: "192.0.2.1", userAgent: "second" });
  });

  it("offers the current memberships", async () => {
    const world = makeWorld();
    const pending = { pendingAuthenticationToken: await begin(world) };
    expect(await world.authority.organizations(pending, context())).toEqual([
      { id: "org_acme", name: "Acme" },
      { id: "org_globex", name: "Globex" },
    ]);
    world.directory.removeMembership("user_ada", "org_globex");
    expect(await world.authority.organizations(pending, context())).toEqual([
      { id: "org_acme", name: "Acme" },
    ]);
    const { memberSession } = await choose(world, pending.pendingAuthenticationToken);
    expect(await world.authority.organizations(memberSession, context())).toHaveLength(1);
    expect(await refusedWith(world.authority.organizations(pending, context()))).toBe(
      "invalid_pending_authentication",
    );
  });

  it("R-19: accepts a token once", async () => {
    const world = makeWorld();
    const token = await begin(world);
    await choose(world, token);
    expect(await refusedWith(choose(world, token))).toBe("invalid_pending_authentication");
    expect(await world.authority.listSessions({ userId: "user_ada" })).toHaveLength(1);
  });

  it("R-19: makes exactly one session from many concurrent choices", async () => {
    const world = makeWorld();
    for (let round = 0; round < 10; round += 1) {
      const token = await begin(world);
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, (_, index) =>
          choose(world, token, index % 2 === 0 ? "org_acme" : "org_globex").then(
            () => "signed in",
            (error: unknown) => String(Reflect.get(Object(error), "code")),
          ),
        ),
      );
      expect(outcomes.toSorted()).toEqual([
        ...Array.from({ length: 7 }, () => "invalid_pending_authentication"),
        "signed in",
      ]);
      expect(await world.authority.listSessions({ userId: "user_ada" })).toHaveLength(round + 1);
    }
  });

  it.each([
    [599, "org_acme"],
    [600, "invalid_pending_authentication"],
    [601, "invalid_pending_authentication"],
  ])("R-19: lasts ten minutes: after %d seconds, %s", async (seconds, expected) => {
    const world = makeWorld();
    const token = await begin(world);
    world.clock.now += seconds;
    const outcome = await choose(world, token).then(
      ({ organizationId }) => organizationId,
      (error: unknown) => Reflect.get(Object(error), "code"),
    );
    expect(outcome).toBe(expected);
  });

  it("R-19: is not spent by a wrong choice", async () => {
    const world = makeWorld();
    const token = await begin(world);
    for (const wrong of ["org_closed", "org_unheard_of", "__proto__", "acme"]) {
      expect(await refusedWith(choose(world, token, wrong))).toBe("organization_not_available");
    }
    world.directory.removeMembership("user_ada", "org_globex");
    expect(await refusedWith(choose(world, token, "org_globex"))).toBe("organization_not_available");
    expect(await world.authority.listSessions({ userId: "user_ada" })).toEqual([]);
    expect((await choose(world, token)).organizationId).toBe("org_acme");
  });

  it.each(["insert", "compareAndSet", "read"] as const)(
    "R-19: is not spent by trouble (%s)",
    async (method) => {
      const world = makeWorld();
      let isDown = false;
      const repository: Repository = {
        ...world.repository,
        [method]: async (...question: Parameters<Repository["insert"]>) => {
          if (isDown) throw new Error("down");
          return Reflect.apply(world.repository[method], world.repository, question) as unknown;
        },
      };
      const other = makeWorld({ repository });
      const token = await begin(other);
      isDown = true;
      expect(await refusedWith(choose(other, token))).toBe("store_unavailable dependency_failed");
      isDown = false;
      expect((await choose(other, token)).organizationId).toBe("org_acme");
    },
  );

  it.each(["", "x", "A".repeat(43), "A".repeat(100_000), "__proto__", "session_x"])(
    "R-19: knows no token %#",
    async (token) => {
      const world = makeWorld();
      await begin(world);
      expect(await refusedWith(choose(world, token))).toBe("invalid_pending_authentication");
    },
  );

  it("R-19: stores only the hash of the token", async () => {
    const world = makeWorld();
    const written: Parameters<Repository["insert"]>[] = [];
    const repository: Repository = {
      ...world.repository,
      insert: async (...write) => {
        written.push(write);
        return world.repository.insert(...write);
      },
    };
    const other = makeWorld({ repository });
    const token = await begin(other);
    const result = await choose(other, token);
    expect(written.map(([collection]) => collection)).toEqual(["pending", "sessions", "keys"]);
    expect(JSON.stringify(written)).not.toContain(token);
    expect(JSON.stringify(written)).not.toContain(result.refreshToken);
    expect(JSON.stringify(written)).not.toContain(result.accessToken);
  });
});

describe("selectOrganization", () => {
  it("returns outcomes", async () => {
    const world = makeWorld();
    const pending = { pendingAuthenticationToken: await begin(world) };
    const select = (organizationId: string): unknown =>
      world.authority.selectOrganization(pending, organizationId, { ...context(), userAgent: "browser" });
    for (const impossible of ["org_closed", "__proto__", "x".repeat(10_000), "\ud800", ""]) {
      expect(await select(impossible)).toEqual({ status: "refused", code: "organization_not_available" });
    }
    expect(await select("org_acme")).toEqual({
      status: "authenticated",
      credential: {
        accessToken: expect.any(String),
        refreshToken: expect.any(String),
        user: expect.objectContaining({ id: "user_ada" }),
        organizationId: "org_acme",
        authenticationMethod: "GoogleOAuth",
      },
    });
    expect(await select("org_acme")).toEqual({ status: "refused", code: "invalid_pending_authentication" });
    expect(await world.authority.listSessions({ userId: "user_ada" })).toMatchObject([
      { userAgent: "browser" },
    ]);
  });
});
