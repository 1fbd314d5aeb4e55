import { describe, expect, it } from "@jest/globals";
import type { RequestAuth } from "../../../src/request/request-auth.ts";
import { createSealer } from "../../../src/lib/crypto.ts";
import type { SealedSession, SessionStore } from "../../../src/store.ts";
import {
  cookieOf,
  COOKIE,
  makeBench,
  send,
  type EngineBench,
  type Outcome,
} from "../../support/engine-bench.ts";
import { issueToken, ISSUER, KEY, NOW } from "../../support/fake-store.ts";
import { generateSigningKey, signToken } from "../../support/tokens.ts";

const RETIRED = generateSigningKey("Ed25519", "retired");
const EXPIRED = { iat: NOW - 400, exp: NOW - 100 };

function retired(times: object): string {
  return signToken(RETIRED, { iss: ISSUER, sub: "user_1", sid: "session_1", org: "org_1", ...times });
}

interface Judged {
  readonly code: string;
  readonly cleared: boolean;
  readonly asked: number;
  readonly misconfigured: boolean;
}

async function judge(bench: EngineBench, Cookie: string): Promise<Judged> {
  const outcome: Outcome = await send(bench, { headers: { Cookie } });
  const state = (outcome.record as RequestAuth).state;
  return {
    code: "code" in state ? state.code : state.status,
    cleared: outcome.cookies.some((line) => line.startsWith(`${COOKIE}=; Max-Age=0`)),
    asked: bench.store.asked.length,
    misconfigured: bench.events.some(({ type }) => type === "misconfigured"),
  };
}

async function judgeSession(session: SealedSession, overrides: Partial<SessionStore> = {}): Promise<Judged> {
  return judge(makeBench({}, overrides), await cookieOf(session));
}

describe("what a seal vouches for", () => {
  it.each([
    ["a good token", { accessToken: issueToken() }, "authenticated", false],
    [
      "a good token of its user",
      { accessToken: issueToken(), user: { id: "user_1" } },
      "authenticated",
      false,
    ],
    [
      "a token of another user",
      { accessToken: issueToken(), user: { id: "user_2" } },
      "invalid_session",
      true,
    ],
    [
      "R-39: a user named __proto__",
      { accessToken: issueToken(), user: { id: "__proto__" } },
      "invalid_session",
      true,
    ],
    ["a token that is none", { accessToken: "junk" }, "invalid_session", true],
    ["an empty token", { accessToken: "" }, "invalid_session", true],
  ])("is judged without the store: %s", async (_, session, code, cleared) => {
    expect(await judgeSession(session)).toEqual({ code, cleared, asked: 0, misconfigured: false });
  });

  it.each([
    ["another issuer", issueToken({ iss: "https://other.example" })],
    ["no session", issueToken({ sid: undefined })],
    ["a forged signature", `${issueToken().slice(0, -8)}AAAAAAAA`],
    ["an unknown key, not expired", retired({ iat: NOW - 10, exp: NOW + 290 })],
    ["an unknown key, expired within tolerance", retired({ iat: NOW - 300, exp: NOW - 4.999 })],
    [
      "another algorithm",
      signToken(generateSigningKey("ES256", KEY.kid), {
        iss: ISSUER,
        sub: "user_1",
        sid: "s",
        iat: NOW,
        exp: NOW + 9,
      }),
    ],
  ])("is kept where it holds a token of %s: a deploy's slip signs nobody out", async (_, accessToken) => {
    expect(await judgeSession({ accessToken, refreshToken: "r" })).toEqual({
      code: "invalid_session",
      cleared: false,
      asked: 0,
      misconfigured: true,
    });
  });

  it("is kept where the store finds no session in its claims", async () => {
    const judged = await judgeSession({ accessToken: issueToken() }, { interpret: () => undefined });
    expect(judged).toMatchObject({ code: "invalid_session", cleared: false, misconfigured: true });
  });

  it("cannot be known where the store fails to read the claims, nor can what a bearer vouches for", async () => {
    const interpret = (): never => {
      throw new Error("cannot read");
    };
    const sealed = await judgeSession({ accessToken: issueToken() }, { interpret });
    expect(sealed).toEqual({ code: "store_unavailable", cleared: false, asked: 0, misconfigured: true });
    const bench = makeBench({}, { interpret });
    const { record } = await send(bench, { headers: { Authorization: `Bearer ${issueToken()}` } });
    expect((record as RequestAuth).state).toEqual({
      status: "unavailable",
      code: "store_unavailable",
      retryAfter: 5,
    });
    expect(bench.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "interpret_failed" }),
    );
  });

  it("is asked about where the key is known no more and the token has expired", async () => {
    const bench = makeBench();
    const credential = { accessToken: issueToken({ iat: NOW, exp: NOW + 300 }), refreshToken: "refresh-2" };
    bench.store.answer = () => ({ status: "active", credential, verifiedAt: NOW });
    const sealed = { accessToken: retired(EXPIRED), refreshToken: "refresh-1", user: { id: "user_1" } };
    expect(await judge(bench, await cookieOf(sealed))).toMatchObject({ code: "authenticated", asked: 1 });
    expect(bench.store.asked[0]?.stale).toEqual({
      reason: "expired",
      accessToken: sealed.accessToken,
      sealed,
    });
  });

  it("never becomes another user's by that", async () => {
    const bench = makeBench();
    const credential = { accessToken: issueToken({ sub: "user_2", iat: NOW, exp: NOW + 300 }) };
    bench.store.answer = () => ({ status: "active", credential, verifiedAt: NOW });
    const Cookie = await cookieOf({ accessToken: retired(EXPIRED), user: { id: "user_1" } });
    expect(await judge(bench, Cookie)).toMatchObject({
      code: "store_unavailable",
      cleared: false,
      misconfigured: true,
    });
  });

  it("is unavailable while no key is known and none can be had: no refresh, no cleared cookie", async () => {
    const keys = { load: () => Promise.reject(new Error("down")) };
    const tokens = { ...makeBench().store.tokens, keys };
    for (const token of [issueToken(), issueToken(EXPIRED)]) {
      const judged = await judgeSession({ accessToken: token, refreshToken: "r" }, { tokens });
      expect(judged).toMatchObject({ code: "store_unavailable", cleared: false, asked: 0 });
      const bearer = await send(makeBench({}, { tokens }), { headers: { Authorization: `Bearer ${token}` } });
      expect((bearer.record as RequestAuth).state).toMatchObject({ status: "unavailable" });
    }
  });

  it("is nothing under a password that is not ours", async () => {
    const stranger = createSealer({ 1: "somebody-elses-password-of-32-characters-" });
    const judged = await judge(
      makeBench(),
      `${COOKIE}=${await stranger.seal({ accessToken: issueToken() })}`,
    );
    expect(judged).toEqual({ code: "invalid_session", cleared: true, asked: 0, misconfigured: false });
  });
});

describe("what a store reads in the claims", () => {
  const shared = {
    memberSession: {
      id: "session_1",
      memberId: "member_1",
      organizationId: "org_1",
      authenticationFactors: [{ type: "password" }],
      roles: ["viewer"],
      customClaims: null,
    },
    member: { id: "member_1", roles: ["viewer"] },
    organization: { id: "org_1" },
    permissions: ["documents:read"],
  };

  it("is copied and frozen at every depth, and stays the store's to write to", async () => {
    const outcome = await send(makeBench({}, { interpret: () => shared }), {
      headers: { Authorization: `Bearer ${issueToken()}` },
    });
    const { session } = outcome.record as RequestAuth;
    const parts = [session?.memberSession, session?.member, session?.organization, session?.permissions];
    expect(parts).toEqual([shared.memberSession, shared.member, shared.organization, shared.permissions]);
    expect(parts.map(Object.isFrozen)).toEqual([true, true, true, true]);
    expect(Object.isFrozen(session?.memberSession.authenticationFactors[0])).toBe(true);
    expect(Object.values(shared).some(Object.isFrozen)).toBe(false);
  });

  it("is shared as it is where the store says that it is frozen", async () => {
    const interpret = () => ({ ...shared, isFrozen: true as const });
    const outcome = await send(makeBench({}, { interpret }), {
      headers: { Authorization: `Bearer ${issueToken()}` },
    });
    const { session } = outcome.record as RequestAuth;
    expect(session?.memberSession).toBe(shared.memberSession);
    expect([session?.member, session?.organization, session?.permissions]).toEqual([
      shared.member,
      shared.organization,
      shared.permissions,
    ]);
  });
});

describe("an opaque session token", () => {
  it("is asked about, where the store declares that kind", async () => {
    const bench = makeBench(
      { credentials: [{ jwtCookie: "session_jwt" }], cookie: undefined as never },
      { credential: { opaqueCookieName: "session" } },
    );
    bench.store.answer = ({ opaqueToken }) =>
      opaqueToken === "opaque-1"
        ? {
            status: "active",
            credential: { accessToken: issueToken({ iat: NOW, exp: NOW + 300 }) },
            verifiedAt: NOW,
          }
        : { status: "ended", reason: "session_not_found" };
    const good = await send(bench, { headers: { Cookie: "session=opaque-1" } });
    expect(good.record?.session?.member.id).toBe("user_1");
    expect(bench.store.asked[0]?.stale).toEqual({ reason: "expired", opaqueToken: "opaque-1" });
    const junk = await send(bench, { headers: { Cookie: "session=junk" } });
    await send(bench, { headers: { Cookie: "session=junk" } });
    expect((junk.record as RequestAuth).state).toMatchObject({
      status: "rejected",
      code: "session_revoked",
    });
    expect(bench.store.asked).toHaveLength(2);
  });
});

describe("R-44: events of what was refused", () => {
  it("say why in a word, and hold nothing of the credential", async () => {
    const bench = makeBench();
    const token = issueToken({ iss: "https://other.example" });
    await send(bench, { headers: { Authorization: `Bearer ${token}` } });
    await send(bench, {
      headers: { Cookie: await cookieOf({ accessToken: token, refreshToken: "canary" }) },
    });
    expect(bench.events).toEqual([
      { type: "rejected", code: "invalid_token", reason: "issuer" },
      { type: "misconfigured", reason: "sealed_token_issuer" },
      { type: "rejected", code: "invalid_session", reason: "issuer" },
    ]);
  });

  it.each(["a secret: canary-canary", "x".repeat(65), 7, undefined, { toString: () => "canary" }])(
    "do not repeat the store's reason %p",
    async (reason) => {
      const bench = makeBench();
      const ask = (sid: string): Promise<Outcome> =>
        send(bench, { headers: { Authorization: `Bearer ${issueToken({ ...EXPIRED, sid })}` } });
      bench.store.answer = () => ({ status: "ended", reason }) as never;
      await ask("a");
      bench.store.answer = () => ({ status: "reauthenticate", reason }) as never;
      await ask("b");
      expect(bench.events).toEqual([
        { type: "rejected", code: "session_revoked", reason: "ended" },
        { type: "rejected", code: "reauthentication_required", reason: "authentication_required" },
      ]);
    },
  );
});
