import type { RequestListener } from "node:http";
import express from "express";
import express4 from "express4";
import { describe, expect, it } from "@jest/globals";
import { serve } from "../support/servers.ts";
import { bearerOf, makeWorld } from "../support/world.ts";
import type { Orgate } from "../../src/orgate.ts";

// Both versions are driven by what they have in common.
const VERSIONS = { "Express 4": express4 as unknown as typeof express, "Express 5": express } as const;
const OPTIONS = [false, true].flatMap((strict) =>
  [false, true].map((caseSensitive) => ({ strict, caseSensitive })),
);
const METHODS = ["GET", "HEAD", "POST", "OPTIONS", "TRACE", "PROPFIND"] as const;

interface Tools {
  readonly express: typeof express;
  readonly app: express.Express;
  readonly auth: Orgate;
  readonly handler: express.RequestHandler;
  readonly options: express.RouterOptions;
}

/** Ways to put a guard in front of a handler, each under a prefix of its own. */
const STYLES: Readonly<Record<string, (prefix: string, tools: Tools) => void>> = {
  route: (prefix, { app, auth, handler }) => void app.all(`${prefix}/admin`, auth.requireAuth(), handler),
  get: (prefix, { app, auth, handler }) => void app.get(`${prefix}/admin`, auth.requireAuth(), handler),
  chain: (prefix, { app, auth, handler }) =>
    void app.route(`${prefix}/admin`).all(auth.requireAuth()).all(handler),
  use: (prefix, { app, auth, handler }) => void app.use(`${prefix}/admin`, auth.requireAuth(), handler),
  router(prefix, { express: version, app, auth, handler, options }) {
    const router = version.Router(options);
    router.use(auth.requireAuth());
    router.all("/admin", handler);
    app.use(prefix, router);
  },
  "router with parameters"(prefix, { express: version, app, auth, handler, options }) {
    const router = version.Router({ ...options, mergeParams: true });
    router.all("/", auth.requireOrganization({ organization: "param:page" }), handler);
    app.use(`${prefix}/:page`, router);
  },
  regex: (prefix, { app, auth, handler }) =>
    void app.all(new RegExp(String.raw`^${prefix}/admin(?:/.*)?$`, "i"), auth.requireAuth(), handler),
  "list of paths": (prefix, { app, auth, handler }) =>
    void app.all([`${prefix}/admin`, `${prefix}/root`], auth.requireAuth(), handler),
  "guard for everything below": (prefix, { app, auth, handler }) => {
    app.use(prefix, auth.requireAuth());
    app.all(`${prefix}/admin`, handler);
  },
};

/** 27 ways to write one request target. */
const TARGETS: readonly ((prefix: string) => string)[] = [
  (prefix) => `${prefix}/admin`,
  (prefix) => `${prefix}/admin`.toUpperCase(),
  (prefix) => `/${prefix}/admin`,
  (prefix) => `${prefix}//admin`,
  (prefix) => `${prefix}/%61dmin`,
  (prefix) => `${prefix}%2fadmin`,
  (prefix) => `${prefix}/admin%2f`,
  (prefix) => `${prefix}/admin/`,
  (prefix) => `${prefix}/admin;a=b`,
  (prefix) => `${prefix}/./admin`,
  (prefix) => `${prefix}/x/../admin`,
  (prefix) => `${prefix}/admin%00`,
  (prefix) => `${prefix}/admin?x=/public`,
  (prefix) => `${prefix}/admin#public`,
  (prefix) => `http://evil.example${prefix}/admin`,
  (prefix) => `http://evil.example/${prefix}/admin`,
  (prefix) => `//evil.example${prefix}/admin`,
  (prefix) => `${prefix}\\admin`,
  (prefix) => `\\${prefix.slice(1)}\\admin`,
  (prefix) => `${prefix}/admin%20`,
  (prefix) => `${prefix}/admin/..%2fadmin`,
  (prefix) => `${prefix}/%2e/admin`,
  (prefix) => `${prefix}/%2e%2e${prefix}/admin`,
  (prefix) => `${prefix}/admin/extra`,
  (prefix) => `${prefix}/ADMIN/`,
  (prefix) => `${prefix}/admin%`,
  () => "*",
];

describe.each(Object.keys(VERSIONS) as (keyof typeof VERSIONS)[])(
  "R-41: route confusion on %s",
  (version) => {
    it.each(OPTIONS)(
      "strict: $strict, case sensitive: $caseSensitive",
      async (options) => {
        const world = makeWorld();
        const auth = world.mount();
        const reached: string[] = [];
        const app = VERSIONS[version]();
        app.set("strict routing", options.strict);
        app.set("case sensitive routing", options.caseSensitive);
        app.use(auth);
        const prefixes = Object.keys(STYLES).map((name, index) => [name, `/s${index}`] as const);
        for (const [name, prefix] of prefixes) {
          STYLES[name]?.(prefix, {
            express: VERSIONS[version],
            app,
            auth,
            options,
            handler(request, response) {
              reached.push(`${name}: ${request.method} ${request.originalUrl}`);
              response.send("secret");
            },
          });
        }
        const server = await serve(app as RequestListener);
        try {
          const shots = prefixes.flatMap(([, prefix]) => TARGETS.map((write) => write(prefix)));
          const failures: string[] = [];
          const queue = shots.values();
          const shoot = async (): Promise<void> => {
            for (const target of queue) {
              const answer = await server.sendRaw(writeAll(target));
              if (/HTTP\/1\.1 5\d\d/.test(answer) || answer.includes("secret")) failures.push(target);
              if (!answer.startsWith("HTTP/1.1 ")) failures.push(`${target} is not answered`);
            }
          };
          await Promise.all(Array.from({ length: 8 }, shoot));
          expect([failures, reached]).toEqual([[], []]);
          // The same doors open for those who may pass.
          const { accessToken } = await world.signIn();
          const admitted: number[] = [];
          for (const [name, prefix] of prefixes) {
            const path = name === "router with parameters" ? `${prefix}/org_acme` : `${prefix}/admin`;
            admitted.push(
              (await server.send({ path, headers: { Authorization: bearerOf(accessToken) } })).status,
            );
          }
          expect(new Set(admitted)).toEqual(new Set([200]));
          expect(reached).toHaveLength(prefixes.length);
        } finally {
          await server.close();
          await auth.close();
        }
      },
      60_000,
    );
  },
);

/** The same target by every method, one after another on one connection. */
function writeAll(target: string): string {
  return METHODS.map((method, index) => {
    const last = index === METHODS.length - 1 ? "Connection: close\r\n" : "";
    return `${method} ${target} HTTP/1.1\r\nHost: app.example.com\r\n${last}\r\n`;
  }).join("");
}
