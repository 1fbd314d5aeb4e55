import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { workosRouter, type WorkosRouter } from "../../src/authority/wire/workos/index.ts";
import { serve } from "../support/servers.ts";
import type { Received, TestServer } from "../support/servers.ts";
import { bodyOf, HOSTS, json, makeWireWorld, PASSWORD, serveRouter } from "../support/wire-world.ts";
import type { WireWorld } from "../support/wire-world.ts";

const CLIENT = { client_id: "client_orgate", client_secret: "sk_test_0123456789abcdef" };
const REDIRECT_URI = "https://app.example.com/callback";
const AUTHENTICATE = "/user_management/authenticate";

let world: WireWorld;
let router: WorkosRouter;
let server: TestServer;
/** Another client of the same authority. */
let other: TestServer;

beforeAll(async () => {
  world = makeWireWorld();
  const options = { redirectUris: [REDIRECT_URI], signIn: { path: "/sign-in" } };
  router = workosRouter(world.authority, {
    clientId: CLIENT.client_id,
    apiKey: CLIENT.client_secret,
    ...options,
  });
  server = await serveRouter(router);
  other = await serveRouter(
    workosRouter(world.authority, {
      clientId: "client_other",
      apiKey: "sk_test_fedcba9876543210",
      ...options,
    }),
  );
});

beforeEach(() => {
  world.ahead.seconds = 0;
});

afterAll(async () => {
  await Promise.all([server.close(), other.close()]);
  await world.authority.close();
});

function grant(fields: Record<string, unknown>, to = server): Promise<Received> {
  return to.send({ path: AUTHENTICATE, ...json({ ...CLIENT, ...fields }) });
}

/** The status and the error code, in whichever shape it came. */
async function refused(answer: Promise<Received>): Promise<[number, unknown]> {
  const received = await answer;
  expect(received.headers["cache-control"]).toBe("no-store");
  const body = bodyOf(received);
  return [received.status, body["code"] ?? body["error"]];
}

async function signIn(fields: Record<string, unknown> = {}): Promise<{ refresh_token: string }> {
  const answer = await grant({
    grant_type: "password",
    email: "bob@example.com",
    password: PASSWORD,
    ...fields,
  });
  expect(answer.status).toBe(200);
  return bodyOf(answer) as { refresh_token: string };
}

function pkce(): { verifier: string; challenge: Record<string, string> } {
  const verifier = randomBytes(32).toString("base64url");
  const code_challenge = createHash("sha256").update(verifier).digest("base64url");
  return { verifier, challenge: { code_challenge, code_challenge_method: "S256" } };
}

function askToAuthorize(parameters: Record<string, string> = {}, more = ""): Promise<Received> {
  const query = new URLSearchParams({
    response_type: "code",
    client_id: CLIENT.client_id,
    redirect_uri: REDIRECT_URI,
    provider: "authkit",
    ...parameters,
  });
  return server.send({ path: `/user_management/authorize?${query.toString()}${more}` });
}

async function requestToken(parameters: Record<string, string> = {}): Promise<string> {
  const { headers } = await askToAuthorize(parameters);
  return new URL(headers.location ?? "", REDIRECT_URI).searchParams.get("authorization_request") ?? "";
}

async function codeFor(parameters: Record<string, string> = {}): Promise<string> {
  const token = await requestToken(parameters);
  const { redirectTo } = await router.completeAuthorization(token, {
    userId: "user_bob",
    authenticationMethod: "Password",
  });
  return new URL(redirectTo).searchParams.get("code") ?? "";
}

describe("attacks on authorization codes", () => {
  it("R-24: lets exactly one of many concurrent exchanges win", async () => {
    const code = await codeFor();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => grant({ grant_type: "authorization_code", code })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 400)).toHaveLength(19);
  });

  it("R-24: ends the session when its code is used again", async () => {
    const code = await codeFor();
    const first = bodyOf(await grant({ grant_type: "authorization_code", code }));
    expect(await refused(grant({ grant_type: "authorization_code", code }))).toEqual([400, "invalid_grant"]);
    const refresh = grant({ grant_type: "refresh_token", refresh_token: first["refresh_token"] });
    expect(await refused(refresh)).toEqual([400, "invalid_grant"]);
  });

  it("R-16: rejects another redirect URI than the code was issued for", async () => {
    const code = await codeFor();
    const exchange = { grant_type: "authorization_code", code, redirect_uri: `${REDIRECT_URI}/` };
    expect(await refused(grant(exchange))).toEqual([400, "invalid_grant"]);
  });

  it("R-19: rejects another client's code", async () => {
    const code = await codeFor();
    const answer = grant(
      {
        client_id: "client_other",
        client_secret: "sk_test_fedcba9876543210",
        grant_type: "authorization_code",
        code,
      },
      other,
    );
    expect(await refused(answer)).toEqual([400, "invalid_grant"]);
  });

  it("R-19: rejects an expired code", async () => {
    const code = await codeFor();
    world.ahead.seconds = 601;
    expect(await refused(grant({ grant_type: "authorization_code", code }))).toEqual([400, "invalid_grant"]);
  });

  it("R-19: rejects PKCE downgrades: no verifier, a wrong one, one without a challenge, and none at all", async () => {
    const { verifier, challenge } = pkce();
    const exchange = async (code: string, more: Record<string, unknown>): Promise<[number, unknown]> =>
      refused(grant({ grant_type: "authorization_code", code, ...more }));
    expect(await exchange(await codeFor(challenge), {})).toEqual([400, "invalid_grant"]);
    expect(await exchange(await codeFor(challenge), { code_verifier: pkce().verifier })).toEqual([
      400,
      "invalid_grant",
    ]);
    expect(await exchange(await codeFor(challenge), { code_verifier: challenge["code_challenge"] })).toEqual([
      400,
      "invalid_grant",
    ]);
    expect(await exchange(await codeFor(), { code_verifier: verifier })).toEqual([
      400,
      "code_challenge_not_found",
    ]);
    expect(await exchange(await codeFor(challenge), { client_secret: undefined })).toEqual([
      400,
      "invalid_client",
    ]);
    expect(await exchange(await codeFor(), { client_secret: undefined, code_verifier: verifier })).toEqual([
      400,
      "code_challenge_not_found",
    ]);
    const good = await grant({
      grant_type: "authorization_code",
      code: await codeFor(challenge),
      code_verifier: verifier,
    });
    expect(good.status).toBe(200);
  });

  it("R-05: stores codes by their hash only", async () => {
    const code = await codeFor();
    const answer = await grant({
      grant_type: "authorization_code",
      code: createHash("sha256").update(code).digest("base64url"),
    });
    expect(answer.status).toBe(400);
  });
});

describe("attacks on the authorization request", () => {
  it.each([
    ["another client", { client_id: "client_other" }, 400],
    ["an unknown redirect URI", { redirect_uri: "https://evil.example/callback" }, 400],
    ["a redirect URI with a suffix", { redirect_uri: `${REDIRECT_URI}.evil.example` }, 400],
    ["a redirect URI with a query", { redirect_uri: `${REDIRECT_URI}?next=evil` }, 400],
    ["a redirect URI in other case", { redirect_uri: REDIRECT_URI.toUpperCase() }, 400],
    ["no redirect URI", { redirect_uri: "" }, 400],
    ["a request that is too long", { state: "s".repeat(7000) }, 400],
  ])("R-16: answers %s itself, without a redirect", async (_, parameters, status) => {
    const answer = await askToAuthorize(parameters);
    expect([answer.status, answer.headers.location]).toEqual([status, undefined]);
  });

  it.each(["client_id=client_orgate", `redirect_uri=${REDIRECT_URI}`, "state=a&state=b", "provider=authkit"])(
    "R-16: answers a duplicate parameter (%s) itself",
    async (more) => {
      const answer = await askToAuthorize({}, `&${more}`);
      expect([answer.status, answer.headers.location]).toEqual([400, undefined]);
    },
  );

  it.each([
    ["unsupported_response_type", { response_type: "token" }],
    ["invalid_connection_selector", { provider: "" }],
    ["ambiguous_connection_selector", { connection_id: "conn_1" }],
    ["organization_invalid", { organization_id: "org_nowhere" }],
    ["invalid_request", { code_challenge: "x".repeat(43), code_challenge_method: "plain" }],
    ["invalid_request", { code_challenge: "x".repeat(43) }],
    ["invalid_request", { code_challenge_method: "S256" }],
    ["invalid_request", { code_challenge: "short", code_challenge_method: "S256" }],
    ["invalid_request", { max_age: "-1" }],
  ])("redirects %s to the client, with its state", async (error, parameters) => {
    const answer = await askToAuthorize({ state: "abc", ...parameters });
    const location = new URL(answer.headers.location ?? "");
    expect([answer.status, location.origin + location.pathname]).toEqual([302, REDIRECT_URI]);
    expect(location.searchParams.get("error")).toBe(error);
    expect(location.searchParams.get("state")).toBe("abc");
    expect(location.searchParams.has("code")).toBe(false);
  });

  it("R-19: answers a request once, also concurrently, and not after it expired", async () => {
    const token = await requestToken();
    const subject = { userId: "user_bob", authenticationMethod: "Password" };
    const settled = await Promise.allSettled(
      Array.from({ length: 10 }, () => router.completeAuthorization(token, subject)),
    );
    expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await expect(router.refuseAuthorization(token)).rejects.toMatchObject({
      code: "invalid_request",
      reason: "authorization_request_spent",
    });
    const late = await requestToken();
    world.ahead.seconds = 601;
    await expect(router.completeAuthorization(late, subject)).rejects.toMatchObject({
      reason: "authorization_request_invalid",
    });
  });

  it.each(["", "x", "a".repeat(200), "__proto__"])("R-19: does not know the request %j", async (token) => {
    await expect(router.readAuthorization(token)).rejects.toMatchObject({ code: "invalid_request" });
  });

  it("R-19: does not know another client's request, or a modified one", async () => {
    const token = await requestToken();
    const tampered = `${token.slice(0, -2)}${token.endsWith("AA") ? "BB" : "AA"}`;
    await expect(router.readAuthorization(tampered)).rejects.toMatchObject({ code: "invalid_request" });
    const foreign = workosRouter(world.authority, { clientId: "client_x", apiKey: "sk_0123456789abcdef" });
    await expect(foreign.readAuthorization(token)).rejects.toMatchObject({ code: "invalid_request" });
  });
});

describe("attacks on clients", () => {
  it.each([
    ["a wrong secret", { client_secret: "sk_test_0123456789abcdeX" }, {}],
    ["a secret with a suffix", { client_secret: `${CLIENT.client_secret}0` }, {}],
    ["another client's name", { client_id: "client_other" }, {}],
    ["a wrong key in the header beside the right secret", {}, { authorization: "Bearer wrong" }],
    [
      "a wrong secret beside the right key",
      { client_secret: "wrong" },
      {
        authorization: `Bearer ${CLIENT.client_secret}`,
      },
    ],
    ["no secret for a password", { client_secret: undefined }, {}],
  ])("R-05: rejects %s", async (_, fields, headers) => {
    const body = {
      ...CLIENT,
      grant_type: "password",
      email: "bob@example.com",
      password: PASSWORD,
      ...fields,
    };
    const answer = server.send({ path: AUTHENTICATE, ...json(body, headers) });
    expect(await refused(answer)).toEqual([400, "invalid_client"]);
  });

  it("R-24: rejects another client's refresh token, and one without the secret", async () => {
    const { refresh_token: token } = await signIn();
    const stolen = { grant_type: "refresh_token", refresh_token: token };
    const asOther = { client_id: "client_other", client_secret: "sk_test_fedcba9876543210" };
    expect(await refused(grant({ ...asOther, ...stolen }, other))).toEqual([400, "invalid_grant"]);
    expect(await refused(grant({ client_secret: undefined, ...stolen }))).toEqual([400, "invalid_grant"]);
    expect((await grant(stolen)).status).toBe(200);
  });

  it("R-19: rejects another client's pending authentication", async () => {
    const begun = await grant({ grant_type: "password", email: "ada@example.com", password: PASSWORD });
    const selection = {
      grant_type: "urn:workos:oauth:grant-type:organization-selection",
      pending_authentication_token: bodyOf(begun)["pending_authentication_token"],
      organization_id: "org_acme",
    };
    const asOther = { client_id: "client_other", client_secret: "sk_test_fedcba9876543210" };
    expect(await refused(grant({ ...asOther, ...selection }, other))).toEqual([
      400,
      "invalid_pending_authentication_token",
    ]);
    expect((await grant(selection)).status).toBe(200);
  });
});

describe("hostile requests to the WorkOS router", () => {
  it.each([
    ["an empty body", ""],
    ["no JSON", "{"],
    ["an array", "[]"],
    ["null", "null"],
    ["duplicate keys", '{"client_id":"client_orgate","client_id":"client_orgate"}'],
    ["__proto__", '{"__proto__":{"client_id":"client_orgate"}}'],
    ["deep nesting", `{"client_id":${"[".repeat(5000)}${"]".repeat(5000)}}`],
  ])("R-08: rejects %s", async (_, body) => {
    expect(await refused(server.send({ path: AUTHENTICATE, ...json(body) }))).toEqual([
      400,
      "invalid_request",
    ]);
  });

  it.each([
    ["a list", ["refresh_token"]],
    ["an object", { toString: "refresh_token" }],
    ["a number", 7],
    ["a boolean", true],
  ])("R-08: rejects %s in place of a text, in every field", async (_, value) => {
    const good = { ...CLIENT, grant_type: "refresh_token", refresh_token: "x", organization_id: "y" };
    for (const name of Object.keys(good)) {
      const answer = server.send({ path: AUTHENTICATE, ...json({ ...good, [name]: value }) });
      // oxlint-disable-next-line no-await-in-loop -- one field after the other
      expect(await refused(answer)).toEqual([400, "invalid_request"]);
    }
  });

  it.each(["__proto__", "constructor", "toString", "implicit", "urn:workos:oauth:grant-type:mfa-totp"])(
    "R-39: has no grant type %s",
    async (grantType) => {
      expect(await refused(grant({ grant_type: grantType }))).toEqual([400, "unsupported_grant_type"]);
    },
  );

  it("R-08: reads forms, and rejects a duplicate field", async () => {
    const form = new URLSearchParams({
      ...CLIENT,
      grant_type: "password",
      email: "bob@example.com",
      password: PASSWORD,
    });
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const send = (body: string): Promise<Received> =>
      server.send({ method: "POST", path: AUTHENTICATE, headers, body });
    expect((await send(form.toString())).status).toBe(200);
    expect(await refused(send(`${form.toString()}&email=ada%40example.com`))).toEqual([
      400,
      "invalid_request",
    ]);
  });

  it("R-08: answers 413 to a megabyte, announced or not", async () => {
    const body = JSON.stringify({ ...CLIENT, padding: "x".repeat(1_000_000) });
    expect((await server.send({ path: AUTHENTICATE, ...json(body) })).status).toBe(413);
    const chunked = await server.sendRaw(
      `POST ${AUTHENTICATE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
        `Transfer-Encoding: chunked\r\n\r\n18000\r\n${"x".repeat(0x18000)}\r\n`,
    );
    expect(chunked).toMatch(/^HTTP\/1\.1 413 /);
    expect(chunked).toMatch(/Connection: close/i);
  });

  it.each([
    ["GET", AUTHENTICATE, "POST"],
    ["HEAD", "/user_management/sessions/logout?session_id=x", "GET"],
    ["POST", "/user_management/sessions/logout", "GET"],
    ["DELETE", "/sso/jwks/client_orgate", "GET"],
    ["PUT", "/user_management/sessions/revoke", "POST"],
    ["OPTIONS", "/user_management/authorize", "GET"],
  ])("R-18: answers 405 to %s %s", async (method, path, allow) => {
    const answer = await server.send({ method, path });
    expect([answer.status, answer.headers.allow, answer.headers["cache-control"]]).toEqual([
      405,
      allow,
      "no-store",
    ]);
  });

  it("R-18: takes no method from a header, a field or the query", async () => {
    const answer = await server.send({
      method: "POST",
      path: "/user_management/sessions/logout?_method=GET",
      headers: { "x-http-method-override": "GET" },
    });
    expect(answer.status).toBe(405);
  });

  it.each([
    "/user_management/authenticate/",
    "/User_Management/authenticate",
    "//user_management/authenticate",
    "/user_management/%61uthenticate",
    "/user_management/users/%ff/sessions",
    "/user_management/users//sessions",
    "/nowhere",
  ])("passes %s to the next handler", async (path) => {
    const answer = await server.send({ path, ...json(CLIENT) });
    expect([answer.status, answer.headers["content-type"]]).toEqual([404, "text/html; charset=utf-8"]);
  });

  it("answers 404 itself when there is no next handler", async () => {
    const bare = await serve(HOSTS["node:http"]?.(router) ?? (() => undefined));
    expect((await bare.send({ path: "/nowhere" })).status).toBe(404);
    await bare.close();
  });

  it.each(["Express 4", "Express 5", "Connect"])("serves under a prefix on %s", async (host) => {
    const prefixed = await serve(HOSTS[host]?.(router, "/workos") ?? (() => undefined));
    expect((await prefixed.send({ path: "/workos/sso/jwks/client_orgate" })).status).toBe(200);
    expect((await prefixed.send({ path: "/sso/jwks/client_orgate" })).status).toBe(404);
    await prefixed.close();
  });

  it("serves no other client's keys", async () => {
    expect(await refused(server.send({ path: "/sso/jwks/client_nobody" }))).toEqual([
      404,
      "entity_not_found",
    ]);
  });

  it("R-16: redirects a sign-out to an allowed address only", async () => {
    const strict = await serveRouter(
      workosRouter(world.authority, {
        clientId: "client_x",
        apiKey: "sk_0123456789abcdef",
        signOutRedirects: ["https://app.example.com/bye"],
      }),
    );
    const path = "/user_management/sessions/logout?session_id=session_x&return_to=";
    const out = await strict.send({ path: `${path}${encodeURIComponent("https://evil.example")}` });
    expect([out.status, out.headers.location]).toEqual([302, "https://app.example.com/bye"]);
    const none = await server.send({ path: `${path}https://evil.example` });
    expect([none.status, none.headers.location]).toEqual([200, undefined]);
    expect((await strict.send({ path: "/user_management/sessions/logout" })).status).toBe(422);
    await strict.close();
  });

  it("R-35: answers 503 for every operation while the repository is down, and never that nothing exists", async () => {
    const { refresh_token: refreshToken } = await signIn();
    const authorization = { authorization: `Bearer ${CLIENT.client_secret}` };
    world.takeDown();
    const answers = await Promise.all([
      grant({ grant_type: "refresh_token", refresh_token: refreshToken }),
      grant({ grant_type: "password", email: "bob@example.com", password: PASSWORD }),
      grant({ grant_type: "authorization_code", code: "x".repeat(43) }),
      server.send({ path: "/user_management/users/user_bob/sessions", headers: authorization }),
      server.send({
        path: "/user_management/sessions/revoke",
        ...json({ session_id: `session_${"a".repeat(24)}` }, authorization),
      }),
    ]);
    world.bringBack();
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503]);
    expect(answers.every(({ headers }) => headers["retry-after"] !== undefined)).toBe(true);
  });
});
