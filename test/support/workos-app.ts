import type { OrgateEvent } from "../../src/events.ts";
import { orgate, type Orgate } from "../../src/orgate.ts";
import type { OrgateOptions } from "../../src/options/options.ts";
import type { SealedSession } from "../../src/store.ts";
import type { WorkosOptions, WorkosStore } from "../../src/stores/workos/index.ts";
import { createSealer, type Sealer } from "../../src/lib/crypto.ts";
import { makeApp, sessionRoutes, type FrameworkName, type Route, type TestApp } from "./apps.ts";
import { openBrowser, type Visitor } from "./browser.ts";
import { makeWorkosHarness, type WorkosHarness } from "./workos-harness.ts";
import { BASE_URL, PASSWORD } from "./world.ts";

export const WORKOS_COOKIE = "wos-session";

/** An application over the fake WorkOS, with every handler of ours. */
export interface WorkosApp extends TestApp {
  readonly harness: WorkosHarness;
  readonly events: OrgateEvent[];
  readonly sealer: Sealer;
  /** A browser that holds a session of this user. */
  readonly signIn: (user: "nora" | "bob" | "ada") => Promise<Visitor>;
  readonly open: () => Visitor;
  /** What lies in a browser's session cookie. */
  readonly sessionOf: (visitor: Visitor) => Promise<SealedSession | undefined>;
  /** Opens a browser with these cookies on another instance of orgate over the same store. */
  readonly openElsewhere: (cookies: ReadonlyMap<string, string>) => Visitor;
  /** Lets the access token expire. */
  readonly expire: () => void;
  readonly close: () => Promise<void>;
}

export interface WorkosAppOptions {
  readonly framework?: FrameworkName;
  readonly store?: Partial<WorkosOptions>;
  readonly options?: Partial<OrgateOptions>;
  readonly routes?: (auth: Orgate, store: WorkosStore) => readonly Route[];
}

const ACCESS_TOKEN_LIFETIME = 300;
const TOLERANCE = 5;

export async function makeWorkosApp({
  framework = "Express 5",
  store: storeOptions,
  options,
  routes: more,
}: WorkosAppOptions = {}): Promise<WorkosApp> {
  const harness = await makeWorkosHarness({ redirectUri: `${BASE_URL}/callback`, ...storeOptions });
  const events: OrgateEvent[] = [];
  const { store } = harness;
  const mount = (): Orgate =>
    orgate({
      baseUrl: BASE_URL,
      store,
      cookie: { password: PASSWORD },
      clock: harness.clock,
      events: (event) => events.push(event),
      cache: { maxEntries: 500 },
      ...options,
    });
  const auth = mount();
  const app = makeApp(framework, {
    before: [auth],
    routes: [
      ...sessionRoutes(auth),
      { path: "/sign-out-everywhere", guards: [auth.signOut({ everywhere: "member" })] },
      { path: "/sign-in", guards: [auth.signIn()] },
      { path: "/callback", guards: [auth.callback()] },
      { path: "/read", guards: [auth.requirePermission("documents", "read")] },
      { path: "/write", guards: [auth.requirePermission("documents", "write")] },
      { path: "/no-impersonation", guards: [auth.denyImpersonation()] },
      { path: "/recent", guards: [auth.requireRecentAuth({ maxAge: 60 })] },
      {
        path: "/password",
        handler: (request, response, next) => {
          const emailAddress = String(request.headers["x-email"]);
          const password = String(request.headers["x-password"]);
          const outcome = store.authenticateWithPassword({ emailAddress, password });
          return auth.establish(request, response, outcome).catch(next);
        },
      },
      ...(more?.(auth, store) ?? []),
    ],
  });
  const open = (): Visitor => openBrowser(app.listener);
  const sealer = createSealer({ 1: PASSWORD });
  return {
    ...app,
    harness,
    events,
    sealer,
    open,
    async signIn(user) {
      const visitor = open();
      const headers = { Accept: "text/html", "X-Email": `${user}@example.com`, "X-Password": `pw-${user}` };
      await visitor.post("/password", { headers });
      return visitor;
    },
    sessionOf: async ({ cookies }) => sealer.unseal(joinChunks(cookies)),
    openElsewhere(cookies) {
      const other = mount();
      const routes = [{ path: "/me", guards: [other.requireAuth()] }];
      return openBrowser(makeApp(framework, { before: [other], routes }).listener, cookies);
    },
    expire: () => harness.advance(ACCESS_TOKEN_LIFETIME + TOLERANCE),
    async close() {
      await auth.close();
      harness.close();
    },
  };
}

function joinChunks(cookies: ReadonlyMap<string, string>): string {
  const whole = cookies.get(WORKOS_COOKIE);
  if (whole !== undefined) return whole;
  let joined = "";
  for (let index = 0; cookies.has(`${WORKOS_COOKIE}.${index}`); index++) {
    joined += cookies.get(`${WORKOS_COOKIE}.${index}`) ?? "";
  }
  return joined;
}
