import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "@jest/globals";
import { redisCoordinator, redisRepository } from "../../src/fleet/redis/index.ts";
import type { Orgate } from "../../src/orgate.ts";
import { type TestApp, makeApp } from "../support/apps.ts";
import { JSON_CLIENT, type Visitor, openBrowser, setCookiesOf } from "../support/browser.ts";
import { REDIS_SERVER, type RedisServer, startRedis } from "../support/redis-servers.ts";
import { describeWith } from "../support/requirements.ts";
import { COOKIE, START, type World, makeWorld } from "../support/world.ts";

/** One process of an application: its own client, authority and instance; users, keys and Redis are shared. */
interface Member {
  readonly world: World;
  readonly auth: Orgate;
  readonly app: TestApp;
  readonly browser: Visitor;
  close(): Promise<void>;
}

describeWith(REDIS_SERVER, "an application of several processes over Redis", () => {
  let server: RedisServer;
  let clock: { now: number };
  const members: Member[] = [];

  beforeAll(async () => {
    server = await startRedis(["--appendonly", "yes", "--appendfsync", "always"]);
  });
  afterAll(async () => {
    await server.close();
  });
  beforeEach(() => {
    clock = { now: START };
  });
  afterEach(async () => {
    await Promise.all(members.splice(0).map((member) => member.close()));
  });

  const start = (): Member => {
    const client = new Redis(server.port, { retryStrategy: () => 20 });
    client.on("error", () => undefined);
    const now = (): number => clock.now;
    const repository = redisRepository(client, { clock: now });
    const world = makeWorld({ repository, clock: now });
    const auth = world.mount({ coordinator: redisCoordinator(client), clock: now });
    const guards = [auth.requireAuth()];
    const app = makeApp("Express 5", { before: [auth], routes: [{ path: "/me", guards }] });
    const member: Member = {
      world,
      auth,
      app,
      browser: openBrowser(app.listener),
      async close() {
        await auth.close();
        await world.authority.close();
        await repository.close();
        client.disconnect();
      },
    };
    members.push(member);
    return member;
  };

  const signIn = async ({ world, browser }: Member): Promise<string> => {
    const { seal, memberSession } = await world.signIn();
    browser.cookies.set(COOKIE, seal);
    return memberSession.id;
  };

  it("keeps everybody signed in on another process, and after a restart", async () => {
    const first = start();
    await signIn(first);
    expect((await first.browser.get("/me")).status).toBe(200);
    clock.now += 400;
    const second = start();
    const browser = openBrowser(second.app.listener, first.browser.cookies);
    const renewed = await browser.get("/me");
    expect(renewed.status).toBe(200);
    expect(setCookiesOf(renewed).join()).toContain(COOKIE);
    expect(second.app.reached).toEqual(["GET /me"]);
    await server.restart();
    clock.now += 400;
    const third = start();
    expect((await openBrowser(third.app.listener, browser.cookies).get("/me")).status).toBe(200);
    expect(third.app.reached).toEqual(["GET /me"]);
  });

  it("refuses in every process a session that ended in one", async () => {
    const [first, second] = [start(), start()];
    const sessionId = await signIn(first);
    const browser = openBrowser(second.app.listener, first.browser.cookies);
    expect((await browser.get("/me", { headers: JSON_CLIENT })).status).toBe(200);
    const heard: unknown[] = [];
    second.auth.onInvalidated((target) => heard.push(target));
    // Subscribing takes a moment: ask about somebody else until the second process hears it.
    while (heard.length === 0) await first.auth.invalidate({ userId: "user_nobody" });
    const revoked = new Promise((resolve) => {
      second.auth.onInvalidated((target) => "sessionId" in target && resolve(target));
    });
    await first.world.authority.revoke({ sessionId });
    expect(await revoked).toEqual({ sessionId });
    const refused = await browser.get("/me", { headers: JSON_CLIENT });
    expect(refused.status).toBe(401);
    expect(refused.body).toMatchObject({ code: "session_revoked" });
    expect(second.app.reached).toHaveLength(1);
  });

  it("serves fresh sessions while Redis is down, and answers 503 without a word about signing out to others", async () => {
    const member = start();
    await signIn(member);
    expect((await member.browser.get("/me")).status).toBe(200);
    await server.kill();
    expect((await member.browser.get("/me")).status).toBe(200);
    clock.now += 400;
    const answer = await member.browser.get("/me", { headers: JSON_CLIENT });
    expect(answer.status).toBe(503);
    expect(answer.headers["retry-after"]).toMatch(/^\d+$/);
    expect(setCookiesOf(answer)).toEqual([]);
    expect(member.app.reached).toHaveLength(2);
    const reasons = member.world.events.flatMap((event) => ("reason" in event ? [event.reason] : []));
    expect(reasons.some((reason) => reason?.startsWith("redis_"))).toBe(true);
    await server.restart();
    let status = 503;
    while (status === 503) {
      clock.now += 5;
      status = (await member.browser.get("/me", { headers: JSON_CLIENT })).status;
    }
    expect(status).toBe(200);
  });
});
