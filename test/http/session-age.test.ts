import { describe, expect, it } from "@jest/globals";
import { closeAfterEach, start, withBearer, withCookie, type Harness } from "../support/apps.ts";
import { cookiesSet, type Received } from "../support/servers.ts";
import { TROUBLE } from "../support/stores.ts";
import { COOKIE } from "../support/world.ts";

closeAfterEach();

const sealOf = (received: Received): string => cookiesSet(received).get(COOKIE) ?? "";

describe("maxTokenAge of the application", () => {
  it.each([
    [59, 0],
    [59.9, 0],
    [60, 1],
    [61, 1],
  ])("a token of %s seconds against a limit of 60 causes %s calls", async (age, calls) => {
    const { world, send } = await start({ options: { maxTokenAge: 60 } });
    const { seal } = await world.signIn();
    world.clock.now += age;
    expect((await send({ headers: withCookie(seal) })).status).toBe(200);
    expect(world.store.questions.length).toBe(calls);
  });

  it.each([
    [304.9, 0],
    [305, 1],
  ])(
    "a token %s seconds old, with a lifetime of 300 and a tolerance of 5, causes %s calls",
    async (age, calls) => {
      const { world, send } = await start();
      const { seal } = await world.signIn();
      world.clock.now += age;
      expect((await send({ headers: withCookie(seal) })).status).toBe(200);
      expect(world.store.questions.length).toBe(calls);
    },
  );

  it("a cached session is checked against the age again", async () => {
    const { world, send } = await start({ options: { maxTokenAge: 60 } });
    const { accessToken } = await world.signIn();
    for (const step of [0, 30, 29]) {
      world.clock.now += step;
      await send({ headers: withBearer(accessToken) });
    }
    expect(world.store.questions.length).toBe(0);
    world.clock.now += 1;
    await send({ headers: withBearer(accessToken) });
    expect(world.store.questions.map(({ stale }) => stale.reason)).toEqual(["too_old"]);
  });

  it("the age also works with the cache switched off", async () => {
    const { world, send } = await start({ options: { cache: false, maxTokenAge: 60 } });
    const { seal } = await world.signIn();
    expect((await send({ headers: withCookie(seal) })).status).toBe(200);
    expect((await send({ headers: withCookie(seal) })).status).toBe(200);
    world.clock.now += 60;
    const renewed = await send({ headers: withCookie(seal) });
    expect((await send({ headers: withCookie(sealOf(renewed)) })).status).toBe(200);
    expect(world.store.questions.length).toBe(1);
  });

  it("zero asks the store for every request of the application", async () => {
    const { world, send } = await start({ options: { maxTokenAge: 0 } });
    let { seal } = await world.signIn();
    for (let index = 0; index < 3; index++) {
      const received = await send({ headers: withCookie(seal) });
      expect(received.status).toBe(200);
      seal = sealOf(received) === "" ? seal : sealOf(received);
    }
    expect(world.store.questions.length).toBe(3);
    await world.authority.revoke({ userId: "user_ada" });
    expect((await send({ headers: withCookie(seal) })).status).toBe(401);
  });

  it("zero asks once per request, also with several guards", async () => {
    const { world, send } = await start({
      options: { maxTokenAge: 0 },
      routes: (auth) => [
        {
          path: "/documents",
          guards: [
            auth.requireAuth({ maxTokenAge: 0 }),
            auth.requirePermission("documents", "read", { maxTokenAge: 0 }),
          ],
        },
      ],
    });
    const { seal } = await world.signIn();
    expect((await send({ headers: withCookie(seal) })).status).toBe(200);
    expect(world.store.questions.length).toBe(1);
  });
});

function startStrict(maxTokenAge: number, options = {}): Promise<Harness> {
  return start({
    options,
    routes: (auth) => [
      { path: "/documents", guards: [auth.requireAuth()] },
      { path: "/strict", guards: [auth.requirePermission("documents", "read", { maxTokenAge })] },
    ],
  });
}

describe("a weekend without requests", () => {
  it("ends no session: the first request renews it, and all later ones work", async () => {
    const { world, send } = await start();
    const { seal, accessToken } = await world.signIn();
    expect((await send({ headers: withCookie(seal) })).status).toBe(200);
    world.clock.now += 3 * 86_400;
    const renewed = await send({ headers: withCookie(seal) });
    expect(renewed.status).toBe(200);
    expect((await send({ headers: withCookie(sealOf(renewed)) })).status).toBe(200);
    expect((await send({ headers: withBearer(accessToken) })).status).toBe(200);
  });
});

describe("maxTokenAge of a guard", () => {
  it("zero asks the store on that route only, and the verdict says so", async () => {
    const { world, send } = await startStrict(0);
    const { seal } = await world.signIn();
    await send({ headers: withCookie(seal) });
    expect(world.store.questions.length).toBe(0);
    const { status, body } = await send({ path: "/strict", headers: withCookie(seal) });
    expect([status, JSON.parse(body)]).toMatchObject([
      200,
      { verdict: { source: "store", authorized: true } },
    ]);
    expect(world.store.questions.length).toBe(1);
    await send({ path: "/strict", headers: withCookie(seal) });
    expect(world.store.questions.length).toBe(2);
  });

  it.each([
    [9, 0],
    [10, 1],
  ])("ten seconds, %s seconds after the issue, causes %s calls", async (age, calls) => {
    const { world, send } = await startStrict(10);
    const { accessToken } = await world.signIn();
    world.clock.now += age;
    expect((await send({ path: "/strict", headers: withBearer(accessToken) })).status).toBe(200);
    expect(world.store.questions.length).toBe(calls);
  });

  it("a guard never allows older tokens than the application", async () => {
    const { world, send } = await startStrict(3600, { maxTokenAge: 10 });
    const { accessToken } = await world.signIn();
    world.clock.now += 10;
    await send({ path: "/strict", headers: withBearer(accessToken) });
    expect(world.store.questions.length).toBe(1);
  });

  it("a guard sees at once that roles were removed", async () => {
    const { world, send, reached } = await startStrict(0);
    const { seal } = await world.signIn({ userId: "user_vera" });
    expect((await send({ path: "/strict", headers: withCookie(seal) })).status).toBe(200);
    world.directory.setRoles("user_vera", "org_acme", []);
    const { status, body } = await send({ path: "/strict", headers: withCookie(seal) });
    expect([status, JSON.parse(body)]).toMatchObject([403, { code: "permission_denied" }]);
    expect(reached).toHaveLength(1);
  });

  it("R-35: a guard does not use the cached state while the store is down", async () => {
    const { world, send, reached } = await startStrict(0, { staleIfUnavailable: 60 });
    const { seal } = await world.signIn();
    world.store.behaviour = TROUBLE.down;
    const { status, setCookies } = await send({ path: "/strict", headers: withCookie(seal) });
    expect([status, setCookies, reached]).toEqual([503, [], []]);
    expect((await send({ headers: withCookie(seal) })).status).toBe(200);
  });
});

describe("a denied permission", () => {
  it("does not make the guard ask the store", async () => {
    const { world, send } = await start({
      routes: (auth) => [{ path: "/documents", guards: [auth.requirePermission("billing", "manage")] }],
    });
    const { seal } = await world.signIn({ userId: "user_vera" });
    expect((await send({ headers: withCookie(seal) })).status).toBe(403);
    expect(world.store.questions.length).toBe(0);
  });
});
