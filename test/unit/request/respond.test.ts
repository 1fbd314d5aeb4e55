import { describe, expect, it } from "@jest/globals";
import { credentialKey } from "../../../src/request/cache.ts";
import type { Renewal } from "../../../src/store.ts";
import { findCookie } from "../../../src/lib/cookies.ts";
import { cookieOf, COOKIE, makeBench, PASSWORD, sealedIn, send } from "../../support/engine-bench.ts";
import { issueToken, NOW } from "../../support/fake-store.ts";

const EXPIRED = { iat: NOW - 400, exp: NOW - 100 };
const FRESH = issueToken({ iat: NOW, exp: NOW + 300 });
const BEARER = { Authorization: `Bearer ${issueToken(EXPIRED)}` };

function renewed(more: object = {}): Renewal {
  return {
    status: "active",
    credential: { accessToken: FRESH, refreshToken: "refresh-2", ...more },
    verifiedAt: NOW,
  };
}

/** Cookies by name as a browser keeps them. */
function keep(lines: readonly string[]): string {
  const kept = lines.filter((line) => !line.includes("Max-Age=0")).map((line) => line.split(";", 1)[0]);
  return kept.join("; ");
}

describe("what a renewal hands out", () => {
  it("goes to a bearer as a header that its own page may read, and a trusted one", async () => {
    for (const [Origin, exposed] of [
      [undefined, undefined],
      ["https://trusted.example", "Session-Jwt"],
      ["https://evil.example", undefined],
    ] as const) {
      const bench = makeBench({ csrf: { trustedOrigins: ["https://trusted.example"] } });
      bench.store.answer = () => renewed();
      const { headers, cookies } = await send(bench, { headers: { ...BEARER, ...(Origin && { Origin }) } });
      expect([headers["session-jwt"], headers["access-control-expose-headers"], cookies]).toEqual([
        FRESH,
        exposed,
        [],
      ]);
      expect(headers["cache-control"]).toBe("private, no-store");
    }
  });

  it("keeps the headers that the application exposes", async () => {
    const bench = makeBench({ csrf: { trustedOrigins: ["https://trusted.example"] } });
    bench.store.answer = () => renewed();
    const { headers } = await send(
      bench,
      { headers: { ...BEARER, Origin: "https://trusted.example" } },
      [],
      (response) => {
        response.setHeader("Access-Control-Expose-Headers", "ETag, X-Total");
        response.end();
      },
    );
    expect(headers["access-control-expose-headers"]).toBe("ETag, X-Total, Session-Jwt");
  });

  it("goes into the sealed cookie that it came from", async () => {
    const bench = makeBench();
    bench.store.answer = () => renewed();
    const Cookie = await cookieOf({ accessToken: issueToken(EXPIRED), refreshToken: "refresh-1" });
    const { cookies, headers } = await send(bench, { headers: { Cookie } });
    expect(await sealedIn(cookies)).toEqual({ accessToken: FRESH, refreshToken: "refresh-2" });
    expect(cookies[0]).toMatch(/; Max-Age=34560000; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
    expect(headers["session-jwt"]).toBeUndefined();
  });

  it("goes into the JWT cookie that it came from, readable as the front end needs it", async () => {
    const bench = makeBench({ credentials: [{ jwtCookie: "session_jwt" }], cookie: undefined as never });
    bench.store.answer = () => renewed();
    const { cookies } = await send(bench, { headers: { Cookie: `session_jwt=${issueToken(EXPIRED)}` } });
    expect(cookies).toEqual([`session_jwt=${FRESH}; Max-Age=34560000; Path=/; Secure; SameSite=Lax`]);
  });

  it.each([
    ["the session's end", { session_exp: NOW + 7_200 }, {}, 7_200],
    ["400 days at most", { session_exp: NOW + 1e9 }, {}, 34_560_000],
    ["the configured time", { session_exp: NOW + 7_200 }, { maxAge: 60 }, 60],
  ])("is kept by the browser until %s", async (_, claims, cookie, expected) => {
    const bench = makeBench({ cookie: { password: PASSWORD, ...cookie } });
    bench.store.answer = () => renewed({ accessToken: issueToken({ iat: NOW, exp: NOW + 300, ...claims }) });
    const Cookie = await cookieOf({ accessToken: issueToken(EXPIRED) });
    expect((await send(bench, { headers: { Cookie } })).cookies[0]).toContain(`Max-Age=${expected};`);
  });
});

describe("R-14: sizes", () => {
  const filler = (size: number): string => "x".repeat(size);

  it("splits what is too long for one cookie, clears the whole one, and reads it again", async () => {
    const bench = makeBench();
    bench.store.answer = () => renewed({ filler: filler(4_000) });
    const Cookie = await cookieOf({ accessToken: issueToken(EXPIRED) });
    const { cookies } = await send(bench, { headers: { Cookie } });
    const cleared = cookies.filter((line) => line.includes("Max-Age=0"));
    expect(cleared.map((line) => line.split("=", 1)[0])).toEqual([COOKIE]);
    expect(cookies.length).toBe(3);

    const back = keep(cookies);
    expect(findCookie(back, COOKIE).status).toBe("found");
    const again = await send(bench, { headers: { Cookie: back } });
    expect(again.record?.session?.member.id).toBe("user_1");
    expect(bench.store.asked).toHaveLength(1);
  });

  it("goes back to one cookie, and clears every chunk that is left over", async () => {
    const bench = makeBench();
    bench.store.answer = () => renewed({ filler: undefined });
    const long = await cookieOf({ accessToken: issueToken(EXPIRED), filler: filler(6_000) });
    const value = long.slice(COOKIE.length + 1);
    const chunks = [value.slice(0, 3_900), value.slice(3_900, 7_800), value.slice(7_800)];
    const Cookie = [...chunks, "leftover"].map((chunk, index) => `${COOKIE}.${index}=${chunk}`).join("; ");
    const { cookies } = await send(bench, { headers: { Cookie } });
    const cleared = cookies.filter((line) => line.includes("Max-Age=0")).map((line) => line.split("=", 1)[0]);
    expect(cleared).toEqual([0, 1, 2, 3].map((index) => `${COOKIE}.${index}`));
    expect(await sealedIn(cookies)).toMatchObject({ accessToken: FRESH });
  });

  it("does not send what browsers would drop, and says so loudly", async () => {
    const bench = makeBench();
    bench.store.answer = () => renewed({ filler: filler(12_288) });
    const Cookie = await cookieOf({ accessToken: issueToken(EXPIRED) });
    const { cookies, record } = await send(bench, { headers: { Cookie } });
    expect(await sealedIn(cookies)).toEqual({ accessToken: issueToken(EXPIRED), refreshToken: "refresh-2" });
    expect(record?.state).toMatchObject({ status: "unavailable", code: "store_unavailable" });
    expect(bench.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "session_too_large" }),
    );
  });
});

describe("R-15: a renewal that comes late", () => {
  it("sets no cookie once another session took its place in the same browser", async () => {
    for (const ending of ["refuse", "supersede"] as const) {
      const bench = makeBench();
      const Cookie = await cookieOf({ accessToken: issueToken(EXPIRED) });
      const key = credentialKey("sealed", Cookie.slice(COOKIE.length + 1));
      bench.store.answer = () => {
        bench.engine.superseded.set(key, { ending, at: bench.engine.nextInSequence() });
        return renewed();
      };
      expect((await send(bench, { headers: { Cookie } })).cookies).toEqual([]);
    }
  });

  it("sets no cookie for a session that was signed out meanwhile", async () => {
    const bench = makeBench();
    bench.store.answer = () => {
      void bench.engine.invalidations.end("session_1", "refuse");
      return renewed();
    };
    const Cookie = await cookieOf({ accessToken: issueToken(EXPIRED) });
    expect(keep((await send(bench, { headers: { Cookie } })).cookies)).toBe("");
  });

  it("does not clear the cookie of the session that took its place", async () => {
    const bench = makeBench();
    const Cookie = await cookieOf({ accessToken: issueToken(EXPIRED) });
    const key = credentialKey("sealed", Cookie.slice(COOKIE.length + 1));
    bench.engine.superseded.set(key, { ending: "supersede", at: bench.engine.nextInSequence() });
    bench.store.answer = () => ({ status: "ended", reason: "revoked" });
    expect((await send(bench, { headers: { Cookie } })).cookies).toEqual([]);
  });
});
