import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { importJWK, SignJWT } from "jose";
import { stytchRouter, type StytchRouter } from "../../src/authority/wire/stytch/index.ts";
import { workosRouter } from "../../src/authority/wire/workos/index.ts";
import type { JsonWebKey } from "../../src/store.ts";
import { serve } from "../support/servers.ts";
import type { Received, TestServer } from "../support/servers.ts";
import { bodyOf, HOSTS, json, makeRsaKey, makeWireWorld, serveRouter } from "../support/wire-world.ts";
import type { WireWorld } from "../support/wire-world.ts";

const PROJECT_ID = "project-test-1";
const SECRET = "secret-test-0123456789abcdef";
const AUTHENTICATE = "/v1/b2b/sessions/authenticate";

const key = { ...makeRsaKey(), kid: "the-key" };
let world: WireWorld;
let router: StytchRouter;
let server: TestServer;
let session: { sessionToken: string; sessionJwt: string };

beforeAll(async () => {
  world = makeWireWorld({ keys: [key] });
  router = stytchRouter(world.authority, { projectId: PROJECT_ID, secret: SECRET });
  server = await serveRouter(router);
});

beforeEach(async () => {
  session = await router.authenticate({ userId: "user_bob", authenticationMethod: "password" });
});

afterAll(async () => {
  await server.close();
  await world.authority.close();
});

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Received> {
  return server.send({ path, ...json(body, { authorization: basic(PROJECT_ID, SECRET), ...headers }) });
}

const authenticate = (body: unknown): Promise<Received> => post(AUTHENTICATE, body);

/** The status and the error type. Every answer is whole. */
async function refused(answer: Promise<Received>): Promise<[number, unknown]> {
  const received = await answer;
  const body = bodyOf(received);
  expect(received.headers["cache-control"]).toBe("no-store");
  expect(body).toMatchObject({
    status_code: received.status,
    request_id: expect.stringMatching(/^request-id-test-/),
    error_message: expect.any(String),
    error_url: `https://stytch.com/docs/api/errors/${received.status}#${String(body["error_type"])}`,
  });
  return [received.status, body["error_type"]];
}

/** Signs claims of a session as the router would, but for what is changed. */
async function forge(
  changes: Record<string, unknown>,
  by: JsonWebKey = key,
  header: Record<string, unknown> = {},
): Promise<string> {
  const claims = JSON.parse(
    Buffer.from(session.sessionJwt.split(".")[1] ?? "", "base64url").toString(),
  ) as Record<string, unknown>;
  return new SignJWT({ ...claims, ...changes })
    .setProtectedHeader({ alg: "RS256", kid: "the-key", typ: "JWT", ...header })
    .sign(await importJWK({ ...by }, "RS256"));
}

describe("attacks on the credentials of the project", () => {
  it.each([
    ["nothing", undefined],
    ["nothing after the scheme", "Basic "],
    ["no base64", "Basic ***"],
    ["no colon", `Basic ${Buffer.from("junk").toString("base64")}`],
    ["an empty password", basic(PROJECT_ID, "")],
    ["an empty user", basic("", SECRET)],
    ["another project", basic("project-test-2", SECRET)],
    ["a prefix of the secret", basic(PROJECT_ID, SECRET.slice(0, -1))],
    ["the secret and more", basic(PROJECT_ID, `${SECRET}:`)],
    ["another scheme", `Bearer ${SECRET}`],
    ["control characters", `Basic ${Buffer.from(`${PROJECT_ID}\0:${SECRET}`).toString("base64")}`],
  ])("R-05: rejects %s", async (_, authorization) => {
    const headers = authorization === undefined ? {} : { authorization };
    const answer = server.send({
      path: AUTHENTICATE,
      ...json({ session_token: session.sessionToken }, headers),
    });
    expect(await refused(answer)).toEqual([401, "unauthorized_credentials"]);
    expect((await answer).headers["www-authenticate"]).toBe('Basic realm="Stytch"');
  });

  it("R-11: rejects two Authorization headers, even if one of them is right", async () => {
    const right = basic(PROJECT_ID, SECRET);
    const answer = await server.sendRaw(
      `GET /v1/b2b/rbac/policy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n` +
        `Authorization: ${right}\r\nAuthorization: Basic junk\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
  });

  it.each([
    ["POST", "/v1/b2b/sessions/exchange"],
    ["POST", "/v1/b2b/sessions/revoke"],
    ["POST", "/v1/b2b/discovery/organizations"],
    ["POST", "/v1/b2b/discovery/intermediate_sessions/exchange"],
    ["GET", "/v1/b2b/sessions"],
    ["GET", "/v1/b2b/rbac/policy"],
    ["GET", "/v1/b2b/rbac/organizations/org_acme"],
  ])("requires them at %s %s", async (method, path) => {
    const answer = method === "POST" ? { path, ...json({}) } : { path };
    expect(await refused(server.send(answer))).toEqual([401, "unauthorized_credentials"]);
  });
});

it.each([
  ["no JSON", "{"],
  ["more than is read", JSON.stringify({ session_jwt: "x".repeat(70_000) })],
])("R-05: reads no body before the credentials are checked: %s", async (_, body) => {
  const sent = (password: string): Promise<Received> =>
    server.send({ path: AUTHENTICATE, ...json(body, { authorization: basic(PROJECT_ID, password) }) });
  expect(await refused(sent("another-secret-of-16"))).toEqual([401, "unauthorized_credentials"]);
  expect((await refused(sent(SECRET)))[1]).toMatch(/^bad_request$|^request_too_large$/);
});

describe("attacks on session JWTs", () => {
  const cases: [string, () => Promise<string>, number, string][] = [
    ["garbage", async () => "garbage", 400, "unable_to_parse_session_jwt"],
    ["three empty parts", async () => "..", 400, "unable_to_parse_session_jwt"],
    ["another key", () => forge({}, makeRsaKey()), 404, "session_not_found"],
    ["an unknown key", () => forge({}, key, { kid: "unknown" }), 404, "session_not_found"],
    ["another issuer", () => forge({ iss: "stytch.com/other" }), 400, "jwt_invalid_issuer"],
    ["another audience", () => forge({ aud: ["project-test-2"] }), 400, "jwt_invalid_audience"],
    ["no audience", () => forge({ aud: undefined }), 400, "jwt_invalid_audience"],
    ["no session claim", () => forge({ "https://stytch.com/session": undefined }), 400, "jwt_invalid_claims"],
    [
      "a session claim that is no object",
      () => forge({ "https://stytch.com/session": [] }),
      400,
      "jwt_invalid_claims",
    ],
    [
      "no organization",
      () => forge({ "https://stytch.com/organization": undefined }),
      400,
      "jwt_invalid_claims",
    ],
    ["another member", () => forge({ sub: "user_ada:org_acme" }), 404, "session_not_found"],
    [
      "another organization",
      () => forge({ "https://stytch.com/organization": { organization_id: "org_globex" } }),
      404,
      "session_not_found",
    ],
    [
      "a session that nobody has",
      () => forge({ "https://stytch.com/session": { id: "__proto__" } }),
      404,
      "session_not_found",
    ],
  ];

  it.each(cases)("R-09: rejects one with %s", async (_, make, status, type) => {
    expect(await refused(authenticate({ session_jwt: await make() }))).toEqual([status, type]);
  });

  it("R-03: rejects one that is signed with the public key as a secret, or not at all", async () => {
    const [, payload = ""] = session.sessionJwt.split(".");
    const none = `${Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url")}.${payload}.`;
    expect((await authenticate({ session_jwt: none })).status).toBe(400);
    const jwk = { kty: key.kty, n: Reflect.get(key, "n"), e: Reflect.get(key, "e") };
    const hmac = await new SignJWT({})
      .setProtectedHeader({ alg: "HS256", kid: "the-key", typ: "JWT" })
      .sign(Buffer.from(JSON.stringify(jwk)));
    expect((await authenticate({ session_jwt: hmac })).status).toBe(400);
  });

  it("R-09: rejects another class of token that the same authority signed", async () => {
    const nora = await world.authority.authenticate({
      userId: "user_nora",
      authenticationMethod: "Password",
    });
    expect(await refused(authenticate({ session_jwt: nora.accessToken }))).toEqual([
      404,
      "session_not_found",
    ]);
  });

  it.each(["garbage", "", "__proto__", "a".repeat(64)])("rejects the session token %j", async (token) => {
    const [status] = await refused(authenticate({ session_token: token }));
    expect(status).toBe(token === "" ? 400 : 404);
  });
});

describe("attacks on the authorization check", () => {
  const check = (more: Record<string, unknown>): Promise<Received> =>
    authenticate({
      session_token: session.sessionToken,
      authorization_check: { organization_id: "org_acme", resource_id: "documents", action: "read", ...more },
    });

  it.each(["acme", "ext-acme", "ORG_ACME", "org_acme ", "org_globex", "__proto__"])(
    "R-41: compares the organization by id only: %s is another tenant",
    async (organization) => {
      expect(await refused(check({ organization_id: organization }))).toEqual([
        403,
        "session_authorization_tenancy_error",
      ]);
    },
  );

  it.each([
    { resource_id: "billing", action: "manage" },
    { resource_id: "Documents" },
    { resource_id: "*" },
    { action: "*" },
    { action: "rea*" },
    { resource_id: "__proto__" },
    { resource_id: "constructor", action: "toString" },
  ])("R-39: denies %j", async (more) => {
    expect(await refused(check(more))).toEqual([403, "session_authorization_error"]);
  });

  it.each([
    { organization_id: "" },
    { organization_id: ["org_acme"] },
    { resource_id: { documents: true } },
    { action: null },
    { resource_id: "documents", resource: "billing" },
  ])("R-40: rejects the incomplete %j", async (more) => {
    expect((await refused(check(more)))[0]).toBe(400);
  });

  it.each([[[]], ["x"], [true]])("R-40: rejects %j in place of a check", async (value) => {
    const answer = authenticate({ session_token: session.sessionToken, authorization_check: value });
    expect(await refused(answer)).toEqual([400, "bad_request"]);
  });

  it("neither extends nor changes a session when it denies", async () => {
    const body = { session_token: session.sessionToken };
    const before = bodyOf(await authenticate(body))["member_session"];
    await check({ action: "nothing" });
    const denied = authenticate({
      ...body,
      session_duration_minutes: 527_040,
      session_custom_claims: { a: 1 },
      authorization_check: { organization_id: "org_acme", resource_id: "documents", action: "nothing" },
    });
    expect(await refused(denied)).toEqual([403, "session_authorization_error"]);
    const after = bodyOf(await authenticate(body))["member_session"];
    expect(after).toEqual({ ...(before as object), last_accessed_at: expect.any(String) });
  });

  it("answers 503 without a policy, which is not a denial", async () => {
    const without = makeWireWorld({ keys: [key], policy: undefined });
    const itsRouter = stytchRouter(without.authority, { projectId: PROJECT_ID, secret: SECRET });
    const itsServer = await serveRouter(itsRouter);
    const { sessionToken } = await itsRouter.authenticate({ userId: "user_bob", authenticationMethod: "x" });
    const headers = { authorization: basic(PROJECT_ID, SECRET) };
    const body = {
      session_token: sessionToken,
      authorization_check: { organization_id: "org_acme", resource_id: "documents", action: "read" },
    };
    const answers = await Promise.all([
      itsServer.send({ path: AUTHENTICATE, ...json(body, headers) }),
      itsServer.send({ path: "/v1/b2b/rbac/policy", headers }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([503, 503]);
    await itsServer.close();
    await without.authority.close();
  });
});

describe("hostile requests to the Stytch router", () => {
  it.each([
    ["none of the arguments", {}, "no_session_arguments"],
    ["both", { session_token: "x", session_jwt: "y" }, "too_many_session_arguments"],
    ["a list", { session_token: ["x"] }, "bad_request"],
    ["an object", { session_jwt: {} }, "bad_request"],
    ["a duration that is too short", { session_duration_minutes: 4 }, "invalid_session_duration_minutes"],
    ["one that is too long", { session_duration_minutes: 527_041 }, "invalid_session_duration_minutes"],
    ["a fraction", { session_duration_minutes: 5.5 }, "invalid_session_duration_minutes"],
    ["a text", { session_duration_minutes: "60" }, "invalid_session_duration_minutes"],
    [
      "Stytch's own claims",
      { session_custom_claims: { "https://stytch.com/session": {} } },
      "stytch_claims_in_custom_claims",
    ],
    ["claims that are a list", { session_custom_claims: [] }, "bad_request"],
    [
      "claims that are too large",
      { session_custom_claims: { a: "x".repeat(4097) } },
      "invalid_session_custom_claims",
    ],
  ])("R-08: rejects %s", async (_, body, type) => {
    expect(await refused(authenticate(body))).toEqual([400, type]);
  });

  it("R-08: rejects claims that are too large only together", async () => {
    const body = { session_token: session.sessionToken };
    expect((await authenticate({ ...body, session_custom_claims: { a: "x".repeat(3000) } })).status).toBe(
      200,
    );
    expect(await refused(authenticate({ ...body, session_custom_claims: { b: "x".repeat(3000) } }))).toEqual([
      400,
      "invalid_session_custom_claims",
    ]);
  });

  it("does not let an impersonator change the session", async () => {
    const { sessionToken } = await router.authenticate({
      userId: "user_bob",
      authenticationMethod: "impersonated",
      impersonator: { email: "help@example.com" },
    });
    for (const change of [{ session_duration_minutes: 60 }, { session_custom_claims: { a: 1 } }]) {
      const answer = authenticate({ session_token: sessionToken, ...change });
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect(await refused(answer)).toEqual([400, "session_not_mutable_impersonated"]);
    }
  });

  it.each([
    [{}, "no_session_revoke_arguments"],
    [{ member_id: "a", session_token: "b" }, "too_many_session_revoke_arguments"],
  ])("rejects a revocation by %j", async (body, type) => {
    expect(await refused(post("/v1/b2b/sessions/revoke", body))).toEqual([400, type]);
  });

  it.each([
    ["nothing", {}, "no_session_arguments"],
    ["two tokens", { intermediate_session_token: "a", session_jwt: "b" }, "too_many_session_arguments"],
  ])("rejects discovery with %s", async (_, body, type) => {
    expect(await refused(post("/v1/b2b/discovery/organizations", body))).toEqual([400, type]);
  });

  it.each(["", "{", "[]", '"x"', '{"session_token":"a","session_token":"b"}', '{"__proto__":{}}'])(
    "R-08: rejects the body %j",
    async (body) => {
      const [status] = await refused(authenticate(body));
      expect(status).toBe(400);
    },
  );

  it("R-08: answers 413 to a megabyte", async () => {
    const answer = authenticate({ session_token: "x".repeat(1_000_000) });
    expect(await refused(answer)).toEqual([413, "request_too_large"]);
  });

  it.each([
    ["GET", AUTHENTICATE, "POST"],
    ["POST", "/v1/b2b/rbac/policy", "GET"],
    ["PUT", "/v1/b2b/rbac/organizations/org_acme", "GET"],
    ["HEAD", "/v1/b2b/sessions", "GET"],
    ["DELETE", "/v1/b2b/sessions/revoke", "POST"],
  ])("R-18: answers 405 to %s %s", async (method, path, allow) => {
    const headers = { authorization: basic(PROJECT_ID, SECRET) };
    const answer = await server.send({ method, path, headers });
    expect([answer.status, answer.headers.allow]).toEqual([405, allow]);
  });

  it("passes other paths to the next handler", async () => {
    const answer = await server.send({ path: "/v1/sessions/authenticate" });
    expect([answer.status, answer.headers["content-type"]]).toEqual([404, "text/html; charset=utf-8"]);
  });

  it.each(["Express 4", "Express 5", "Connect"])("serves under a prefix on %s", async (host) => {
    const prefixed = await serve(HOSTS[host]?.(router, "/stytch") ?? (() => undefined));
    expect((await prefixed.send({ path: `/stytch/v1/b2b/sessions/jwks/${PROJECT_ID}` })).status).toBe(200);
    await prefixed.close();
  });

  it("R-35: answers 503 while the repository is down, and never that the session does not exist", async () => {
    world.takeDown();
    const answers = await Promise.all([
      authenticate({ session_token: session.sessionToken }),
      authenticate({ session_jwt: session.sessionJwt }),
      post("/v1/b2b/sessions/exchange", { organization_id: "acme", session_token: session.sessionToken }),
      post("/v1/b2b/sessions/revoke", { session_token: session.sessionToken }),
      post("/v1/b2b/discovery/organizations", { session_token: session.sessionToken }),
      post("/v1/b2b/discovery/organizations", { intermediate_session_token: "x".repeat(43) }),
    ]);
    world.bringBack();
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503, 503]);
    expect(answers.map((answer) => bodyOf(answer)["error_type"])).toEqual(
      answers.map(() => "internal_server_error"),
    );
    expect(answers.every(({ headers }) => headers["retry-after"] !== undefined)).toBe(true);
  });

  it("R-44: never repeats the input", async () => {
    const answers = await Promise.all([
      authenticate({ session_token: "marker-token" }),
      authenticate({ session_jwt: "marker-jwt" }),
      post("/v1/b2b/sessions/exchange", {
        organization_id: "marker-org",
        session_token: session.sessionToken,
      }),
      authenticate({ session_duration_minutes: "marker-minutes" }),
    ]);
    expect(answers.map(({ body }) => body).join()).not.toContain("marker");
  });

  it("signs in nobody without an organization", async () => {
    await expect(
      router.authenticate({ userId: "user_nora", authenticationMethod: "password" }),
    ).rejects.toMatchObject({ code: "organization_not_available" });
    expect(await world.authority.listSessions({ userId: "user_nora" })).toHaveLength(1);
  });
});

it("requires an RSA key when the application sets the authority's keys", async () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const ec = { ...privateKey.export({ format: "jwk" }), kty: "EC" };
  const { authority } = makeWireWorld({ keys: [ec] });
  expect(() => stytchRouter(authority, { projectId: PROJECT_ID, secret: SECRET })).toThrow(/RS256/);
  expect(() => workosRouter(authority, { clientId: "c", apiKey: SECRET })).toThrow(/RS256/);
  expect(authority.tokens.algorithms).toEqual(["ES256"]);
  const { authority: both } = makeWireWorld({ keys: [ec, key] });
  const itsRouter = stytchRouter(both, { projectId: PROJECT_ID, secret: SECRET });
  const { sessionJwt } = await itsRouter.authenticate({ userId: "user_bob", authenticationMethod: "SSO" });
  const header = JSON.parse(Buffer.from(sessionJwt.split(".")[0] ?? "", "base64url").toString()) as unknown;
  expect(header).toEqual({ alg: "RS256", kid: "the-key", typ: "JWT" });
  await Promise.all([authority.close(), both.close()]);
});
