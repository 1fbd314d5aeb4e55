import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { authenticateRequest } from "../../../src/request/authenticate.ts";
import { StoreUnavailableError } from "../../../src/errors.ts";
import type { RequestAuth } from "../../../src/request/request-auth.ts";
import type { Renewal } from "../../../src/store.ts";
import { makeBench, cookieOf, COOKIE, sealedIn, send, type EngineBench } from "../../support/engine-bench.ts";
import { makeExchange, makeRequest, type RequestInit } from "../../support/exchange.ts";
import { issueToken, NOW } from "../../support/fake-store.ts";

const SEED = Number(process.env["FC_SEED"] ?? 20_260_412);
/** For what is run many times, on a machine that has other things to do. */
const LONG = 60_000;
const EXPIRED = { iat: NOW - 400, exp: NOW - 100 };

const unhandled: unknown[] = [];
const collect = (reason: unknown): void => void unhandled.push(reason);
beforeEach(() => void process.on("unhandledRejection", collect));
afterEach(async () => {
  await new Promise(setImmediate);
  process.off("unhandledRejection", collect);
  if (unhandled.length > 0) throw new AggregateError(unhandled.splice(0), "promises were rejected unhandled");
});

function bearer(token: string, more: Readonly<Record<string, string>> = {}): RequestInit {
  return { headers: { Authorization: `Bearer ${token}`, ...more } };
}

/** Runs a request through the engine, without an end. */
async function authenticate(bench: EngineBench, init: RequestInit): Promise<RequestAuth> {
  const { request, response } = makeExchange(init);
  return authenticateRequest(bench.engine, request, response);
}

/** The store says that the session lives on, under a new token. */
function active(claims: Readonly<Record<string, unknown>> = {}, more: object = {}): Renewal {
  const credential = {
    accessToken: issueToken({ iat: NOW, exp: NOW + 300, ...claims }),
    refreshToken: "refresh-2",
  };
  return { status: "active", credential, verifiedAt: NOW, ...more };
}

describe("authenticateRequest", () => {
  it("knows nobody without a credential, at once", () => {
    const bench = makeBench();
    const record = authenticateRequest(bench.engine, makeRequest(), undefined) as RequestAuth;
    expect(record.state).toEqual({ status: "anonymous" });
    expect(record.isPrivate).toBe(false);
  });

  it("answers without a promise, cryptography or the store for what it verified before", async () => {
    const bench = makeBench();
    const cookie = { headers: { Cookie: await cookieOf({ accessToken: issueToken() }) } };
    for (const init of [bearer(issueToken()), cookie]) {
      await authenticate(bench, init);
      bench.engine.verifier.verify = () => {
        throw new Error("verified again");
      };
      const again = authenticateRequest(bench.engine, makeRequest(init), undefined);
      expect(again).not.toBeInstanceOf(Promise);
      expect((again as RequestAuth).session?.member.id).toBe("user_1");
      Object.assign(bench, makeBench());
    }
    expect(bench.store.asked).toEqual([]);
  });

  it("is done once for a request, however often it is called, at once or one after the other", async () => {
    const bench = makeBench({ maxTokenAge: 0 });
    bench.store.answer = () => active();
    const { request, response } = makeExchange(bearer(issueToken()));
    const [first, second] = await Promise.all([
      authenticateRequest(bench.engine, request, response),
      authenticateRequest(bench.engine, request, response),
    ]);
    const third = await authenticateRequest(bench.engine, request, response);
    expect(second).toBe(first);
    expect(third).toBe(first);
    expect([first, second].map((record) => record.state.status)).toEqual(["authenticated", "authenticated"]);
    expect(bench.store.asked).toHaveLength(1);
  });

  it("tells of each authentication once, if anybody listens", async () => {
    const bench = makeBench();
    await authenticate(bench, bearer(issueToken()));
    await authenticate(bench, bearer(issueToken()));
    await authenticate(bench, {});
    expect(bench.events).toEqual([
      { type: "authenticated", via: "bearer", source: "local" },
      { type: "authenticated", via: "bearer", source: "local" },
    ]);
  });

  it.each([
    ["bearer", async () => bearer(issueToken({ exp: NOW + 1 }))],
    [
      "cookie",
      async () => ({ headers: { Cookie: await cookieOf({ accessToken: issueToken({ exp: NOW + 1 }) }) } }),
    ],
  ])("stops serving a %s from memory the moment that it expires", async (_, make) => {
    const bench = makeBench({ clockTolerance: 0 });
    bench.store.answer = () => ({ status: "ended", reason: "gone" });
    const init = await make();
    expect((await authenticate(bench, init)).session).toBeDefined();
    bench.clock.now += 0.999;
    expect((await authenticate(bench, init)).session).toBeDefined();
    expect(bench.store.asked).toEqual([]);
    bench.clock.now += 0.001;
    expect((await authenticate(bench, init)).state).toMatchObject({
      status: "rejected",
      code: "session_revoked",
    });
    expect(bench.store.asked).toHaveLength(1);
  });

  it("works alike with the cache switched off", async () => {
    const bench = makeBench({ cache: false });
    for (let time = 0; time < 2; time++) {
      expect((await authenticate(bench, bearer(issueToken()))).session?.member.id).toBe("user_1");
    }
  });
});

describe("R-27: the cache", () => {
  it("does not take what is good as a bearer for good inside the session cookie", async () => {
    const bench = makeBench();
    const token = issueToken();
    expect((await authenticate(bench, bearer(token))).session).toBeDefined();
    const inCookie = await authenticate(bench, { headers: { Cookie: `${COOKIE}=${token}` } });
    expect(inCookie.state).toMatchObject({ status: "rejected", code: "invalid_session" });
  });

  it("does not take a good seal for a bearer token, which no cross-site check would see", async () => {
    const bench = makeBench();
    const cookie = await cookieOf({ accessToken: issueToken() });
    expect((await authenticate(bench, { headers: { Cookie: cookie } })).session).toBeDefined();
    const asBearer = await authenticate(bench, {
      method: "POST",
      ...bearer(cookie.slice(COOKIE.length + 1)),
    });
    expect(asBearer.state).toMatchObject({ status: "rejected", code: "invalid_token", via: "bearer" });
  });

  it("remembers by which way a token came", async () => {
    const bench = makeBench({ credentials: ["bearer", { jwtCookie: "session_jwt" }] });
    const token = issueToken();
    const ways = [bearer(token), { headers: { Cookie: `session_jwt=${token}` } }, bearer(token)];
    const states = [];
    for (const way of ways) states.push((await authenticate(bench, way)).state);
    expect(states).toMatchObject([{ via: "bearer" }, { via: "cookie" }, { via: "bearer" }]);
  });

  it("shares nothing between two instances", async () => {
    const [one, other] = [makeBench(), makeBench({}, { interpret: () => undefined })];
    const token = issueToken();
    expect((await authenticate(one, bearer(token))).session).toBeDefined();
    expect((await authenticate(other, bearer(token))).state).toMatchObject({ code: "invalid_token" });
  });

  it("hands out what nobody can write to, at any depth, whoever made it", async () => {
    const roles = ["viewer"];
    const bench = makeBench(
      {},
      {
        interpret: (claims) => ({
          member: { id: claims.sub, roles },
          memberSession: {
            id: "session_1",
            memberId: claims.sub,
            organizationId: "org_1",
            authenticationFactors: [{ type: "password", emailFactor: { emailId: "1" } }],
            roles,
            customClaims: { plan: { name: "free" } },
          },
          organization: { id: "org_1" },
          permissions: ["documents:read"],
        }),
      },
    );
    const { session } = await authenticate(bench, bearer(issueToken()));
    const attacks = [
      () => Object.assign(session?.memberSession.roles ?? [], { 1: "admin" }),
      () => Object.assign(session?.member.roles ?? [], { 0: "admin" }),
      () => Object.assign(session?.permissions ?? [], { 1: "documents:delete" }),
      () => Object.assign(session?.memberSession ?? {}, { organizationId: "org_2" }),
      () => Object.assign(session?.organization ?? {}, { id: "org_2" }),
      () => Object.assign(session?.member ?? {}, { id: "user_2" }),
      () => Object.assign(session?.memberSession.customClaims?.["plan"] ?? {}, { name: "pro" }),
      () => Object.assign(session?.memberSession.authenticationFactors[0] ?? {}, { type: "totp" }),
      () =>
        Object.assign(session?.memberSession.authenticationFactors[0]?.emailFactor ?? {}, { emailId: "2" }),
    ];
    for (const attack of attacks) expect(attack).toThrow(TypeError);
    const later = await authenticate(bench, bearer(issueToken()));
    expect(later.session?.memberSession).toMatchObject({ roles: ["viewer"], organizationId: "org_1" });
  });

  it("R-29: is not entered by what was refused", async () => {
    const bench = makeBench({ cache: { maxEntries: 2 } });
    await authenticate(bench, bearer(issueToken()));
    for (let junk = 0; junk < 50; junk++) {
      await authenticate(bench, bearer(`junk-${junk}`));
      await authenticate(bench, bearer(`${issueToken({ sid: `s${junk}` }).slice(0, -8)}AAAAAAAA`));
      await authenticate(bench, { headers: { Cookie: `${COOKIE}=junk-${junk}` } });
    }
    expect(bench.engine.cache.size).toBe(1);
    expect(
      authenticateRequest(bench.engine, makeRequest(bearer(issueToken())), undefined),
    ).not.toBeInstanceOf(Promise);
  });
});

describe("R-20: renewal", () => {
  it("asks once for all requests with one credential, and gives each the same new cookie", async () => {
    const bench = makeBench();
    bench.store.answer = async () => {
      await new Promise(setImmediate);
      return active({ name: "renewed" });
    };
    const Cookie = await cookieOf({
      accessToken: issueToken(EXPIRED),
      refreshToken: "refresh-1",
      extra: "kept",
    });
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, () => send(bench, { headers: { Cookie } })),
    );
    const late = await send(bench, { headers: { Cookie } });

    expect(bench.store.asked).toHaveLength(1);
    expect(bench.store.asked[0]?.stale).toMatchObject({
      reason: "expired",
      sealed: { refreshToken: "refresh-1" },
    });
    expect(new Set([...outcomes, late].map(({ cookies }) => cookies.join())).size).toBe(1);
    expect(await sealedIn(late.cookies)).toMatchObject({ refreshToken: "refresh-2", extra: "kept" });
    expect(new Set([...outcomes, late].map(({ record }) => record?.session?.member.name))).toEqual(
      new Set(["renewed"]),
    );
  });

  it("makes all who wait share one failure, and asks no more than once for them", async () => {
    const bench = makeBench();
    bench.store.answer = async () => {
      while (bench.events.filter(({ type }) => type === "coalesced").length < 49)
        await new Promise(setImmediate);
      throw new StoreUnavailableError({ retryAfter: 7 });
    };
    const init = bearer(issueToken(EXPIRED));
    const records = await Promise.all(Array.from({ length: 50 }, () => authenticate(bench, init)));
    expect(bench.store.asked).toHaveLength(1);
    expect(new Set(records.map((record) => JSON.stringify(record.state)))).toEqual(
      new Set([JSON.stringify({ status: "unavailable", code: "store_unavailable", retryAfter: 7 })]),
    );
  });

  it("R-35: leaves a store alone after failures of five members, and probes it once when the pause is over", async () => {
    const bench = makeBench();
    bench.store.answer = () => Promise.reject(new StoreUnavailableError({ retryAfter: 7 }));
    const ask = (sid: string): Promise<RequestAuth> =>
      authenticate(bench, bearer(issueToken({ ...EXPIRED, sid, sub: `user_${sid}` })));
    for (let index = 0; index < 10; index++) await ask(`s${index}`);
    expect(bench.store.asked).toHaveLength(5);
    expect((await ask("x")).state).toEqual({
      status: "unavailable",
      code: "store_unavailable",
      retryAfter: 7,
    });

    bench.clock.now += 7;
    const stopped = (): number =>
      bench.events.filter((event) => event.type === "unavailable" && event.reason === "breaker_open").length;
    const before = stopped();
    bench.store.answer = async ({ claims }, context) => {
      while (stopped() < before + 9) await new Promise(setImmediate);
      return context.signal.aborted ? { status: "unrenewable" } : active({ sub: claims?.sub });
    };
    const probes = await Promise.all(Array.from({ length: 10 }, (_, index) => ask(`p${index}`)));
    expect(bench.store.asked).toHaveLength(6);
    const states = probes.map((record) => record.state.status).toSorted();
    expect(states).toEqual(["authenticated", ...Array(9).fill("unavailable")]);
    expect((await ask("p10")).state).toMatchObject({ status: "authenticated" });
  });

  it("tells the store what it needs, and no more", async () => {
    const bench = makeBench({ sessionDuration: 900, ipAddress: () => "::ffff:192.0.2.7" });
    bench.store.answer = () => active();
    const token = issueToken(EXPIRED);
    await authenticate(
      bench,
      bearer(token, { "User-Agent": "Test\u0007/1", "X-Forwarded-For": "203.0.113.9" }),
    );
    const [asked] = bench.store.asked;
    expect(asked?.stale).toMatchObject({ reason: "expired", accessToken: token, claims: { sub: "user_1" } });
    expect(asked?.stale).not.toHaveProperty("sealed");
    expect(asked?.context).toMatchObject({ extendBy: 900, ipAddress: "192.0.2.7", userAgent: "Test/1" });
    expect(asked?.context.signal).toBeInstanceOf(AbortSignal);
  });

  it("asks about a token that is too old, and not again while the answer is young enough", async () => {
    const bench = makeBench({ maxTokenAge: 30 });
    bench.store.answer = () => ({ status: "active", verifiedAt: bench.clock.now });
    const init = bearer(issueToken({ iat: NOW - 30 }));
    expect(await authenticate(bench, init)).toMatchObject({ source: "store" });
    expect(bench.store.asked[0]?.stale.reason).toBe("too_old");
    bench.clock.now += 29.9;
    expect(await authenticate(bench, init)).toMatchObject({ source: "local" });
    bench.clock.now += 0.1;
    await authenticate(bench, init);
    expect(bench.store.asked).toHaveLength(2);
  });

  it.each([NaN, Infinity, undefined, "now", NOW + 1e9, NOW * 1000])(
    "is not fooled by a store that answered at %p: an age limit holds all the same",
    async (verifiedAt) => {
      const bench = makeBench({ maxTokenAge: 30 });
      bench.store.answer = () => ({ ...active({}, { verifiedAt }) });
      const init = bearer(issueToken({ iat: NOW - 60 }));
      const renewed = await authenticate(bench, init);
      expect(renewed.state.status).toBe("authenticated");
      const next = bearer(renewed.headers?.get("Session-Jwt") ?? "");
      await authenticate(bench, next);
      bench.clock.now += 30;
      await authenticate(bench, next);
      expect(bench.store.asked).toHaveLength(2);
    },
  );

  it("asks each time at an age of 0, one call for requests that arrived before it began", async () => {
    const bench = makeBench({ maxTokenAge: 0 });
    const answers: (() => void)[] = [];
    bench.store.answer = () =>
      new Promise((resolve) => {
        answers.push(() => resolve({ status: "active", verifiedAt: bench.clock.now }));
      });
    const init = bearer(issueToken());
    const early = [authenticate(bench, init), authenticate(bench, init)];
    while (answers.length === 0) await new Promise(setImmediate);
    const late = [authenticate(bench, init), authenticate(bench, init)];
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    expect(bench.store.asked).toHaveLength(1);
    answers[0]?.();
    await Promise.all(early);
    while (answers.length === 1) await new Promise(setImmediate);
    answers[1]?.();
    await Promise.all(late);
    expect(bench.store.asked).toHaveLength(2);
  });

  it(
    `gives nobody what belongs to another, in any interleaving (seed ${SEED})`,
    async () => {
      const user = fc.constantFrom("ada", "bob", "eve");
      const step = fc.oneof(
        {
          weight: 5,
          arbitrary: fc.record({
            do: fc.constant("ask" as const),
            user,
            way: fc.constantFrom("bearer", "cookie"),
            stale: fc.boolean(),
          }),
        },
        { weight: 2, arbitrary: fc.record({ do: fc.constant("turn" as const) }) },
        {
          weight: 1,
          arbitrary: fc.record({ do: fc.constant("wait" as const), seconds: fc.constantFrom(1, 31, 200) }),
        },
      );
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { maxLength: 25 }),
          fc.infiniteStream(fc.nat(3)),
          async (steps, turns) => {
            const bench = makeBench({ maxTokenAge: 100 });
            bench.store.answer = async (stale) => {
              for (let turn = turns.next().value ?? 0; turn > 0; turn--) await new Promise(setImmediate);
              const { now } = bench.clock;
              const sub = String(stale.claims?.sub);
              return active({ sub, sid: `session of ${sub}`, iat: now, exp: now + 300 }, { verifiedAt: now });
            };
            const results: { user: string; record: Promise<RequestAuth> }[] = [];
            for (const next of steps) {
              if (next.do === "wait") bench.clock.now += next.seconds;
              else if (next.do === "turn") await new Promise(setImmediate);
              else {
                const times = next.stale ? EXPIRED : {};
                const token = issueToken({ sub: next.user, sid: `session of ${next.user}`, ...times });
                const Cookie = await cookieOf({ accessToken: token, user: { id: next.user } });
                const init = next.way === "bearer" ? bearer(token) : { headers: { Cookie } };
                results.push({ user: next.user, record: authenticate(bench, init) });
              }
            }
            for (const { user: asker, record } of results) {
              const { session, cookies } = await record;
              expect([session?.member.id, session?.memberSession.id]).toEqual([asker, `session of ${asker}`]);
              const sealed = await sealedIn([...(cookies?.values() ?? [])]);
              expect(sealed?.user?.id ?? asker).toBe(asker);
            }
          },
        ),
        { seed: SEED, numRuns: 40 },
      );
    },
    LONG,
  );
});

describe("what the store says", () => {
  const Cookie = cookieOf({ accessToken: issueToken(EXPIRED), refreshToken: "r", user: { id: "user_1" } });
  const ask = async (answer: () => Renewal | Promise<Renewal>) => {
    const bench = makeBench();
    bench.store.answer = answer;
    const outcome = await send(bench, { headers: { Cookie: await Cookie } });
    return { outcome, state: (outcome.record as RequestAuth).state, bench };
  };

  it("ends a session, and clears its cookie", async () => {
    const { outcome, state } = await ask(() => ({ status: "ended", reason: "revoked" }));
    expect(state).toEqual({ status: "rejected", code: "session_revoked", via: "cookie" });
    expect(outcome.cookies).toEqual([expect.stringMatching(/^__Host-orgate=; Max-Age=0/)]);
  });

  it("demands a new authentication, and keeps the cookie", async () => {
    const { outcome, state } = await ask(() => ({
      status: "reauthenticate",
      reason: "sso_required",
      url: "https://sso.example/",
    }));
    expect(state).toEqual({
      status: "rejected",
      code: "reauthentication_required",
      via: "cookie",
      reason: "sso_required",
      signInUrl: "https://sso.example/",
    });
    expect(outcome.cookies).toEqual([]);
  });

  it.each([
    "javascript:alert(1)",
    "data:text/html,x",
    "https://sso.example/\r\nSet-Cookie: x=y",
    "//",
    "",
    7,
    {},
  ])("R-43: does not send anybody to the address %p", async (url) => {
    const { state } = await ask(() => ({ status: "reauthenticate", reason: "sso_required", url }) as Renewal);
    const sentTo = state.status === "rejected" ? state.signInUrl : "not rejected";
    expect(sentTo ?? "https://none.example").toMatch(/^https:\/\/[a-z.]+\/?[\u0021-\u007e]*$/);
  });

  it("cannot renew this kind, and the cookie stays", async () => {
    const { outcome, state } = await ask(() => ({ status: "unrenewable" }));
    expect(state).toEqual({ status: "rejected", code: "token_expired", via: "cookie" });
    expect(outcome.cookies).toEqual([]);
  });

  const trap = new Proxy(new Error("trap"), {
    get() {
      throw new TypeError("sprung");
    },
  });
  const circular = new Error("circular");
  circular.cause = circular;
  it.each([
    ["an error", new Error("down")],
    ["undefined", undefined],
    ["null", null],
    ["a string", "down"],
    ["a number", 0],
    ["a trap", trap],
    ["a circle", circular],
    [
      "a getter that throws",
      {
        get retryAfter() {
          throw new Error("sprung");
        },
      },
    ],
    ["a wait that is none", { retryAfter: "soon", reason: 7 }],
    ["a wait for ever", { retryAfter: Infinity }],
    ["a frozen nothing", Object.freeze(Object.create(null))],
  ])("R-45: is unavailable when it throws %s, now or later; nobody is signed out", async (_, thrown) => {
    for (const how of ["sync", "async"] as const) {
      const { outcome, state } = await ask(() => {
        // oxlint-disable-next-line typescript/only-throw-error
        if (how === "sync") throw thrown;
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors
        return Promise.reject(thrown);
      });
      expect(state).toMatchObject({ status: "unavailable", code: "store_unavailable" });
      expect(
        state.status === "unavailable" && Number.isInteger(state.retryAfter) && Number(state.retryAfter) > 0,
      ).toBe(true);
      expect(outcome.cookies).toEqual([]);
      expect(outcome.reached).toBe(true);
    }
  });

  it.each([
    ["nothing", undefined],
    ["null", null],
    ["a string", "active"],
    ["no status", {}],
    ["an unknown status", { status: "perhaps" }],
    ["a trap", trap],
    ["a token of another member", active({ sub: "user_2", member: "user_2" })],
    ["a token of another organization", active({ org: "org_2" })],
    ["a token that is none", { status: "active", credential: { accessToken: "x" }, verifiedAt: NOW }],
    ["a token that is no string", { status: "active", credential: { accessToken: 7 }, verifiedAt: NOW }],
    ["no token", { status: "active", credential: {}, verifiedAt: NOW }],
  ])(
    "is unavailable when it answers %s: nobody is signed out, nor signed in as somebody else",
    async (_, renewal) => {
      const { outcome, state } = await ask(() => renewal as Renewal);
      expect(state).toMatchObject({ status: "unavailable", code: "store_unavailable" });
      expect(outcome.cookies).toEqual([]);
    },
  );
});

describe("R-22: a pair that the store has rotated already", () => {
  it.each([
    ["has expired", { iat: NOW - 400, exp: NOW - 100 }],
    ["comes from the future", { iat: NOW + 100, exp: NOW + 400 }],
    ["is of no organization", { org: undefined }],
    ["is without a session", { sid: undefined }],
    ["is of another issuer", { iss: "https://evil.example" }],
  ])("is handed out though its token %s: lost, it would end the session", async (_, times) => {
    const bench = makeBench();
    bench.store.answer = () => active(times);
    const Cookie = await cookieOf({ accessToken: issueToken(EXPIRED), refreshToken: "refresh-1" });
    const outcomes = [await send(bench, { headers: { Cookie } }), await send(bench, { headers: { Cookie } })];
    for (const { record, cookies } of outcomes) {
      expect((record as RequestAuth).state).toMatchObject({
        status: "unavailable",
        code: "store_unavailable",
      });
      expect(await sealedIn(cookies)).toMatchObject({ refreshToken: "refresh-2" });
    }
    expect(bench.store.asked).toHaveLength(1);
  });

  it("is handed out while the keys cannot be had, and renewed from once they can", async () => {
    const bench = makeBench();
    bench.store.answer = () => active();
    const Cookie = await cookieOf({ accessToken: issueToken(EXPIRED), refreshToken: "refresh-1" });
    const verify = bench.engine.verifier.verify.bind(bench.engine.verifier);
    let verified = 0;
    bench.engine.verifier.verify = (token) =>
      ++verified === 1
        ? verify(token)
        : Promise.resolve({ status: "unavailable", reason: "keys_unavailable", retryAfter: 3 });
    const first = await send(bench, { headers: { Cookie } });
    expect((first.record as RequestAuth).state).toEqual({
      status: "unavailable",
      code: "store_unavailable",
      retryAfter: 1,
    });
    expect(await sealedIn(first.cookies)).toMatchObject({
      accessToken: issueToken(EXPIRED),
      refreshToken: "refresh-2",
    });
    bench.clock.now += 1;

    bench.engine.verifier.verify = verify;
    const late = await send(bench, { headers: { Cookie } });
    expect((late.record as RequestAuth).state.status).toBe("authenticated");
    expect(bench.store.asked.map(({ stale }) => stale.sealed?.refreshToken)).toEqual([
      "refresh-1",
      "refresh-2",
    ]);
  });
});

describe("what is presented", () => {
  it.each([
    ["anonymous", {}, {}],
    [
      "a duplicate Authorization line",
      { headers: { Authorization: ["Bearer a", "Bearer b"] } },
      { code: "ambiguous_credential", via: "bearer" },
    ],
    [
      "garbage as a bearer",
      { headers: { Authorization: "Bearer garbage" } },
      { code: "invalid_token", via: "bearer" },
    ],
    [
      "garbage as a cookie",
      { headers: { Cookie: `${COOKIE}=garbage` } },
      { code: "invalid_session", via: "cookie" },
    ],
    [
      "two cookies",
      { headers: { Cookie: `${COOKIE}=a; ${COOKIE}=b` } },
      { code: "invalid_session", via: "cookie" },
    ],
  ] as const)("is judged without asking the store: %s", async (_, init, expected) => {
    const bench = makeBench();
    expect((await authenticate(bench, init)).state).toMatchObject(expected);
    expect(bench.store.asked).toEqual([]);
  });

  it("is cleared host-only and as configured where no cookie is a seal (R-12)", async () => {
    const bench = makeBench({
      cookie: { password: "a-cookie-password-of-at-least-32-characters", domain: "example.com" },
    });
    const { cookies } = await send(bench, {
      headers: { Cookie: "__Secure-orgate=a; __Secure-orgate=b; __Secure-orgate.0=c" },
    });
    const forms = cookies.map((line) => [line.split("=", 1)[0], /Domain=([^;]*)/.exec(line)?.[1]]);
    expect(forms).toEqual(
      ["__Secure-orgate", "__Secure-orgate.0"].flatMap((name) => [
        [name, undefined],
        [name, "example.com"],
      ]),
    );
    expect(cookies.every((line) => line.includes("Max-Age=0"))).toBe(true);
  });

  it("R-17: is refused where a cookie comes from another site, before the store is asked, and kept", async () => {
    const bench = makeBench();
    const Cookie = await cookieOf({ accessToken: issueToken(EXPIRED) });
    const headers = { Cookie, "Sec-Fetch-Site": "cross-site" };
    for (const init of [
      { method: "POST", headers },
      { method: "GET", headers: { ...headers, Upgrade: "websocket" } },
    ]) {
      const outcome = await send(bench, init);
      expect((outcome.record as RequestAuth).state).toMatchObject({ code: "cross_site_request" });
      expect(outcome.cookies).toEqual([]);
    }
    expect(bench.store.asked).toEqual([]);
    bench.store.answer = () => active();
    expect((await authenticate(bench, { method: "GET", headers })).session).toBeDefined();
    const token = await authenticate(bench, {
      method: "POST",
      ...bearer(issueToken(), { "Sec-Fetch-Site": "cross-site" }),
    });
    expect(token.session).toBeDefined();
  });

  it("is not checked for its site where that is switched off", async () => {
    const bench = makeBench({ csrf: false });
    const headers = { Cookie: await cookieOf({ accessToken: issueToken() }), "Sec-Fetch-Site": "cross-site" };
    expect((await authenticate(bench, { method: "POST", headers })).session).toBeDefined();
  });

  it("is unavailable while it is not valid yet: loudly, and nobody is signed out", async () => {
    const bench = makeBench();
    const Cookie = await cookieOf({ accessToken: issueToken({ iat: NOW + 60, exp: NOW + 360 }) });
    const outcome = await send(bench, { headers: { Cookie } });
    expect((outcome.record as RequestAuth).state).toMatchObject({
      status: "unavailable",
      code: "clock_skew",
    });
    expect(outcome.cookies).toEqual([]);
    expect(bench.events.map(({ type }) => type)).toEqual(["unavailable", "misconfigured"]);
    bench.clock.now += 60;
    expect((await authenticate(bench, { headers: { Cookie } })).session).toBeDefined();
  });
});

describe("a bug of our own", () => {
  it("is unavailable, never signed out", async () => {
    const bench = makeBench();
    Object.assign(bench.engine, { renewals: undefined });
    const record = await authenticate(bench, bearer(issueToken(EXPIRED)));
    expect(record.state).toEqual({ status: "unavailable", code: "store_unavailable", retryAfter: 5 });
    expect(bench.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "internal_error" }),
    );
  });
});
