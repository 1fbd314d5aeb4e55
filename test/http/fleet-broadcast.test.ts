import { afterEach, describe, expect, it } from "@jest/globals";
import { memoryRepository } from "../../src/authority/repository.ts";
import type { Coordinator, InvalidationMessage } from "../../src/fleet/coordinator.ts";
import { sharedCoordinator, type SharedCoordinator } from "../../src/testing/shared-coordinator.ts";
import { closeAfterEach, start, withBearer, withCookie, type Harness } from "../support/apps.ts";
import { type Fleet, type FleetProcess, startFleet } from "../support/fleet.ts";
import { settle } from "../support/timers.ts";
import { makeWorld, type SignIn } from "../support/world.ts";

closeAfterEach();

interface Pair {
  readonly a: Harness;
  readonly b: Harness;
  readonly hub: SharedCoordinator;
  readonly clock: { now: number };
  /** Signs in at A, and shows the session to B, which then knows it. */
  readonly signIn: () => Promise<SignIn>;
}

/** Two processes on one repository. */
async function startPair(join: (hub: SharedCoordinator) => Coordinator = (hub) => hub.join()): Promise<Pair> {
  const first = makeWorld();
  const { clock } = first;
  const tell = (): number => clock.now;
  const repository = memoryRepository({ clock: tell });
  const hub = sharedCoordinator({ clock: tell });
  const worlds = [makeWorld({ repository, clock: tell }), makeWorld({ repository, clock: tell })];
  const [a, b] = await Promise.all(
    worlds.map((world) =>
      start({ world, options: { coordinator: join(hub), clock: tell, warnings: false } }),
    ),
  );
  if (a === undefined || b === undefined) throw new Error("there must be two processes");
  return {
    a,
    b,
    hub,
    clock,
    async signIn() {
      const signIn = await a.world.signIn();
      expect((await b.send({ headers: withCookie(signIn.seal) })).status).toBe(200);
      expect((await b.send({ headers: withBearer(signIn.accessToken) })).status).toBe(200);
      clock.now += 1;
      return signIn;
    },
  };
}

async function statusesAt(harness: Harness, { seal, accessToken }: SignIn): Promise<number[]> {
  const cookie = await harness.send({ headers: withCookie(seal) });
  const bearer = await harness.send({ headers: withBearer(accessToken) });
  return [cookie.status, bearer.status];
}

const reasonsOf = ({ world }: Harness): string[] =>
  world.events.flatMap((event) => (event.type === "misconfigured" ? [event.reason] : []));

describe("what one process ends, the others end at the next request", () => {
  it.each<[string, (pair: Pair, signIn: SignIn) => Promise<unknown>]>([
    [
      "a session that the authority revokes",
      ({ a }, { memberSession }) => a.world.authority.revoke({ sessionId: memberSession.id }),
    ],
    ["the sessions of a user", ({ a }) => a.world.authority.revoke({ userId: "user_ada" })],
    [
      "a session whose end the store announces",
      async ({ a }, { memberSession }) => {
        await a.world.authority.revoke({ sessionId: memberSession.id });
      },
    ],
  ])("%s", async (_name, end) => {
    const pair = await startPair();
    const signIn = await pair.signIn();
    await end(pair, signIn);
    const { length } = pair.b.reached;
    expect(await statusesAt(pair.b, signIn)).toEqual([401, 401]);
    expect(pair.b.reached.length).toBe(length);
  });

  it("asks the store about a member whose membership another process changed", async () => {
    const pair = await startPair();
    const signIn = await pair.signIn();
    pair.b.world.directory.removeMembership("user_ada", "org_acme");
    // B's own directory said so already: the question is whether A hears of it.
    pair.a.world.store.questions.length = 0;
    await pair.a.send({ headers: withCookie(signIn.seal) });
    expect(pair.a.world.store.questions.length).toBe(1);
  });
});

describe("the authority of another process", () => {
  it("asks its repository about a fresh token of a session that was revoked", async () => {
    const { a, b, signIn } = await startPair();
    const { accessToken, memberSession } = await signIn();
    const ask = (): Promise<unknown> => b.world.authority.authenticateJwt({ sessionJwt: accessToken });
    expect(await ask()).toMatchObject({ memberSession: { id: memberSession.id } });
    await a.world.authority.revoke({ sessionId: memberSession.id });
    await expect(ask()).rejects.toMatchObject({ code: "session_revoked" });
  });
});

describe("the loss of the channel", () => {
  it("is reported; on its return, everything confirmed before is asked about once", async () => {
    const pair = await startPair();
    const { b, hub, clock } = pair;
    const signIn = await pair.signIn();
    hub.loseChannel();
    expect(reasonsOf(b)).toEqual(["coordinator_channel_lost"]);
    b.world.store.questions.length = 0;
    expect(await statusesAt(b, signIn)).toEqual([200, 200]);
    expect(b.world.store.questions.length).toBe(0);
    clock.now += 10;
    hub.restoreChannel();
    clock.now += 1;
    expect(await statusesAt(b, signIn)).toEqual([200, 200]);
    expect(b.world.store.questions.length).toBe(2);
    const { length } = b.world.store.questions;
    const renewed = await b.send({ headers: withCookie(signIn.seal) });
    expect([renewed.status, b.world.store.questions.length]).toEqual([200, length]);
  });

  it("hides a revocation no longer than until it is back", async () => {
    const pair = await startPair();
    const { a, b, hub, clock } = pair;
    const signIn = await pair.signIn();
    hub.loseChannel();
    await a.world.authority.revoke({ sessionId: signIn.memberSession.id });
    clock.now += 1;
    expect(await statusesAt(b, signIn)).toEqual([200, 200]);
    hub.restoreChannel();
    clock.now += 1;
    expect(await statusesAt(b, signIn)).toEqual([401, 401]);
  });
});

describe("the loss of the channel, for bearers that the store cannot be asked about", () => {
  let fleet: Fleet | undefined;
  afterEach(async () => {
    await fleet?.close();
    fleet = undefined;
  });

  it("signs nobody out: the token serves as long as it would have without the channel", async () => {
    fleet = await startFleet({ count: 1, options: { credentials: ["bearer"] } });
    const { hub, workos, sealer } = fleet;
    const [api] = fleet.processes as [FleetProcess];
    const bearer = withBearer(sealer.unseal(await fleet.signIn())?.accessToken ?? "");
    expect((await api.send({ headers: bearer })).status).toBe(200);
    hub.loseChannel();
    workos.advance(10);
    hub.restoreChannel();
    workos.advance(1);
    for (let time = 0; time < 3; time++) {
      // oxlint-disable-next-line no-await-in-loop -- one request after the other
      expect((await api.send({ headers: bearer })).status).toBe(200);
    }
    expect(api.reached.length).toBe(4);
    const strict = await api.send({ path: "/fresh", headers: bearer });
    expect([strict.status, api.reached.length]).toEqual([401, 4]);
  });

  it("keeps what was invalidated out", async () => {
    fleet = await startFleet({ count: 1, options: { credentials: ["bearer"] } });
    const { hub, workos, sealer } = fleet;
    const [api] = fleet.processes as [FleetProcess];
    const sealed = sealer.unseal(await fleet.signIn());
    const bearer = withBearer(sealed?.accessToken ?? "");
    const first = await api.send({ headers: bearer });
    expect(first.status).toBe(200);
    hub.loseChannel();
    workos.advance(10);
    hub.restoreChannel();
    await api.auth.invalidate({ userId: sealed?.user?.id ?? "" });
    workos.advance(1);
    const second = await api.send({ headers: bearer });
    expect([second.status, api.reached.length]).toEqual([401, 1]);
  });
});

describe("a message that cannot be sent", () => {
  it("keeps nobody waiting, and is sent once the coordinator works again", async () => {
    let isDown = true;
    let sent: (message: InvalidationMessage) => void = () => undefined;
    const delivered = new Promise<InvalidationMessage>((resolve) => {
      sent = resolve;
    });
    const pair = await startPair((hub) => {
      const end = hub.join();
      return {
        ...end,
        async publish(message) {
          if (isDown) throw new Error("no connection");
          await end.publish(message);
          sent(message);
        },
      };
    });
    const signIn = await pair.signIn();
    await pair.a.world.authority.revoke({ sessionId: signIn.memberSession.id });
    await settle();
    expect(reasonsOf(pair.a)).toEqual(["coordinator_failed"]);
    expect(await statusesAt(pair.b, signIn)).toEqual([200, 200]);
    isDown = false;
    pair.clock.now += 2;
    expect(await delivered).toMatchObject({ target: { sessionId: signIn.memberSession.id } });
    expect(await statusesAt(pair.b, signIn)).toEqual([401, 401]);
  });
});

describe("a message that cannot be read", () => {
  it.each([undefined, null, "text", {}, { target: null }, { target: {} }, { target: { sessionId: 7 } }])(
    "is reported, and may have been about anybody: %j",
    async (message) => {
      const listeners: ((message: InvalidationMessage) => void)[] = [];
      const pair = await startPair((hub) => ({
        ...hub.join(),
        subscribe(listener) {
          listeners.push(listener);
          return () => undefined;
        },
      }));
      const signIn = await pair.signIn();
      pair.clock.now += 10;
      for (const listener of listeners) listener(message as unknown as InvalidationMessage);
      expect(reasonsOf(pair.b)).toEqual(["coordinator_message_unreadable"]);
      pair.b.world.store.questions.length = 0;
      expect(await statusesAt(pair.b, signIn)).toEqual([200, 200]);
      expect(pair.b.world.store.questions.length).toBe(2);
    },
  );
});
