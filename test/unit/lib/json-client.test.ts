import { createServer } from "node:net";
import type { RequestListener } from "node:http";
import { inspect } from "node:util";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "@jest/globals";
import {
  createJsonClient,
  type JsonClient,
  type JsonClientOptions,
  type JsonReply,
} from "../../../src/lib/json-client.ts";
import { serviceUnavailable } from "../../../src/stores/hosted-store.ts";
import { serve as startServer, type TestServer } from "../../support/servers.ts";

const CANARY = "canary-77ab";
const NOW = 1_800_000_000;
const upstreams: TestServer[] = [];

afterEach(() => {
  for (const upstream of upstreams.splice(0)) void upstream.close();
});

async function serve(listener: RequestListener): Promise<string> {
  const upstream = await startServer(listener);
  upstreams.push(upstream);
  return upstream.url;
}

function createClient(options: Partial<JsonClientOptions> & { readonly baseUrl: string }): JsonClient {
  return createJsonClient({ timeout: 5, clock: () => NOW, ...options });
}

async function ask(listener: RequestListener, options: Partial<JsonClientOptions> = {}): Promise<JsonReply> {
  const baseUrl = await serve(listener);
  const client = createClient({ baseUrl, ...options });
  return client.send({ method: "POST", path: "/x", body: { secret: CANARY } });
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): RequestListener {
  return (_, res) => {
    res.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers });
    res.end(typeof body === "string" ? body : JSON.stringify(body));
  };
}

describe("a JSON client", () => {
  it("sends JSON below its base URL, with its headers", async () => {
    let seen: unknown;
    const baseUrl = await serve((req, res) => {
      let text = "";
      req.on("data", (chunk: Buffer) => (text += chunk.toString()));
      req.on("end", () => {
        const { accept, "content-type": type, authorization } = req.headers;
        seen = { method: req.method, url: req.url, accept, type, authorization, text };
        json(200, { ok: true })(req, res);
      });
    });
    const client = createClient({ baseUrl: `${baseUrl}/api/`, headers: { authorization: "Bearer k" } });
    const reply = await client.send({
      method: "POST",
      path: "/users?limit=1",
      body: { a: 1, b: undefined },
    });

    expect(reply).toEqual({ status: "answered", httpStatus: 200, body: { ok: true } });
    expect(seen).toEqual({
      method: "POST",
      url: "/api/users?limit=1",
      accept: "application/json",
      type: "application/json",
      authorization: "Bearer k",
      text: '{"a":1}',
    });
  });

  it("sends no content type without a body", async () => {
    let type: string | undefined = "unset";
    const baseUrl = await serve((req, res) => {
      type = req.headers["content-type"];
      json(200, {})(req, res);
    });
    await createClient({ baseUrl }).send({ method: "GET", path: "/" });

    expect(type).toBeUndefined();
  });

  it.each([400, 401, 403, 404, 409, 422])(
    "accepts a JSON body with status %i as an answer",
    async (status) => {
      await expect(ask(json(status, { code: "x" }))).resolves.toEqual({
        status: "answered",
        httpStatus: status,
        body: { code: "x" },
      });
    },
  );

  it("accepts an empty body with a good status as an answer", async () => {
    const nothing = { status: "answered", body: {} };
    await expect(ask((_, res) => res.writeHead(204).end())).resolves.toMatchObject(nothing);
    await expect(ask((_, res) => res.writeHead(200).end())).resolves.toMatchObject(nothing);
    const html = { "content-type": "text/html", "content-length": "0" };
    await expect(ask((_, res) => res.writeHead(200, html).end())).resolves.toMatchObject(nothing);
  });

  it("accepts other JSON media types", async () => {
    const reply = await ask(json(400, { code: "x" }, { "content-type": "application/problem+json" }));

    expect(reply).toMatchObject({ status: "answered", body: { code: "x" } });
  });
});

const HTML = { "content-type": "text/html" };

describe("R-35: a service that misbehaves is unavailable", () => {
  it.each<[string, RequestListener, Partial<Extract<JsonReply, { status: "unavailable" }>>]>([
    ["200 with HTML", json(200, `<html>${CANARY}`, HTML), { reason: "not_json", httpStatus: 200 }],
    ["401 with HTML", json(401, `<html>${CANARY}`, HTML), { reason: "not_json", httpStatus: 401 }],
    ["404 with HTML", json(404, `<html>${CANARY}`, HTML), { reason: "not_json", httpStatus: 404 }],
    ["502 with HTML", json(502, `<html>${CANARY}`, HTML), { reason: "server_error", httpStatus: 502 }],
    ["HTML that says it is JSON", json(200, `<html>${CANARY}`), { reason: "malformed" }],
    ["JSON of no type", (_, res) => res.writeHead(200).end("{}"), { reason: "not_json" }],
    ["an array", json(200, [CANARY]), { reason: "malformed" }],
    ["null", json(200, "null"), { reason: "malformed" }],
    ["half a body", json(200, `{"a":"${CANARY}`), { reason: "malformed" }],
    [
      "bytes that are no UTF-8",
      (_, res) =>
        res.writeHead(200, { "content-type": "application/json" }).end(Buffer.from([0x7b, 0xff, 0x7d])),
      { reason: "malformed" },
    ],
    ["an error without a body", (_, res) => res.writeHead(400).end(), { reason: "malformed" }],
    ["500 with JSON", json(500, { error: "invalid_grant" }), { reason: "server_error" }],
    ["408", json(408, { code: "x" }), { reason: "upstream_timeout" }],
    [
      "429",
      json(429, { error: "too_many_requests" }),
      { reason: "rate_limited", body: { error: "too_many_requests" } },
    ],
    [
      "a redirect",
      json(302, {}, { location: "http://127.0.0.1:1/" }),
      { reason: "redirected", httpStatus: 302 },
    ],
    ["a reset", (req) => req.socket.destroy(), { reason: "unreachable" }],
    [
      "a body that breaks off",
      (req, res) => {
        res.writeHead(200, { "content-type": "application/json", "content-length": "100" });
        res.write('{"a":');
        setImmediate(() => req.socket.destroy());
      },
      { reason: "broken_off" },
    ],
  ])("%s", async (_, listener, expected) => {
    const reply = await ask(listener);

    expect(reply).toMatchObject({ status: "unavailable", ...expected });
    if (reply.status !== "unavailable") throw new Error("unreachable");
    expect(inspect(serviceUnavailable(reply), { depth: 9, showHidden: true })).not.toContain(CANARY);
    expect(serviceUnavailable(reply)).toMatchObject({ code: "store_unavailable", reason: reply.reason });
  });

  it("stops reading a body of 10 MB at the limit", async () => {
    let sent = 0;
    const reply = await ask(
      (_, res) => {
        res.writeHead(200, { "content-type": "application/json" });
        const chunk = Buffer.alloc(64 * 1024, 0x20);
        const more = (): void => {
          while (sent < 10_000_000 && !res.destroyed) {
            sent += chunk.length;
            if (!res.write(chunk)) return;
          }
          res.end("{}");
        };
        res.on("drain", more);
        more();
      },
      { maxBodyBytes: 100_000 },
    );

    expect(reply).toMatchObject({ status: "unavailable", reason: "too_large" });
    expect(sent).toBeLessThan(10_000_000);
  });

  it("refuses a small body that decompresses to a large one", async () => {
    const bomb = gzipSync(Buffer.alloc(4_000_000, 0x20));
    const reply = await ask((_, res) => {
      res.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" });
      res.end(bomb);
    });

    expect(reply).toMatchObject({ status: "unavailable", reason: "too_large" });
  });

  it("keeps the original error as the cause, and out of the message", async () => {
    const cause = new TypeError(`no route to https://${CANARY}.example.com`);
    const fetch = (): Promise<Response> => Promise.reject(cause);
    const client = createClient({ baseUrl: "https://api.example.com", fetch });
    const reply = await client.send({ method: "GET", path: "/" });

    expect(reply).toEqual({ status: "unavailable", reason: "unreachable", cause });
    if (reply.status !== "unavailable") throw new Error("unreachable");
    const error = serviceUnavailable(reply);
    expect(error.cause).toMatchObject({ name: cause.name, message: cause.message });
    expect(Object.keys(error)).not.toContain("cause");
    expect(error.message + JSON.stringify(error)).not.toContain(CANARY);
  });

  it("is unreachable where no server listens", async () => {
    const baseUrl = await new Promise<string>((resolve) => {
      const server = createServer().listen(0, "127.0.0.1", () => {
        const { port } = server.address() as { port: number };
        server.close(() => resolve(`http://127.0.0.1:${port}`));
      });
    });
    const reply = await createClient({ baseUrl }).send({ method: "GET", path: "/" });

    expect(reply).toMatchObject({ status: "unavailable", reason: "unreachable" });
  });
});

function neverFetch(): Promise<Response> {
  return new Promise(() => undefined);
}

describe("the timeout of a call", () => {
  const timeout = { status: "unavailable", reason: "timeout" };

  it.each<[string, RequestListener]>([
    ["never answers", () => undefined],
    [
      "drips its headers' body",
      (_, res) => {
        res.writeHead(200, { "content-type": "application/json" });
        const drip = setInterval(() => res.write(" "), 10);
        res.on("close", () => clearInterval(drip));
      },
    ],
  ])("ends a call to a service that %s", async (_, listener) => {
    const reply = await ask(listener, { timeout: 0.1 });

    expect(reply).toEqual(timeout);
  });

  it("holds for a fetch that ignores its signal", async () => {
    const client = createClient({ baseUrl: "https://api.example.com", fetch: neverFetch, timeout: 0.02 });

    await expect(client.send({ method: "GET", path: "/" })).resolves.toEqual(timeout);
  });

  it("sends nothing when the signal has already aborted", async () => {
    let calls = 0;
    const baseUrl = await serve((req, res) => {
      calls += 1;
      json(200, {})(req, res);
    });
    const client = createClient({ baseUrl });

    await expect(client.send({ method: "GET", path: "/", signal: AbortSignal.abort() })).resolves.toEqual(
      timeout,
    );
    expect(calls).toBe(0);
  });

  it("ends the call when the signal aborts", async () => {
    const aborting = new AbortController();
    const baseUrl = await serve(() => aborting.abort());
    const client = createClient({ baseUrl });

    await expect(client.send({ method: "GET", path: "/", signal: aborting.signal })).resolves.toEqual(
      timeout,
    );
  });

  it("waits for a late reply for abortGrace seconds", async () => {
    const aborting = new AbortController();
    const baseUrl = await serve((req, res) => {
      aborting.abort();
      setImmediate(() => json(200, { late: true })(req, res));
    });
    const client = createClient({ baseUrl });
    const reply = await client.send({ method: "GET", path: "/", signal: aborting.signal, abortGrace: 5 });

    expect(reply).toMatchObject({ status: "answered", body: { late: true } });
  });

  it("ends the call after abortGrace seconds", async () => {
    const aborting = new AbortController();
    const baseUrl = await serve(() => aborting.abort());
    const client = createClient({ baseUrl });
    const reply = await client.send({ method: "GET", path: "/", signal: aborting.signal, abortGrace: 0.05 });

    expect(reply).toEqual(timeout);
  });
});

describe("Retry-After", () => {
  it.each<[string, number | undefined]>([
    ["7", 7],
    [" 0 ", 0],
    ["999999999", 3600],
    [new Date((NOW + 12) * 1000).toUTCString(), 12],
    [new Date((NOW - 12) * 1000).toUTCString(), 0],
    ["-1", undefined],
    ["1.5", undefined],
    ["soon", undefined],
    ["Fri, 99 Zzz 2027 99:99:99 GMT", undefined],
  ])("of %j is read as %s", async (value, expected) => {
    const reply = await ask(json(503, {}, { "retry-after": value }));

    const trouble = reply as Extract<JsonReply, { status: "unavailable" }>;
    expect(trouble).toMatchObject({ status: "unavailable", reason: "server_error" });
    expect(trouble.retryAfter).toBe(expected);
    expect(serviceUnavailable(trouble).retryAfter).toBe(expected);
  });
});
