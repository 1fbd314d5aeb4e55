import { afterEach, describe, expect, it } from "@jest/globals";
import { memoryRepository } from "../../src/authority/repository.ts";
import type { Coordinator } from "../../src/fleet/coordinator.ts";
import { createSealer } from "../../src/lib/crypto.ts";
import { sharedCoordinator } from "../../src/testing/shared-coordinator.ts";
import { closeAfterEach, start, withCookie } from "../support/apps.ts";
import { makeRequest } from "../support/exchange.ts";
import {
  FLEET_COOKIE,
  PAST_EXPIRY,
  startFleet,
  withoutOptionalMethods,
  withSession,
  type Fleet,
  type FleetOptions,
  type FleetProcess,
} from "../support/fleet.ts";
import { cookiesSet } from "../support/servers.ts";
import { generateSigningKey } from "../support/tokens.ts";
import { claimsOf, COOKIE, makeWorld, PASSWORD } from "../support/world.ts";

closeAfterEach();

let fleets: Fleet[] = [];
afterEach(async () => {
  await Promise.all(fleets.map((fleet) => fleet.close()));
  fleets = [];
});

interface ExpiredFleet extends Fleet {
  readonly a: FleetProcess;
  readonly b: FleetProcess;
  /** The cookie of a session whose access token has expired. */
  readonly cookie: string;
}

async function startExpired(options?: FleetOptions): Promise<ExpiredFleet> {
  const fleet = await startFleet(options);
  fleets.push(fleet);
  const cookie = await fleet.signIn();
  fleet.workos.advance(PAST_EXPIRY);
  const [a, b] = fleet.processes as [FleetProcess, FleetProcess];
  return { ...fleet, a, b, cookie };
}

const reasonsOf = ({ events }: FleetProcess): string[] =>
  events.flatMap((event) => (event.type === "misconfigured" ? [event.reason] : []));

/** Holds the reply of the next refresh until it is released. The refresh token is spent at once. */
function holdReply({ workos: { fake } }: Fleet): {
  readonly asked: Promise<void>;
  readonly release: () => void;
} {
  let release = (): void => undefined;
  const asked = new Promise<void>((resolve) => {
    fake.fail("refresh_token", ({ perform, answer }) => {
      const held = perform();
      release = () => answer(held);
      resolve();
    });
  });
  return { asked, release: () => release() };
}

const FORMS = [
  ["a complete coordinator", undefined],
  [
    "a coordinator without the optional methods",
    (hub: Fleet["hub"]): Coordinator => withoutOptionalMethods(hub.join()),
  ],
] as const;

describe.each(FORMS)("several processes with %s", (_name, join) => {
  const options: FleetOptions = join === undefined ? {} : { join };

  it("renew once for requests that arrive together", async () => {
    const fleet = await startExpired({ ...options, count: 4 });
    const { processes, cookie, refreshes, sessionIn } = fleet;
    const asked = processes.flatMap((one) => [one, one]).map((one) => one.send(withSession(cookie)));
    const answers = await Promise.all(asked);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(refreshes()).toBe(1);
    const tokens = new Set(answers.map((answer) => sessionIn(answer)?.refreshToken));
    expect([...tokens]).toEqual([expect.any(String)]);
    expect(processes.flatMap(reasonsOf)).toEqual([]);
    const recalled = processes.filter(({ events }) =>
      events.some((event) => event.type === "coalesced" && event.with === "other_process"),
    );
    expect(recalled.length).toBe(3);
  });

  it("use what another process renewed before", async () => {
    const { a, b, cookie, refreshes, sessionIn } = await startExpired(options);
    const first = await a.send(withSession(cookie));
    const second = await b.send(withSession(cookie));
    expect([first.status, second.status, refreshes()]).toEqual([200, 200, 1]);
    expect(sessionIn(second)).toEqual(sessionIn(first));
  });

  it.each([
    ["the process that renewed it, which knows", 0, 401],
    ["a process that never saw it, which waits first", 2, 503],
  ])(
    "R-24: honour no copy of a cookie whose successor was renewed elsewhere, at %s",
    async (_, at, status) => {
      const fleet = await startExpired({ ...options, count: 3 });
      const { processes, workos, cookie, a, b } = fleet;
      const renewed = cookiesSet(await a.send(withSession(cookie))).get(FLEET_COOKIE) ?? "";
      workos.advance(PAST_EXPIRY);
      const current = cookiesSet(await b.send(withSession(renewed))).get(FLEET_COOKIE) ?? "";
      expect((await b.send(withSession(current))).status).toBe(200);
      const copied = await processes[at]?.send(withSession(cookie));
      expect(copied?.status).toBe(status);
      workos.advance(30);
      const again = await processes[at]?.send(withSession(cookie));
      expect(again?.status).toBe(401);
      expect((await b.send(withSession(current))).status).toBe(200);
    },
  );

  it("renew once for two cookies that hold the same tokens", async () => {
    const { a, b, cookie, refreshes, workos, sessionIn } = await startExpired(options);
    const [one, other] = [await a.send(withSession(cookie)), await b.send(withSession(cookie))];
    const cookies = [one, other].map((answer) => cookiesSet(answer).get(FLEET_COOKIE) ?? "");
    expect(cookies[0]).not.toBe(cookies[1]);
    workos.advance(PAST_EXPIRY);
    const answers = await Promise.all([
      a.send(withSession(cookies[0] ?? "")),
      b.send(withSession(cookies[1] ?? "")),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(refreshes()).toBe(2);
    const tokens = answers.map((answer) => sessionIn(answer)?.refreshToken);
    expect(tokens).toEqual([tokens[0], tokens[0]]);
  });

  it("never answer a question about now with what another process asked before", async () => {
    const { a, b, cookie, refreshes } = await startExpired(options);
    await a.send(withSession(cookie));
    const fresh = await b.send({ ...withSession(cookie), path: "/fresh" });
    expect([fresh.status, refreshes()]).toEqual([200, 2]);
  });

  it("lead a client whose reply was lost to its new session, at any process", async () => {
    const { a, b, cookie, refreshes, workos } = await startExpired(options);
    await a.send(withSession(cookie));
    workos.advance(120);
    const back = await b.send(withSession(cookie));
    expect([back.status, refreshes()]).toEqual([200, 1]);
    expect(b.events.filter(({ type }) => type === "late_replay").length).toBe(1);
    const then = await a.send(withSession(cookiesSet(back).get(FLEET_COOKIE) ?? ""));
    expect([then.status, refreshes()]).toEqual([200, 1]);
  });

  it("go on from the refresh token where the new token has expired since, too", async () => {
    const { a, b, cookie, refreshes, workos, sessionIn } = await startExpired(options);
    const lost = sessionIn(await a.send(withSession(cookie)));
    workos.advance(400);
    const back = await b.send(withSession(cookie));
    expect([back.status, refreshes()]).toEqual([200, 2]);
    expect(sessionIn(back)?.refreshToken).not.toBe(lost?.refreshToken);
  });

  it("keep nothing for a client that has its new session for longer than the grace window", async () => {
    const { a, b, cookie, workos } = await startExpired(options);
    const renewed = await a.send(withSession(cookie));
    await a.send(withSession(cookiesSet(renewed).get(FLEET_COOKIE) ?? ""));
    workos.advance(31);
    const replayed = await b.send(withSession(cookie));
    expect([replayed.status, b.reached]).toEqual([503, []]);
  });

  it("do not use what another process renewed of a session that was signed out", async () => {
    const { a, b, cookie } = await startExpired(options);
    const renewed = await a.send(withSession(cookie));
    const current = withSession(cookiesSet(renewed).get(FLEET_COOKIE) ?? "");
    const out = await a.send({
      ...current,
      method: "POST",
      path: "/sign-out",
      headers: { ...current.headers, Accept: "application/json", Origin: "https://app.example.com" },
    });
    expect(out.status).toBeLessThan(300);
    const late = await b.send(withSession(cookie));
    expect([late.status, JSON.parse(late.body).code, b.reached]).toEqual([401, "session_revoked", []]);
  });
});

describe("a session that is signed out while it is renewed", () => {
  it("is refused by the process that renews and by those that wait for it", async () => {
    const fleet = await startExpired();
    const { a, b, cookie, hub, sealer, workos } = fleet;
    const sessionId = String(claimsOf(sealer.unseal(cookie)?.accessToken ?? "")["sid"]);
    const held = holdReply(fleet);
    const renewing = a.send(withSession(cookie));
    await held.asked;
    const waiting = b.send(withSession(cookie));
    // As a third process tells it that signs the session out.
    await hub.join().publish({ target: { sessionId }, at: workos.clock(), effect: "refuse" });
    held.release();
    const answers = await Promise.all([renewing, waiting]);
    expect(answers.map(({ status }) => status)).toEqual([401, 401]);
    expect([...a.reached, ...b.reached]).toEqual([]);
    const kept = answers.map((answer) => cookiesSet(answer).get(FLEET_COOKIE) ?? "");
    expect(kept).toEqual(["", ""]);
  });
});

describe("a token of another process that cannot be verified here", () => {
  it("costs nobody the refresh token beside it: 503, and the next attempt goes on from that", async () => {
    const { a, b, cookie, refreshes, sealer, sessionIn, workos } = await startExpired();
    const before = sealer.unseal(cookie);
    // B knows the old keys alone.
    await b.send(withSession(await sealer.seal({ accessToken: before?.accessToken ?? "" })));
    workos.fake.world.key = generateSigningKey("RS256", "the-next-key");
    const renewed = sessionIn(await a.send(withSession(cookie)));
    workos.fake.fail("/sso/jwks", ({ response }) => response.destroy(), 9);
    const refused = await b.send(withSession(cookie));
    const kept = sessionIn(refused);
    expect([refused.status, refreshes()]).toEqual([503, 1]);
    expect([kept?.accessToken, kept?.refreshToken]).toEqual([before?.accessToken, renewed?.refreshToken]);
    workos.fake.clearFaults();
    workos.advance(60);
    const next = await b.send(withSession(cookiesSet(refused).get(FLEET_COOKIE) ?? ""));
    expect([next.status, refreshes()]).toEqual([200, 2]);
  });
});

describe("a connection without a response", () => {
  it("uses what another process renewed, and takes no lease and spends nothing otherwise", async () => {
    const { a, b, cookie, hub, refreshes, workos } = await startExpired();
    const connect = (): ReturnType<typeof b.auth.authenticate> =>
      b.auth.authenticate(makeRequest({ headers: { cookie: `${FLEET_COOKIE}=${cookie}` } }));
    expect(await connect()).toMatchObject({ status: "rejected", code: "token_expired" });
    expect([refreshes(), hub.calls.get("acquire")]).toEqual([0, undefined]);
    await a.send(withSession(cookie));
    // An answer is kept for the grace window.
    workos.advance(31);
    expect(await connect()).toMatchObject({ status: "authenticated", member: { userId: "user_bob" } });
    expect(refreshes()).toBe(1);
  });
});

describe("the embedded authority in several processes", () => {
  it("renews once for requests that arrive together, with one new refresh token", async () => {
    const first = makeWorld();
    const { clock } = first;
    const tell = (): number => clock.now;
    const repository = memoryRepository({ clock: tell });
    const hub = sharedCoordinator({ clock: tell });
    const worlds = [1, 2, 3].map(() => makeWorld({ repository, clock: tell }));
    const processes = await Promise.all(
      worlds.map((world) => start({ world, options: { coordinator: hub.join(), clock: tell } })),
    );
    const { seal } = await (worlds[0] ?? first).signIn();
    clock.now += PAST_EXPIRY;
    const asked = processes.flatMap((one) =>
      Array.from({ length: 5 }, () => one.send({ headers: withCookie(seal) })),
    );
    const answers = await Promise.all(asked);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(worlds.flatMap(({ store }) => store.questions).length).toBe(1);
    const sealer = createSealer({ 1: PASSWORD });
    const tokens = answers.map((answer) => sealer.unseal(cookiesSet(answer).get(COOKIE) ?? "")?.refreshToken);
    expect(new Set(tokens).size).toBe(1);
    expect(tokens[0]).toEqual(expect.any(String));
  });

  it("asks the coordinator nothing for a question about now, which spends nothing", async () => {
    const first = makeWorld();
    const tell = (): number => first.clock.now;
    const hub = sharedCoordinator({ clock: tell });
    const { world, send } = await start({
      world: first,
      options: { coordinator: hub.join(), maxTokenAge: 0 },
    });
    const { seal } = await world.signIn();
    expect((await send({ headers: withCookie(seal) })).status).toBe(200);
    expect([world.store.questions.length, hub.calls.get("acquire")]).toEqual([1, undefined]);
  });
});

describe("what the coordinator keeps", () => {
  it("holds no token, and opens for nobody without the credential", async () => {
    const kept: string[] = [];
    const { a, cookie, sealer, sessionIn } = await startExpired({
      join: (hub) => {
        const end = hub.join();
        return {
          ...withoutOptionalMethods(end),
          remember(key, sealed, seconds) {
            kept.push(key, sealed);
            return end.remember(key, sealed, seconds);
          },
        };
      },
    });
    const session = sessionIn(await a.send(withSession(cookie)));
    expect(kept.length).toBe(2);
    const text = kept.join(" ");
    for (const secret of [session?.accessToken, session?.refreshToken, cookie]) {
      expect(text.includes(secret ?? "none")).toBe(false);
    }
    expect(sealer.unseal(kept[1] ?? "")).toBeUndefined();
  });

  it.each([
    ["nonsense", "nonsense"],
    ["nothing", ""],
    ["a seal of the application", undefined],
  ])("is of no use where it is %s", async (_name, planted) => {
    const { a, cookie, refreshes } = await startExpired({
      join: (hub) => ({ ...hub.join(), recall: () => Promise.resolve(planted ?? cookieOfAttacker) }),
    });
    const answer = await a.send(withSession(cookie));
    expect([answer.status, refreshes()]).toEqual([200, 1]);
  });
});

const cookieOfAttacker =
  "Fe26.2*1*0000000000000000000000000000000000000000000000000000000000000000*AAAAAAAAAAAAAAAAAAAAAA*AAAA**" +
  "0000000000000000000000000000000000000000000000000000000000000000*AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA~2";

describe("a process that lost the race for a refresh token, without a coordinator", () => {
  const alone = { join: () => undefined } as const;

  it("answers 503, asks to try again in a second, and keeps the cookie", async () => {
    const fleet = await startExpired(alone);
    const { a, b, cookie } = fleet;
    const held = holdReply(fleet);
    const winning = a.send(withSession(cookie));
    await held.asked;
    const loser = await b.send(withSession(cookie));
    held.release();
    const winner = await winning;
    expect([loser.status, loser.headers["retry-after"], loser.setCookies]).toEqual([503, "1", []]);
    expect(b.reached).toEqual([]);
    expect(winner.status).toBe(200);
    const next = await b.send(withSession(cookiesSet(winner).get(FLEET_COOKIE) ?? ""));
    expect(next.status).toBe(200);
  });

  it("asks WorkOS once meanwhile, and lets the session end when no client can be waiting any more", async () => {
    const { a, b, cookie, refreshes, workos } = await startExpired(alone);
    await a.send(withSession(cookie));
    expect((await b.send(withSession(cookie))).status).toBe(503);
    expect((await b.send(withSession(cookie))).status).toBe(503);
    expect(refreshes()).toBe(2);
    workos.advance(10);
    const last = await b.send(withSession(cookie));
    expect([last.status, JSON.parse(last.body).code]).toEqual([401, "session_revoked"]);
    expect(cookiesSet(last).get(FLEET_COOKIE)).toBe("");
    expect(refreshes()).toBe(3);
  });

  it("ends a session at once that WorkOS says has ended", async () => {
    const { b, cookie, workos } = await startExpired(alone);
    const sessionId = String(claimsOf((await openSession(fleets[0], cookie)).accessToken)["sid"]);
    await workos.revoke?.(sessionId);
    expect((await b.send(withSession(cookie))).status).toBe(401);
  });
});

async function openSession(fleet: Fleet | undefined, cookie: string): Promise<{ accessToken: string }> {
  const session = fleet?.sealer.unseal(cookie);
  if (session === undefined) throw new Error("the cookie does not open");
  return session;
}

describe("a coordinator that is down", () => {
  it("is reported once, left alone for a while, and keeps nobody from a renewal", async () => {
    const { a, cookie, hub, refreshes, workos, signIn } = await startExpired();
    hub.takeDown();
    const first = await a.send(withSession(cookie));
    const second = await signIn();
    workos.advance(0.5);
    expect([first.status, refreshes()]).toEqual([200, 1]);
    expect(reasonsOf(a)).toEqual(["coordinator_failed"]);
    const calls = hub.calls.get("acquire");
    const other = await a.send({ ...withSession(second), path: "/fresh" });
    expect([other.status, hub.calls.get("acquire")]).toEqual([200, calls]);
    workos.advance(2);
    expect((await a.send({ ...withSession(second), path: "/fresh" })).status).toBe(200);
    expect(reasonsOf(a)).toEqual(["coordinator_failed", "coordinator_failed"]);
  });

  it("is used again once it is back", async () => {
    const { a, b, cookie, hub, refreshes, workos } = await startExpired();
    hub.takeDown();
    const current = cookiesSet(await a.send(withSession(cookie))).get(FLEET_COOKIE) ?? "";
    hub.bringBack();
    workos.advance(PAST_EXPIRY);
    const answers = await Promise.all([a, b].map((one) => one.send(withSession(current))));
    expect([answers.map(({ status }) => status), refreshes()]).toEqual([[200, 200], 2]);
  });
});

describe("the round trips of one renewal to the coordinator", () => {
  it("are four, of which the client waits for three", async () => {
    const { a, cookie, hub } = await startExpired({ count: 1 });
    await a.send(withSession(cookie));
    expect(Object.fromEntries(hub.calls)).toEqual({ acquire: 1, recall: 1, remember: 1, release: 1 });
  });

  it("are none for a request whose token is fresh", async () => {
    const { a, cookie, hub } = await startExpired({ count: 1 });
    const renewed = cookiesSet(await a.send(withSession(cookie))).get(FLEET_COOKIE) ?? "";
    await a.send(withSession(renewed));
    const before = [...hub.calls];
    await a.send(withSession(renewed));
    expect([...hub.calls]).toEqual(before);
  });
});
