/**
 * Pins what both wire routers send: the status, the headers that clients act on, and the name and type of every field of
 * every body and access token. Other values than codes are left out; the SDK and differential tests cover them.
 * After a change that is meant: `npm test -- test/http/wire-bodies -u`.
 */
import { afterEach, expect, it } from "@jest/globals";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { definePolicy, isOrgateError } from "orgate";
import { type Authority, createAuthority, memoryDirectory } from "orgate/authority";
import { stytchRouter, type StytchRouter } from "orgate/authority/stytch";
import { workosRouter } from "orgate/authority/workos";

const PASSWORD = "correct horse battery staple";
const CLIENT = { client_id: "client_orgate", client_secret: "sk_test_0123456789abcdef" };
const PROJECT = { projectId: "project-test-1", secret: "secret-test-0123456789abcdef" };
const REDIRECT_URI = "https://app.example.com/callback";
const BEARER = { authorization: `Bearer ${CLIENT.client_secret}` };
const BASIC = { authorization: `Basic ${btoa(`${PROJECT.projectId}:${PROJECT.secret}`)}` };

/** Headers whose value a client acts on. Of `location`, only the parameters are kept. */
const HEADERS = ["allow", "cache-control", "content-type", "retry-after", "www-authenticate"];

/** Fields whose values are words of the protocol. */
const ENUMERATIONS = /\.(?:code|error|error_type|object|status|status_code|type)$/;

type Body = Readonly<Record<string, unknown>>;

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

it("sends WorkOS's fields", async () => {
  const authority = makeAuthority();
  const router = workosRouter(authority, {
    clientId: CLIENT.client_id,
    apiKey: CLIENT.client_secret,
    redirectUris: [REDIRECT_URI],
    signOutRedirects: ["https://app.example.com/goodbye"],
    signIn: { path: "/sign-in" },
  });
  const record = await openRecorder(router);
  const authenticate = (title: string, fields: Body): Promise<Body> =>
    record.post(title, "/user_management/authenticate", { ...CLIENT, ...fields });
  const get = (title: string, path: string): Promise<Body> => record.get(title, path, BEARER);

  const bob = { grant_type: "password", email: "bob@example.com", password: PASSWORD };
  const signedIn = await authenticate("password grant", { ...bob, user_agent: "Test/1.0" });
  const refresh = { grant_type: "refresh_token", refresh_token: signedIn["refresh_token"] };
  await authenticate("refresh token grant", refresh);
  const ada = await authenticate("password grant, several organizations", {
    ...bob,
    email: "ada@example.com",
  });
  await authenticate("organization selection grant", {
    grant_type: "urn:workos:oauth:grant-type:organization-selection",
    pending_authentication_token: ada["pending_authentication_token"],
    organization_id: "org_acme",
  });
  const query = new URLSearchParams({ client_id: CLIENT.client_id, redirect_uri: REDIRECT_URI, state: "s" });
  const authorize = `/user_management/authorize?${query.toString()}&response_type=code&provider=authkit`;
  const led = await record.get("authorize", authorize);
  const asked = String(led["authorization_request"]);
  const subject = { userId: "user_bob", authenticationMethod: "Password" } as const;
  const { redirectTo } = await router.completeAuthorization(asked, subject);
  const code = new URL(redirectTo).searchParams.get("code");
  await authenticate("code grant", { grant_type: "authorization_code", code });
  await authenticate("code grant, spent code", { grant_type: "authorization_code", code });
  await authenticate("wrong password", { ...bob, password: "wrong" });
  await authenticate("missing field", { grant_type: "password" });
  await authenticate("unknown grant", { grant_type: "magic" });
  await authenticate("wrong secret", { ...bob, client_secret: "wrong" });
  await authenticate("invalid refresh token", { grant_type: "refresh_token", refresh_token: "wrong" });
  await authenticate("invalid pending token", {
    grant_type: "urn:workos:oauth:grant-type:organization-selection",
    pending_authentication_token: "wrong",
    organization_id: "org_acme",
  });
  await authenticate("organization without the user", { ...refresh, organization_id: "org_closed" });
  await record.get("keys", `/sso/jwks/${CLIENT.client_id}`);
  await record.get("keys of an unknown client", "/sso/jwks/client_other");
  await get("user", "/user_management/users/user_ada");
  await get("unknown user", "/user_management/users/user_eve");
  await get("organization", "/organizations/org_acme");
  await get("sessions", "/user_management/users/user_bob/sessions");
  await get("memberships", "/user_management/organization_memberships?user_id=user_ada");
  await record.get("user without the API key", "/user_management/users/user_ada");
  const { sid } = claimsOf(String(signedIn["access_token"]));
  await record.post("revoke", "/user_management/sessions/revoke", { session_id: sid }, BEARER);
  await record.post(
    "revoke, unknown session",
    "/user_management/sessions/revoke",
    { session_id: "x" },
    BEARER,
  );
  await record.get(
    "logout",
    `/user_management/sessions/logout?session_id=${String(sid)}&return_to=https://app.example.com/goodbye`,
  );
  await record.post("body that is not JSON", "/user_management/authenticate", "{");
  await record.get("wrong method", "/user_management/authenticate");

  expect(record.lines.join("\n")).toMatchSnapshot();
  await authority.close();
});

it("sends Stytch's fields", async () => {
  const authority = makeAuthority();
  const router = stytchRouter(authority, PROJECT);
  const record = await openRecorder(router);
  const post = (title: string, path: string, fields: Body): Promise<Body> =>
    record.post(title, `/v1/b2b/${path}`, fields, BASIC);
  const get = (title: string, path: string): Promise<Body> => record.get(title, `/v1/b2b/${path}`, BASIC);

  const { sessionToken, sessionJwt } = await router.authenticate({
    userId: "user_ada",
    authenticationMethod: "password",
    organizationId: "org_acme",
    userAgent: "Test/1.0",
  });
  const intermediate = await beginDiscovery(router);
  const question = { organization_id: "org_acme", resource_id: "documents", action: "read" };
  const session = { session_token: sessionToken };
  await post("authenticate", "sessions/authenticate", session);
  await post("authenticate by JWT", "sessions/authenticate", { session_jwt: sessionJwt });
  await post("authenticate, longer and with claims", "sessions/authenticate", {
    ...session,
    session_duration_minutes: 60,
    session_custom_claims: { plan: "pro" },
  });
  await post("granted", "sessions/authenticate", { ...session, authorization_check: question });
  await post("not granted", "sessions/authenticate", {
    ...session,
    authorization_check: { ...question, resource_id: "billing", action: "manage" },
  });
  await post("another organization", "sessions/authenticate", {
    ...session,
    authorization_check: { ...question, organization_id: "org_globex" },
  });
  await post("unknown session", "sessions/authenticate", { session_token: "wrong" });
  await post("no session", "sessions/authenticate", {});
  await post("exchange", "sessions/exchange", { ...session, organization_id: "org_globex" });
  await post("exchange, unknown organization", "sessions/exchange", { ...session, organization_id: "org_x" });
  await post("discovery", "discovery/organizations", { intermediate_session_token: intermediate });
  await post("discovery by session", "discovery/organizations", session);
  await post("intermediate exchange", "discovery/intermediate_sessions/exchange", {
    intermediate_session_token: intermediate,
    organization_id: "org_acme",
  });
  await post("intermediate exchange, spent", "discovery/intermediate_sessions/exchange", {
    intermediate_session_token: intermediate,
    organization_id: "org_acme",
  });
  const { sub } = claimsOf(sessionJwt);
  await get("sessions", `sessions?organization_id=org_acme&member_id=${String(sub)}`);
  await get("policy", "rbac/policy");
  await get("organization policy", "rbac/organizations/org_acme");
  await get("policy of an unknown organization", "rbac/organizations/org_x");
  await record.get("keys", `/v1/b2b/sessions/jwks/${PROJECT.projectId}`);
  await record.get("keys of an unknown project", "/v1/b2b/sessions/jwks/project-other");
  await record.get("policy without credentials", "/v1/b2b/rbac/policy");
  await post("revoke", "sessions/revoke", session);
  await record.post("body that is not JSON", "/v1/b2b/sessions/authenticate", "{", BASIC);
  await get("wrong method", "sessions/authenticate");

  expect(record.lines.join("\n")).toMatchSnapshot();
  await authority.close();
});

function makeAuthority(): Authority {
  const directory = memoryDirectory({
    users: [
      {
        id: "user_ada",
        emailAddress: "ada@example.com",
        name: "Ada Lovelace",
        firstName: "Ada",
        emailVerified: true,
        metadata: { timezone: "Europe/London" },
        trustedMetadata: { staffNumber: 1 },
      },
      { id: "user_bob", emailAddress: "bob@example.com" },
    ],
    organizations: [
      { id: "org_acme", slug: "acme", name: "Acme", externalId: "ext-acme" },
      { id: "org_globex", slug: "globex", name: "Globex" },
      { id: "org_closed", name: "Closed" },
    ],
    memberships: [
      { userId: "user_ada", organizationId: "org_acme", roles: ["editor"] },
      { userId: "user_ada", organizationId: "org_globex", roles: ["viewer"] },
      { userId: "user_bob", organizationId: "org_acme", roles: ["editor"] },
    ],
  });
  return createAuthority({
    issuer: "https://app.example.com",
    directory: { ...directory, verifyPassword: async (_userId, password) => password === PASSWORD },
    policy: definePolicy({
      resources: { documents: ["read", "write"], billing: ["manage"] },
      roles: { viewer: { documents: ["read"] }, editor: { documents: "*" } },
    }),
  });
}

async function beginDiscovery(router: StytchRouter): Promise<string> {
  try {
    await router.authenticate({ userId: "user_ada", authenticationMethod: "magic_link" });
  } catch (error) {
    if (!isOrgateError(error) || !("pendingAuthenticationToken" in error)) throw error;
    return String(error.pendingAuthenticationToken);
  }
  throw new Error("Ada must choose an organization.");
}

interface Recorder {
  readonly lines: string[];
  /** Sends a request and records the answer. Returns its body, or the parameters of where it redirects to. */
  get(title: string, path: string, headers?: Record<string, string>): Promise<Body>;
  post(title: string, path: string, body: Body | string, headers?: Record<string, string>): Promise<Body>;
}

async function openRecorder(listener: RequestListener): Promise<Recorder> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const lines: string[] = [];
  const seen = new Map<string, string>();
  const send = async (title: string, path: string, init: RequestInit): Promise<Body> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: "manual", ...init });
    lines.push(`${title}: ${response.status}`);
    for (const name of HEADERS) {
      const value = response.headers.get(name);
      if (value !== null) lines.push(`  ${name}: ${value}`);
    }
    const location = response.headers.get("location");
    if (location !== null) {
      const fields = Object.fromEntries(new URL(location, "http://127.0.0.1").searchParams);
      lines.push(`  location: ${Object.keys(fields).join(", ")}`);
      return fields;
    }
    const text = await response.text();
    const body = text === "" ? {} : (JSON.parse(text) as Body);
    lines.push(...describeBody(body, title, seen));
    return body;
  };
  return {
    lines,
    get: (title, path, headers = {}) => send(title, path, { headers }),
    post: (title, path, body, headers = {}) =>
      send(title, path, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
  };
}

/** Lists the fields of a body as `  path: type`; a field that an earlier answer had alike names that answer. */
function describeBody(body: Body, title: string, seen: Map<string, string>): string[] {
  return Object.keys(body)
    .toSorted(compareText)
    .flatMap((name) => {
      const fields = [...new Set(listFields(`body.${name}`, body[name]))].toSorted(compareText);
      if (fields.length < 4) return fields;
      const earlier = seen.get(fields.join("\n"));
      if (earlier === undefined) seen.set(fields.join("\n"), title);
      return earlier === undefined ? fields : [`  body.${name}: as in "${earlier}"`];
    });
}

function compareText(left: string, right: string): number {
  return left.localeCompare(right, "en");
}

/** Lists the fields of a value, an access token's header and claims included. */
function listFields(path: string, value: unknown): string[] {
  if (Array.isArray(value)) {
    return value.length === 0 ? [`  ${path}[]`] : value.flatMap((item) => listFields(`${path}[]`, item));
  }
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value);
    if (fields.length === 0) return [`  ${path}: {}`];
    return fields.flatMap(([name, field]) => listFields(`${path}.${name}`, field));
  }
  if (ENUMERATIONS.test(path)) return [`  ${path}: ${String(value)}`];
  if (typeof value !== "string" || !/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/.test(value)) {
    return [`  ${path}: ${value === null ? "null" : typeof value}`];
  }
  const header = JSON.parse(Buffer.from(value.split(".")[0] ?? "", "base64url").toString()) as unknown;
  return [...listFields(`${path}(header)`, header), ...listFields(`${path}(claims)`, claimsOf(value))];
}

function claimsOf(token: string): Body {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Body;
}
