import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import type { ServerResponse } from "node:http";
import express from "express";
import helmet from "helmet";
import { describe, expect, it } from "@jest/globals";
import {
  answerAnyone,
  closeAfterEach,
  FRAMEWORKS,
  start,
  tellWhoIsAsking,
  withBearer,
  withCookie,
  type Handler,
  type Harness,
} from "../support/apps.ts";
import { serve, type Received, type Sent } from "../support/servers.ts";
import { makeWorld } from "../support/world.ts";

closeAfterEach();

/** A shared cache by RFC 9111 (sections 3, 3.5 and 4.1), for GET: what it keeps, it gives to whoever matches. */
class SharedCache {
  readonly #entries: {
    readonly path: string;
    readonly vary: ReadonlyMap<string, unknown>;
    readonly kept: Received;
  }[] = [];
  readonly #send: Harness["send"];

  constructor(send: Harness["send"]) {
    this.#send = send;
  }

  async get(sent: Sent): Promise<Received & { readonly hit: boolean }> {
    const { path = "/", headers = {} } = sent;
    const known = this.#entries.find(
      (entry) =>
        entry.path === path && [...entry.vary].every(([name, value]) => lower(headers).get(name) === value),
    );
    if (known !== undefined) return { ...known.kept, hit: true };
    const received = await this.#send(sent);
    if (this.mayStore(sent, received)) {
      const names = (received.headers.vary ?? "").split(/\s*,\s*/).filter((name) => name !== "");
      const vary = new Map(names.map((name) => [name.toLowerCase(), lower(headers).get(name.toLowerCase())]));
      this.#entries.push({ path, vary, kept: received });
    }
    return { ...received, hit: false };
  }

  /** As permissive as the RFC allows: explicit freshness, or a status that may be kept by heuristics. */
  mayStore({ headers = {} }: Sent, { status, headers: got }: Received): boolean {
    const directives = (got["cache-control"] ?? "").toLowerCase().split(/\s*,\s*/);
    if (directives.some((one) => one === "no-store" || one === "private")) return false;
    if (got.vary === "*") return false;
    const isExplicit = directives.some((one) => /^(?:public|s-maxage|max-age)/.test(one));
    if (
      lower(headers).has("authorization") &&
      !directives.some((one) => /^(?:public|s-maxage|must-revalidate)/.test(one))
    )
      return false;
    return isExplicit || [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501].includes(status);
  }
}

function lower(headers: NonNullable<Sent["headers"]>): Map<string, unknown> {
  return new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

const publicly =
  (then: Handler): Handler =>
  (request, response, next) => {
    response.setHeader("Cache-Control", "public, max-age=600");
    return then(request, response, next);
  };

describe.each(FRAMEWORKS)("R-46: behind a shared cache, on %s", (framework) => {
  const startApp = (): Promise<Harness> =>
    start({
      framework,
      routes: (auth) => [
        { path: "/asset", handler: publicly(answerAnyone) },
        { path: "/greeting", handler: publicly(tellWhoIsAsking) },
        { path: "/guarded", guards: [auth.requireAuth()], handler: publicly(tellWhoIsAsking) },
        {
          path: "/checked",
          handler: publicly((request, response) => {
            response.end(String(auth.check(request, "documents", "delete") instanceof Promise));
          }),
        },
      ],
    });

  it("the cache keeps an asset that reads no auth state, with or without a credential", async () => {
    const { world, send } = await startApp();
    const cache = new SharedCache(send);
    const { seal } = await world.signIn();
    const first = await cache.get({ path: "/asset", headers: withCookie(seal) });
    expect([first.hit, first.headers.vary, first.headers["cache-control"]]).toEqual([
      false,
      undefined,
      "public, max-age=600",
    ]);
    expect((await cache.get({ path: "/asset" })).hit).toBe(true);
  });

  it("the cache keeps a public page that read the member only for requests without a credential", async () => {
    const { world, send } = await startApp();
    const cache = new SharedCache(send);
    const [ada, bob] = [await world.signIn(), await world.signIn({ userId: "user_bob" })];
    const anonymous = await cache.get({ path: "/greeting" });
    expect([anonymous.headers.vary, anonymous.headers["cache-control"]]).toEqual([
      "Cookie, Authorization",
      "public, max-age=600",
    ]);
    expect((await cache.get({ path: "/greeting" })).hit).toBe(true);
    for (const [headers, member] of [
      [withCookie(ada.seal), "user_ada:org_acme"],
      [withCookie(bob.seal), "user_bob:org_acme"],
      [withBearer(ada.accessToken), "user_ada:org_acme"],
      [withBearer(bob.accessToken), "user_bob:org_acme"],
      [withCookie(ada.seal), "user_ada:org_acme"],
    ] as const) {
      const answer = await cache.get({ path: "/greeting", headers });
      expect([answer.hit, answer.headers["cache-control"]]).toEqual([false, "private, no-store"]);
      expect(JSON.parse(answer.body)).toMatchObject({ member });
    }
    expect(JSON.parse((await cache.get({ path: "/greeting" })).body)).toMatchObject({ member: null });
  });

  it("the cache keeps nothing of a guarded route, whatever the handler says", async () => {
    const { world, send } = await startApp();
    const cache = new SharedCache(send);
    const { seal } = await world.signIn();
    await cache.get({ path: "/guarded", headers: withCookie(seal) });
    await cache.get({ path: "/guarded", headers: withCookie("garbage") });
    const anonymous = await cache.get({ path: "/guarded" });
    expect([anonymous.hit, anonymous.status]).toEqual([false, 401]);
  });

  it("a page that calls auth.check also varies by credential", async () => {
    const { world, send } = await startApp();
    const { seal } = await world.signIn();
    const { headers } = await send({ path: "/checked", headers: withCookie(seal) });
    expect([headers.vary, headers["cache-control"]]).toEqual(["Cookie, Authorization", "private, no-store"]);
  });

  it("the cache never keeps a renewed cookie, on any response", async () => {
    const { world, send } = await startApp();
    const cache = new SharedCache(send);
    const { seal } = await world.signIn();
    world.clock.now += 306;
    const first = await cache.get({ path: "/asset", headers: withCookie(seal) });
    expect(first.setCookies).toHaveLength(1);
    expect([first.headers.vary, first.headers["cache-control"]]).toEqual([
      "Cookie, Authorization",
      "private, no-store",
    ]);
    const second = await cache.get({ path: "/asset" });
    expect([second.hit, second.setCookies]).toEqual([false, []]);
  });
});

type Write = (response: ServerResponse) => void;

describe("R-46: cache headers that the application sets", () => {
  const withHandler = async (write: Write): Promise<Received> => {
    const { world, send } = await start({
      routes: (auth) => [
        {
          path: "/documents",
          guards: [auth.requireAuth()],
          handler(_request, response) {
            write(response);
            response.end();
          },
        },
      ],
    });
    const { seal } = await world.signIn();
    return send({ headers: withCookie(seal) });
  };

  it.each<[string, Write, string | undefined]>([
    ["nothing", () => undefined, "private, no-store"],
    [
      "public",
      (response) => response.setHeader("Cache-Control", "public, max-age=3600"),
      "private, no-store",
    ],
    [
      "private with an age",
      (response) => response.setHeader("Cache-Control", "private, max-age=60"),
      "private, no-store",
    ],
    ["no-cache", (response) => response.setHeader("Cache-Control", "no-cache"), "private, no-store"],
    ["no-store", (response) => response.setHeader("Cache-Control", "no-store"), "no-store"],
    [
      "stricter",
      (response) => response.setHeader("Cache-Control", "private, no-store, no-transform"),
      "private, no-store, no-transform",
    ],
    ["NO-STORE", (response) => response.setHeader("Cache-Control", "NO-STORE"), "NO-STORE"],
    [
      "public, in writeHead",
      (response) => response.writeHead(200, { "cache-control": "public" }),
      "private, no-store",
    ],
    [
      "stricter, in writeHead",
      (response) => response.writeHead(200, "OK", { "Cache-Control": "no-store, max-age=0" }),
      "no-store, max-age=0",
    ],
    [
      "public, in a raw list",
      (response) => response.writeHead(200, ["Cache-Control", "public"]),
      "private, no-store",
    ],
  ])("keeps the stricter Cache-Control: %s", async (_what, write, expected) => {
    const { status, headers } = await withHandler(write);
    expect([status, headers["cache-control"]]).toEqual([200, expected]);
  });

  it.each<[string, Write, string]>([
    ["nothing", () => undefined, "Cookie, Authorization"],
    [
      "Accept-Encoding",
      (response) => response.setHeader("Vary", "Accept-Encoding"),
      "Accept-Encoding, Cookie, Authorization",
    ],
    ["cookie", (response) => response.setHeader("Vary", "cookie"), "cookie, Authorization"],
    ["both", (response) => response.setHeader("Vary", "authorization,COOKIE"), "authorization,COOKIE"],
    ["everything", (response) => response.setHeader("Vary", "*"), "*"],
    [
      "a list of lines",
      (response) => response.setHeader("Vary", ["Accept", "Origin"]),
      "Accept, Origin, Cookie, Authorization",
    ],
    [
      "in writeHead",
      (response) => response.writeHead(200, { vary: "Accept" }),
      "Accept, Cookie, Authorization",
    ],
  ])("extends the Vary header that the application sets: %s", async (_what, write, expected) => {
    const { headers } = await withHandler(write);
    expect(headers.vary?.replaceAll(/\s*,\s*/g, ", ")).toBe(expected.replaceAll(/\s*,\s*/g, ", "));
  });
});

describe("R-46: other ways to answer", () => {
  it.each<[string, Handler]>([
    ["a stream", (_request, response) => pipeline(Readable.from(["a", "b", "c"]), response)],
    [
      "writes without a head",
      (_request, response) => {
        response.write("a");
        response.write("b");
        response.end("c");
      },
    ],
    [
      "headers flushed early",
      (_request, response) => {
        response.flushHeaders();
        response.end("abc");
      },
    ],
  ])("get the cache headers as well: %s", async (_what, handler) => {
    const { world, send } = await start({
      routes: (auth) => [{ path: "/documents", guards: [auth.requireAuth()], handler }],
    });
    const { seal } = await world.signIn();
    const { headers, body } = await send({ headers: withCookie(seal) });
    expect([headers.vary, headers["cache-control"], body]).toEqual([
      "Cookie, Authorization",
      "private, no-store",
      "abc",
    ]);
  });

  it("an error handler that removes every header cannot remove the cache headers", async () => {
    const { world, send } = await start({
      routes: (auth) => [
        {
          path: "/documents",
          guards: [auth.requireAuth()],
          handler(_request, response) {
            for (const name of response.getHeaderNames()) response.removeHeader(name);
            response.statusCode = 500;
            response.end("failed");
          },
        },
      ],
    });
    const { seal } = await world.signIn();
    world.clock.now += 306;
    const { status, headers, setCookies } = await send({ headers: withCookie(seal) });
    expect([status, headers.vary, headers["cache-control"]]).toEqual([
      500,
      "Cookie, Authorization",
      "private, no-store",
    ]);
    expect(setCookies).toEqual([expect.stringMatching(/^__Host-orgate=Fe26/)]);
  });

  it("a 304 keeps the cache headers, and helmet's headers too", async () => {
    const world = makeWorld();
    const auth = world.mount();
    const app = express();
    app.use(helmet());
    app.use(auth);
    app.get("/documents", auth.requireAuth(), (_request, response) => {
      response.set("ETag", '"1"').send("the same as before");
    });
    const server = await serve(app);
    try {
      const { seal } = await world.signIn();
      const headers = { ...withCookie(seal), "If-None-Match": '"1"' };
      const { status, headers: got, body } = await server.send({ path: "/documents", headers });
      expect([status, body, got.vary, got["cache-control"]]).toEqual([
        304,
        "",
        "Cookie, Authorization",
        "private, no-store",
      ]);
      expect(got["x-frame-options"]).toBe("SAMEORIGIN");
    } finally {
      await server.close();
      await auth.close();
    }
  });

  it("early hints are not taken for the final head", async () => {
    const { world, send } = await start({
      routes: (auth) => [
        {
          path: "/documents",
          guards: [auth.requireAuth()],
          handler(_request, response) {
            response.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" });
            response.end("page");
          },
        },
      ],
    });
    const { seal } = await world.signIn();
    const { status, headers } = await send({ headers: withCookie(seal) });
    expect([status, headers["cache-control"]]).toEqual([200, "private, no-store"]);
  });
});
