import { afterEach, describe, expect, it } from "@jest/globals";
import { generateSigningKey } from "../support/tokens.ts";
import { JSON_CLIENT, openBrowser, setCookiesOf } from "../support/browser.ts";
import { FRONT_END, makeStytchApp, type StytchApp, type StytchAppOptions } from "../support/stytch-app.ts";

const AUTHENTICATE = "POST /v1/b2b/sessions/authenticate";
const HEADERS = { headers: JSON_CLIENT };
const apps: StytchApp[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

async function start(options: StytchAppOptions = {}): Promise<StytchApp> {
  const app = await makeStytchApp({ orgate: FRONT_END, ...options });
  apps.push(app);
  return app;
}

describe("the cookies of Stytch's front ends", () => {
  it("are both written when the session is renewed, as the front end writes them", async () => {
    const app = await start();
    const { session, jwt } = app.session();
    const browser = app.browser({ stytch_session_jwt: jwt, stytch_session: session.token });
    expect(setCookiesOf(await browser.get("/me", HEADERS))).toEqual([]);
    app.expire();
    const renewed = await browser.get("/me", HEADERS);
    expect(renewed.status).toBe(200);
    expect(setCookiesOf(renewed)).toEqual([
      expect.stringMatching(
        /^stytch_session_jwt=[\w-]+\.[\w-]+\.[\w-]+; Max-Age=\d+; Path=\/; Secure; SameSite=Lax$/,
      ),
      expect.stringMatching(
        new RegExp(`^stytch_session=${session.token}; Max-Age=\\d+; Path=/; Secure; SameSite=Lax$`),
      ),
    ]);
    expect(app.harness.fake.sent.at(-1)).toEqual({ session_jwt: jwt });
    expect(setCookiesOf(await browser.get("/me", HEADERS))).toEqual([]);
    expect(app.harness.fake.asked()).toEqual([AUTHENTICATE]);
  });

  it("work with the session token alone, with one call while its JWT is fresh", async () => {
    const app = await start();
    const { session } = app.session();
    const browser = app.browser({ stytch_session: session.token });
    const stubborn = browser.copy();
    const first = await browser.get("/me", HEADERS);
    expect([first.status, first.body.member]).toEqual([200, "member-test-bob-acme"]);
    expect(app.harness.fake.sent.at(-1)).toEqual({ session_token: session.token });
    expect([...browser.cookies.keys()].toSorted()).toEqual(["stytch_session", "stytch_session_jwt"]);
    expect((await browser.get("/me", HEADERS)).status).toBe(200);
    await app.harness.advance(200);
    expect((await stubborn.copy().get("/me", HEADERS)).status).toBe(200);
    expect(app.harness.fake.asked()).toEqual([AUTHENTICATE]);
    await app.harness.advance(200);
    expect((await stubborn.get("/me", HEADERS)).status).toBe(200);
    expect(app.harness.fake.asked()).toHaveLength(2);
  });

  it("are both cleared when the session has ended, and at sign-out", async () => {
    const app = await start();
    const { session, jwt } = app.session();
    const browser = app.browser({ stytch_session_jwt: jwt, stytch_session: session.token });
    const leaving = app.session();
    session.revoked = true;
    app.expire();
    const ended = await browser.get("/me", HEADERS);
    expect([ended.status, ended.body.code]).toEqual([401, "session_revoked"]);
    expect(browser.cookies.size).toBe(0);

    const other = app.browser({ stytch_session_jwt: leaving.jwt, stytch_session: leaving.session.token });
    expect((await other.post("/sign-out", HEADERS)).status).toBe(200);
    expect(other.cookies.size).toBe(0);
    expect(leaving.session.revoked).toBe(true);
  });

  it("end the session at Stytch for a client with the session token alone", async () => {
    const app = await start();
    const { session } = app.session();
    const browser = app.browser({ stytch_session: session.token });
    expect((await browser.post("/sign-out", HEADERS)).status).toBe(200);
    expect([browser.cookies.size, session.revoked]).toEqual([0, true]);
    const late = app.browser({ stytch_session: session.token });
    expect((await late.get("/me", HEADERS)).body.code).toBe("session_revoked");
  });

  it("are set by a sign-in and by a switch", async () => {
    const app = await start({ orgate: { ...FRONT_END } });
    const { session } = app.session("ada");
    const { world } = app.harness.fake;
    app.nextSignIn = { status: 200, body: { ...world.issue(session), member_authenticated: true } };
    const browser = app.browser();
    expect((await browser.post("/sign-in", HEADERS)).status).toBe(200);
    expect(browser.cookies.get("stytch_session")).toBe(session.token);
    const body = { organization_id: "organization-test-globex" };
    expect((await browser.post("/switch", { ...HEADERS, body })).status).toBe(200);
    const next = [...world.sessions.values()].find(
      (one) => one.token === browser.cookies.get("stytch_session"),
    );
    expect(next?.member.id).toBe("member-test-ada-globex");
    expect((await browser.get("/me", HEADERS)).body.member).toBe("member-test-ada-globex");
  });

  it("R-29: an invalid session token causes one call, and none when it is repeated", async () => {
    const app = await start();
    const browser = app.browser({ stytch_session: "made-up" });
    const thief = browser.copy();
    const first = await browser.get("/me", HEADERS);
    expect([first.status, first.body.code]).toEqual([401, "session_revoked"]);
    expect(browser.cookies.size).toBe(0);
    await app.harness.advance(3_600);
    expect((await thief.get("/me", HEADERS)).status).toBe(401);
    expect(app.harness.fake.asked()).toEqual([AUTHENTICATE]);
  });

  it("R-29: many invalid session tokens stop calls for such tokens only, for a while", async () => {
    const app = await start();
    const { jwt } = app.session();
    for (let index = 0; index < 100; index += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other, as refusals are counted
      await app.browser({ stytch_session: `made-up-${index}` }).get("/me", HEADERS);
    }
    const { session } = app.session();
    const closed = await app.browser({ stytch_session: session.token }).get("/me", HEADERS);
    expect([closed.status, closed.body.code]).toEqual([503, "store_unavailable"]);
    expect(setCookiesOf(closed)).toEqual([]);
    expect(app.harness.fake.asked()).toHaveLength(30);
    expect((await app.browser({ stytch_session_jwt: jwt }).get("/me", HEADERS)).status).toBe(200);
    await app.harness.advance(61);
    expect((await app.browser({ stytch_session: session.token }).get("/me", HEADERS)).status).toBe(200);
  });
});

describe("signing out with the session token alone, without auth mounted above", () => {
  const REVOKE = "POST /v1/b2b/sessions/revoke";

  it("ends the session at Stytch by the token, in one call", async () => {
    const app = await start({ mounted: false });
    const { session } = app.session();
    const other = app.session();
    const browser = app.browser({ stytch_session: session.token });
    const thief = browser.copy();
    const out = await browser.post("/sign-out", { headers: { Accept: "text/html" } });
    expect([out.status, out.headers["location"], browser.cookies.size]).toEqual([303, "/", 0]);
    expect([session.revoked, other.session.revoked]).toEqual([true, false]);
    expect(app.harness.fake.asked()).toEqual([REVOKE]);
    expect(app.harness.fake.sent.at(-1)).toEqual({ session_token: session.token });
    expect(app.events).toContainEqual({ type: "revoked", by: "session", reason: "sign_out" });
    const stolen = await thief.get("/me", HEADERS);
    expect([stolen.status, stolen.body.code]).toEqual([401, "session_revoked"]);
    expect(app.harness.fake.asked()).toHaveLength(1);
  });

  it("everywhere ends all sessions of the member, after Stytch says whose token it is", async () => {
    const app = await start({ mounted: false });
    const [here, there, ada] = [app.session(), app.session(), app.session("ada")];
    const elsewhere = app.browser({ stytch_session_jwt: there.jwt });
    expect((await elsewhere.get("/me", HEADERS)).status).toBe(200);
    await app.harness.advance(1);
    const browser = app.browser({ stytch_session: here.session.token });
    expect((await browser.post("/sign-out-everywhere", HEADERS)).status).toBe(200);
    expect([here, there, ada].map(({ session }) => session.revoked)).toEqual([true, true, false]);
    expect(app.harness.fake.asked()).toEqual([AUTHENTICATE, REVOKE]);
    expect(app.harness.fake.sent.at(-1)).toEqual({ member_id: here.session.member.id });
    expect(app.events).toContainEqual({ type: "revoked", by: "member", reason: "sign_out" });
    expect((await elsewhere.get("/me", HEADERS)).body.code).toBe("session_revoked");
    expect((await app.browser({ stytch_session_jwt: here.jwt }).get("/me", HEADERS)).status).toBe(401);
  });

  it("uses the session's id when the token was seen before", async () => {
    const app = await start({ mounted: false });
    const { session } = app.session();
    const browser = app.browser({ stytch_session: session.token });
    await browser.copy().get("/me", HEADERS);
    await browser.post("/sign-out", HEADERS);
    expect(app.harness.fake.sent.at(-1)).toEqual({ member_session_id: session.id });
    expect(session.revoked).toBe(true);
  });

  it.each<[string, (app: StytchApp) => void]>([
    ["is down", ({ harness }) => void (harness.fake.isDown = true)],
    [
      "fails",
      ({ harness }) => harness.fake.fail("/revoke", ({ answer }) => answer({ status: 500, body: {} }), 9),
    ],
    [
      "refuses the application",
      ({ harness }) =>
        harness.fake.fail(
          "/revoke",
          ({ answer }) => answer({ status: 401, body: { error_type: "unauthorized_credentials" } }),
          9,
        ),
    ],
    [
      "answers with a refusal of another kind",
      ({ harness }) =>
        harness.fake.fail(
          "/revoke",
          ({ answer }) => answer({ status: 400, body: { error_type: "query_params_do_not_match" } }),
          9,
        ),
    ],
  ])("clears the cookies while Stytch %s, emits an event, and rejects the token", async (_what, spoil) => {
    const app = await start({ mounted: false });
    const { session } = app.session();
    const browser = app.browser({ stytch_session: session.token });
    const thief = browser.copy();
    spoil(app);
    const out = await browser.post("/sign-out", HEADERS);
    expect([out.status, out.body, browser.cookies.size]).toEqual([
      200,
      { signed_out: true, redirect_to: "/", session_ended: false },
      0,
    ]);
    expect(session.revoked).toBe(false);
    expect(app.events).toContainEqual(
      expect.objectContaining({ type: "unavailable", code: "store_unavailable" }),
    );
    expect(app.events).toContainEqual({ type: "revoked", by: "session", reason: "sign_out" });
    app.harness.fake.isDown = false;
    expect((await thief.get("/me", HEADERS)).body.code).toBe("session_revoked");
  });

  it("R-29: sends an invalid token once, however it is repeated, and emits no session event", async () => {
    const app = await start({ mounted: false });
    for (const path of ["/sign-out", "/sign-out", "/sign-out-everywhere"]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const out = await app.browser({ stytch_session: "made-up" }).post(path, HEADERS);
      expect(out.status).toBe(200);
    }
    expect((await app.browser({ stytch_session: "made-up" }).get("/me", HEADERS)).status).toBe(401);
    expect(app.harness.fake.asked()).toEqual([REVOKE]);
    expect(app.events.filter(({ type }) => type === "revoked")).toEqual([]);
  });

  it("R-29: stops calls after many invalid tokens, emits an event, and still clears the cookies", async () => {
    const app = await start({ mounted: false });
    for (let index = 0; index < 100; index += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other, as refusals are counted
      await app.browser({ stytch_session: `made-up-${index}` }).post("/sign-out", HEADERS);
    }
    const { session } = app.session();
    const browser = app.browser({ stytch_session: session.token });
    const thief = browser.copy();
    expect((await browser.post("/sign-out", HEADERS)).status).toBe(200);
    expect([browser.cookies.size, app.harness.fake.asked().length]).toEqual([0, 30]);
    expect(app.events).toContainEqual(
      expect.objectContaining({ type: "unavailable", reason: "unvouched_flood" }),
    );
    await app.harness.advance(61);
    expect((await thief.get("/me", HEADERS)).body.code).toBe("session_revoked");
  });

  it("R-17: does nothing for another site", async () => {
    const app = await start({ mounted: false });
    const { session } = app.session();
    const headers = { ...JSON_CLIENT, "Sec-Fetch-Site": "cross-site" };
    const out = await app.browser({ stytch_session: session.token }).post("/sign-out", { headers });
    expect([out.status, session.revoked]).toEqual([403, false]);
  });
});

describe("a sealed session whose key is no longer published", () => {
  it("is ended at Stytch by its session token at sign-out", async () => {
    const app = await start({ mounted: false, orgate: {} });
    const { session } = app.session();
    const { world } = app.harness.fake;
    app.nextSignIn = { status: 200, body: { ...world.issue(session), member_authenticated: true } };
    const browser = app.browser();
    await browser.post("/sign-in", HEADERS);
    world.key = generateSigningKey("RS256", "jwk-test-2");
    world.published = [world.key];
    await app.harness.advance(3_000);
    const other = await start({ mounted: false, orgate: {}, store: { baseUrl: app.harness.fake.url } });
    await other.harness.advance(3_000);
    const late = openBrowser(other.listener, browser.cookies);
    expect((await late.post("/sign-out", HEADERS)).status).toBe(200);
    expect(app.harness.fake.sent.at(-1)).toEqual({ session_token: session.token });
    expect(session.revoked).toBe(true);
  });
});

describe("a JWT whose key is no longer published", () => {
  const RETIRED = generateSigningKey("RS256", "jwk-test-retired");

  it("is rejected without a call", async () => {
    const app = await start();
    const { session } = app.session();
    const jwt = app.harness.fake.world.sign(session, {}, RETIRED);
    const answer = await app.browser({ stytch_session_jwt: jwt }).get("/me", HEADERS);
    expect([answer.status, answer.body.code]).toEqual([401, "invalid_token"]);
    expect(app.harness.fake.asked()).toEqual([]);
  });

  it("is checked once with unknownKey: ask, and replaced", async () => {
    const app = await start({ store: { unknownKey: "ask" } });
    const { session } = app.session();
    const jwt = app.harness.fake.world.sign(session, {}, RETIRED);
    const browser = app.browser({ stytch_session_jwt: jwt });
    const answers = await Promise.all(Array.from({ length: 10 }, () => browser.copy().get("/me", HEADERS)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
    expect((await browser.get("/me", HEADERS)).body.member).toBe("member-test-bob-acme");
    expect(browser.cookies.get("stytch_session_jwt")).not.toBe(jwt);
    expect(app.harness.fake.asked()).toEqual([AUTHENTICATE]);
  });

  it("R-31: is remembered when Stytch rejects it", async () => {
    const app = await start({ store: { unknownKey: "ask" } });
    const { session } = app.session();
    const jwt = app.harness.fake.world.sign(session, { "https://stytch.com/session": { id: "x" } }, RETIRED);
    for (let round = 0; round < 3; round += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const answer = await app.browser({ stytch_session_jwt: jwt }).get("/me", HEADERS);
      expect(answer.status).toBe(401);
      app.expire();
    }
    expect(app.harness.fake.asked()).toEqual([AUTHENTICATE]);
  });

  it("R-09: signs nobody in when Stytch answers with another session", async () => {
    const app = await start({ store: { unknownKey: "ask" } });
    const { session } = app.session("bob");
    const jwt = app.harness.fake.world.sign(session, { sub: "member-test-ada-acme" }, RETIRED);
    const answer = await app.browser({ stytch_session_jwt: jwt }).get("/me", HEADERS);
    expect([answer.status, answer.body.code]).toEqual([503, "store_unavailable"]);
    expect(app.reached).toEqual([]);
  });
});
