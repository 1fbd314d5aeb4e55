import { afterEach, describe, expect, it } from "@jest/globals";
import { createSealer } from "../../src/lib/crypto.ts";
import type { FakeExchange } from "../support/fake-workos.ts";
import { oauth, plain } from "../support/fake-workos-world.ts";
import { clears } from "../support/servers.ts";
import { generateSigningKey, publicJwks, signToken } from "../support/tokens.ts";
import { JSON_CLIENT, setCookiesOf, type Visitor } from "../support/browser.ts";
import {
  makeWorkosApp,
  WORKOS_COOKIE,
  type WorkosApp,
  type WorkosAppOptions,
} from "../support/workos-app.ts";
import { bearerOf } from "../support/world.ts";

type Fault = (exchange: FakeExchange) => void;

const FOREIGN_KEY = generateSigningKey("RS256", "a-foreign-key");
const apps: WorkosApp[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

/** Starts an application whose store gives up after a second. */
async function start(options: WorkosAppOptions = {}): Promise<WorkosApp> {
  const app = await makeWorkosApp({ store: { timeout: 1 }, ...options });
  apps.push(app);
  return app;
}

function write(status: number, type: string, body: string | Buffer): Fault {
  return ({ response }) => response.writeHead(status, { "content-type": type }).end(body);
}

/** Answers as WorkOS would, but for some fields. */
function lie(change: (body: Readonly<Record<string, unknown>>) => object): Fault {
  return (exchange) => {
    const { body } = exchange.perform();
    exchange.answer({ status: 200, body: { ...body, ...change(body) } });
  };
}

function resign(token: unknown, claims: object, key = FOREIGN_KEY): string {
  const [, payload = ""] = String(token).split(".");
  const before = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
  return signToken(key, { ...before, ...claims }, { typ: undefined });
}

const drip: Fault = ({ response }) => {
  response.writeHead(200, { "content-type": "application/json" });
  const timer = setInterval(() => response.write(" "), 20);
  response.on("close", () => clearInterval(timer));
};

const breakOff: Fault = ({ response, request }) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
  response.write('{"user":');
  setImmediate(() => request.socket.destroy());
};

const flood: Fault = ({ response }) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(Buffer.alloc(10_000_000, 0x20));
};

const SPOILT: readonly (readonly [string, Fault])[] = [
  ["200 with HTML", write(200, "text/html", "<html>down for maintenance</html>")],
  ["HTML that says it is JSON", write(200, "application/json", "<html>")],
  ["JSON that says it is text", write(200, "text/plain", "{}")],
  ["200 with nothing", write(200, "application/json", "")],
  ["200 with an empty object", write(200, "application/json", "{}")],
  ["a 401 page of a proxy's", write(401, "text/html", "<html>")],
  ["a 404 of a router's", write(404, "application/json", '{"message":"Not Found"}')],
  ["502 with HTML", write(502, "text/html", "<html>")],
  ["500 that says invalid_grant", write(500, "application/json", '{"error":"invalid_grant"}')],
  ["an error nobody knows", ({ answer }) => answer(oauth(400, "something_new"))],
  ["an empty quota", ({ answer }) => answer(plain(429, "daily_quota_exceeded"))],
  ["10 MB", flood],
  ["a slow drip", drip],
  ["no answer at all", () => undefined],
  ["a reset", ({ request }) => request.socket.destroy()],
  ["half a body", breakOff],
  ["a redirect", ({ response }) => response.writeHead(307, { location: "http://127.0.0.1:1/" }).end()],
  ["another user", lie(() => ({ user: { id: "user_ada" } }))],
  ["another organization", lie(() => ({ organization_id: "org_globex" }))],
];

const SPOILT_TOKENS: readonly (readonly [string, (app: WorkosApp) => Fault])[] = [
  [
    "another user's",
    ({ harness }) =>
      lie(({ access_token: token }) => ({
        access_token: resign(token, { sub: "user_ada" }, harness.fake.world.key),
      })),
  ],
  [
    "another organization's",
    ({ harness }) =>
      lie(({ access_token: token }) => ({
        access_token: resign(token, { org_id: "org_globex" }, harness.fake.world.key),
      })),
  ],
  [
    "without the session claim",
    ({ harness }) =>
      lie(({ access_token: token }) => ({
        access_token: resign(token, { sid: undefined }, harness.fake.world.key),
      })),
  ],
  [
    "expired already",
    ({ harness }) =>
      lie(({ access_token: token }) => ({
        access_token: resign(token, { exp: harness.clock() - 60 }, harness.fake.world.key),
      })),
  ],
  [
    "forged",
    () => lie(({ access_token: token }) => ({ access_token: `${String(token).slice(0, -8)}AAAAAAAA` })),
  ],
  ["no token", () => lie(() => ({ access_token: "garbage" }))],
  ["absent", () => lie(() => ({ access_token: undefined }))],
  ["absent, as is the user", () => lie(() => ({ access_token: undefined, user: undefined }))],
  ["null", () => lie(() => ({ access_token: null }))],
  ["a number", () => lie(() => ({ access_token: 7 }))],
  ["empty", () => lie(() => ({ access_token: "" }))],
];

async function expectUnavailable(app: WorkosApp, browser: Visitor, says = { when: true }): Promise<void> {
  const response = await browser.get("/me", { headers: JSON_CLIENT });

  expect([response.status, response.body.code]).toEqual([503, "store_unavailable"]);
  expect(Number(response.headers["retry-after"] ?? 0) > 0).toBe(says.when);
  expect(setCookiesOf(response).filter(clears)).toEqual([]);
  expect(browser.cookies.has(WORKOS_COOKIE)).toBe(true);
  expect(app.reached).not.toContain("GET /me");
}

describe("R-35: WorkOS answers a renewal", () => {
  it("with a rejection of the API key: 503 without Retry-After, and nobody is signed out", async () => {
    const app = await start();
    const browser = await app.signIn("bob");
    app.expire();
    app.harness.fake.fail("refresh_token", ({ answer }) => answer(oauth(401, "invalid_client")));

    await expectUnavailable(app, browser, { when: false });

    const next = await browser.get("/me", { headers: JSON_CLIENT });
    expect([next.status, next.body.member]).toEqual([200, "user_bob"]);
  });

  it.each(SPOILT)("with %s: 503, and nobody is signed out", async (_, fault) => {
    const app = await start();
    // A spent token is answered again for a while, as after a reply that was lost.
    app.harness.fake.world.replayGrace = 60;
    const browser = await app.signIn("bob");
    app.expire();
    app.harness.fake.fail("refresh_token", fault);
    await expectUnavailable(app, browser);

    // An exchange that hangs is still waited for; when its connection is gone, the token is presented again.
    app.harness.fake.dropConnections();
    app.harness.advance(2);
    const next = await browser.get("/me", { headers: JSON_CLIENT });
    expect([next.status, next.body.member]).toEqual([200, "user_bob"]);
    expect(app.errors).toEqual([]);
  });

  it.each(SPOILT_TOKENS)(
    "with a new token that is %s: 503, and nobody is signed out",
    async (_, makeFault) => {
      const app = await start();
      const browser = await app.signIn("bob");
      app.expire();
      app.harness.fake.fail("refresh_token", makeFault(app));
      await expectUnavailable(app, browser);
      expect(app.events).toContainEqual(
        expect.objectContaining({
          type: "misconfigured",
          reason: expect.stringMatching(/^(?:renewed_token_|foreign_renewal$)/),
        }),
      );

      app.harness.advance(2);
      const next = await browser.get("/me", { headers: JSON_CLIENT });
      expect([next.status, next.body.member]).toEqual([200, "user_bob"]);
    },
  );

  it.each([
    ["without the user", { user: undefined }],
    ["with null for the user", { user: null }],
    ["with a user without an id", { user: { email: "bob@example.com" } }],
  ])("%s: the token says whose session it is, and the cookie who the user is", async (_, slip) => {
    const app = await start();
    const browser = await app.signIn("bob");
    app.expire();
    app.harness.fake.fail(
      "refresh_token",
      lie(() => slip),
    );
    const first = await browser.get("/me", { headers: JSON_CLIENT });
    expect([first.status, first.body.member]).toEqual([200, "user_bob"]);
    app.expire();
    const next = await browser.get("/me", { headers: JSON_CLIENT });
    expect([next.status, next.body.member]).toEqual([200, "user_bob"]);
  });

  it("with a token signed by an unknown key: 503, and the client keeps the rotated pair", async () => {
    const app = await start();
    const { world } = app.harness.fake;
    const browser = await app.signIn("bob");
    await browser.get("/read", { headers: JSON_CLIENT });
    const before = browser.cookies.get(WORKOS_COOKIE);
    app.expire();
    app.harness.fake.fail(
      "/sso/jwks/",
      ({ answer }) => answer({ status: 200, body: { ...publicJwks([world.key]) } }),
      9,
    );
    app.harness.fake.fail(
      "refresh_token",
      lie(({ access_token: token }) => ({ access_token: resign(token, {}) })),
    );
    await expectUnavailable(app, browser);
    expect(browser.cookies.get(WORKOS_COOKIE)).not.toBe(before);

    app.harness.fake.clearFaults();
    world.key = FOREIGN_KEY;
    app.harness.advance(60);
    const next = await browser.get("/me", { headers: JSON_CLIENT });
    expect([next.status, next.body.member]).toEqual([200, "user_bob"]);
  });

  it("with Retry-After, which is passed on", async () => {
    const app = await start();
    const browser = await app.signIn("bob");
    app.expire();
    app.harness.fake.fail("refresh_token", ({ answer }) =>
      answer({ status: 503, body: {}, headers: { "retry-after": "17" } }),
    );
    const response = await browser.get("/me", { headers: JSON_CLIENT });

    expect([response.status, response.headers["retry-after"]]).toEqual([503, "17"]);
  });
});

describe("R-33: WorkOS's key set", () => {
  const SETS: readonly (readonly [string, Fault])[] = [
    ["a page", write(200, "text/html", "<html>")],
    ["none", write(200, "application/json", '{"keys":[]}')],
    ["not there", write(500, "application/json", "{}")],
    ["10 MB", flood],
    [
      "weak",
      ({ answer }) =>
        answer({
          status: 200,
          body: { keys: [{ kty: "RSA", kid: "workos-key", n: "AQAB", e: "AQ", use: "sig", alg: "RS256" }] },
        }),
    ],
    [
      "secrets",
      ({ answer }) =>
        answer({ status: 200, body: { keys: [{ kty: "oct", kid: "workos-key", k: "c2VjcmV0" }] } }),
    ],
  ];

  it.each(SETS)("is %s: 503, no renewal, and the cookie stays", async (_, fault) => {
    const app = await start();
    const outcome = await app.harness.signIn({ organizations: 1 });
    if (outcome.status !== "authenticated") throw new Error(outcome.status);
    const browser = app.open();
    browser.cookies.set(WORKOS_COOKIE, await app.sealer.seal(outcome.credential));
    app.harness.fake.fail("/sso/jwks/", fault, 9);
    await expectUnavailable(app, browser);
    app.expire();
    await expectUnavailable(app, browser);
    expect(app.harness.fake.calls.filter((call) => call.includes("refresh_token"))).toEqual([]);

    const headers = { ...JSON_CLIENT, Authorization: bearerOf(outcome.credential.accessToken) };
    expect((await app.open().get("/me", { headers })).status).toBe(503);
  });

  it.each(["RS256", "ES256"] as const)(
    "has a foreign key (%s) under the same id: the token is rejected, and the cookie stays",
    async (algorithm) => {
      const app = await start();
      const outcome = await app.harness.signIn({ organizations: 1 });
      if (outcome.status !== "authenticated") throw new Error(outcome.status);
      const browser = app.open();
      browser.cookies.set(WORKOS_COOKIE, await app.sealer.seal(outcome.credential));
      const foreign = publicJwks([generateSigningKey(algorithm, "workos-key")]);
      app.harness.fake.fail("/sso/jwks/", ({ answer }) => answer({ status: 200, body: { ...foreign } }), 9);
      const response = await browser.get("/me", { headers: JSON_CLIENT });

      expect([response.status, response.body.code]).toEqual([401, "invalid_session"]);
      expect(browser.cookies.has(WORKOS_COOKIE)).toBe(true);
      expect(app.reached).not.toContain("GET /me");
    },
  );
});

describe("concurrent requests with a WorkOS session", () => {
  it("R-20: renew once, and all get the same session", async () => {
    const app = await start({ store: { timeout: 2 } });
    const browser = await app.signIn("bob");
    app.expire();
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => browser.copy().get("/me", { headers: JSON_CLIENT })),
    );

    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(200);
    expect(app.harness.fake.calls.filter((call) => call.includes("refresh_token"))).toHaveLength(1);
    const late = await browser.copy().get("/me", { headers: JSON_CLIENT });
    expect(late.status).toBe(200);
    expect(app.harness.fake.calls.filter((call) => call.includes("refresh_token"))).toHaveLength(1);
  });

  it("R-20: at two instances over one store do not use up each other's token", async () => {
    const app = await start({ store: { timeout: 2 } });
    const { fake, store } = app.harness;
    const browser = await app.signIn("bob");
    app.expire();
    // WorkOS answers only when both instances have asked the store.
    let answerNow = (): void => undefined;
    const bothHaveAsked = new Promise<void>((resolve) => (answerNow = resolve));
    const renew = store.renew.bind(store);
    let calls = 0;
    Object.assign(store, {
      renew: (...given: Parameters<typeof renew>) => {
        const renewal = renew(...given);
        if (++calls === 2) answerNow();
        return renewal;
      },
    });
    fake.fail("refresh_token", ({ perform, answer }) => void bothHaveAsked.then(() => answer(perform())));
    const [one, two] = await Promise.all([
      browser.copy().get("/me", { headers: JSON_CLIENT }),
      app.openElsewhere(browser.cookies).get("/me", { headers: JSON_CLIENT }),
    ]);

    expect([one.status, two.status]).toEqual([200, 200]);
    expect(fake.calls.filter((call) => call.includes("refresh_token"))).toHaveLength(1);
  });
});

describe("R-35: signing in while WorkOS is in trouble", () => {
  it.each(SPOILT.filter(([what]) => !what.startsWith("another") && what !== "an error nobody knows"))(
    "%s: 503, and no session",
    async (_, fault) => {
      const app = await start();
      app.harness.fake.fail("password", fault);
      const browser = app.open();
      const headers = { ...JSON_CLIENT, "X-Email": "bob@example.com", "X-Password": "pw-bob" };
      const response = await browser.post("/password", { headers });

      expect([response.status, response.body.code]).toEqual([503, "store_unavailable"]);
      expect(browser.cookies.size).toBe(0);
      expect((await browser.post("/password", { headers })).status).toBe(200);
    },
  );
});

describe("signing out while WorkOS's keys cannot be fetched", () => {
  it("signs out at WorkOS too, by the contents of the seal", async () => {
    const app = await start();
    const outcome = await app.harness.signIn({ organizations: 1 });
    if (outcome.status !== "authenticated") throw new Error(outcome.status);
    const browser = app.open();
    browser.cookies.set(WORKOS_COOKIE, await app.sealer.seal(outcome.credential));
    app.harness.fake.fail("/sso/jwks/", ({ answer }) => answer(plain(503, "down")), 9);
    const response = await browser.post("/sign-out", { headers: JSON_CLIENT });

    expect([response.status, response.body["signed_out"]]).toEqual([200, true]);
    expect(browser.cookies.has(WORKOS_COOKIE)).toBe(false);
    const { sessions } = app.harness.fake.world;
    expect([...sessions.values()].map(({ status }) => status)).toEqual(["revoked"]);
  });

  it("ends no session for a cookie with a foreign seal, or for a bearer token", async () => {
    const app = await start();
    const outcome = await app.harness.signIn({ organizations: 1 });
    if (outcome.status !== "authenticated") throw new Error(outcome.status);
    app.harness.fake.fail("/sso/jwks/", ({ answer }) => answer(plain(503, "down")), 9);
    const forged = createSealer({ 1: "another-password-of-at-least-32-characters" });
    const browser = app.open();
    browser.cookies.set(WORKOS_COOKIE, await forged.seal(outcome.credential));
    await browser.post("/sign-out", { headers: JSON_CLIENT });
    const headers = { ...JSON_CLIENT, Authorization: bearerOf(outcome.credential.accessToken) };
    await app.open().post("/sign-out", { headers });

    const { sessions } = app.harness.fake.world;
    expect([...sessions.values()].map(({ status }) => status)).toEqual(["active"]);
  });
});
