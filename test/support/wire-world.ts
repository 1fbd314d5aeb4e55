import type { RequestListener } from "node:http";
import connect from "connect";
import express from "express";
import express4 from "express4";
import {
  createAuthority,
  memoryDirectory,
  memoryRepository,
  type Authority,
  type AuthorityOptions,
  type Directory,
  type MemoryDirectory,
} from "../../src/authority/index.ts";
import { stytchRouter, type StytchRouter } from "../../src/authority/wire/stytch/index.ts";
import { workosRouter } from "../../src/authority/wire/workos/index.ts";
import type { WireMiddleware } from "../../src/authority/wire/router.ts";
import type { OrgateEvent } from "../../src/events.ts";
import { definePolicy } from "../../src/policy/policy.ts";
import { breakable } from "../../src/testing/test-authority.ts";
import type { JsonWebKey, Outcome } from "../../src/store.ts";
import { isOrgateError, type OrganizationSelectionRequiredError } from "../../src/errors.ts";
import { fromStytch, stytch } from "../../src/stores/stytch/index.ts";
import { workos } from "../../src/stores/workos/index.ts";
import type { StoreHarness } from "../../src/testing/contract/subject.ts";
import { serve, type TestServer } from "./servers.ts";
import { generateSigningKey } from "./tokens.ts";

export const PASSWORD = "correct horse battery staple";

export const WIRE_POLICY = definePolicy({
  resources: { documents: ["read", "write"], billing: ["manage"] },
  roles: {
    viewer: { documents: ["read"] },
    editor: { documents: ["read", "write"] },
    admin: { documents: "*", billing: ["manage"] },
  },
});

const rsa = makeRsaKey();

/** Makes a private RSA key as an application stores it. */
export function makeRsaKey(): JsonWebKey {
  const { privateKey } = generateSigningKey("RS256");
  return { ...privateKey.export({ format: "jwk" }), kty: "RSA", alg: "RS256" };
}

export interface WireWorld {
  readonly authority: Authority;
  readonly directory: MemoryDirectory;
  readonly events: OrgateEvent[];
  /** Seconds that the authority's clock is ahead of the machine's clock, which the SDKs use. */
  readonly ahead: { seconds: number };
  takeDown(): void;
  bringBack(): void;
}

/** Makes an authority with routers. Ada is in two organizations, Bob in one; all have the same password. */
export function makeWireWorld(
  options: Partial<AuthorityOptions> = {},
  more: Partial<Directory> = {},
): WireWorld {
  const ahead = { seconds: 0 };
  const clock = (): number => Date.now() / 1000 + ahead.seconds;
  const events: OrgateEvent[] = [];
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
        ssoRegistrations: [{ connectionId: "c1", externalId: "e1", registrationId: "r1" }],
      },
      { id: "user_bob", emailAddress: "bob@example.com" },
      { id: "user_nora", emailAddress: "nora@example.com" },
    ],
    organizations: [
      { id: "org_acme", slug: "acme", name: "Acme", externalId: "ext-acme", mfaPolicy: "OPTIONAL" },
      { id: "org_globex", slug: "globex", name: "Globex" },
      { id: "org_closed", slug: "closed", name: "Closed" },
    ],
    memberships: [
      { userId: "user_ada", organizationId: "org_acme", roles: ["admin", "viewer"] },
      { userId: "user_ada", organizationId: "org_globex", roles: ["viewer"] },
      { id: "member_bob", userId: "user_bob", organizationId: "org_acme", roles: ["editor"] },
    ],
  });
  const { repository, takeDown, bringBack } = breakable(options.repository ?? memoryRepository({ clock }));
  const authority = createAuthority({
    issuer: "https://app.example.com",
    directory: {
      ...directory,
      verifyPassword: async (_userId, password) => password === PASSWORD,
      ...more,
    },
    policy: WIRE_POLICY,
    keys: [rsa],
    clock,
    events: (event) => events.push(event),
    ...options,
    repository,
  });
  return { authority, directory, events, ahead, takeDown, bringBack };
}

/** The frameworks that a router can be mounted in. */
export const HOSTS: Readonly<Record<string, (router: WireMiddleware, prefix?: string) => RequestListener>> = {
  "Express 5": (router, prefix) => {
    const app = express();
    return prefix === undefined ? app.use(router) : app.use(prefix, router);
  },
  "Express 4": (router, prefix) => {
    const app = express4();
    return prefix === undefined ? app.use(router) : app.use(prefix, router);
  },
  Connect: (router, prefix) => {
    const app = connect();
    return prefix === undefined ? app.use(router) : app.use(prefix, router);
  },
  "node:http": (router) => (request, response) => router(request, response),
};

/** Serves a router with Express 5. */
export function serveRouter(router: WireMiddleware): Promise<TestServer> {
  return serve(express().use(router));
}

/** Makes a request with a JSON body. */
export function json(
  body: unknown,
  headers: Record<string, string> = {},
): {
  method: string;
  headers: Record<string, string>;
  body: string;
} {
  return {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  };
}

/** Parses a JSON body. */
export function bodyOf({ body }: { body: string }): Record<string, unknown> {
  return JSON.parse(body) as Record<string, unknown>;
}

const START = 1_800_000_000;
const ISSUER = "https://app.example.com";
const WORKOS = { clientId: "client_orgate", apiKey: "sk_test_0123456789abcdef" };
const STYTCH = { projectId: "project-test-1", secret: "secret-test-0123456789abcdef" };
const USERS = { 0: "nora", 1: "bob", 2: "ada" } as const;

/** An authority that serves a router, with the parts of a harness that do not depend on the store. */
interface WireService<Router> extends Omit<StoreHarness, "store" | "signIn"> {
  readonly router: Router;
  readonly server: TestServer;
  readonly url: string;
}

/** Makes `workos()` over the authority's WorkOS router; signing in uses the wire as well. */
export async function makeWorkosWireHarness(): Promise<StoreHarness> {
  const { url, ...service } = await startService((authority) => workosRouter(authority, WORKOS));
  const store = workos({ ...WORKOS, baseUrl: url, issuers: [ISSUER], clock: service.clock });
  return {
    ...service,
    store,
    signIn: ({ organizations }) =>
      store.authenticateWithPassword({
        emailAddress: `${USERS[organizations]}@example.com`,
        password: PASSWORD,
      }),
  };
}

/** Makes `stytch()` over the authority's Stytch router. */
export async function makeStytchWireHarness(): Promise<StoreHarness> {
  const { url, ...service } = await startService((authority) => stytchRouter(authority, STYTCH));
  const store = stytch({ ...STYTCH, baseUrl: url, clock: service.clock });
  return {
    ...service,
    store,
    signIn: ({ organizations }) => signInByStytch(service, `user_${USERS[organizations]}`),
  };
}

async function startService<Router extends WireMiddleware>(
  makeRouter: (authority: Authority) => Router,
): Promise<WireService<Router>> {
  let now = START;
  let isDown = false;
  const clock = (): number => now;
  const world = makeWireWorld(
    { issuer: ISSUER, clock, repository: memoryRepository({ clock }) },
    {
      async memberships(userId) {
        if (isDown) throw new Error("the test took the directory down");
        return world.directory.memberships(userId);
      },
    },
  );
  const router = makeRouter(world.authority);
  const server = await serve((request, response) => router(request, response));
  return {
    router,
    server,
    url: `http://127.0.0.1:${server.port}`,
    clock,
    advance(seconds) {
      now += seconds;
    },
    revoke: (sessionId) => world.authority.revoke({ sessionId }),
    // The service still answers, with its protocol's error for trouble.
    breakStore() {
      isDown = true;
      world.takeDown();
    },
    mendStore() {
      isDown = false;
      world.bringBack();
    },
    foreignOrganizationId: "org_closed",
    async close() {
      await server.close();
      await world.authority.close();
    },
  };
}

/** Signs in as a handler does: by the router, then by what Stytch's SDK would return. */
async function signInByStytch(
  { router, server }: Pick<WireService<StytchRouter>, "router" | "server">,
  userId: string,
): Promise<Outcome> {
  const ask = async (path: string, body: object): Promise<Record<string, unknown>> => {
    const credentials = Buffer.from(`${STYTCH.projectId}:${STYTCH.secret}`).toString("base64");
    return bodyOf(await server.send({ path, ...json(body, { authorization: `Basic ${credentials}` }) }));
  };
  try {
    const { sessionToken } = await router.authenticate({ userId, authenticationMethod: "password" });
    return fromStytch(await ask("/v1/b2b/sessions/authenticate", { session_token: sessionToken }));
  } catch (error) {
    if (isOrgateError(error) && error.code === "organization_not_available") {
      return { status: "refused", code: error.code };
    }
    if (!isSelectionRequired(error)) throw error;
    const token = { intermediate_session_token: error.pendingAuthenticationToken };
    return fromStytch({ ...(await ask("/v1/b2b/discovery/organizations", token)), ...token });
  }
}

function isSelectionRequired(error: unknown): error is OrganizationSelectionRequiredError {
  return isOrgateError(error) && error.code === "organization_selection_required";
}
