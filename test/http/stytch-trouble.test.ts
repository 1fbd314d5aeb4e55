import { afterEach, describe, expect, it } from "@jest/globals";
import request from "supertest";
import type { FakeExchange } from "../support/fake-stytch.ts";
import { refused, type Answer, type Fields } from "../support/fake-stytch-world.ts";
import { generateSigningKey, signToken } from "../support/tokens.ts";
import { JSON_CLIENT, setCookiesOf } from "../support/browser.ts";
import { FRONT_END, makeStytchApp, type StytchApp, type StytchAppOptions } from "../support/stytch-app.ts";
import { bearerOf } from "../support/world.ts";

type Fault = (exchange: FakeExchange) => void;

const FOREIGN_KEY = generateSigningKey("RS256", "a-foreign-key");
const HEADERS = { headers: JSON_CLIENT };
const apps: StytchApp[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

/** An application whose store waits for no more than a fraction of a second. */
async function start(options: StytchAppOptions = {}): Promise<StytchApp> {
  const app = await makeStytchApp({ store: { timeout: 1 }, ...options });
  apps.push(app);
  return app;
}

function write(status: number, type: string, body: string | Buffer): Fault {
  return ({ response }) => response.writeHead(status, { "content-type": type }).end(body);
}

function say(answer: Answer): Fault {
  return (exchange) => exchange.answer(answer);
}

/** Answers as Stytch would, but for some fields. */
function lie(tell: (body: Fields) => object): Fault {
  return (exchange) => {
    const { body } = exchange.perform();
    exchange.answer({ status: 200, body: { ...body, ...tell(body) } });
  };
}

function change(body: Fields, field: string, more: object): object {
  return { [field]: { ...(body[field] as object), ...more } };
}

function resign(token: unknown, claims: object, key = FOREIGN_KEY): string {
  const [, payload = ""] = String(token).split(".");
  const before = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
  return signToken(key, { ...before, ...claims });
}

const drip: Fault = ({ response }) => {
  response.writeHead(200, { "content-type": "application/json" });
  const timer = setInterval(() => response.write(" "), 20);
  response.on("close", () => clearInterval(timer));
};

const breakOff: Fault = ({ response, request: incoming }) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
  response.write('{"member_session":');
  setImmediate(() => incoming.socket.destroy());
};

const SPOILT: readonly (readonly [string, Fault])[] = [
  ["200 with HTML", write(200, "text/html", "<html>down for maintenance</html>")],
  ["HTML that says it is JSON", write(200, "application/json", "<html>")],
  ["200 with nothing", write(200, "application/json", "")],
  ["200 with an empty object", write(200, "application/json", "{}")],
  ["a 401 page of a proxy's", write(401, "text/html", "<html>")],
  ["a 404 of a router's", write(404, "application/json", '{"message":"Not Found"}')],
  ["502 with HTML", write(502, "text/html", "<html>")],
  ["500 that says session_not_found", write(500, "application/json", '{"error_type":"session_not_found"}')],
  ["an error nobody knows", say(refused(400, "something_new"))],
  ["that it cannot read a JWT whose signature is good", say(refused(400, "jwt_invalid_issuer"))],
  ["a suspended organization", say(refused(403, "organization_suspended"))],
  ["429", say(refused(429, "too_many_requests"))],
  ["500", say(refused(500, "internal_server_error"))],
  ["10 MB", write(200, "application/json", Buffer.alloc(10_000_000, 0x20))],
  ["a slow drip", drip],
  ["no answer at all", () => undefined],
  ["a reset", ({ request: incoming }) => incoming.socket.destroy()],
  ["half a body", breakOff],
  ["a redirect", ({ response }) => response.writeHead(307, { location: "http://127.0.0.1:1/" }).end()],
  [
    "another member's session",
    lie((body) => change(body, "member_session", { member_id: "member-test-ada-acme" })),
  ],
  [
    "another organization",
    lie((body) => change(body, "organization", { organization_id: "organization-test-globex" })),
  ],
  ["another member", lie((body) => change(body, "member", { member_id: "member-test-ada-acme" }))],
  [
    "another session of the member's",
    lie((body) => change(body, "member_session", { member_session_id: "x" })),
  ],
  ["roles that are a string", lie((body) => change(body, "member_session", { roles: "admin" }))],
  ["no new JWT", lie(() => ({ session_jwt: "" }))],
  ["a JWT that is none", lie(() => ({ session_jwt: "not-a-jwt" }))],
  ["a JWT by an unknown key", lie((body) => ({ session_jwt: resign(body["session_jwt"], {}) }))],
  [
    "a forged JWT",
    lie((body) => ({ session_jwt: resign(body["session_jwt"], {}, { ...FOREIGN_KEY, kid: "jwk-test-1" }) })),
  ],
];

describe.each(SPOILT)("Stytch answers a renewal with %s", (_name, fault) => {
  it("nobody is signed out by any credential, and the session works afterwards", async () => {
    const app = await start({ orgate: FRONT_END });
    const { session, jwt } = app.session();
    app.expire();
    app.harness.fake.fail("/sessions/authenticate", fault, 2);
    const bearer = await request(app.listener).get("/me").set("Authorization", bearerOf(jwt));
    expect([bearer.status, bearer.body.code]).toEqual([503, "store_unavailable"]);
    expect(Number(bearer.headers["retry-after"])).toBeGreaterThan(0);

    const browser = app.browser({ stytch_session_jwt: jwt, stytch_session: session.token });
    const answer = await browser.get("/me", HEADERS);
    expect([answer.status, answer.body.code]).toEqual([503, "store_unavailable"]);
    expect(setCookiesOf(answer)).toEqual([]);
    expect(app.reached).toEqual([]);

    app.harness.fake.clearFaults();
    await app.harness.advance(60);
    expect((await browser.get("/me", HEADERS)).status).toBe(200);
  });
});

describe("Stytch's keys and times", () => {
  it.each([
    ["expired", { exp: 1_799_999_000 }],
    ["another member's", { sub: "member-test-ada-acme" }],
    ["no session", { "https://stytch.com/session": undefined }],
    ["of another session", { "https://stytch.com/session": { id: "another", roles: [] } }],
  ])("a new JWT that is %s signs nobody in and nobody out", async (_name, claims) => {
    const app = await start({ orgate: FRONT_END });
    const { session, jwt } = app.session();
    app.expire();
    const { key } = app.harness.fake.world;
    app.harness.fake.fail(
      "/sessions/authenticate",
      lie((body) => ({ session_jwt: resign(body["session_jwt"], claims, key) })),
    );
    const browser = app.browser({ stytch_session_jwt: jwt, stytch_session: session.token });
    const answer = await browser.get("/me", HEADERS);
    expect([answer.status, answer.body.code]).toEqual([503, "store_unavailable"]);
    expect(app.reached).toEqual([]);
    expect(browser.cookies.has("stytch_session")).toBe(true);
  });

  it("R-35: a session token answered with another member's JWT signs nobody in", async () => {
    const app = await start({ orgate: FRONT_END });
    const { session } = app.session();
    const { jwt: other } = app.session("ada");
    app.harness.fake.fail(
      "/sessions/authenticate",
      lie(() => ({ session_jwt: other })),
    );
    const browser = app.browser({ stytch_session: session.token });
    const answer = await browser.get("/me", HEADERS);
    expect([answer.status, answer.body.code]).toEqual([503, "store_unavailable"]);
    expect(setCookiesOf(answer)).toEqual([]);
    expect(app.reached).toEqual([]);
  });

  it("keys that cannot be fetched cause no call and no sign-out", async () => {
    const app = await start({ orgate: FRONT_END });
    const { session, jwt } = app.session();
    app.harness.fake.fail("/sessions/jwks/", write(200, "text/html", "<html>"), 5);
    const browser = app.browser({ stytch_session_jwt: jwt, stytch_session: session.token });
    const answer = await browser.get("/me", HEADERS);
    expect(answer.status).toBe(503);
    expect(setCookiesOf(answer)).toEqual([]);
    expect(app.harness.fake.asked()).toEqual([]);
  });
});

describe("a switch at Stytch", () => {
  const GLOBEX = { organization_id: "organization-test-globex" };
  const SPOILT_SWITCHES: readonly (readonly [string, object | undefined])[] = [
    ["an unknown key has signed", undefined],
    ["has expired", { exp: 1_799_999_000 }],
    ["is another member's", { sub: "member-test-bob-acme" }],
    [
      "is another organization's",
      { "https://stytch.com/organization": { organization_id: "organization-test-closed" } },
    ],
  ];

  it.each(SPOILT_SWITCHES)("keeps the current session when the new JWT %s", async (_name, claims) => {
    const app = await start({ orgate: FRONT_END });
    const { session, jwt } = app.session("ada");
    const { world } = app.harness.fake;
    const key = claims === undefined ? FOREIGN_KEY : world.key;
    app.harness.fake.fail(
      "/sessions/exchange",
      lie((body) => ({ session_jwt: resign(body["session_jwt"], claims ?? {}, key) })),
    );
    const browser = app.browser({ stytch_session_jwt: jwt, stytch_session: session.token });
    const switched = await browser.post("/switch", { headers: JSON_CLIENT, body: GLOBEX });
    expect([switched.status, switched.body.code]).toEqual([503, "store_unavailable"]);
    expect(setCookiesOf(switched)).toEqual([]);
    expect(session.revoked).toBe(false);
    app.expire();
    const answer = await browser.get("/me", HEADERS);
    expect([answer.status, answer.body.member]).toEqual([200, session.member.id]);
  });

  it("ends the previous session only after the new one is verified", async () => {
    const app = await start({ orgate: FRONT_END });
    const { session, jwt } = app.session("ada");
    const browser = app.browser({ stytch_session_jwt: jwt, stytch_session: session.token });
    expect((await browser.get("/me", HEADERS)).status).toBe(200);
    app.harness.fake.fail("/sessions/jwks/", say(refused(500, "internal_server_error")), 9);
    const switched = await browser.post("/switch", { headers: JSON_CLIENT, body: GLOBEX });
    expect([switched.status, switched.body.organization.id]).toEqual([200, GLOBEX.organization_id]);
    expect(session.revoked).toBe(false);
  });
});

describe("a wrong Stytch secret", () => {
  const WRONG = { store: { timeout: 1, secret: "secret-test-another" } };

  it("is the application's fault: 503 without Retry-After, an event, and nobody is signed out", async () => {
    const app = await start({ ...WRONG, orgate: FRONT_END });
    const { session, jwt } = app.session();
    app.expire();
    for (let round = 0; round < 5; round += 1) {
      const browser = app.browser({ stytch_session_jwt: jwt, stytch_session: session.token });
      // oxlint-disable-next-line no-await-in-loop -- more than would open a breaker
      const answer = await browser.get("/me", HEADERS);
      expect([answer.status, answer.body.code]).toEqual([503, "store_unavailable"]);
      expect(answer.headers["retry-after"]).toBeUndefined();
      expect(setCookiesOf(answer)).toEqual([]);
      expect(browser.cookies.size).toBe(2);
    }
    expect(app.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "unauthorized_credentials" }),
    );
    expect(app.reached).toEqual([]);
    expect(JSON.stringify(app.events)).not.toMatch(/secret-test|canary/);
  });

  it.each([
    ["another type", refused(401, "user_unauthenticated")],
    ["no type at all", { status: 401, body: { message: "Unauthorized" } }],
  ])("is what every 401 means, including one with %s", async (_what, answer) => {
    const app = await start();
    const { jwt } = app.session();
    app.expire();
    app.harness.fake.fail("/sessions/authenticate", say(answer));
    const refusal = await request(app.listener).get("/me").set("Authorization", bearerOf(jwt));
    expect([refusal.status, refusal.headers["retry-after"]]).toEqual([503, undefined]);
    expect(app.events).toContainEqual(expect.objectContaining({ type: "misconfigured" }));
  });

  it("denies no permission, because the policy is unknown", async () => {
    const app = await start(WRONG);
    const { jwt } = app.session("ada");
    const answer = await request(app.listener).get("/write").set("Authorization", bearerOf(jwt));
    expect([answer.status, answer.body.code]).toEqual([503, "store_unavailable"]);
    expect(answer.headers["retry-after"]).toBeUndefined();
    expect(app.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "unauthorized_credentials" }),
    );
  });

  it("keeps the session at sign-out and switch, and says so", async () => {
    const app = await start(WRONG);
    const { jwt } = app.session("ada");
    const switched = await request(app.listener)
      .post("/switch")
      .set({ Authorization: bearerOf(jwt), ...JSON_CLIENT })
      .send({ organization_id: "organization-test-globex" });
    expect([switched.status, switched.headers["retry-after"]]).toEqual([503, undefined]);
    expect(app.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "unauthorized_credentials" }),
    );
  });
});

describe("an unavailable Stytch policy", () => {
  it("gives 503 before the first policy, and no trouble after it", async () => {
    const app = await start();
    const { jwt } = app.session("ada");
    const writing = (token: string): request.Test =>
      request(app.listener).get("/write").set("Authorization", bearerOf(token));
    app.harness.fake.fail("/rbac/policy", say(refused(500, "internal_server_error")));
    expect((await writing(jwt)).status).toBe(503);
    await app.harness.advance(40);
    expect((await writing(jwt)).status).toBe(200);
    app.harness.fake.fail("/rbac/policy", say(refused(500, "internal_server_error")), 9);
    await app.harness.advance(400);
    const { jwt: newer } = app.session("ada");
    expect((await writing(newer)).status).toBe(200);
  });
});
