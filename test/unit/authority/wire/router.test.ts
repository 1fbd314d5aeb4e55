import { afterEach, describe, expect, it } from "@jest/globals";
import { createWireRouter } from "../../../../src/authority/wire/router.ts";
import type { WireRoute } from "../../../../src/authority/wire/router.ts";
import type { WireAnswer } from "../../../../src/authority/wire/router.ts";
import express from "express";
import { isOrgateError } from "../../../../src/errors.ts";
import { serve } from "../../../support/servers.ts";
import type { TestServer } from "../../../support/servers.ts";
import { bodyOf, json } from "../../../support/wire-world.ts";

let server: TestServer | undefined;

afterEach(() => server?.close());

type Route = WireRoute<undefined, WireAnswer | undefined>;

const ECHO: Route = {
  method: "POST",
  path: "/echo",
  handle: async (_, { fields }) => ({ status: 200, body: { name: fields.text("name") } }),
};

function refuse(error: unknown): WireAnswer {
  return { status: isOrgateError(error) ? error.status : 500, body: {} };
}

async function serveRoutes(
  routes: readonly Route[],
  ...before: express.RequestHandler[]
): Promise<TestServer> {
  const app = express();
  for (const handler of before) app.use(handler);
  server = await serve(
    app.use(
      createWireRouter({
        routes,
        service: undefined,
        makeRequestId: () => "request-1",
        toAnswer: (answer) => answer,
        refuse,
      }),
    ),
  );
  return server;
}

describe("createWireRouter", () => {
  it.each([
    ["JSON", express.json()],
    ["forms", express.urlencoded({ extended: true })],
  ])("uses the body that a parser for %s has read", async (kind, parser) => {
    const served = await serveRoutes([ECHO], parser);
    const form = {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: "name=a",
    };
    const answer = await served.send({ path: "/echo", ...(kind === "JSON" ? json({ name: "a" }) : form) });
    expect(bodyOf(answer)).toEqual({ name: "a" });
  });

  it("R-08: refuses what a parser made of a form with brackets", async () => {
    const served = await serveRoutes([ECHO], express.urlencoded({ extended: true }));
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    for (const body of ["name[]=a", "name[a]=b", "name=a&name=b", "__proto__[name]=a"]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect((await served.send({ method: "POST", path: "/echo", headers, body })).status).toBe(400);
    }
    expect(Object.getPrototypeOf({})).not.toHaveProperty("name");
  });

  it("R-08: reads no other type, and nothing that is compressed", async () => {
    const served = await serveRoutes([ECHO]);
    const body = '{"name":"a"}';
    const types = [{ "content-type": "text/plain" }, { "content-encoding": "gzip" }];
    for (const headers of types) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect((await served.send({ path: "/echo", ...json(body, headers) })).status).toBe(400);
    }
  });

  it("reads 64 KiB, and not a byte more", async () => {
    const served = await serveRoutes([ECHO]);
    const around = '{"name":"a","x":""}'.length;
    const of = (length: number): string => `{"name":"a","x":"${"x".repeat(length - around)}"}`;
    expect((await served.send({ path: "/echo", ...json(of(65_536)) })).status).toBe(200);
    expect((await served.send({ path: "/echo", ...json(of(65_537)) })).status).toBe(413);
  });

  it("words every thrown error as the protocol does", async () => {
    const served = await serveRoutes([
      { method: "GET", path: "/throws", handle: () => Promise.reject(new Error("boom")) },
      {
        method: "GET",
        path: "/throws/at-once",
        handle: () => {
          throw new TypeError("boom");
        },
      },
    ]);
    for (const path of ["/throws", "/throws/at-once"]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const answer = await served.send({ path });
      expect([answer.status, answer.body, answer.headers["cache-control"]]).toEqual([500, "{}", "no-store"]);
    }
  });

  it("keeps errors of a cacheable answer out of caches, and answers HEAD for it", async () => {
    const route = {
      method: "GET",
      path: "/keys/:",
      cacheControl: "public, max-age=60",
      handle: async (_, { segments }) => ({ status: segments[0] === "a" ? 200 : 404, body: {} }),
    } satisfies Route;
    const served = await serveRoutes([route]);
    expect((await served.send({ path: "/keys/a" })).headers["cache-control"]).toBe("public, max-age=60");
    expect((await served.send({ path: "/keys/b" })).headers["cache-control"]).toBe("no-store");
    const head = await served.send({ method: "HEAD", path: "/keys/a" });
    expect([head.status, head.body]).toEqual([200, ""]);
  });

  it("does not touch a response that a handler has answered", async () => {
    const served = await serveRoutes([
      {
        method: "GET",
        path: "/own",
        handle: async (_, { response }) => {
          response.end("own");
          return undefined;
        },
      },
    ]);
    expect((await served.send({ path: "/own" })).body).toBe("own");
  });
});
