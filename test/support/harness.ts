import { afterEach } from "@jest/globals";
import type { Middleware } from "../../src/guards/guard.ts";
import type { OrgateOptions } from "../../src/options/options.ts";
import type { Orgate } from "../../src/orgate.ts";
import { makeApp } from "./apps.ts";
import type { FrameworkName, Route, TestApp } from "./apps.ts";
import { serve } from "./servers.ts";
import type { Received, Sent, TestServer } from "./servers.ts";
import { bearerOf, cookieOf, makeWorld } from "./world.ts";
import type { World } from "./world.ts";

/** What a running application is made of. */
export interface HarnessParts {
  /** @defaultValue a world of its own */
  readonly world?: World;
  readonly options?: Partial<OrgateOptions>;
  /** @defaultValue Express 5 */
  readonly framework?: FrameworkName;
  /** @defaultValue `/documents` behind `requireAuth()` */
  readonly routes?: (auth: Orgate) => readonly Route[];
  /** What runs before every route. @defaultValue the instance alone */
  readonly before?: (auth: Orgate) => readonly Middleware[];
}

/** An instance of orgate in a real application on a real server. */
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

/** Starts an application. */
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

/** Headers of a bearer request. */
export function withBearer(token: string): Record<string, string> {
  return { Authorization: bearerOf(token) };
}

/** Headers of a request with a session cookie. */
export function withCookie(seal: string): Record<string, string> {
  return { Cookie: cookieOf(seal) };
}

/** Headers of a browser that asks for a page. */
export const NAVIGATION = {
  Accept: "text/html,application/xhtml+xml,*/*;q=0.8",
  "Sec-Fetch-Mode": "navigate",
} as const;
