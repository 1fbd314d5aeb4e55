import { afterEach, describe, expect, it } from "@jest/globals";
import { inProcessCoordinator } from "../../src/fleet/coordinator.ts";
import {
  FLEET_COOKIE,
  startFleet,
  withSession,
  type Fleet,
  type FleetOptions,
  type FleetProcess,
} from "../support/fleet.ts";
import { cookiesSet, type Received } from "../support/servers.ts";
import { makeWorld } from "../support/world.ts";

const LIFETIME = 300;
const AHEAD = 60;

let fleets: Fleet[] = [];
afterEach(async () => {
  await Promise.all(fleets.map((fleet) => fleet.close()));
  fleets = [];
});

interface AheadFleet extends Fleet {
  readonly a: FleetProcess;
  readonly b: FleetProcess;
  readonly cookie: string;
  /** Resolves once a process has renewed. */
  readonly renewedBy: (process: FleetProcess) => Promise<void>;
}

/** Two processes, and a session whose token is good for so many seconds more. */
async function startAhead(secondsLeft: number, join?: FleetOptions["join"]): Promise<AheadFleet> {
  const fleet = await startFleet({ options: { renewAhead: AHEAD }, ...(join !== undefined && { join }) });
  fleets.push(fleet);
  const cookie = await fleet.signIn();
  const [a, b] = fleet.processes as [FleetProcess, FleetProcess];
  expect((await a.send(withSession(cookie))).setCookies).toEqual([]);
  fleet.workos.advance(LIFETIME - secondsLeft);
  const renewedBy = async ({ events }: FleetProcess): Promise<void> => {
    while (!events.some(({ type }) => type === "renewed" || type === "coalesced" || type === "unavailable")) {
      // oxlint-disable-next-line no-await-in-loop -- waits for an event of the background
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
  };
  return { ...fleet, a, b, cookie, renewedBy };
}

const newCookie = (received: Received): string | undefined => cookiesSet(received).get(FLEET_COOKIE);

describe("renewAhead", () => {
  it.each([
    ["no coordinator", {}],
    ["the coordinator of one process", { coordinator: inProcessCoordinator() }],
  ])("is a ConfigurationError with %s", (_name, options) => {
    expect(() => makeWorld().mount({ renewAhead: 60, ...options })).toThrow(
      /renewAhead: needs a coordinator that the processes share/,
    );
  });

  it("serves the session that is still good, and sends the new one with the next response", async () => {
    const { a, cookie, refreshes, renewedBy } = await startAhead(AHEAD - 1);
    const first = await a.send(withSession(cookie));
    expect([first.status, newCookie(first)]).toEqual([200, undefined]);
    await renewedBy(a);
    const second = await a.send(withSession(cookie));
    expect([second.status, newCookie(second)]).toEqual([200, expect.any(String)]);
    expect(refreshes()).toBe(1);
    const third = await a.send(withSession(newCookie(second) ?? ""));
    expect([third.status, newCookie(third), refreshes()]).toEqual([200, undefined, 1]);
  });

  it("begins no earlier", async () => {
    const { a, cookie, refreshes } = await startAhead(AHEAD + 1);
    await a.send(withSession(cookie));
    await a.send(withSession(cookie));
    expect(refreshes()).toBe(0);
  });

  it("renews once for all requests and processes", async () => {
    const { a, b, cookie, refreshes, renewedBy, sessionIn } = await startAhead(AHEAD - 1);
    const sent = Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? a : b).send(withSession(cookie)));
    const answers = await Promise.all(sent);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    await Promise.all([renewedBy(a), renewedBy(b)]);
    const later = await Promise.all([a, b].map((one) => one.send(withSession(cookie))));
    expect(refreshes()).toBe(1);
    expect(sessionIn(later[0] as Received)?.refreshToken).toBe(sessionIn(later[1] as Received)?.refreshToken);
  });

  it("keeps the new session with the coordinator, where every process finds it once the token has expired", async () => {
    const { a, b, cookie, refreshes, renewedBy, workos } = await startAhead(AHEAD - 1);
    await a.send(withSession(cookie));
    await renewedBy(a);
    workos.advance(AHEAD + 10);
    const late = await b.send(withSession(cookie));
    expect([late.status, newCookie(late), refreshes()]).toEqual([200, expect.any(String), 1]);
  });

  it("spends no token twice while the old one is still presented", async () => {
    const { a, b, cookie, refreshes, renewedBy, workos } = await startAhead(AHEAD - 1);
    await a.send(withSession(cookie));
    await renewedBy(a);
    const renewed = newCookie(await a.send(withSession(cookie))) ?? "";
    await a.send(withSession(renewed));
    workos.advance(45);
    for (const process of [a, b]) {
      process.events.length = 0;
      // oxlint-disable-next-line no-await-in-loop -- one process after the other
      expect((await process.send(withSession(cookie))).status).toBe(200);
      // oxlint-disable-next-line no-await-in-loop -- as above
      await renewedBy(process);
    }
    expect(refreshes()).toBe(1);
  });

  it("spends no token twice where the result could not be kept for the others", async () => {
    const { a, cookie, refreshes, renewedBy, workos } = await startAhead(AHEAD - 1, (hub) => {
      const end = hub.join();
      return {
        ...end,
        async acquire(key, seconds) {
          const lease = await end.acquire(key, seconds);
          return lease && { ...lease, remember: () => Promise.reject(new Error("the reply was lost")) };
        },
      };
    });
    await a.send(withSession(cookie));
    await renewedBy(a);
    workos.advance(40);
    expect((await a.send(withSession(cookie))).status).toBe(200);
    workos.advance(AHEAD);
    const late = await a.send(withSession(cookie));
    expect([late.status, newCookie(late), refreshes()]).toEqual([200, expect.any(String), 1]);
  });

  it("serves the session until it expires while the store fails", async () => {
    const { a, cookie, renewedBy, workos } = await startAhead(AHEAD - 1);
    workos.breakStore();
    const first = await a.send(withSession(cookie));
    await renewedBy(a);
    workos.advance(30);
    const second = await a.send(withSession(cookie));
    expect([first.status, second.status]).toEqual([200, 200]);
    workos.advance(60);
    const last = await a.send(withSession(cookie));
    expect([last.status, last.setCookies]).toEqual([503, []]);
  });

  it("begins no renewal while the coordinator fails, until the token has expired", async () => {
    const { a, cookie, hub, refreshes, workos } = await startAhead(AHEAD - 1);
    hub.takeDown();
    await a.send(withSession(cookie));
    await a.send(withSession(cookie));
    expect(refreshes()).toBe(0);
    workos.advance(AHEAD + 10);
    expect((await a.send(withSession(cookie))).status).toBe(200);
    expect(refreshes()).toBe(1);
  });
});
