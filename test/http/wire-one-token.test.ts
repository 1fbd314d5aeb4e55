import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { WorkOS } from "@workos-inc/node";
import express from "express";
import { memoryRepository } from "../../src/authority/index.ts";
import { workosRouter, type WorkosRouter } from "../../src/authority/wire/workos/index.ts";
import { orgate } from "../../src/orgate.ts";
import { definePolicy } from "../../src/policy/policy.ts";
import { serve } from "../support/servers.ts";
import type { TestServer } from "../support/servers.ts";
import { bodyOf, json, makeWireWorld, PASSWORD, serveRouter, WIRE_POLICY } from "../support/wire-world.ts";
import type { WireWorld } from "../support/wire-world.ts";

const CLIENT = { client_id: "client_orgate", client_secret: "sk_test_0123456789abcdef" };
const COOKIE_PASSWORD = "a cookie password of 32 characters";
const AUTHENTICATE = "/user_management/authenticate";
const LONG_ROLES = Array.from({ length: 400 }, (_, index) => `a-role-with-a-long-name-${index}`);

describe("the middleware over the authority, and WorkOS's SDK over its router", () => {
  let world: WireWorld;
  let server: TestServer;
  let workos: WorkOS;

  beforeAll(async () => {
    // No keys of the application's, and the middleware made first: the router's key is one that comes later.
    world = makeWireWorld({ keys: undefined });
    const auth = orgate({
      baseUrl: "http://localhost",
      store: world.authority,
      policy: WIRE_POLICY,
      cookie: { password: COOKIE_PASSWORD, name: "wos-session" },
    });
    const app = express();
    app.use(workosRouter(world.authority, { clientId: CLIENT.client_id, apiKey: CLIENT.client_secret }));
    app.use(auth);
    app.get("/documents", auth.requirePermission("documents", "write"), (request, response) => {
      response.json({ member: request.member?.id, organization: request.organization?.id });
    });
    server = await serve(app);
    workos = new WorkOS(CLIENT.client_secret, {
      clientId: CLIENT.client_id,
      apiHostname: "127.0.0.1",
      port: server.port,
      https: false,
    });
  });

  afterAll(async () => {
    await server.close();
    await world.authority.close();
  });

  it("share one token and one cookie, and each renews what the other sealed", async () => {
    const signedIn = await workos.userManagement.authenticateWithPassword({
      clientId: CLIENT.client_id,
      email: "bob@example.com",
      password: PASSWORD,
      session: { sealSession: true, cookiePassword: COOKIE_PASSWORD },
    });
    const expected = { member: "member_bob", organization: "org_acme" };
    const bearer = { authorization: `Bearer ${signedIn.accessToken}` };
    expect(bodyOf(await server.send({ path: "/documents", headers: bearer }))).toEqual(expected);
    const cookie = `wos-session=${signedIn.sealedSession ?? ""}`;
    expect(bodyOf(await server.send({ path: "/documents", headers: { cookie } }))).toEqual(expected);
    const session = workos.userManagement.loadSealedSession({
      sessionData: signedIn.sealedSession ?? "",
      cookiePassword: COOKIE_PASSWORD,
    });
    const refreshed = await session.refresh();
    if (!refreshed.authenticated) throw new Error("Expected to be refreshed.");
    const next = `wos-session=${refreshed.sealedSession ?? ""}`;
    expect(bodyOf(await server.send({ path: "/documents", headers: { cookie: next } }))).toEqual(expected);
  });
});

describe("rare cases of the WorkOS router", () => {
  let world: WireWorld;
  let server: TestServer;
  let router: WorkosRouter;
  let contended = false;

  beforeAll(async () => {
    // It keeps documents for longer than it was told to, and loses every compare-and-set when it is told so.
    const clock = (): number => Date.now() / 1000 + world.ahead.seconds;
    const inner = memoryRepository({ clock });
    world = makeWireWorld({
      policy: definePolicy({
        roles: [
          { role_id: "editor", permissions: [{ resource_id: "documents", actions: ["read", "*"] }] },
          { role_id: "viewer", permissions: [{ resource_id: "reports", actions: ["read"] }] },
          { role_id: "admin", permissions: [] },
          ...LONG_ROLES.map((role) => ({ role_id: role, permissions: [] })),
        ],
      }),
      repository: {
        ...inner,
        insert: (collection, id, value, options) =>
          inner.insert(collection, id, value, { ...options, expiresAt: options.expiresAt + 1000 }),
        compareAndSet: async (...change) => (contended ? false : inner.compareAndSet(...change)),
      },
    });
    router = workosRouter(world.authority, {
      clientId: CLIENT.client_id,
      apiKey: CLIENT.client_secret,
      redirectUris: ["https://app.example.com/callback"],
      signIn: { path: "/sign-in" },
      codeLifetime: 60,
    });
    server = await serveRouter(router);
  });

  beforeEach(() => {
    world.ahead.seconds = 0;
    contended = false;
  });

  afterAll(async () => {
    await server.close();
    await world.authority.close();
  });

  const grant = async (fields: Record<string, unknown>): Promise<[number, Record<string, unknown>]> => {
    const answer = await server.send({ path: AUTHENTICATE, ...json({ ...CLIENT, ...fields }) });
    return [answer.status, bodyOf(answer)];
  };

  const password = (email: string, more: Record<string, unknown> = {}): ReturnType<typeof grant> =>
    grant({ grant_type: "password", email, password: PASSWORD, ...more });

  it("R-19: rejects an expired code that the repository still has", async () => {
    const query = new URLSearchParams({
      response_type: "code",
      client_id: CLIENT.client_id,
      redirect_uri: "https://app.example.com/callback",
      provider: "authkit",
    });
    const led = await server.send({ path: `/user_management/authorize?${query.toString()}` });
    const token = new URL(led.headers.location ?? "", "http://x.example").searchParams.get(
      "authorization_request",
    );
    const { redirectTo } = await router.completeAuthorization(token ?? "", {
      userId: "user_bob",
      authenticationMethod: "SSO",
    });
    world.ahead.seconds = 60;
    const code = new URL(redirectTo).searchParams.get("code");
    expect(await grant({ grant_type: "authorization_code", code })).toMatchObject([
      400,
      { error: "invalid_grant" },
    ]);
  });

  it("asks a client to retry after a concurrent change", async () => {
    const [, { refresh_token: refreshToken }] = await password("bob@example.com");
    contended = true;
    const refused = await grant({ grant_type: "refresh_token", refresh_token: refreshToken });
    expect(refused).toMatchObject([429, { error: "too_many_requests" }]);
    contended = false;
    expect(await grant({ grant_type: "refresh_token", refresh_token: refreshToken })).toMatchObject([
      200,
      {},
    ]);
  });

  it("lists the roles' permissions when the policy does not list its resources", async () => {
    world.directory.setRoles("user_bob", "org_acme", ["editor", "viewer"]);
    const [, { access_token: token }] = await password("bob@example.com");
    const payload = Buffer.from(String(token).split(".")[1] ?? "", "base64url").toString();
    // What "*" grants has no name here.
    expect(JSON.parse(payload)).toMatchObject({ permissions: ["reports:read"] });
  });

  it("accepts an invitation once, for the address that it was sent to", async () => {
    const { token } = await world.authority.invite({
      emailAddress: "nora@example.com",
      organizationId: "org_closed",
      roles: ["viewer"],
    });
    const invitation = { invitation_token: token };
    expect(await password("bob@example.com", invitation)).toMatchObject([
      400,
      { error: "invitation_cannot_be_used_for_email" },
    ]);
    expect(await password("nora@example.com", invitation)).toMatchObject([
      200,
      { organization_id: "org_closed" },
    ]);
    expect(await password("nora@example.com", invitation)).toMatchObject([
      400,
      { error: "invitation_invalid" },
    ]);
  });

  it("rejects a token that would be too large", async () => {
    world.directory.setRoles("user_bob", "org_acme", LONG_ROLES);
    expect(await password("bob@example.com")).toMatchObject([400, { error: "token_too_big" }]);
    world.directory.setRoles("user_bob", "org_acme", ["editor"]);
  });
});

it("accepts no invitation when the directory cannot create memberships", async () => {
  const world = makeWireWorld({}, { addMembership: undefined } as never);
  const server = await serveRouter(
    workosRouter(world.authority, { clientId: CLIENT.client_id, apiKey: CLIENT.client_secret }),
  );
  const fields = {
    grant_type: "password",
    email: "bob@example.com",
    password: PASSWORD,
    invitation_token: "x",
  };
  const answer = await server.send({ path: AUTHENTICATE, ...json({ ...CLIENT, ...fields }) });
  expect([answer.status, bodyOf(answer)["error"]]).toEqual([400, "invitation_invalid"]);
  await server.close();
  await world.authority.close();
});
