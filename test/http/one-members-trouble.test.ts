import { describe, expect, it } from "@jest/globals";
import { OrgateError, StoreUnavailableError } from "../../src/errors.ts";
import { closeAfterEach, start, withCookie, type Harness } from "../support/apps.ts";
import { type Behaviour, honest } from "../support/stores.ts";
import type { SignIn, World } from "../support/world.ts";

closeAfterEach();

const PAST_EXPIRY = 306;
const REFUSED = { concerns: "credential", reason: "request_rejected" } as const;

/** What a store can do about one member; each is her own trouble. */
const HER_TROUBLE: Readonly<Record<string, () => unknown>> = {
  "a refusal with a code that nobody listed": () =>
    new StoreUnavailableError({ ...REFUSED, upstream: { status: 400, code: "token_too_big" } }),
  "an error of the store's own code": () => Object.assign(new Error("broken row"), { code: "22P02" }),
  "an error of orgate's that no renewal refuses with": () => new OrgateError("permission_denied"),
  "a rate limit of her own": () => new StoreUnavailableError({ concerns: "unknown", reason: "rate_limited" }),
  "a value that is no error": () => "broken",
};

interface Crowd extends Harness {
  readonly hers: readonly SignIn[];
  readonly others: readonly SignIn[];
}

/** Bob is signed in with as many sessions as are asked for, and so are twelve others; all have expired. */
async function startCrowd(sessions = 1): Promise<Crowd> {
  const harness = await start({ options: { signIn: { path: "/sign-in" } } });
  const { world } = harness;
  const users = Array.from({ length: 12 }, (_, index) => `member_${index}`);
  for (const id of users) world.directory.addUser({ id, emailAddress: `${id}@example.com` });
  const hers = await Promise.all(
    Array.from({ length: sessions }, () => world.signIn({ userId: "user_bob" })),
  );
  const others = await Promise.all(users.map((userId) => world.signIn({ userId })));
  world.clock.now += PAST_EXPIRY;
  return { ...harness, hers, others };
}

/** Fails for Bob; everybody else is renewed. */
function failForBob(world: World, trouble: () => unknown): void {
  const behaviour: Behaviour = (stale, context, ask) =>
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a store may throw anything
    stale.claims?.sub === "user_bob" ? Promise.reject(trouble()) : honest(stale, context, ask);
  world.store.behaviour = behaviour;
}

const askedAboutBob = ({ store }: World): number =>
  store.questions.filter(({ stale }) => stale.claims?.sub === "user_bob").length;

describe("one member's trouble", () => {
  it.each(Object.entries(HER_TROUBLE))(
    "is hers alone: all others are renewed beside %s",
    async (_, trouble) => {
      const { world, hers, others, send } = await startCrowd(5);
      failForBob(world, trouble);
      const seen = [];
      for (const { seal } of others) {
        for (const her of hers) expect((await send({ headers: withCookie(her.seal) })).status).toBe(503);
        seen.push((await send({ headers: withCookie(seal) })).status);
        world.clock.now += 0.5;
      }
      expect(seen).toEqual(others.map(() => 200));
    },
  );

  it("backs off: she is asked about after 1, 2, 4, 8, 16 and then every 30 seconds", async () => {
    const { world, hers, send, reached } = await startCrowd();
    failForBob(world, HER_TROUBLE["a refusal with a code that nobody listed"] ?? (() => undefined));
    const headers = withCookie(hers[0]?.seal ?? "");
    for (const [index, wait] of [1, 2, 4, 8, 16, 30, 30].entries()) {
      const answer = await send({ headers });
      expect([answer.status, answer.headers["retry-after"], answer.setCookies]).toEqual([503, `${wait}`, []]);
      world.clock.now += wait - 0.5;
      expect((await send({ headers })).headers["retry-after"]).toBe("1");
      expect(askedAboutBob(world)).toBe(index + 1);
      world.clock.now += 0.5;
    }
    expect(reached).toEqual([]);
    world.store.behaviour = honest;
    expect((await send({ headers })).status).toBe(200);
  });

  it("is told to the operator with the service's own code, also while she waits", async () => {
    const { world, hers, send } = await startCrowd();
    failForBob(world, HER_TROUBLE["a refusal with a code that nobody listed"] ?? (() => undefined));
    for (let time = 0; time < 2; time++) await send({ headers: withCookie(hers[0]?.seal ?? "") });
    const told = world.events.filter(({ type }) => type === "unavailable");
    expect(told).toHaveLength(2);
    for (const event of told) {
      expect(event).toMatchObject({
        reason: "request_rejected",
        upstream: { status: 400, code: "token_too_big" },
      });
    }
  });

  it.each([
    "a refusal with a code that nobody listed",
    "an error of the store's own code",
    "a rate limit of her own",
  ])("asks her to sign in again after ten minutes, and keeps the cookie: %s", async (name) => {
    const { world, hers, others, send, reached } = await startCrowd();
    failForBob(world, HER_TROUBLE[name] ?? (() => undefined));
    const headers = withCookie(hers[0]?.seal ?? "");
    // Others are served meanwhile, so that the store itself is known to work.
    expect((await send({ headers: withCookie(others[0]?.seal ?? "") })).status).toBe(200);
    for (let second = 0; second < 600; second += 20) {
      expect((await send({ headers })).status).toBe(503);
      world.clock.now += 20;
      if (second === 300) await send({ headers: withCookie(others[1]?.seal ?? "") });
    }
    world.clock.now += 30;
    const served = reached.length;
    const answer = await send({ headers });
    expect([answer.status, JSON.parse(answer.body), answer.setCookies, reached.length - served]).toEqual([
      401,
      expect.objectContaining({ code: "reauthentication_required", sign_in_url: expect.any(String) }),
      [],
      0,
    ]);
    expect(world.events).toContainEqual(
      expect.objectContaining({ type: "rejected", reason: "refused_upstream" }),
    );
    world.clock.now += 30;
    world.store.behaviour = honest;
    expect((await send({ headers })).status).toBe(200);
  });

  it("never becomes a sign-out where nobody is answered: that is an outage", async () => {
    const { world, hers, send } = await startCrowd();
    world.store.behaviour = () => Promise.reject(new Error("the database is down"));
    for (let second = 0; second < 1500; second += 30) {
      expect((await send({ headers: withCookie(hers[0]?.seal ?? "") })).status).toBe(503);
      world.clock.now += 31;
    }
  });

  it("begins anew with another refusal", async () => {
    const { world, hers, send } = await startCrowd();
    const headers = withCookie(hers[0]?.seal ?? "");
    for (let second = 0; second < 900; second += 30) {
      const upstream = { status: 400, code: second < 450 ? "one" : "another" };
      failForBob(world, () => new StoreUnavailableError({ ...REFUSED, upstream }));
      expect((await send({ headers })).status).toBe(503);
      world.clock.now += 31;
    }
  });
});

describe("a crowd that arrives at once", () => {
  /** 200 members whose tokens have expired, in a process that has not asked the store yet. */
  async function startMany(): Promise<
    Harness & { readonly askAll: () => Promise<number[]>; readonly crowded: Promise<void> }
  > {
    let arrived = 0;
    let tell = (): void => undefined;
    // The client has 32 connections.
    const crowded = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const harness = await start({
      before: (auth) => [
        (_request, _response, next) => {
          if (++arrived === 32) tell();
          next();
        },
        auth,
      ],
    });
    const { world, send } = harness;
    const users = Array.from({ length: 200 }, (_, index) => `member_${index}`);
    for (const id of users) world.directory.addUser({ id, emailAddress: `${id}@example.com` });
    const seals = await Promise.all(users.map(async (userId) => (await world.signIn({ userId })).seal));
    world.clock.now += PAST_EXPIRY;
    const askAll = (): Promise<number[]> =>
      Promise.all(seals.map(async (seal) => (await send({ headers: withCookie(seal) })).status));
    return { ...harness, askAll, crowded };
  }

  it("costs few calls in an outage, and everybody is answered", async () => {
    const { world, askAll, crowded, reached } = await startMany();
    world.store.behaviour = async () => {
      await crowded;
      throw new StoreUnavailableError({ reason: "down" });
    };
    expect(new Set(await askAll())).toEqual(new Set([503]));
    expect(world.store.questions.length).toBeLessThanOrEqual(10);
    expect(reached).toEqual([]);
  });

  it("is served whole by a store that answers", async () => {
    const { world, askAll } = await startMany();
    expect(new Set(await askAll())).toEqual(new Set([200]));
    expect(world.store.questions.length).toBe(200);
  });

  it("is served whole while eight members have trouble of their own", async () => {
    const { world, askAll } = await startMany();
    world.store.behaviour = (stale, context, ask) =>
      /^member_[0-7]$/.test(stale.claims?.sub ?? "")
        ? Promise.reject(new StoreUnavailableError(REFUSED))
        : honest(stale, context, ask);
    const statuses = await askAll();
    expect(statuses.filter((status) => status === 503).length).toBe(8);
    expect(statuses.filter((status) => status === 200).length).toBe(192);
  });
});

describe("a real outage", () => {
  it.each(["an error of the store's own code", "a rate limit of her own"])(
    "costs at most ten calls for many members: %s",
    async (name) => {
      const { world, others, send } = await startCrowd();
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a store may throw anything
      world.store.behaviour = () => Promise.reject(HER_TROUBLE[name]?.());
      for (let time = 0; time < 200; time++) {
        const { status } = await send({ headers: withCookie(others[time % others.length]?.seal ?? "") });
        expect(status).toBe(503);
        world.clock.now += 0.02;
      }
      expect(world.store.questions.length).toBeLessThanOrEqual(10);
    },
  );
});
