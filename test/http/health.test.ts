import { afterEach, describe, expect, it } from "@jest/globals";
import { type ChannelListener, type Coordinator, inProcessCoordinator } from "../../src/fleet/coordinator.ts";
import { StoreUnavailableError } from "../../src/errors.ts";
import { orgate } from "../../src/orgate.ts";
import { createTestAuthority } from "../../src/testing/index.ts";
import { closeAfterEach, start, withCookie } from "../support/apps.ts";
import { type ControlledTimers, controlTimers } from "../support/timers.ts";
import { makeWorld } from "../support/world.ts";

closeAfterEach();

let timers: ControlledTimers | undefined;
afterEach(() => {
  timers?.restore();
  timers = undefined;
});

const never = (): Promise<never> => new Promise<never>(() => undefined);
const OK = { status: "ok", milliseconds: 0 };
const NOT_CHECKED = { status: "not_checked" };

const coordinatorWith = (ping: () => Promise<void>): Coordinator => ({ ...inProcessCoordinator(), ping });

describe("auth.health", () => {
  it("is ok while the store, its keys and the coordinator answer", async () => {
    const auth = makeWorld().mount({ coordinator: coordinatorWith(async () => undefined) });
    expect(await auth.health()).toEqual({ status: "ok", store: OK, keys: OK, coordinator: OK });
    await auth.close();
  });

  it("is degraded while the messages of the other processes do not arrive", async () => {
    let channel: ChannelListener | undefined;
    const coordinator: Coordinator = {
      ...coordinatorWith(async () => undefined),
      subscribe(_listener, listening) {
        channel = listening;
        return () => undefined;
      },
    };
    const world = makeWorld();
    const auth = world.mount({ coordinator, warnings: false });
    channel?.lost(new Error("the connection for messages was lost"));
    expect(await auth.health()).toEqual({
      status: "degraded",
      store: OK,
      keys: OK,
      coordinator: { status: "degraded", reason: "coordinator_channel_lost" },
    });
    channel?.restored();
    world.clock.now += 2;
    expect(await auth.health()).toMatchObject({ status: "ok", coordinator: OK });
    await auth.close();
  });

  it("does not judge parts that cannot be asked", async () => {
    const auth = makeWorld({ overrides: { ping: undefined } as never }).mount();
    expect(await auth.health()).toEqual({
      status: "ok",
      store: NOT_CHECKED,
      keys: OK,
      coordinator: NOT_CHECKED,
    });
    await auth.close();
  });

  it("answers a health route, without secrets and errors in the body", async () => {
    const ping = (): Promise<never> =>
      Promise.reject(
        new StoreUnavailableError({ message: "redis://user:canary@db", reason: "rate_limited" }),
      );
    const { send, world } = await start({
      world: makeWorld({ overrides: { ping } }),
      routes: (auth) => [
        {
          path: "/health",
          async handler(_request, response) {
            const health = await auth.health();
            response.statusCode = health.status === "unavailable" ? 503 : 200;
            response.end(JSON.stringify(health));
          },
        },
      ],
    });
    const answer = await send({ path: "/health" });
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.body)).toEqual({
      status: "unavailable",
      store: { status: "unavailable", reason: "rate_limited" },
      keys: OK,
      coordinator: NOT_CHECKED,
    });
    expect(answer.body).not.toContain("canary");
    expect(world.events).toContainEqual(
      expect.objectContaining({ type: "unavailable", reason: "rate_limited", error: expect.any(Error) }),
    );
  });
});

describe("auth.health of the authority", () => {
  it("asks the repository, and recovers with it", async () => {
    const authority = createTestAuthority();
    const auth = orgate({
      baseUrl: "https://app.example.com",
      store: authority,
      clock: authority.clock,
      cookie: { password: "a password for tests, 32 characters" },
    });
    expect((await auth.health()).status).toBe("ok");
    authority.takeDown();
    authority.advance(2);
    expect(await auth.health()).toMatchObject({
      status: "unavailable",
      store: { status: "unavailable", reason: "dependency_failed" },
      keys: { status: "ok" },
    });
    authority.bringBack();
    authority.advance(2);
    expect((await auth.health()).status).toBe("ok");
    await auth.close();
    await authority.close();
  });
});

describe("auth.health in trouble", () => {
  it("is degraded when the coordinator fails: each process goes on alone", async () => {
    const world = makeWorld();
    const auth = world.mount({ coordinator: coordinatorWith(() => Promise.reject(new Error("down"))) });
    expect(await auth.health()).toEqual({
      status: "degraded",
      store: OK,
      keys: OK,
      coordinator: { status: "unavailable", reason: "coordinator_failed" },
    });
    expect(world.events).toContainEqual(
      expect.objectContaining({ type: "unavailable", reason: "coordinator_failed" }),
    );
    await auth.close();
  });

  it("is degraded while old keys serve, and unavailable without any", async () => {
    const world = makeWorld();
    const auth = world.mount();
    await auth.health();
    world.store.keysAreDown = true;
    world.clock.now += 31;
    await auth.health();
    world.clock.now += 2;
    expect(await auth.health()).toMatchObject({
      status: "degraded",
      keys: { status: "degraded", reason: "keys_unavailable" },
    });
    const late = world.mount();
    expect(await late.health()).toMatchObject({
      status: "unavailable",
      keys: { status: "unavailable", reason: "keys_unavailable" },
    });
    await auth.close();
    await late.close();
  });

  it("waits two seconds for a part that is silent", async () => {
    timers = controlTimers();
    const auth = makeWorld({ overrides: { ping: never } }).mount({ coordinator: coordinatorWith(never) });
    const health = auth.health();
    await timers.pass(2);
    expect(await health).toEqual({
      status: "unavailable",
      store: { status: "unavailable", reason: "timeout" },
      keys: OK,
      coordinator: { status: "unavailable", reason: "coordinator_failed" },
    });
    await auth.close();
  });

  it("asks once a second, however often it is called", async () => {
    let pings = 0;
    const ping = async (): Promise<void> => void (pings += 1);
    const world = makeWorld({ overrides: { ping } });
    const auth = world.mount();
    await Promise.all(Array.from({ length: 50 }, () => auth.health()));
    await auth.health();
    expect(pings).toBe(1);
    world.clock.now += 1;
    await auth.health();
    expect(pings).toBe(2);
    await auth.close();
  });
});

describe("auth.close", () => {
  it("waits for the renewals under way before it closes the coordinator, once", async () => {
    let closed = 0;
    const coordinator: Coordinator = { ...inProcessCoordinator(), close: async () => void (closed += 1) };
    const { world, auth, send } = await start({ options: { coordinator } });
    const { seal } = await world.signIn();
    world.clock.now += 306;
    const held = world.store.hold();
    const renewed = send({ headers: withCookie(seal) });
    await held.asked;
    const closing = [auth.close(), auth.close()];
    await new Promise((resolve) => void setImmediate(resolve));
    expect(closed).toBe(0);
    held.release();
    expect((await renewed).status).toBe(200);
    await Promise.all(closing);
    await auth.close();
    expect(closed).toBe(1);
  });

  it("does not wait for a renewal that does not end", async () => {
    let closed = 0;
    const coordinator: Coordinator = { ...inProcessCoordinator(), close: async () => void (closed += 1) };
    const { world, auth, send } = await start({ options: { coordinator } });
    const { seal } = await world.signIn();
    world.clock.now += 306;
    timers = controlTimers();
    const held = world.store.hold();
    const renewing = send({ headers: withCookie(seal) });
    await held.asked;
    const closing = auth.close();
    await timers.pass(10);
    await closing;
    expect(closed).toBe(1);
    expect((await renewing).status).toBe(503);
    held.release();
  });
});
