import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import connect from "connect";
import express from "express";
import express4 from "express4";
import { afterEach } from "@jest/globals";
import type { RequestProperties } from "../../src/augment.ts";
import { isOrgateError } from "../../src/errors.ts";
import type { Middleware } from "../../src/guards/guard.ts";
import type { OrgateOptions } from "../../src/options/options.ts";
import type { Orgate } from "../../src/orgate.ts";
import type { EstablishOptions } from "../../src/sign-in/establish.ts";
import type { OrganizationSelectionOptions } from "../../src/sign-in/selection.ts";
import type { SignOutOptions } from "../../src/sign-in/sign-out.ts";
import type { SessionStore } from "../../src/store.ts";
import { serve, type Received, type Sent, type TestServer } from "./servers.ts";
import { bearerOf, cookieOf, makeWorld, type World } from "./world.ts";
import { openBrowser, type Visitor } from "./browser.ts";

/** A request as test handlers see it. */
export type AttachedRequest = IncomingMessage & RequestProperties;

/** The handler at the end of a route. */
export type Handler = (
  request: AttachedRequest,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => unknown;

/** One route: guards and a handler. */
export interface Route {
  readonly path: string;
  readonly guards?: readonly Middleware[];
  /** @defaultValue answers 200 with who is signed in */
  readonly handler?: Handler;
}

/** An application under test, with a record of its requests. */
export interface TestApp {
  readonly listener: RequestListener;
  /** `METHOD /path` of every request that reached a handler. */
  readonly reached: string[];
  /** Every error that was passed to `next`. */
  readonly errors: unknown[];
}

/** The parts of an application. */
export interface AppParts {
  /** Runs before every route: `[auth]`. */
  readonly before: readonly Middleware[];
  readonly routes: readonly Route[];
}

type Build = (parts: AppParts, tools: Tools) => RequestListener;

interface Tools {
  readonly handle: (route: Route) => Handler;
  readonly fail: (error: unknown, response: ServerResponse) => void;
}

const BUILDERS = {
  "Express 5": (parts, tools) => buildExpress(express(), parts, tools),
  // The tests use only what both versions have.
  "Express 4": (parts, tools) =>
    buildExpress(express4() as unknown as ReturnType<typeof express>, parts, tools),
  Connect: buildConnect,
  "node:http": buildBare,
} as const satisfies Record<string, Build>;

export type FrameworkName = keyof typeof BUILDERS;

export const FRAMEWORKS = Object.keys(BUILDERS) as FrameworkName[];
/** The frameworks with routes and parameters. */
export const EXPRESSES = ["Express 4", "Express 5"] as const satisfies readonly FrameworkName[];

/** Builds an application. */
export function makeApp(framework: FrameworkName, parts: AppParts): TestApp {
  const reached: string[] = [];
  const errors: unknown[] = [];
  const listener = BUILDERS[framework](parts, {
    handle:
      ({ handler = tellWhoIsAsking }) =>
      (request, response, next) => {
        reached.push(`${request.method} ${request.url}`);
        const handled = handler(request, response, next);
        // Express 4 and Connect ignore a returned promise.
        if (handled instanceof Promise) handled.catch(next);
      },
    fail(error, response) {
      errors.push(error);
      if (response.headersSent) {
        response.destroy();
        return;
      }
      response.statusCode = isOrgateError(error) ? error.status : 500;
      response.end(isOrgateError(error) ? error.code : "the application failed");
    },
  });
  return { listener, reached, errors };
}

function buildExpress(app: ReturnType<typeof express>, parts: AppParts, tools: Tools): RequestListener {
  for (const middleware of parts.before) app.use(middleware);
  for (const route of parts.routes) app.all(route.path, ...(route.guards ?? []), tools.handle(route));
  const onError: express.ErrorRequestHandler = (error, _request, response, _next) => {
    tools.fail(error, response);
  };
  app.use(onError);
  return app as RequestListener;
}

function buildConnect(parts: AppParts, tools: Tools): RequestListener {
  const app = connect();
  for (const middleware of parts.before) app.use(middleware);
  for (const route of parts.routes) {
    for (const guard of route.guards ?? []) app.use(route.path, guard);
    app.use(route.path, (request, response, next) => void tools.handle(route)(request, response, next));
  }
  const onError: connect.ErrorHandleFunction = (error, _request, response, _next) => {
    tools.fail(error, response);
  };
  app.use(onError);
  return app;
}

function buildBare({ before, routes }: AppParts, tools: Tools): RequestListener {
  return (request, response) => {
    const path = (request.url ?? "/").split("?", 1)[0];
    const route = routes.find((candidate) => candidate.path === path);
    const chain = [...before, ...(route?.guards ?? [])];
    const step = (index: number) => (error?: unknown) => {
      if (error !== undefined) {
        tools.fail(error, response);
        return;
      }
      const middleware = chain[index];
      try {
        if (middleware !== undefined) middleware(request, response, step(index + 1));
        else if (route === undefined) response.writeHead(404).end();
        else tools.handle(route)(request, response, (failure) => tools.fail(failure, response));
      } catch (failure) {
        tools.fail(failure, response);
      }
    };
    step(0)();
  };
}

/** Answers with the attached member, organization, session and verdict. */
export const tellWhoIsAsking: Handler = (request, response) => {
  const { member, organization, memberSession, verdict } = request;
  const body = {
    member: member?.id ?? null,
    organization: organization?.id ?? null,
    session: memberSession?.id ?? null,
    ...(verdict !== undefined && { verdict }),
  };
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(body));
};

/** Answers without reading any auth state. */
export const answerAnyone: Handler = (_request, response) => {
  response.end("hello");
};

/** Options of {@link start}. */
export interface HarnessParts {
  /** @defaultValue a new world */
  readonly world?: World;
  readonly options?: Partial<OrgateOptions>;
  /** @defaultValue Express 5 */
  readonly framework?: FrameworkName;
  /** @defaultValue `/documents` behind `requireAuth()` */
  readonly routes?: (auth: Orgate) => readonly Route[];
  /** What runs before every route. @defaultValue only the instance */
  readonly before?: (auth: Orgate) => readonly Middleware[];
}

/** An instance of orgate in an application on a real server. */
export interface Harness extends Pick<TestApp, "reached" | "errors">, Pick<TestServer, "server" | "port"> {
  readonly world: World;
  readonly auth: Orgate;
  readonly send: (sent: Sent) => Promise<Received>;
  readonly sendRaw: (bytes: string | Buffer) => Promise<string>;
}

const running: { close(): Promise<void> }[] = [];

/** Closes what {@link start} started after each test. Call it once at the top of a file. */
export function closeAfterEach(): void {
  afterEach(async () => {
    await Promise.all(running.splice(0).map((one) => one.close()));
  });
}

/** Starts an application on a real server. */
export async function start(parts: HarnessParts = {}): Promise<Harness> {
  const { world = makeWorld(), framework = "Express 5", options } = parts;
  const auth = world.mount(options);
  const routes = parts.routes?.(auth) ?? [{ path: "/documents", guards: [auth.requireAuth()] }];
  const app = makeApp(framework, { before: parts.before?.(auth) ?? [auth], routes });
  const server = await serve(app.listener);
  running.push({
    async close() {
      await server.close();
      await auth.close();
    },
  });
  return {
    world,
    auth,
    reached: app.reached,
    errors: app.errors,
    server: server.server,
    port: server.port,
    send: (sent) => server.send({ path: "/documents", ...sent }),
    sendRaw: (bytes) => server.sendRaw(bytes),
  };
}

/** Makes the headers of a bearer request. */
export function withBearer(token: string): Record<string, string> {
  return { Authorization: bearerOf(token) };
}

/** Makes the headers of a request with a session cookie. */
export function withCookie(seal: string): Record<string, string> {
  return { Cookie: cookieOf(seal) };
}

/** Options of {@link makeTenancy}. */
export interface TenancyOptions {
  /** @defaultValue Express 5 */
  readonly framework?: FrameworkName;
  /** Whether `app.use(auth)` is mounted above the handlers. @defaultValue `true` */
  readonly mounted?: boolean;
  readonly overrides?: (real: SessionStore) => Partial<SessionStore>;
  readonly options?: Partial<OrgateOptions>;
  readonly authority?: Parameters<typeof makeWorld>[0];
  readonly selection?: OrganizationSelectionOptions;
  readonly signOut?: SignOutOptions;
  readonly establish?: EstablishOptions;
  /** Runs first, for example body parsers. */
  readonly before?: readonly Middleware[];
  readonly routes?: (auth: Orgate, world: World) => readonly Route[];
}

/** An application with all of orgate's handlers. `POST /sign-in` signs in the user in `X-User`. */
export interface Tenancy extends TestApp {
  readonly world: World;
  readonly auth: Orgate;
  readonly browser: Visitor;
  /** Opens a browser and signs the user in, up to the organization selection. */
  signIn(userId: string, path?: string): Promise<Visitor>;
  /** Tells who the browser is signed in as. */
  whoIs(
    visitor: Visitor,
  ): Promise<{ member: string | null; organization: string | null; session: string | null }>;
  /** Counts the live sessions of the user. */
  countSessions(userId: string): Promise<number>;
}

export const SELECTION = "/select-organization";

/** Makes the routes that every application with sign-in has: orgate's handlers, `/me`, and `/fresh` without a cache. */
export function sessionRoutes(
  auth: Orgate,
  selection?: OrganizationSelectionOptions,
  signOut?: SignOutOptions,
): Route[] {
  return [
    { path: SELECTION, guards: [auth.organizationSelection(selection)] },
    { path: "/switch", guards: [auth.switchOrganization()] },
    { path: "/sign-out", guards: [auth.signOut(signOut)] },
    { path: "/me", guards: [auth, auth.requireAuth()] },
    { path: "/fresh", guards: [auth, auth.requireAuth({ maxTokenAge: 0 })] },
  ];
}

/** Makes an application with all of orgate's handlers. */
export function makeTenancy(options: TenancyOptions = {}): Tenancy {
  const { framework = "Express 5", mounted = true, selection, signOut, establish, before = [] } = options;
  const world = makeWorld(options.authority);
  const store = { ...world.store, ...options.overrides?.(world.store) };
  const auth = world.mount({ signIn: { path: "/sign-in" }, store, ...options.options });
  const app = makeApp(framework, {
    before: [...before, ...(mounted ? [auth] : [])],
    routes: [
      ...sessionRoutes(auth, selection, signOut),
      { path: "/documents", guards: [auth, auth.requirePermission("documents", "read")] },
      {
        path: "/sign-in",
        handler: (request, response, next) => {
          const userId = String(request.headers["x-user"]);
          const authentication = world.authority.authenticate({ userId, authenticationMethod: "Password" });
          return auth.establish(request, response, authentication, establish).catch(next);
        },
      },
      ...(options.routes?.(auth, world) ?? []),
    ],
  });
  const open = (): Visitor => openBrowser(app.listener);
  return {
    ...app,
    world,
    auth,
    browser: open(),
    async signIn(userId, path = "/sign-in") {
      const visitor = open();
      await visitor.post(path, { headers: { Accept: "text/html", "X-User": userId } });
      return visitor;
    },
    async whoIs(visitor) {
      const { status, body } = await visitor.copy().get("/me", { headers: { Accept: "application/json" } });
      return status === 200 ? body : { member: null, organization: null, session: null };
    },
    countSessions: async (userId) => (await world.authority.listSessions({ userId })).length,
  };
}
