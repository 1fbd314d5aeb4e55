import { describe, expect, it } from "@jest/globals";
import { createSealer } from "../../src/lib/crypto.ts";
import type { SealedSession, SessionStore } from "../../src/store.ts";
import { cookiesSet } from "../support/servers.ts";
import { closeAfterEach, start, withBearer, withCookie, type Harness } from "../support/apps.ts";
import { type SigningKey, generateSigningKey, signToken } from "../support/tokens.ts";
import { claimsOf, COOKIE, makeWorld, PASSWORD, START, type SignIn } from "../support/world.ts";
import { resign } from "./decision-table.scenarios.ts";

closeAfterEach();

const PAST_EXPIRY = 306;

/** The session in the cookie that an answer sets. */
const sessionIn = (answer: Awaited<ReturnType<Harness["send"]>>): SealedSession | undefined =>
  createSealer({ 1: PASSWORD }).unseal(cookiesSet(answer).get(COOKIE) ?? "");

/** An expired session whose renewals are answered with refresh tokens `r1`, `r2`, ... and a token with these claims. */
async function startSlipping(
  claims: Readonly<Record<string, unknown>>,
): Promise<Harness & { signIn: SignIn }> {
  const harness = await start();
  const { world } = harness;
  const signIn = await world.signIn();
  world.clock.now += PAST_EXPIRY;
  let serial = 0;
  world.store.behaviour = async () => ({
    status: "active",
    verifiedAt: world.clock.now,
    credential: {
      accessToken: resign(world, signIn, { iat: world.clock.now, exp: world.clock.now + 300, ...claims }),
      refreshToken: `r${++serial}`,
    },
  });
  return { ...harness, signIn };
}

const SLIPS: Readonly<Record<string, readonly [Readonly<Record<string, unknown>>, string]>> = {
  "another issuer": [{ iss: "https://auth.example.com" }, "renewed_token_issuer"],
  "no session id": [{ sid: undefined }, "renewed_token_class"],
  "roles as a string": [{ roles: "admin" }, "renewed_token_class"],
  "no organization": [{ org_id: null, org: null, roles: null }, "renewed_token_identity"],
  "more than 12,288 characters": [{ pad: "x".repeat(12_288) }, "renewed_token_malformed"],
  "too much for cookies": [{ custom_claims: { pad: "x".repeat(5_000) } }, "session_too_large"],
  "an end that is past": [{ exp: START }, "renewed_token_expired"],
};

describe.each(Object.entries(SLIPS))("a renewed token with %s", (_name, [claims, reason]) => {
  it("answers 503, and the cookie holds the new refresh token beside the last good access token", async () => {
    const { world, signIn, send, reached } = await startSlipping(claims);
    const answer = await send({ headers: withCookie(signIn.seal) });
    expect(answer.status).toBe(503);
    expect(answer.headers["retry-after"]).toBe("1");
    expect(sessionIn(answer)).toMatchObject({ accessToken: signIn.accessToken, refreshToken: "r1" });
    expect(reached).toEqual([]);
    expect(world.events).toContainEqual(expect.objectContaining({ type: "misconfigured", reason }));
  });

  it("is renewed again with the newest refresh token, also by a process started since", async () => {
    const { world, signIn, send } = await startSlipping(claims);
    const first = await send({ headers: withCookie(signIn.seal) });
    world.clock.now += 1;
    const second = await send({ headers: withCookie(cookiesSet(first).get(COOKIE) ?? "") });
    expect([second.status, sessionIn(second)?.refreshToken]).toEqual([503, "r2"]);
    const restarted = await start({ world });
    world.store.behaviour = (stale, context, ask) =>
      ask({ ...stale, sealed: { ...signIn, accessToken: signIn.accessToken } }, context);
    const third = await restarted.send({ headers: withCookie(cookiesSet(second).get(COOKIE) ?? "") });
    expect(third.status).toBe(200);
    expect(world.store.questions.map(({ stale }) => stale.sealed?.refreshToken)).toEqual([
      signIn.refreshToken,
      "r1",
      "r2",
    ]);
  });

  it("gives a bearer client no token", async () => {
    const { signIn, send } = await startSlipping(claims);
    if (reason === "session_too_large") return;
    const answer = await send({ headers: withBearer(signIn.accessToken) });
    expect([answer.status, answer.headers["session-jwt"], answer.setCookies]).toEqual([503, undefined, []]);
  });
});

describe("an answer without a usable access token", () => {
  it.each([undefined, null, 7, ""])("keeps the new refresh token: %j", async (accessToken) => {
    const harness = await start();
    const { world, send, reached } = harness;
    const signIn = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    // What an application's own store may answer, whatever its types promise.
    const credential = { accessToken, refreshToken: "r1" } as unknown as SealedSession;
    world.store.behaviour = async () => ({ status: "active", verifiedAt: world.clock.now, credential });
    const answer = await send({ headers: withCookie(signIn.seal) });
    expect([answer.status, reached]).toEqual([503, []]);
    expect(sessionIn(answer)).toMatchObject({ accessToken: signIn.accessToken, refreshToken: "r1" });
    expect(world.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "renewed_token_malformed" }),
    );
  });
});

describe("an answer with a field that is no JSON, such as a date", () => {
  it("keeps the new refresh token, and says what is wrong", async () => {
    const harness = await start();
    const { world, send, reached } = harness;
    const signIn = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    world.store.behaviour = async (stale, context, ask) => {
      const renewal = await ask(stale, context);
      if (renewal.status !== "active" || renewal.credential === undefined) return renewal;
      return { ...renewal, credential: { ...renewal.credential, lastSeen: new Date(0) } };
    };
    const answer = await send({ headers: withCookie(signIn.seal) });
    expect([answer.status, reached]).toEqual([503, []]);
    expect(sessionIn(answer)?.refreshToken).not.toBe(signIn.refreshToken);
    expect(sessionIn(answer)?.accessToken).toBe(signIn.accessToken);
    expect(world.events).toContainEqual(
      expect.objectContaining({
        type: "misconfigured",
        reason: "renewed_session_not_json",
        error: expect.objectContaining({ message: expect.stringMatching(/JSON/) }),
      }),
    );
  });
});

describe("a switch whose new token cannot be used", () => {
  const SWITCH = { method: "POST", path: "/switch" } as const;
  const BAD = {
    "another issuer": [{ iss: "https://auth.example.com" }, "issued_token_issuer"],
    "no session id": [{ sid: undefined }, "issued_token_class"],
    "an end that is past": [{ exp: START - 1000 }, "issued_token_expired"],
  } as const;

  /** A member of two organizations, whose store answers a switch with this token and a rotated refresh token. */
  async function startSwitching(
    claims: Readonly<Record<string, unknown>>,
    keepsSession: boolean,
    key?: SigningKey,
  ): Promise<Harness & { signIn: SignIn; attempt: () => ReturnType<Harness["send"]> }> {
    const world = makeWorld();
    const signIn = await world.signIn();
    const { capabilities } = world.store;
    const store: SessionStore = {
      ...world.store,
      capabilities: { ...capabilities, switchKeepsSessionId: keepsSession },
      async switchOrganization() {
        const changes = { org_id: "org_globex", org: { name: "Globex" }, ...claims };
        const accessToken =
          key === undefined
            ? resign(world, signIn, changes)
            : signToken(key, { ...claimsOf(signIn.accessToken), ...changes });
        return { status: "authenticated", credential: { ...signIn, accessToken, refreshToken: "rotated" } };
      },
    };
    const harness = await start({
      world,
      options: { store },
      routes: (auth) => [
        { path: "/switch", guards: [auth.switchOrganization()] },
        { path: "/documents", guards: [auth.requireAuth()] },
      ],
    });
    const body = "organization_id=org_globex";
    const headers = { ...withCookie(signIn.seal), "Content-Type": "application/x-www-form-urlencoded" };
    return { ...harness, signIn, attempt: () => harness.send({ ...SWITCH, headers, body }) };
  }

  it.each(Object.entries(BAD))(
    "keeps the rotated refresh token beside the last good access token: %s",
    async (_what, [claims, reason]) => {
      const { world, signIn, attempt, send, reached } = await startSwitching(claims, true);
      const answer = await attempt();
      expect([answer.status, JSON.parse(answer.body).code]).toEqual([503, "store_unavailable"]);
      expect(sessionIn(answer)).toMatchObject({ accessToken: signIn.accessToken, refreshToken: "rotated" });
      expect(world.events).toContainEqual(expect.objectContaining({ type: "misconfigured", reason }));
      expect(reached).toEqual([]);
      const kept = cookiesSet(answer).get(COOKIE) ?? "";
      const next = await send({ headers: withCookie(kept) });
      expect([next.status, JSON.parse(next.body).organization]).toEqual([200, "org_acme"]);
    },
  );

  it("seals no token that is signed by a key which nobody published", async () => {
    const { world, signIn, attempt, send } = await startSwitching({}, true, generateSigningKey("ES256"));
    const answer = await attempt();
    expect(answer.status).toBe(503);
    expect(sessionIn(answer)).toMatchObject({ accessToken: signIn.accessToken, refreshToken: "rotated" });
    expect(world.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "issued_token_unknown_key" }),
    );
    const next = await send({ headers: withCookie(cookiesSet(answer).get(COOKIE) ?? "") });
    expect([next.status, JSON.parse(next.body).organization]).toEqual([200, "org_acme"]);
  });

  it("leads the old cookie to the rotated refresh token, where the answer was lost", async () => {
    const { world, signIn, attempt, send } = await startSwitching({ iss: "https://other.example" }, true);
    await attempt();
    world.clock.now += PAST_EXPIRY;
    world.store.behaviour = async (stale, context, ask) =>
      stale.sealed?.refreshToken === "rotated"
        ? ask({ ...stale, sealed: { ...signIn } }, context)
        : { status: "ended", reason: "invalid_grant" };
    expect((await send({ headers: withCookie(signIn.seal) })).status).toBe(200);
  });

  it("sends no cookie where a switch begins another session: the tokens do not belong together", async () => {
    const { attempt } = await startSwitching({ iss: "https://auth.example.com" }, false);
    const answer = await attempt();
    expect([answer.status, answer.setCookies]).toEqual([503, []]);
  });

  it("keeps neither token of another member", async () => {
    const { attempt, reached } = await startSwitching({ sub: "user_bob" }, true);
    const answer = await attempt();
    expect([answer.status, answer.setCookies, reached]).toEqual([503, [], []]);
  });
});

describe("a session whose renewed tokens cannot be used", () => {
  it("is renewed less and less often, whatever cookie it sends", async () => {
    const { world, signIn, send } = await startSlipping({ iss: "https://auth.example.com" });
    let cookie = signIn.seal;
    for (let second = 0; second < 120; second++) {
      // oxlint-disable-next-line no-await-in-loop -- one page after the other
      const answer = await send({ headers: withCookie(cookie) });
      expect(answer.status).toBe(503);
      cookie = cookiesSet(answer).get(COOKIE) ?? cookie;
      world.clock.now += 1;
    }
    expect(world.store.questions.length).toBe(8);
  });

  it("is renewed from the newest refresh token when the client never got the new cookie", async () => {
    const { world, signIn, send } = await startSlipping({ iss: "https://auth.example.com" });
    for (const wait of [0, 1, 40, 200]) {
      world.clock.now += wait;
      // oxlint-disable-next-line no-await-in-loop -- one page after the other
      expect((await send({ headers: withCookie(signIn.seal) })).status).toBe(503);
    }
    expect(world.store.questions.map(({ stale }) => stale.sealed?.refreshToken)).toEqual([
      signIn.refreshToken,
      "r1",
      "r2",
      "r3",
    ]);
  });
});

describe("a renewed token that is somebody else's", () => {
  it.each([
    ["another member", { sub: "user_bob" }],
    ["another organization", { org_id: "org_globex", org: { name: "Globex" } }],
  ])("is kept nowhere: %s", async (_name, claims) => {
    const { world, signIn, send, reached } = await startSlipping(claims);
    const answer = await send({ headers: withCookie(signIn.seal) });
    expect([answer.status, answer.setCookies]).toEqual([503, []]);
    expect(reached).toEqual([]);
    expect(world.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "foreign_renewal" }),
    );
  });
});
