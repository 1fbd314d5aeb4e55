import { once } from "node:events";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it, jest } from "@jest/globals";
import { systemClock } from "../../../src/lib/clock.ts";
import { isOrgateError } from "../../../src/errors.ts";
import type { ConfigurationError } from "../../../src/errors.ts";
import { createEventSink } from "../../../src/events.ts";
import { createKeySet } from "../../../src/tokens/key-set.ts";
import { remoteKeys } from "../../../src/stores/remote-keys.ts";
import type { RemoteKeysOptions } from "../../../src/stores/remote-keys.ts";
import { generateSigningKey, publicJwk, publicJwks } from "../../support/tokens.ts";

const SET = publicJwks([generateSigningKey("ES256", "key")]);
const CANARY = "canary-5f2d";
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

describe("remoteKeys", () => {
  it("gets the set, with a GET that accepts JSON", async () => {
    const seen: unknown[] = [];
    const url = await serve((req, res) => {
      seen.push(req.method, req.url, req.headers.accept, req.headers.authorization, req.headers.cookie);
      res.end(JSON.stringify({ ...SET, more: true }));
    }, "/jwks?project=1");
    expect(await load(url)).toEqual({ ...SET, more: true });
    expect(seen).toEqual(["GET", "/jwks?project=1", "application/json", undefined, undefined]);
  });

  it("accepts a URL object, and does not follow what becomes of it later", async () => {
    const url = new URL(await serve((_, res) => res.end(JSON.stringify(SET))));
    const source = remoteKeys(url);
    url.port = "1";
    expect(await source.load(AbortSignal.timeout(5000))).toEqual(SET);
  });

  it("uses the fetch it is given", async () => {
    const fetch = jest.fn<typeof globalThis.fetch>(() => Promise.resolve(Response.json(SET)));
    const source = remoteKeys("https://example.com/jwks", { fetch });
    expect(await source.load(AbortSignal.timeout(5000))).toEqual(SET);
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  it("refuses a response without a body", async () => {
    const source = remoteKeys("https://example.com/jwks", { fetch: () => Promise.resolve(new Response()) });
    expect(await failureOf(source.load(AbortSignal.timeout(5000)))).toMatchObject({
      reason: "keys_malformed",
    });
  });

  it("hands on its limits, and leaves the others to the key set", () => {
    expect(remoteKeys("https://example.com/jwks", { maxAge: 60, cooldown: 0 })).toMatchObject({
      maxAge: 60,
      cooldown: 0,
    });
    expect(Object.keys(remoteKeys("https://example.com/jwks"))).toEqual(["load"]);
  });

  it("reads a set of just under 512 KiB", async () => {
    const url = await serve((_, res) => res.end(padded(512 * 1024)));
    expect(await load(url)).toMatchObject({ keys: [] });
  });
});

describe("R-33: hostile key sets", () => {
  it.each<[string, string, RequestListener]>([
    ["HTML", "keys_malformed", (_, res) => res.end(`<html>${CANARY}</html>`)],
    ["nothing", "keys_malformed", (_, res) => res.end()],
    ["an array", "keys_malformed", (_, res) => res.end(JSON.stringify([SET]))],
    ["null", "keys_malformed", (_, res) => res.end("null")],
    ["an object without keys", "keys_malformed", (_, res) => res.end(`{"${CANARY}":1}`)],
    ["keys that are no list", "keys_malformed", (_, res) => res.end(`{"keys":{"${CANARY}":1}}`)],
    ["invalid UTF-8", "keys_malformed", (_, res) => res.end(Buffer.from([0x7b, 0xff]))],
    ["201", "keys_status", (_, res) => res.writeHead(201).end(JSON.stringify(SET))],
    ["204", "keys_status", (_, res) => res.writeHead(204).end()],
    ["304", "keys_status", (_, res) => res.writeHead(304).end()],
    ["404", "keys_status", (_, res) => res.writeHead(404).end(CANARY)],
    ["500 with a set", "keys_status", (_, res) => res.writeHead(500).end(JSON.stringify(SET))],
    ["more than 512 KiB", "keys_too_large", (_, res) => res.end(padded(512 * 1024 + 1))],
    ["10 MB", "keys_too_large", (_, res) => res.end(padded(10_000_000))],
    [
      "10 MB, compressed to little",
      "keys_too_large",
      (_, res) => res.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(padded(10_000_000))),
    ],
    [
      "a body that breaks off",
      "keys_unreachable",
      (_, res) => {
        res.writeHead(200, { "content-length": "1000" });
        res.write(`{"keys":[],"${CANARY}":`, () => res.destroy());
      },
    ],
    ["a connection that breaks off", "keys_unreachable", (_, res) => res.destroy()],
  ])("refuses %s: %s", async (_, reason, listener) => {
    const error = await failureOf(load(await serve(listener)));
    expect(error).toMatchObject({ code: "store_unavailable", reason });
    expect(isOrgateError(error)).toBe(true);
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(CANARY);
  });

  it.each([301, 302, 303, 307, 308])("does not follow a %s", async (status) => {
    let followed = 0;
    const target = await serve((_, res) => {
      followed += 1;
      res.end(JSON.stringify(SET));
    });
    const url = await serve((_, res) => res.writeHead(status, { location: target }).end());
    expect(await failureOf(load(url))).toMatchObject({ reason: "keys_status" });
    expect(followed).toBe(0);
  });

  it("stops reading a body without an end", async () => {
    let closed: Promise<unknown> | undefined;
    const url = await serve((_, res) => {
      closed = once(res, "close");
      const pump = (): void => {
        while (!res.destroyed && res.write("x".repeat(65_536)));
        res.once("drain", pump);
      };
      pump();
    });
    expect(await failureOf(load(url))).toMatchObject({ reason: "keys_too_large" });
    await closed;
  });

  it.each<[string, RequestListener]>([
    ["a drip of a body", (_, res) => void res.writeHead(200).write('{"keys":[')],
    ["silence", () => undefined],
  ])("gives up on %s when its time is over", async (_, listener) => {
    const source = remoteKeys(await serve(listener));
    expect(await failureOf(source.load(AbortSignal.timeout(30)))).toMatchObject({
      reason: "keys_unreachable",
    });
    const keys = createKeySet(source, { clock: systemClock, events: createEventSink(), loadBudget: 0.03 });
    expect(await keys.find("key", "ES256")).toMatchObject({ status: "unavailable", retryAfter: 1 });
  });

  it("cannot be reached where nobody listens", async () => {
    const url = await serve(() => undefined);
    servers.splice(0).forEach((server) => server.close());
    expect(await failureOf(load(url))).toMatchObject({ reason: "keys_unreachable" });
  });

  it("yields only the sound keys of a set that holds weak ones", async () => {
    const sound = generateSigningKey("RS256", "sound");
    const weak = { ...publicJwk(sound), kid: "weak", e: "AQ" };
    const mixed = { keys: [weak, { kty: "oct", kid: "secret", k: "AAAA" }, ...publicJwks([sound]).keys] };
    const url = await serve((_, res) => res.end(JSON.stringify(mixed)));
    const keys = createKeySet(remoteKeys(url), { clock: systemClock, events: createEventSink() });
    const answers = await Promise.all(
      ["sound", "weak", "secret"].map(async (kid) => keys.find(kid, "RS256")),
    );
    expect(answers.map(({ status }) => status)).toEqual(["found", "unknown", "unknown"]);
  });
});

describe("remoteKeys' configuration", () => {
  it.each([
    "https://example.com/jwks",
    "http://localhost:3000/jwks",
    "http://127.0.0.1/jwks",
    "http://127.8.9.1/jwks",
    "http://[::1]:3000/jwks",
  ])("accepts %s", (url) => {
    expect(() => remoteKeys(url)).not.toThrow();
  });

  it.each<[string, unknown, unknown]>([
    ["remoteKeys.url", "", {}],
    ["remoteKeys.url", undefined, {}],
    ["remoteKeys.url", "/jwks", {}],
    ["remoteKeys.url", "http://example.com/jwks", {}],
    ["remoteKeys.url", "http://localhost.example.com/jwks", {}],
    ["remoteKeys.url", "http://127.0.0.1.example.com/jwks", {}],
    ["remoteKeys.url", "http://169.254.169.254/jwks", {}],
    ["remoteKeys.url", "ftp://localhost/jwks", {}],
    ["remoteKeys.url", "file:///etc/passwd", {}],
    ["remoteKeys.url", "data:application/json,{}", {}],
    ["remoteKeys.url", "https://user:secret@example.com/jwks", {}],
    ["remoteKeys.url", "https://:secret@example.com/jwks", {}],
    ["remoteKeys.fetch", "https://example.com/jwks", { fetch: "fetch" }],
    ["remoteKeys.maxAge", "https://example.com/jwks", { maxAge: 0 }],
    ["remoteKeys.maxAge", "https://example.com/jwks", { maxAge: Number.NaN }],
    ["remoteKeys.maxAge", "https://example.com/jwks", { maxAge: "60" }],
    ["remoteKeys.cooldown", "https://example.com/jwks", { cooldown: -1 }],
    ["remoteKeys.cooldown", "https://example.com/jwks", { cooldown: Infinity }],
    ["remoteKeys.maxage", "https://example.com/jwks", { maxage: 60 }],
    ["remoteKeys.headers", "https://example.com/jwks", { headers: {} }],
  ])("names %s for %s %j", (option, url, options) => {
    const { problems, message } = configurationErrorOf(url, options);
    expect(problems.map((problem) => problem.option)).toEqual([option]);
    expect(message).not.toContain("secret");
  });

  it("tells of all mistakes at once, and what was probably meant", () => {
    const { code, problems } = configurationErrorOf("http://example.com", { maxAge: -1, cooldwn: 1, x: 1 });
    expect(code).toBe("configuration_invalid");
    expect(problems.map((problem) => [problem.code, problem.option])).toEqual([
      ["option_unknown", "remoteKeys.cooldwn"],
      ["option_unknown", "remoteKeys.x"],
      ["option_invalid", "remoteKeys.url"],
      ["option_invalid", "remoteKeys.maxAge"],
    ]);
    expect(problems[0]?.suggestion).toContain('Did you mean "cooldown"?');
    expect(problems[1]?.suggestion).toContain("fetch, maxAge, cooldown");
  });
});

async function serve(listener: RequestListener, path = "/jwks"): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
}

async function load(url: string): Promise<unknown> {
  return await remoteKeys(url).load(AbortSignal.timeout(5000));
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

function padded(bytes: number): string {
  const frame = JSON.stringify({ keys: [], pad: "" });
  return JSON.stringify({ keys: [], pad: "x".repeat(bytes - frame.length) });
}

function configurationErrorOf(url: unknown, options: unknown): ConfigurationError {
  try {
    remoteKeys(url as string, options as RemoteKeysOptions);
  } catch (error) {
    return error as ConfigurationError;
  }
  throw new Error("nothing was thrown");
}
