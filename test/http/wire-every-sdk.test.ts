/** What the SDKs of other languages, and clients without an SDK, need of the wire routers. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { memoryDirectory, type MemoryDirectoryInput } from "orgate/authority";
import { stytchRouter, type StytchRouter } from "orgate/authority/stytch";
import { workosRouter, type WorkosRouter } from "orgate/authority/workos";
import { type Received, type Sent, serve, type TestServer } from "../support/servers.ts";
import {
  bodyOf,
  json,
  makeWireWorld,
  PASSWORD,
  serveRouter,
  WIRE_POLICY,
  type WireWorld,
} from "../support/wire-world.ts";

const CLIENT_ID = "client_orgate";
const API_KEY = "sk_test/0123+4567%89";
const BEARER = { authorization: `Bearer ${API_KEY}` };
const PROJECT = { projectId: "project-test-1", secret: "secret-test-0123456789abcdef" };
const BASIC = { authorization: `Basic ${btoa(`${PROJECT.projectId}:${PROJECT.secret}`)}` };
const BOB = { grant_type: "password", email: "bob@example.com", password: PASSWORD };

type Body = Readonly<Record<string, unknown>>;

const OLD_MEMBERSHIP = {
  userId: "user_old",
  organizationId: "org_named",
  roles: ["editor", "viewer"],
  createdAt: "2021-01-01",
};

const USERS: MemoryDirectoryInput = {
  users: [
    { id: "user_old", emailAddress: "old@example.com", createdAt: "2020-02-03 04:05:06" },
    { id: "user_bob", emailAddress: "bob@example.com", metadata: { seats: 5, plan: { name: "pro" } } },
  ],
  organizations: [
    { id: "org_acme", slug: "acme", name: "Acme", externalId: "ext-acme" },
    {
      id: "org_named",
      slug: "org_acme",
      name: "Named as another one",
      externalId: "acme",
      entitlements: ["audit-logs"],
      featureFlags: ["beta"],
    },
  ],
  memberships: [{ userId: "user_bob", organizationId: "org_acme", roles: ["viewer"] }, OLD_MEMBERSHIP],
};

let world: WireWorld;
let workos: WorkosRouter;
let stytch: StytchRouter;
let servers: Readonly<Record<"workos" | "stytch", TestServer>>;

beforeEach(async () => {
  const directory = memoryDirectory(USERS);
  world = makeWireWorld({
    directory: { ...directory, verifyPassword: async (_userId, password) => password === PASSWORD },
    policy: WIRE_POLICY,
  });
  workos = workosRouter(world.authority, { clientId: CLIENT_ID, apiKey: API_KEY });
  stytch = stytchRouter(world.authority, PROJECT);
  servers = { workos: await serveRouter(workos), stytch: await serveRouter(stytch) };
});

afterEach(async () => {
  await Promise.all(Object.values(servers).map((server) => server.close()));
  await world.authority.close();
});

const ask = (sent: Sent): Promise<Received> => servers.workos.send(sent);
const read = async (path: string): Promise<Body> => bodyOf(await ask({ path, headers: BEARER }));
const claimsOf = (token: unknown): Body =>
  JSON.parse(Buffer.from(String(token).split(".")[1] ?? "", "base64url").toString()) as Body;

describe("HTTP Basic at the token endpoint of workosRouter (RFC 6749 section 2.3.1)", () => {
  const authenticate = (credentials: string, fields: Body = BOB): Promise<Received> =>
    ask({
      path: "/user_management/authenticate",
      ...json(fields, { authorization: `Basic ${btoa(credentials)}` }),
    });

  it.each([
    ["as they are", `${CLIENT_ID}:${API_KEY}`],
    ["encoded as a form", `${CLIENT_ID}:${encodeURIComponent(API_KEY)}`],
  ])("authenticates a client whose credentials are sent %s", async (_how, credentials) => {
    const answer = await authenticate(credentials);

    expect(answer.status).toBe(200);
    expect(bodyOf(answer)).toMatchObject({ user: { id: "user_bob" }, organization_id: "org_acme" });
  });

  it("accepts the same credentials in the body as well, and a form", async () => {
    const fields = { ...BOB, client_id: CLIENT_ID, client_secret: API_KEY };
    const answer = await ask({
      method: "POST",
      path: "/user_management/authenticate",
      headers: {
        authorization: `Basic ${btoa(`${CLIENT_ID}:${API_KEY}`)}`,
        "content-type": "application/x-www-form-urlencoded",
      },
      body: new URLSearchParams(fields).toString(),
    });

    expect(answer.status).toBe(200);
  });

  it.each([
    ["a wrong secret", `${CLIENT_ID}:wrong`, {}],
    ["another client", `client_other:${API_KEY}`, {}],
    ["no colon", CLIENT_ID, {}],
    ["no client", `:${API_KEY}`, {}],
    ["another client in the body", `${CLIENT_ID}:${API_KEY}`, { client_id: "client_other" }],
    ["another secret in the body", `${CLIENT_ID}:${API_KEY}`, { client_secret: "wrong" }],
    ["a wrong secret, and the right one in the body", `${CLIENT_ID}:wrong`, { client_secret: API_KEY }],
  ])("refuses %s with a challenge, and signs nobody in", async (_what, credentials, fields) => {
    const answer = await authenticate(credentials, { ...BOB, ...fields });

    expect(answer.status).toBe(401);
    expect(answer.headers["www-authenticate"]).toBe('Basic realm="WorkOS"');
    expect(bodyOf(answer)).toMatchObject({ error: "invalid_client" });
    expect(answer.body).not.toContain(API_KEY);
    expect(await world.authority.listSessions({ userId: "user_bob" })).toEqual([]);
  });

  it("takes a client without a secret as a public one, which may not use a password", async () => {
    const answer = await authenticate(`${CLIENT_ID}:`);

    expect(answer.status).toBe(400);
    expect(bodyOf(answer)).toEqual({
      error: "invalid_client",
      error_description: "The client secret is required.",
    });
  });
});

describe("X-Request-ID", () => {
  it("stands on every answer of workosRouter, each with another one", async () => {
    const answers = await Promise.all([
      ask({ path: `/sso/jwks/${CLIENT_ID}` }),
      ask({ path: "/sso/jwks/other" }),
      ask({ path: "/user_management/users/user_bob" }),
      ask({ path: "/user_management/users/user_bob", headers: BEARER }),
      ask({ path: "/user_management/authenticate" }),
      ask({ path: "/user_management/authenticate", ...json({}) }),
      ask({ path: "/user_management/sessions/logout?session_id=x" }),
    ]);

    expect(answers.map(({ status }) => status)).toEqual([200, 404, 401, 200, 405, 400, 200]);
    const ids = answers.map(({ headers }) => headers["x-request-id"]);
    for (const id of ids) expect(id).toMatch(/^req_[\da-f-]{36}$/);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("stands on the answer for a path that the router does not serve", async () => {
    const server = await serve(workos);
    const answer = await server.send({ path: "/unknown" });
    await server.close();

    expect(answer.status).toBe(404);
    expect(answer.headers["x-request-id"]).toMatch(/^req_/);
  });

  it("is the request_id in every body of stytchRouter", async () => {
    const paths = [
      `/v1/b2b/sessions/jwks/${PROJECT.projectId}`,
      "/v1/b2b/sessions/jwks/other",
      "/v1/b2b/rbac/policy",
      "/v1/b2b/sessions/authenticate",
    ];
    for (const path of paths) {
      const answer = await servers.stytch.send({ path, headers: BASIC });

      expect(answer.headers["x-request-id"]).toMatch(/^request-id-test-[\da-f-]{36}$/);
      expect(bodyOf(answer)).toMatchObject({
        request_id: answer.headers["x-request-id"],
        status_code: answer.status,
      });
    }
  });
});

describe("the bodies of workosRouter", () => {
  it("lists memberships with their user in full", async () => {
    const { data } = await read("/user_management/organization_memberships?user_id=user_old");
    const user = await read("/user_management/users/user_old");

    expect(data).toEqual([
      expect.objectContaining({
        object: "organization_membership",
        user_id: "user_old",
        organization_id: "org_named",
        role: { slug: "editor" },
        created_at: "2021-01-01T00:00:00.000Z",
        updated_at: "2021-01-01T00:00:00.000Z",
        user,
      }),
    ]);
    expect(user).toMatchObject({ object: "user", created_at: "2020-02-03T04:05:06.000Z" });
  });

  it("lists no memberships of a user who does not exist", async () => {
    expect(await read("/user_management/organization_memberships?user_id=nobody")).toMatchObject({
      data: [],
    });
  });

  it("puts the time at which the router was made in place of times that nobody keeps", async () => {
    const before = Date.now();
    const { created_at, updated_at } = await read("/user_management/users/user_bob");
    const { created_at: organizationCreatedAt } = await read("/organizations/org_acme");

    expect(updated_at).toBe(created_at);
    expect(organizationCreatedAt).toBe(created_at);
    expect(Math.abs(Date.parse(String(created_at)) - before)).toBeLessThan(60_000);
  });

  it("writes metadata as text", async () => {
    const { metadata } = await read("/user_management/users/user_bob");

    expect(metadata).toEqual({ seats: "5", plan: '{"name":"pro"}' });
  });

  it("names the method of a session in the words of session lists", async () => {
    await world.authority.authenticate({ userId: "user_bob", authenticationMethod: "MagicAuth" });

    expect(await read("/user_management/users/user_bob/sessions")).toMatchObject({
      data: [{ auth_method: "magic_code", status: "active" }],
    });
  });

  it("publishes the certificate of each key, and its thumbprint", async () => {
    const { keys } = await read(`/sso/jwks/${CLIENT_ID}`);

    expect(keys).toEqual([
      expect.objectContaining({
        alg: "RS256",
        x5c: [expect.stringMatching(/^MII/)],
        "x5t#S256": expect.stringMatching(/^[\w-]{43}$/),
      }),
    ]);
  });

  it("lists in the access token what the organization has paid for and the flags that are on", async () => {
    const fields = { ...BOB, client_id: CLIENT_ID, client_secret: API_KEY };
    const path = "/user_management/authenticate";
    const old = bodyOf(await ask({ path, ...json({ ...fields, email: "old@example.com" }) }));
    const bob = bodyOf(await ask({ path, ...json(fields) }));

    expect(claimsOf(old["access_token"])).toMatchObject({
      entitlements: ["audit-logs"],
      feature_flags: ["beta"],
    });
    expect(claimsOf(bob["access_token"])).not.toHaveProperty("entitlements");
    expect(claimsOf(bob["access_token"])).not.toHaveProperty("feature_flags");
  });
});

describe("the bodies of stytchRouter", () => {
  it("publishes the certificate's thumbprint under each name that an SDK reads", async () => {
    const path = `/v1/b2b/sessions/jwks/${PROJECT.projectId}`;
    const { keys } = bodyOf(await servers.stytch.send({ path }));
    const [key] = keys as readonly Body[];

    expect(key).toMatchObject({
      key_ops: ["verify"],
      x5tS256: key?.["x5t#S256"],
      x5t_s256: key?.["x5t#S256"],
    });
    expect(key?.["x5tS256"]).toMatch(/^[\w-]{43}$/);
  });

  it("says of a member what the membership says, before what the user says", async () => {
    const { sessionToken } = await stytch.authenticate({ userId: "user_old", authenticationMethod: "SSO" });
    const sent = json({ session_token: sessionToken }, BASIC);
    const told = bodyOf(await servers.stytch.send({ path: "/v1/b2b/sessions/authenticate", ...sent }));

    expect(told["member"]).toMatchObject({ created_at: "2021-01-01T00:00:00Z", is_admin: false });
    expect(told["member_session"]).toMatchObject({
      authentication_factors: [{ type: "sso", delivery_method: "sso_saml" }],
    });
  });

  it.each([
    ["its id", "org_acme", [200, 200, "org_acme"]],
    ["its slug", "acme", [200, 200, "org_acme"]],
    ["its external id", "ext-acme", [200, 200, "org_acme"]],
    ["a name of no organization", "unknown", [404, 404, undefined]],
  ])("reads an organization by %s in a path", async (_what, name, expected) => {
    const path = `/v1/b2b/rbac/organizations/${name}`;
    const answer = await servers.stytch.send({ path, headers: BASIC });
    const other = await ask({ path: `/organizations/${name}`, headers: BEARER });

    expect([answer.status, other.status, bodyOf(other)["id"]]).toEqual(expected);
  });
});
