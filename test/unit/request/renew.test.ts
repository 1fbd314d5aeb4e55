import { describe, expect, it } from "@jest/globals";
import { authenticateDetached } from "../../../src/request/inspect.ts";
import { requireAuth } from "../../../src/guards/requirements.ts";
import type { RequestAuth } from "../../../src/request/request-auth.ts";
import type { Renewal } from "../../../src/store.ts";
import { cookieOf, makeBench, sealedIn, send, type EngineBench } from "../../support/engine-bench.ts";
import { makeRequest } from "../../support/exchange.ts";
import { issueToken, NOW } from "../../support/fake-store.ts";

const EXPIRED = { iat: NOW - 400, exp: NOW - 100 };

/** A store that rotates like a strict one: each refresh token is good for one call, and then an end to the session. */
function rotateStrictly(bench: EngineBench): void {
  let current = 1;
  bench.store.answer = ({ sealed }): Renewal => {
    if (sealed?.refreshToken !== `refresh-${current}`) return { status: "ended", reason: "reuse_detected" };
    current += 1;
    const { now } = bench.clock;
    const accessToken = issueToken({ iat: now, exp: now + 300, name: `renewal ${current}` });
    return {
      status: "active",
      credential: { accessToken, refreshToken: `refresh-${current}` },
      verifiedAt: now,
    };
  };
}

function refreshTokensOf({ store }: EngineBench): unknown[] {
  return store.asked.map(({ stale }) => stale.sealed?.refreshToken);
}

describe("R-20: a late request with a credential that was renewed", () => {
  const presented = cookieOf({ accessToken: issueToken(EXPIRED), refreshToken: "refresh-1" });

  it("is asked about under what took its place, never under the token that is spent", async () => {
    const bench = makeBench({ maxTokenAge: 10 });
    rotateStrictly(bench);
    const headers = { Cookie: await presented };
    await send(bench, { headers });
    bench.clock.now += 10;
    const late = await send(bench, { headers });
    bench.clock.now += 10;
    const later = await send(bench, { headers });

    expect(refreshTokensOf(bench)).toEqual(["refresh-1", "refresh-2", "refresh-3"]);
    expect(bench.store.asked.map(({ stale }) => stale.reason)).toEqual(["expired", "too_old", "too_old"]);
    expect(await sealedIn(late.cookies)).toMatchObject({ refreshToken: "refresh-3" });
    expect(await sealedIn(later.cookies)).toMatchObject({ refreshToken: "refresh-4" });
    expect(later.record?.session?.member.name).toBe("renewal 4");
  });

  it("gets the newest cookie, though nothing had to be asked for it", async () => {
    const bench = makeBench({ maxTokenAge: 10 });
    rotateStrictly(bench);
    const headers = { Cookie: await presented };
    const first = await send(bench, { headers });
    bench.clock.now += 10;
    await send(bench, { headers: { Cookie: first.cookies[0]?.split(";", 1)[0] ?? "" } });
    const late = await send(bench, { headers });
    expect(refreshTokensOf(bench)).toEqual(["refresh-1", "refresh-2"]);
    expect(await sealedIn(late.cookies)).toMatchObject({ refreshToken: "refresh-3" });
  });

  it("gets it as well where the store confirms the newest and leaves it as it is", async () => {
    const bench = makeBench({ maxTokenAge: 10 });
    rotateStrictly(bench);
    const headers = { Cookie: await presented };
    await send(bench, { headers });
    bench.clock.now += 10;
    bench.store.answer = () => ({ status: "active", verifiedAt: bench.clock.now });
    const late = await send(bench, { headers });
    expect(await sealedIn(late.cookies)).toMatchObject({ refreshToken: "refresh-2" });
  });

  it("is asked about anew where a guard wants the store's word of now, without spending the spent", async () => {
    const bench = makeBench();
    rotateStrictly(bench);
    const headers = { Cookie: await presented };
    const now = requireAuth(bench.engine, { maxTokenAge: 0 });
    const outcomes = [
      await send(bench, { headers }),
      await send(bench, { headers }, [now]),
      await send(bench, { headers }, [now]),
    ];
    expect(outcomes.map(({ reached }) => reached)).toEqual([true, true, true]);
    expect(refreshTokensOf(bench)).toEqual(["refresh-1", "refresh-2", "refresh-3"]);
  });

  it("stays refused for the grace window where the session ended, without asking again", async () => {
    const bench = makeBench();
    bench.store.answer = () => ({ status: "ended", reason: "revoked" });
    const headers = { Cookie: await presented };
    for (let time = 0; time < 3; time++) {
      const { record } = await send(bench, { headers });
      expect((record as RequestAuth).state).toMatchObject({ code: "session_revoked" });
      bench.clock.now += 9;
    }
    expect(bench.store.asked).toHaveLength(1);
  });
});

describe("a renewal without a response", () => {
  it("profits from one that had one, and shares its own", async () => {
    const bench = makeBench();
    const Cookie = await cookieOf({ accessToken: issueToken(EXPIRED), refreshToken: "refresh-1" });
    rotateStrictly(bench);
    await send(bench, { headers: { Cookie } });
    const detached = await authenticateDetached(
      bench.engine,
      makeRequest({ headers: { Cookie } }),
      undefined,
    );
    expect(detached.status).toBe("authenticated");
    expect(refreshTokensOf(bench)).toEqual(["refresh-1"]);
  });

  it("asks on its own where nothing is known, once for the grace window, and spends nothing", async () => {
    const bench = makeBench();
    const Cookie = await cookieOf({ accessToken: issueToken(EXPIRED), refreshToken: "refresh-1" });
    bench.store.answer = ({ sealed }) =>
      sealed?.refreshToken === undefined ? { status: "unrenewable" } : { status: "ended", reason: "spent" };
    for (let time = 0; time < 3; time++) {
      const detached = await authenticateDetached(
        bench.engine,
        makeRequest({ headers: { Cookie } }),
        undefined,
      );
      expect(detached).toMatchObject({ status: "rejected", code: "token_expired" });
    }
    expect(refreshTokensOf(bench)).toEqual([undefined]);
  });
});
