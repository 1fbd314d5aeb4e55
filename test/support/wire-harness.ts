import { memoryRepository } from "../../src/authority/index.ts";
import type { Authority, StytchRouter } from "../../src/authority/index.ts";
import type { WireMiddleware } from "../../src/authority/wire/router.ts";
import { isOrgateError } from "../../src/errors.ts";
import type { OrganizationSelectionRequiredError } from "../../src/errors.ts";
import type { Outcome } from "../../src/store.ts";
import { fromStytch, stytch } from "../../src/stores/stytch/index.ts";
import { workos } from "../../src/stores/workos/index.ts";
import type { StoreHarness } from "../../src/testing/contract/subject.ts";
import { serve } from "./servers.ts";
import type { TestServer } from "./servers.ts";
import { bodyOf, json, makeWireWorld, PASSWORD } from "./wire-world.ts";

const START = 1_800_000_000;
const ISSUER = "https://app.example.com";
const WORKOS = { clientId: "client_orgate", apiKey: "sk_test_0123456789abcdef" };
const STYTCH = { projectId: "project-test-1", secret: "secret-test-0123456789abcdef" };
const USERS = { 0: "nora", 1: "bob", 2: "ada" } as const;

/** An authority that serves a router, and all of a harness but what is the store's own. */
interface WireService<Router> extends Omit<StoreHarness, "store" | "signIn"> {
  readonly router: Router;
  readonly server: TestServer;
  readonly url: string;
}

/** `workos()` over the authority's router for WorkOS: everything goes over the wire, signing in included. */
export async function makeWorkosWireHarness(): Promise<StoreHarness> {
  const { url, ...service } = await startService((authority) => authority.workosRouter(WORKOS));
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

/** `stytch()` over the authority's router for Stytch. */
export async function makeStytchWireHarness(): Promise<StoreHarness> {
  const { url, ...service } = await startService((authority) => authority.stytchRouter(STYTCH));
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
    // The service still answers, in its protocol's words for trouble.
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

/** As a sign-in handler does: the router's word, then what Stytch's SDK would resolve to. */
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
