import { afterEach, describe, expect, it } from "@jest/globals";
import { createSealer } from "../../src/lib/crypto.ts";
import { StoreUnavailableError } from "../../src/errors.ts";
import { controlTimers, settle, type ControlledTimers } from "../support/timers.ts";
import { closeAfterEach, start, withBearer, withCookie, type Harness } from "../support/apps.ts";
import { cookiesSet } from "../support/servers.ts";
import { active, honest, TROUBLE } from "../support/stores.ts";
import { generateSigningKey, signToken } from "../support/tokens.ts";
import { claimsOf, COOKIE, makeWorld, START, type SignIn, type World, PASSWORD } from "../support/world.ts";
import { resign } from "./decision-table.scenarios.ts";

closeAfterEach();

let timers: ControlledTimers | undefined;
afterEach(() => {
  timers?.restore();
  timers = undefined;
});

const PAST_EXPIRY = 306;
const STRANGER = generateSigningKey("ES256", "the-strangers-key");

interface Stale extends Harness {
  readonly signIn: SignIn;
}

/** An application with a session that has just expired. */
async function startStale(options = {}): Promise<Stale> {
  const harness = await start({ options });
  const signIn = await harness.world.signIn();
  harness.world.clock.now += PAST_EXPIRY;
  return { ...harness, signIn };
}

const codeOf = (body: string): unknown => (JSON.parse(body) as { code?: unknown }).code;

describe("R-35, R-45: a store in trouble", () => {
  it.each(Object.entries(TROUBLE))("%s: 503, and nobody is signed out", async (_name, behaviour) => {
    const { world, signIn, send, reached } = await startStale();
    world.store.behaviour = behaviour;
    for (const headers of [withCookie(signIn.seal), withBearer(signIn.accessToken)]) {
      const { status, headers: got, setCookies, body } = await send({ headers });
      expect([status, codeOf(body), setCookies, got["session-jwt"]]).toEqual([
        503,
        "store_unavailable",
        [],
        undefined,
      ]);
      expect(Number(got["retry-after"])).toBeGreaterThanOrEqual(1);
    }
    expect(reached).toEqual([]);
    world.store.behaviour = honest;
    world.clock.now += 31;
    expect((await send({ headers: withCookie(signIn.seal) })).status).toBe(200);
  });

  it.each<[unknown, string]>([
    [0, "1"],
    [-5, "1"],
    [0.2, "1"],
    [12.3, "13"],
    [30, "30"],
    [86_400, "30"],
    [Number.NaN, "1"],
    [Number.POSITIVE_INFINITY, "1"],
    ["7", "1"],
    [undefined, "1"],
  ])("that asks for a pause of %p seconds is answered with Retry-After %s", async (retryAfter, expected) => {
    const { world, signIn, send } = await startStale();
    world.store.behaviour = () => Promise.reject(Object.assign(new StoreUnavailableError(), { retryAfter }));
    const { headers } = await send({ headers: withCookie(signIn.seal) });
    expect(headers["retry-after"]).toBe(expected);
  });
});

type Hand = (world: World, signIn: SignIn) => string | Promise<string>;

describe("CVE-2026-40155: a store that returns another user's session", () => {
  const HANDS: Readonly<Record<string, Hand>> = {
    "another member's": async ({ signIn }) => (await signIn({ userId: "user_bob" })).accessToken,
    "another organization's": async ({ signIn }) =>
      (await signIn({ organizationId: "org_globex" })).accessToken,
    "another membership's": (world, signIn) =>
      resign(world, signIn, { member: { id: "another", email: "ada@example.com" }, exp: START + 900 }),
  };

  it.each(Object.keys(HANDS))("%s: 503, an event, and no token is passed on", async (name) => {
    const { world, signIn, send, reached } = await startStale();
    const accessToken = await (HANDS[name] as Hand)(world, signIn);
    world.store.behaviour = () => active({ accessToken, refreshToken: "another's" }, world.clock.now);
    for (const headers of [withCookie(signIn.seal), withBearer(signIn.accessToken)]) {
      const { status, headers: got, setCookies } = await send({ headers });
      expect([status, got["session-jwt"], setCookies]).toEqual([503, undefined, []]);
    }
    expect(reached).toEqual([]);
    expect(world.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "foreign_renewal" }),
    );
  });

  const UNUSABLE: Readonly<Record<string, Hand>> = {
    "no organization's": (world, signIn) =>
      resign(world, signIn, {
        org_id: undefined,
        org: undefined,
        roles: undefined,
        iat: START + 300,
        exp: START + 900,
      }),
    "one of another issuer": (world, signIn) =>
      resign(world, signIn, { iss: "https://other.example", exp: START + 900 }),
    "one of another class": (world, signIn) => resign(world, signIn, { sid: undefined, exp: START + 900 }),
    "one signed by another key": ({ key }, { accessToken }) =>
      signToken(STRANGER, { ...claimsOf(accessToken), exp: START + 900 }, { kid: key.kid }),
    "one too long": (world, signIn) => resign(world, signIn, { exp: START + 900, pad: "x".repeat(12_288) }),
  };

  it.each(Object.keys(UNUSABLE))("%s: 503, an event, and the cookie keeps the old token", async (name) => {
    const { world, signIn, send, reached } = await startStale();
    const accessToken = await (UNUSABLE[name] as Hand)(world, signIn);
    world.store.behaviour = () => active({ accessToken, refreshToken: "rotated" }, world.clock.now);
    const bearer = await send({ headers: withBearer(signIn.accessToken) });
    expect([bearer.status, bearer.headers["session-jwt"], bearer.setCookies]).toEqual([503, undefined, []]);
    world.clock.now += 1;
    const answer = await send({ headers: withCookie(signIn.seal) });
    expect(answer.status).toBe(503);
    expect(createSealer({ 1: PASSWORD }).unseal(cookiesSet(answer).get(COOKIE) ?? "")).toMatchObject({
      accessToken: signIn.accessToken,
      refreshToken: "rotated",
    });
    expect(reached).toEqual([]);
    expect(world.events).toContainEqual(
      expect.objectContaining({
        type: "misconfigured",
        reason: expect.stringMatching(/^renewed_token_/),
      }),
    );
  });

  it.each([
    ["one already expired", { exp: START + 1 }],
    ["one from the future", { iat: START + 9000, exp: START + 9900 }],
  ])("%s: 503, and the client keeps the rotated pair", async (_, times) => {
    const { world, signIn, send, reached } = await startStale();
    const accessToken = resign(world, signIn, times);
    world.store.behaviour = () => active({ accessToken, refreshToken: "rotated" }, world.clock.now);
    const { status, setCookies } = await send({ headers: withCookie(signIn.seal) });
    expect([status, setCookies]).toEqual([503, [expect.stringMatching(/^__Host-orgate=Fe26/)]]);
    expect(reached).toEqual([]);
    expect(world.events).toContainEqual(
      expect.objectContaining({
        type: "misconfigured",
        reason: expect.stringMatching(/^renewed_token_/),
      }),
    );
  });

  it.each<[string, string | undefined, number]>([
    ["their own", undefined, 1],
    ["somebody else's", "user_bob", 0],
  ])("%s, which the store then cannot read: only the owner keeps the pair", async (_, userId, kept) => {
    const { world, signIn, send, reached } = await startStale();
    const interpret = world.store.interpret.bind(world.store);
    world.store.interpret = (claims, sealed) => {
      if (claims.exp > START + 300) throw new Error("cannot read");
      return interpret(claims, sealed);
    };
    if (userId !== undefined) {
      const { accessToken } = await world.signIn({ userId });
      world.store.behaviour = () => active({ accessToken, refreshToken: "another's" }, world.clock.now);
    }
    const { status, setCookies } = await send({ headers: withCookie(signIn.seal) });
    expect([status, setCookies.length, reached.length]).toEqual([503, kept, 0]);
    const reason = userId === undefined ? "interpret_failed" : "foreign_renewal";
    expect(world.events).toContainEqual(expect.objectContaining({ type: "misconfigured", reason }));
    world.store.interpret = interpret;
    world.clock.now += 1;
    const [pair] = setCookies[0]?.split(";", 1) ?? [];
    if (pair === undefined) return;
    expect((await send({ headers: { Cookie: pair } })).status).toBe(200);
  });

  it("a token by an unpublished key: the client keeps the rotated pair", async () => {
    const { world, signIn, send } = await startStale();
    world.store.behaviour = async (stale, context, ask) => {
      const renewal = await ask(stale, context);
      if (renewal.status !== "active" || renewal.credential === undefined) return renewal;
      const claims = claimsOf(renewal.credential.accessToken);
      return { ...renewal, credential: { ...renewal.credential, accessToken: signToken(STRANGER, claims) } };
    };
    const { status, setCookies } = await send({ headers: withCookie(signIn.seal) });
    expect([status, setCookies]).toEqual([503, [expect.stringMatching(/^__Host-orgate=Fe26/)]]);
    const again = await send({ headers: withCookie(signIn.seal) });
    expect([again.status, again.setCookies]).toEqual([503, setCookies]);
    expect(world.store.questions.length).toBe(1);
  });

  it("a token whose keys cannot be fetched: the session is renewed again once they can", async () => {
    const { world, signIn, send } = await startStale();
    world.store.behaviour = async (stale, context, ask) => {
      await world.authority.rotateKeys();
      const renewal = await ask(stale, context);
      world.store.keysAreDown = true;
      return renewal;
    };
    const down = await send({ headers: withCookie(signIn.seal) });
    expect([down.status, down.setCookies.length]).toEqual([503, 1]);
    world.store.keysAreDown = false;
    world.store.behaviour = (stale, context, ask) => ask(stale, context);
    world.clock.now += 2;
    const back = await send({ headers: withCookie(signIn.seal) });
    expect([back.status, back.setCookies.length]).toEqual([200, 1]);
    expect((await send({ headers: withCookie(cookiesSet(back).get(COOKIE) ?? "") })).status).toBe(200);
    expect(world.store.questions.length).toBe(2);
  });
});

describe("the breaker", () => {
  /** Fails for one member after the other within the window. */
  async function trip(harness: Harness, seals: readonly string[]): Promise<void> {
    harness.world.store.behaviour = TROUBLE.down;
    for (const seal of seals) await harness.send({ headers: withCookie(seal) });
  }

  async function startTripped(): Promise<Harness & { readonly seals: readonly string[] }> {
    const harness = await start();
    const { world } = harness;
    const users = Array.from({ length: 8 }, (_, index) => `member_${index}`);
    for (const id of users) world.directory.addUser({ id, emailAddress: `${id}@example.com` });
    const signIns = await Promise.all(users.map((userId) => world.signIn({ userId })));
    world.clock.now += PAST_EXPIRY;
    const seals = signIns.map(({ seal }) => seal);
    await trip(harness, seals.slice(0, 5));
    return { ...harness, seals };
  }

  it("stops calls after failures of five members, and says until when", async () => {
    const { world, send, seals } = await startTripped();
    const { status, headers } = await send({ headers: withCookie(seals[5] ?? "") });
    expect([status, headers["retry-after"], world.store.questions.length]).toEqual([503, "5", 5]);
    expect(world.events.at(-2)).toMatchObject({ type: "unavailable", reason: "breaker_open" });
    world.clock.now += 3.5;
    expect((await send({ headers: withCookie(seals[5] ?? "") })).headers["retry-after"]).toBe("2");
  });

  it.each([
    [3, "3"],
    [undefined, "1"],
  ])("does not count contention, and those requests wait for %p", async (retryAfter, expected) => {
    const { world, send } = await start();
    const signIns = await Promise.all(Array.from({ length: 5 }, () => world.signIn()));
    world.clock.now += PAST_EXPIRY;
    world.store.behaviour = () => Promise.reject(new StoreUnavailableError({ retryAfter, contended: true }));
    const answers = await Promise.all(signIns.map(({ seal }) => send({ headers: withCookie(seal) })));
    expect(answers.map(({ status, headers }) => [status, headers["retry-after"]])).toEqual(
      signIns.map(() => [503, expected]),
    );
    expect(world.store.questions.length).toBe(5);
  });

  it("does not affect fresh sessions", async () => {
    const { world, send } = await startTripped();
    const { seal } = await world.signIn();
    expect((await send({ headers: withCookie(seal) })).status).toBe(200);
  });

  it("probes with one call at a time, and closes when it succeeds", async () => {
    const { world, send, seals } = await startTripped();
    world.clock.now += 5;
    const held = world.store.hold();
    const probe = send({ headers: withCookie(seals[5] ?? "") });
    await held.asked;
    const meanwhile = await send({ headers: withCookie(seals[6] ?? "") });
    expect([meanwhile.status, world.store.questions.length]).toEqual([503, 6]);
    held.release();
    expect((await probe).status).toBe(200);
    expect((await send({ headers: withCookie(seals[6] ?? "") })).status).toBe(200);
  });

  it("stays open when the probe fails", async () => {
    const { world, send, seals } = await startTripped();
    world.clock.now += 5;
    await send({ headers: withCookie(seals[5] ?? "") });
    await send({ headers: withCookie(seals[6] ?? "") });
    expect(world.store.questions.length).toBe(6);
  });
});

describe("the time limit of five seconds", () => {
  async function startSlow(): Promise<Stale> {
    timers = controlTimers();
    return startStale();
  }

  it("gives 503, aborts the call, and its late answer serves the next request", async () => {
    const { world, signIn, send } = await startSlow();
    const held = world.store.hold();
    const waiting = send({ headers: withCookie(signIn.seal) });
    await held.asked;
    await timers?.pass(4.999);
    const signal = world.store.questions[0]?.context.signal;
    expect(signal?.aborted).toBe(false);
    await timers?.pass(0.001);
    expect(signal?.aborted).toBe(true);
    const { status, setCookies, headers } = await waiting;
    expect([status, setCookies, headers["retry-after"]]).toEqual([503, [], "5"]);
    // A store that rotated the pair all the same: the next request must get it.
    held.release();
    while (!world.events.some(({ type }) => type === "renewed")) await settle();
    const next = await send({ headers: withCookie(signIn.seal) });
    expect([next.status, next.setCookies]).toEqual([200, [expect.stringMatching(/^__Host-orgate=Fe26/)]]);
    expect(world.store.questions.length).toBe(1);
  });

  it("applies to everyone who waits for the same call", async () => {
    const { world, signIn, send } = await startSlow();
    world.store.behaviour = () => new Promise(() => undefined);
    const waiting = Array.from({ length: 5 }, () => send({ headers: withCookie(signIn.seal) }));
    while (world.events.filter(({ type }) => type === "coalesced").length < 4) await settle();
    await timers?.pass(5);
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([503, 503, 503, 503, 503]);
    expect(world.store.questions.length).toBe(1);
  });

  it("counts as one failure", async () => {
    const { world, signIn, send } = await startSlow();
    world.store.behaviour = () => new Promise(() => undefined);
    for (let index = 0; index < 2; index++) {
      const other = index === 0 ? signIn : await world.signIn();
      if (index > 0) world.clock.now += PAST_EXPIRY;
      const waiting = send({ headers: withCookie(other.seal) });
      while (world.store.questions.length <= index) await settle();
      await timers?.pass(5);
      await waiting;
    }
    expect(
      world.events.some((event) => event.type === "unavailable" && event.reason === "breaker_open"),
    ).toBe(false);
  });
});

describe("staleIfUnavailable", () => {
  const OPTIONS = { maxTokenAge: 60, staleIfUnavailable: 30 };

  async function askAt(
    age: number,
    sent: { method?: string; headers?: Record<string, string> } = {},
    options = OPTIONS,
  ): Promise<[number, number]> {
    const { world, send } = await start({ options });
    const { seal } = await world.signIn();
    world.store.behaviour = TROUBLE.down;
    world.clock.now += age;
    const { status, setCookies } = await send({ ...sent, headers: { ...withCookie(seal), ...sent.headers } });
    expect(setCookies).toEqual([]);
    return [status, world.store.questions.length];
  }

  it.each([
    [59, 200, 0],
    [60, 200, 1],
    [89.9, 200, 1],
    [90, 503, 1],
    [305, 503, 1],
  ])("serves a token of %s seconds with %s after %s calls", async (age, status, calls) => {
    expect(await askAt(age)).toEqual([status, calls]);
  });

  it.each([
    ["HEAD", 200],
    ["OPTIONS", 200],
    ["POST", 503],
    ["PUT", 503],
    ["PATCH", 503],
    ["DELETE", 503],
    ["TRACE", 503],
  ])("applies to safe methods only: %s %s", async (method, status) => {
    expect(await askAt(61, { method })).toEqual([status, 1]);
  });

  it("does not apply to upgrade requests", async () => {
    expect(await askAt(61, { headers: { Connection: "Upgrade", Upgrade: "websocket" } })).toEqual([503, 1]);
  });

  it("is off by default", async () => {
    expect(await askAt(61, {}, { maxTokenAge: 60, staleIfUnavailable: 0 })).toEqual([503, 1]);
  });

  it("never serves an expired token", async () => {
    expect(await askAt(PAST_EXPIRY, {}, { maxTokenAge: 60, staleIfUnavailable: 3600 })).toEqual([503, 1]);
  });

  it("never serves a session that is known to be revoked", async () => {
    const { world, send } = await start({ options: { maxTokenAge: 60, staleIfUnavailable: 3600 } });
    const { seal } = await world.signIn();
    world.clock.now += 61;
    await world.authority.revoke({ userId: "user_ada" });
    world.store.behaviour = TROUBLE.down;
    expect((await send({ headers: withCookie(seal) })).status).toBe(503);
  });

  it("never serves a session that the application invalidated", async () => {
    const { world, auth, send } = await start({ options: { maxTokenAge: 60, staleIfUnavailable: 3600 } });
    const { seal } = await world.signIn();
    await send({ headers: withCookie(seal) });
    world.clock.now += 61;
    await auth.invalidate({ memberId: "user_ada:org_acme" });
    world.store.behaviour = TROUBLE.down;
    expect((await send({ headers: withCookie(seal) })).status).toBe(503);
  });
});

describe("R-31: many random key ids", () => {
  it.each([
    ["a service's keys", undefined, 2],
    ["keys in this process, which say that they have not changed", () => 1, 1],
  ])("cause one fetch per cooldown of %s, and do not affect known keys", async (_kind, revision, later) => {
    const world = makeWorld();
    const { keys } = world.store.tokens;
    const load = keys.load.bind(keys);
    let loads = 0;
    Object.assign(keys, {
      cooldown: 30,
      revision,
      load(signal: AbortSignal) {
        loads += 1;
        return load(signal);
      },
    });
    const { send, reached } = await start({ world });
    const { seal, accessToken } = await world.signIn();
    expect((await send({ headers: withCookie(seal) })).status).toBe(200);
    const claims = claimsOf(accessToken);
    const storm = Array.from({ length: 100 }, (_, index) => world.sign(claims, { kid: `random-${index}` }));
    const answers = await Promise.all(storm.map((token) => send({ headers: withBearer(token) })));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
    expect([loads, world.store.questions.length, reached.length]).toEqual([1, 0, 1]);
    const other = await world.signIn({ userId: "user_bob" });
    expect((await send({ headers: withCookie(other.seal) })).status).toBe(200);
    world.clock.now += 30;
    await Promise.all(storm.map((token) => send({ headers: withBearer(token) })));
    expect(loads).toBe(later);
  });
});

describe("R-32: keys that cannot be fetched", () => {
  it("cause no renewal and clear no cookie, and are fetched again after a pause", async () => {
    const { world, send, reached } = await start();
    const { seal, accessToken } = await world.signIn();
    world.store.keysAreDown = true;
    for (const headers of [withCookie(seal), withBearer(accessToken)]) {
      const { status, setCookies } = await send({ headers });
      expect([status, setCookies]).toEqual([503, []]);
    }
    expect([world.store.questions, reached]).toEqual([[], []]);
    world.store.keysAreDown = false;
    world.clock.now += 2;
    expect((await send({ headers: withCookie(seal) })).status).toBe(200);
  });

  it("do not affect known keys", async () => {
    const { world, send } = await start();
    const { seal } = await world.signIn();
    await send({ headers: withCookie(seal) });
    world.store.keysAreDown = true;
    world.clock.now += 100;
    const other = await world.signIn({ userId: "user_bob" });
    expect((await send({ headers: withCookie(other.seal) })).status).toBe(200);
  });
});
