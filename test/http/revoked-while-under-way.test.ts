import { describe, expect, it } from "@jest/globals";
import { closeAfterEach, makeTenancy, start, withBearer, withCookie } from "../support/apps.ts";
import { cookiesSet } from "../support/servers.ts";
import type { Behaviour } from "../support/stores.ts";
import { COOKIE, type World } from "../support/world.ts";

closeAfterEach();

const codeOf = (body: string): unknown => (JSON.parse(body) as { code?: unknown }).code;

const manageBilling = { path: "/documents", permission: ["billing", "manage"] } as const;

/** What can happen to Ada while the store is asked about her, and what she is answered from the next request on. */
const CHANGES: Readonly<Record<string, readonly [(world: World) => void | Promise<void>, number, string]>> = {
  "a change of roles": [
    ({ directory }) => directory.setRoles("user_ada", "org_acme", ["viewer"]),
    403,
    "permission_denied",
  ],
  "a removed membership": [
    ({ directory }) => directory.removeMembership("user_ada", "org_acme"),
    401,
    "session_revoked",
  ],
  "a removed user": [({ directory }) => directory.removeUser("user_ada"), 401, "session_revoked"],
  "a revocation": [({ authority }) => authority.revoke({ userId: "user_ada" }), 401, "session_revoked"],
};

/** The answer takes two seconds on its way back, and the change is made in between. */
const changeOnTheWay =
  (world: World, change: (world: World) => void | Promise<void>): Behaviour =>
  async (stale, context, ask) => {
    const answer = await ask(stale, context);
    world.clock.now += 1;
    await change(world);
    world.clock.now += 1;
    return answer;
  };

describe("a change that lands while a session is renewed", () => {
  for (const [name, [change, status, code]] of Object.entries(CHANGES)) {
    it.each([
      ["cached", undefined],
      ["not cached", false],
    ] as const)(`counts as made before the renewal: ${name}, sessions %s`, async (_, cache) => {
      const { world, auth, send, reached } = await start({
        options: { cache },
        routes: (own) => [
          { path: manageBilling.path, guards: [own.requirePermission(...manageBilling.permission)] },
        ],
      });
      expect(auth).toBeDefined();
      const { seal } = await world.signIn();
      world.clock.now += 310;
      world.store.behaviour = changeOnTheWay(world, change);
      const first = await send({ headers: withCookie(seal) });
      expect(first.status).toBe(200);
      world.store.behaviour = (stale, context, ask) => ask(stale, context);
      world.clock.now += 1;
      const next = await send({ headers: withCookie(cookiesSet(first).get(COOKIE) ?? "") });
      expect([next.status, codeOf(next.body)]).toEqual([status, code]);
      expect(reached).toHaveLength(1);
    });
  }

  it("makes the store be asked once more, and then the answer holds", async () => {
    const { world, send } = await start();
    const { seal } = await world.signIn();
    world.clock.now += 310;
    world.store.behaviour = changeOnTheWay(world, ({ directory }) =>
      directory.setRoles("user_ada", "org_acme", ["viewer"]),
    );
    const renewed = await send({ headers: withCookie(seal) });
    world.store.behaviour = (stale, context, ask) => ask(stale, context);
    world.clock.now += 1;
    const headers = withCookie(cookiesSet(renewed).get(COOKIE) ?? "");
    const again = await send({ headers });
    const newest = cookiesSet(again).get(COOKIE);
    const last = await send({ headers: newest === undefined ? headers : withCookie(newest) });
    expect([again.status, last.status]).toEqual([200, 200]);
    expect(world.store.questions).toHaveLength(2);
  });
});

describe("a change that lands while a session is made", () => {
  it.each([
    ["a switch", "/switch"],
    ["a selection", "/select-organization"],
  ])("counts as made before %s", async (_, path) => {
    const tenancy = makeTenancy({
      overrides: (real) => ({
        selectOrganization: late((...given) => real.selectOrganization?.(...given)),
        switchOrganization: late((...given) => real.switchOrganization?.(...given)),
      }),
    });
    const { world } = tenancy;
    function late<Given extends unknown[], Answer>(
      ask: (...given: Given) => Promise<Answer> | undefined,
    ): (...given: Given) => Promise<Answer> {
      return async (...given) => {
        const answer = (await ask(...given)) as Answer;
        if (given[1] !== "org_acme") return answer;
        world.clock.now += 10;
        world.directory.removeMembership("user_ada", "org_acme");
        world.clock.now += 10;
        return answer;
      };
    }
    const visitor = await tenancy.signIn("user_ada");
    if (path === "/switch") await visitor.post("/select-organization", organization("org_globex"));
    world.clock.now += 1;
    await visitor.post(path, organization("org_acme"));
    world.clock.now += 1;
    expect(await tenancy.whoIs(visitor)).toMatchObject({ member: null });
  });
});

function organization(id: string) {
  return {
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ organization_id: id }),
  };
}

describe("auth.invalidate and an issuer whose clock is ahead", () => {
  it("makes the store be asked about a token that was issued before by that clock", async () => {
    const { world, auth, send, reached } = await start();
    world.clock.now += 2;
    const { accessToken } = await world.signIn();
    world.clock.now -= 2;
    await send({ headers: withBearer(accessToken) });
    await auth.invalidate({ userId: "user_ada" });
    world.clock.now += 1;
    expect((await send({ headers: withBearer(accessToken) })).status).toBe(200);
    expect(world.store.questions.map(({ stale }) => stale.reason)).toEqual(["asked"]);
    expect(reached).toHaveLength(2);
  });
});
