import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { authenticateRequest } from "../../../src/request/authenticate.ts";
import { authenticateDetached, sessionOf, stateOfRequest } from "../../../src/request/inspect.ts";
import { invalidateNamed } from "../../../src/request/invalidations.ts";
import { profileOf } from "../../../src/request/inspect.ts";
import type { InvalidationMessage } from "../../../src/fleet/coordinator.ts";
import { inProcessCoordinator } from "../../../src/fleet/coordinator.ts";
import { ConfigurationError, isOrgateError, StoreUnavailableError } from "../../../src/errors.ts";
import { requireAuth } from "../../../src/guards/requirements.ts";
import type { Renewal } from "../../../src/store.ts";
import { cookieOf, COOKIE, makeBench, sealedIn, type EngineBench } from "../../support/engine-bench.ts";
import { makeExchange, makeRequest } from "../../support/exchange.ts";
import { issueToken, NOW } from "../../support/fake-store.ts";

const unhandled: unknown[] = [];
const collect = (reason: unknown): void => void unhandled.push(reason);
beforeEach(() => void process.on("unhandledRejection", collect));
afterEach(async () => {
  await new Promise(setImmediate);
  process.off("unhandledRejection", collect);
  if (unhandled.length > 0) throw new AggregateError(unhandled.splice(0), "promises were rejected unhandled");
});

const EXPIRED = { iat: NOW - 400, exp: NOW - 100 };
const ADA = { headers: { Authorization: `Bearer ${issueToken({ name: "Ada" })}` } };

function renewed(claims: object = {}): Renewal {
  const credential = {
    accessToken: issueToken({ iat: NOW, exp: NOW + 300, ...claims }),
    refreshToken: "refresh-2",
  };
  return { status: "active", credential, verifiedAt: NOW };
}

/** A request that the middleware has seen. */
async function seen(bench: EngineBench, init = ADA) {
  const { request, response } = makeExchange(init);
  await authenticateRequest(bench.engine, request, response);
  return { request, response };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.catch((thrown: unknown) => thrown);
  return isOrgateError(error) ? error.code : "not an error of ours";
}

describe("stateOfRequest and sessionOf", () => {
  it("are of the request's own instance, and throw where it did not see the request", async () => {
    const [bench, other] = [makeBench(), makeBench()];
    const { request } = await seen(bench);
    expect(stateOfRequest(bench.engine, request)).toMatchObject({ status: "authenticated", via: "bearer" });
    expect(() => stateOfRequest(other.engine, request)).toThrow(ConfigurationError);
    expect(() => sessionOf(other.engine, request)).toThrow(ConfigurationError);
    expect(() => stateOfRequest(bench.engine, makeRequest(ADA))).toThrow(ConfigurationError);
  });

  it("give the session of whoever is signed in, with or without an organization", async () => {
    const bench = makeBench();
    const { request, response } = await seen(bench);
    requireAuth(bench.engine)(request, response, () => undefined);
    expect(sessionOf(bench.engine, request)).toEqual({
      member: expect.objectContaining({ id: "user_1", name: "Ada" }),
      organization: { id: "org_1" },
      memberSession: expect.objectContaining({ id: "session_1" }),
    });

    const unchosen = await seen(bench, {
      headers: { Authorization: `Bearer ${issueToken({ org: undefined })}` },
    });
    requireAuth(bench.engine)(unchosen.request, unchosen.response, () => undefined);
    expect(sessionOf(bench.engine, unchosen.request)).not.toHaveProperty("organization");
  });
});

describe("authenticateDetached", () => {
  it("gives the state of a request that no middleware saw, and what must go out", async () => {
    const bench = makeBench();
    await expect(authenticateDetached(bench.engine, makeRequest(), undefined)).resolves.toEqual({
      status: "anonymous",
      headers: {},
    });
    const state = await authenticateDetached(bench.engine, makeRequest(ADA), undefined);
    expect(state).toMatchObject({ status: "authenticated", member: { id: "user_1" }, headers: {} });
    expect(Object.isFrozen(state) && Object.isFrozen(state.headers)).toBe(true);
  });

  it("answers alike for all who ask about one request at once", async () => {
    const bench = makeBench();
    bench.store.answer = async () => {
      await new Promise(setImmediate);
      return renewed();
    };
    const { request, response } = makeExchange({
      headers: { Authorization: `Bearer ${issueToken(EXPIRED)}` },
    });
    const states = await Promise.all(
      Array.from({ length: 5 }, () => authenticateDetached(bench.engine, request, response)),
    );
    expect(states.map(({ status }) => status)).toEqual(Array(5).fill("authenticated"));
    expect(bench.store.asked).toHaveLength(1);
  });

  it("spends no refresh token where there is nowhere to put a new one", async () => {
    const bench = makeBench();
    bench.store.answer = (stale) =>
      stale.sealed?.refreshToken === undefined ? { status: "unrenewable" } : renewed();
    const headers = {
      Cookie: await cookieOf({ accessToken: issueToken(EXPIRED), refreshToken: "refresh-1" }),
    };
    const without = await authenticateDetached(bench.engine, makeRequest({ headers }), undefined);
    expect(without).toMatchObject({ status: "rejected", code: "token_expired", headers: {} });

    const { request, response } = makeExchange({ headers });
    const withResponse = await authenticateDetached(bench.engine, request, response);
    expect(withResponse.status).toBe("authenticated");
    expect(await sealedIn([withResponse.headers["Set-Cookie"] ?? []].flat())).toMatchObject({
      refreshToken: "refresh-2",
    });
    response.end();
    expect(response.getHeader("set-cookie")).toEqual(withResponse.headers["Set-Cookie"]);
  });

  it("seals the refresh token that it kept to itself again", async () => {
    const bench = makeBench();
    const accessToken = issueToken({ iat: NOW, exp: NOW + 300 });
    bench.store.answer = () => ({ status: "active", credential: { accessToken }, verifiedAt: NOW });
    const headers = {
      Cookie: await cookieOf({ accessToken: issueToken(EXPIRED), refreshToken: "refresh-1" }),
    };
    const state = await authenticateDetached(bench.engine, makeRequest({ headers }), undefined);
    expect(bench.store.asked[0]?.stale.sealed).not.toHaveProperty("refreshToken");
    expect(await sealedIn([state.headers["Set-Cookie"] ?? []].flat())).toEqual({
      accessToken,
      refreshToken: "refresh-1",
    });
  });

  it("gives a bearer its new token as a header", async () => {
    const bench = makeBench();
    bench.store.answer = () => renewed();
    const init = { headers: { Authorization: `Bearer ${issueToken(EXPIRED)}` } };
    const state = await authenticateDetached(bench.engine, makeRequest(init), undefined);
    expect(state.headers["Session-Jwt"]).toBe(
      (renewed() as { credential: { accessToken: string } }).credential.accessToken,
    );
  });

  it("clears what can never become good again", async () => {
    const bench = makeBench();
    const state = await authenticateDetached(
      bench.engine,
      makeRequest({ headers: { Cookie: `${COOKIE}=junk` } }),
      undefined,
    );
    expect(state).toMatchObject({ status: "rejected", code: "invalid_session" });
    expect(state.headers["Set-Cookie"]).toEqual([expect.stringContaining("Max-Age=0")]);
  });
});

describe("profileOf", () => {
  const FULL = {
    member: { id: "user_1", roles: [], name: "Ada Lovelace", detail: { deep: 1 } },
    organization: { id: "org_1" },
  };

  it("asks the store once, and gives what nobody can write to", async () => {
    let asked = 0;
    const own = structuredClone(FULL);
    const bench = makeBench({}, { profile: () => ((asked += 1), Promise.resolve(own)) });
    const { request } = await seen(bench);
    const profile = await profileOf(bench.engine, request);
    expect(profile).toEqual(FULL);
    expect(await profileOf(bench.engine, request)).toBe(profile);
    expect(asked).toBe(1);
    expect([profile, profile.member, profile.organization].map(Object.isFrozen)).toEqual([true, true, true]);
    expect(Object.isFrozen(own.member)).toBe(false);
  });

  it("hands the store the credential that was presented", async () => {
    const stales: unknown[] = [];
    const bench = makeBench({}, { profile: (stale) => (stales.push(stale), Promise.resolve(FULL)) });
    const accessToken = issueToken();
    const Cookie = await cookieOf({ accessToken, refreshToken: "refresh-1" });
    await profileOf(bench.engine, (await seen(bench, { headers: { Cookie } } as never)).request);
    expect(stales).toMatchObject([
      { reason: "asked", accessToken, sealed: { refreshToken: "refresh-1" }, claims: { sub: "user_1" } },
    ]);
  });

  it("gives what the last renewal said, without asking", async () => {
    const bench = makeBench({}, { profile: () => Promise.reject(new Error("asked")) });
    bench.store.answer = () => ({ ...renewed(), ...FULL });
    const init = { headers: { Authorization: `Bearer ${issueToken(EXPIRED)}` } };
    expect(await profileOf(bench.engine, (await seen(bench, init)).request)).toEqual(FULL);
  });

  it("renews to find out, where the store has no other way", async () => {
    const bench = makeBench();
    bench.store.answer = () => ({ status: "active", verifiedAt: NOW, ...FULL });
    expect(await profileOf(bench.engine, (await seen(bench)).request)).toEqual(FULL);
    expect(bench.store.asked[0]?.stale.reason).toBe("too_old");
  });

  it("makes do with the claims where the store knows no more", async () => {
    const silent = makeBench({}, { profile: () => Promise.resolve(undefined) });
    const { request } = await seen(silent);
    expect(await profileOf(silent.engine, request)).toMatchObject({
      member: { id: "user_1", name: "Ada" },
      organization: { id: "org_1" },
    });
    const terse = makeBench();
    terse.store.answer = () => ({ status: "active", verifiedAt: NOW });
    const init = { headers: { Authorization: `Bearer ${issueToken({ org: undefined })}` } };
    expect(await profileOf(terse.engine, (await seen(terse, init)).request)).not.toHaveProperty(
      "organization",
    );
  });

  it("tells nobody's profile, and not that of a session that is over", async () => {
    const bench = makeBench();
    expect(await codeOf(profileOf(bench.engine, (await seen(bench, { headers: {} } as never)).request))).toBe(
      "unauthenticated",
    );
    const junk = { headers: { Authorization: "Bearer junk" } };
    expect(await codeOf(profileOf(bench.engine, (await seen(bench, junk)).request))).toBe("invalid_token");
    bench.store.answer = () => ({ status: "ended", reason: "revoked" });
    expect(await codeOf(profileOf(bench.engine, (await seen(bench)).request))).toBe("session_revoked");
    const early = { headers: { Authorization: `Bearer ${issueToken({ iat: NOW + 60, exp: NOW + 90 })}` } };
    expect(await codeOf(profileOf(bench.engine, (await seen(bench, early)).request))).toBe("clock_skew");
    expect(await codeOf(profileOf(bench.engine, makeRequest()))).toBe("configuration_invalid");
  });

  it.each([
    ["rejects", () => Promise.reject(new Error("down"))],
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors
    ["rejects with nothing", () => Promise.reject(undefined)],
    [
      "throws at once",
      () => {
        throw new Error("down");
      },
    ],
    ["answers for another member", () => Promise.resolve({ member: { id: "user_2", roles: [] } })],
    ["answers nonsense", () => Promise.resolve("Ada")],
    ["answers null", () => Promise.resolve(null)],
  ])("R-45: says that it cannot know where the store %s", async (_, profile) => {
    const bench = makeBench({}, { profile: profile as never });
    const { request } = await seen(bench);
    const error: unknown = await profileOf(bench.engine, request).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StoreUnavailableError);
    expect((error as StoreUnavailableError).retryAfter).toBeGreaterThan(0);
  });

  it("passes on the store's own refusal", async () => {
    const { OrgateError } = await import("../../../src/errors.ts");
    const bench = makeBench({}, { profile: () => Promise.reject(new OrgateError("session_revoked")) });
    expect(await codeOf(profileOf(bench.engine, (await seen(bench)).request))).toBe("session_revoked");
  });
});

describe("invalidateNamed", () => {
  it.each([
    ["session", { sessionId: "session_1" }],
    ["member", { memberId: "user_1" }],
    ["user", { userId: "user_1" }],
    ["organization", { organizationId: "org_1" }],
  ] as const)("makes the next request of a %s ask the store, here and elsewhere", async (by, target) => {
    const told: InvalidationMessage[] = [];
    const coordinator = {
      ...inProcessCoordinator(),
      publish: async (message: InvalidationMessage) => void told.push(message),
    };
    const bench = makeBench({ coordinator });
    await seen(bench);
    await invalidateNamed(bench.engine, target);
    bench.clock.now += 1;
    bench.store.answer = () => ({ status: "active", verifiedAt: bench.clock.now });
    await seen(bench);
    expect(bench.store.asked.map(({ stale }) => stale.reason)).toEqual(["asked"]);
    await seen(bench);
    expect(bench.store.asked).toHaveLength(1);
    expect(told).toEqual([{ target, at: NOW, effect: "ask" }]);
    expect(bench.events).toContainEqual({ type: "revoked", by });
  });

  it("holds here, and is told, when the other processes cannot be reached", async () => {
    const publish = async (): Promise<void> => {
      throw new Error("the channel is gone");
    };
    const bench = makeBench({ coordinator: { ...inProcessCoordinator(), publish } });
    await seen(bench);
    await invalidateNamed(bench.engine, { memberId: "user_1" });
    await seen(bench);
    expect(bench.store.asked).toHaveLength(1);
    expect(bench.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "coordinator_failed" }),
    );
  });

  it("leaves others alone", async () => {
    const bench = makeBench();
    await seen(bench);
    await invalidateNamed(bench.engine, { memberId: "user_2" });
    await seen(bench);
    expect(bench.store.asked).toEqual([]);
  });

  it("forgets what was known of them in full", async () => {
    let asked = 0;
    const bench = makeBench(
      {},
      { profile: () => ((asked += 1), Promise.resolve({ member: { id: "user_1", roles: [] } })) },
    );
    bench.store.answer = () => ({ status: "active", verifiedAt: bench.clock.now });
    for (const target of [{ sessionId: "session_1" }, { organizationId: "org_1" }]) {
      const { request } = await seen(bench);
      await profileOf(bench.engine, request);
      await invalidateNamed(bench.engine, target);
      await profileOf(bench.engine, request);
      bench.clock.now += 1;
    }
    expect(asked).toBe(4);
  });

  it("passes over what is undefined beside the one that is meant", async () => {
    const told: InvalidationMessage[] = [];
    const publish = async (message: InvalidationMessage): Promise<void> => void told.push(message);
    const bench = makeBench({ coordinator: { ...inProcessCoordinator(), publish } });
    await seen(bench);
    await invalidateNamed(bench.engine, { sessionId: undefined, memberId: "user_1" });
    await seen(bench);
    expect(bench.store.asked).toHaveLength(1);
    expect(told).toEqual([{ target: { memberId: "user_1" }, at: NOW, effect: "ask" }]);
  });

  it("hears what other processes tell: to ask, or that a session is over", async () => {
    let hear: (message: InvalidationMessage) => void = () => undefined;
    const coordinator = {
      ...inProcessCoordinator(),
      subscribe: (listener: typeof hear) => ((hear = listener), () => undefined),
    };
    const bench = makeBench({ coordinator });
    await seen(bench);
    bench.store.answer = () => ({ status: "active", verifiedAt: bench.clock.now });
    hear({ target: { userId: "user_1" }, at: NOW, effect: "ask" });
    bench.clock.now += 1;
    await seen(bench);
    expect(bench.store.asked).toHaveLength(1);
    hear({ target: { sessionId: "session_1" }, at: NOW, effect: "refuse" });
    const { request } = await seen(bench);
    expect(stateOfRequest(bench.engine, request)).toMatchObject({
      status: "rejected",
      code: "session_revoked",
    });
    expect(bench.store.asked).toHaveLength(1);
    hear({ target: { userId: "user_1" }, at: NOW + 100, effect: "refuse" });
  });

  it("hears what the store tells in this process", async () => {
    let tell: (target: { userId: string }) => void = () => undefined;
    const bench = makeBench(
      {},
      { onInvalidated: (listener) => ((tell = listener as typeof tell), () => undefined) },
    );
    await seen(bench);
    tell({ userId: "user_1" });
    bench.store.answer = () => ({ status: "ended", reason: "revoked" });
    const { request } = await seen(bench);
    expect(stateOfRequest(bench.engine, request)).toMatchObject({ code: "session_revoked" });
  });

  it.each([
    {},
    { sessionId: "a", memberId: "b" },
    { sessionID: "a" },
    { sessionId: 7 },
    { sessionId: undefined },
    { sessionId: "" },
    null,
    undefined,
    "session_1",
  ])("is a configuration error for %j", async (target) => {
    const bench = makeBench();
    expect(await codeOf(invalidateNamed(bench.engine, target as never))).toBe("configuration_invalid");
  });
});

describe("closing", () => {
  it("stops listening, and closes the coordinator", async () => {
    const stopped: string[] = [];
    const coordinator = {
      ...inProcessCoordinator(),
      subscribe: () => () => void stopped.push("coordinator"),
      close: async () => void stopped.push("closed"),
    };
    const bench = makeBench({ coordinator }, { onInvalidated: () => () => void stopped.push("store") });
    await bench.engine.close();
    expect(stopped).toEqual(["store", "coordinator", "closed"]);
  });
});
