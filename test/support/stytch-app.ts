import type { IncomingMessage, ServerResponse } from "node:http";
import type { OrgateEvent } from "../../src/events.ts";
import type { OrgateOptions } from "../../src/options/options.ts";
import { orgate, type Orgate } from "../../src/orgate.ts";
import { fromStytch, type StytchOptions } from "../../src/stores/stytch/index.ts";
import { makeApp, sessionRoutes, type FrameworkName, type Route, type TestApp } from "./apps.ts";
import type { Answer, FakeSession } from "./fake-stytch-world.ts";
import { makeStytchHarness, type StytchHarness } from "./stytch-harness.ts";
import { openBrowser, type Visitor } from "./browser.ts";
import { BASE_URL, PASSWORD } from "./world.ts";

/** Reads the cookies of Stytch's front ends. */
export const FRONT_END: Partial<OrgateOptions> = {
  credentials: ["bearer", { jwtCookie: "stytch_session_jwt" }],
};

export interface StytchAppOptions {
  readonly store?: Partial<StytchOptions>;
  readonly orgate?: Partial<OrgateOptions>;
  readonly framework?: FrameworkName;
  /** Whether `app.use(auth)` stands above the handlers. @defaultValue `true` */
  readonly mounted?: boolean;
  readonly routes?: (auth: Orgate, harness: StytchHarness) => readonly Route[];
}

/** An application over a store over a fake. */
export interface StytchApp extends TestApp {
  readonly harness: StytchHarness;
  readonly auth: Orgate;
  readonly events: OrgateEvent[];
  /** What the sign-in route is given next. */
  nextSignIn: Answer;
  /** A session of the member in its first organization, and its JWT. */
  readonly session: (name?: string) => { readonly session: FakeSession; readonly jwt: string };
  readonly browser: (cookies?: Readonly<Record<string, string>>) => Visitor;
  /** Lets so much time pass that every JWT has expired. */
  readonly expire: () => void;
  readonly close: () => Promise<void>;
}

/** Builds one. `/me` wants a member, `/write` the permission to write documents, `/fresh` Stytch's own word. */
export async function makeStytchApp(options: StytchAppOptions = {}): Promise<StytchApp> {
  const harness = await makeStytchHarness(options.store);
  const events: OrgateEvent[] = [];
  const auth = orgate({
    baseUrl: BASE_URL,
    store: harness.store,
    cookie: { password: PASSWORD },
    clock: harness.clock,
    events: (event) => events.push(event),
    cache: { maxEntries: 500 },
    ...options.orgate,
  });
  const signIn = (request: IncomingMessage, response: ServerResponse): Promise<void> =>
    auth.establish(request, response, fromStytch(app.nextSignIn.body));
  const routes: Route[] = [
    ...sessionRoutes(auth),
    { path: "/write", guards: [auth.requirePermission("documents", "write")] },
    { path: "/sign-in", handler: signIn },
    { path: "/sign-out-everywhere", guards: [auth.signOut({ everywhere: "member" })] },
    ...(options.routes?.(auth, harness) ?? []),
  ];
  const { world } = harness.fake;
  const app: StytchApp = {
    ...makeApp(options.framework ?? "Express 5", { before: options.mounted === false ? [] : [auth], routes }),
    harness,
    auth,
    events,
    nextSignIn: { status: 200, body: {} },
    session(name = "bob") {
      const [member] = world.membersOf(`${name}@example.com`);
      if (member === undefined) throw new Error(`nobody is called ${name}`);
      const session = world.startSession(member);
      return { session, jwt: world.sign(session) };
    },
    browser: (cookies = {}) => openBrowser(app.listener, new Map(Object.entries(cookies))),
    expire: () => void harness.advance(306),
    async close() {
      await auth.close();
      await harness.close();
    },
  };
  return app;
}
