import { EventEmitter } from "node:events";
import { describe, expect, it } from "@jest/globals";
import type { ServerResponse } from "node:http";
import { makeRequest } from "../support/exchange.ts";
import { bearerOf, cookieOf, makeWorld } from "../support/world.ts";

const METHODS = ["setHeader", "getHeader", "removeHeader", "write", "writeHead", "end"] as const;
type Method = (typeof METHODS)[number];

interface ForeignResponse {
  readonly response: ServerResponse;
  readonly headers: Record<string, unknown>;
}

/** A response as other servers hand it to middleware for a handshake: some of Node's methods, and no more. */
function makeResponse(base: object, request: unknown, missing: readonly Method[] = []): ForeignResponse {
  const headers: Record<string, unknown> = {};
  const methods = {
    setHeader: (name: string, value: unknown) => void (headers[name] = value),
    getHeader: (name: string) => headers[name],
    removeHeader: (name: string) => void delete headers[name],
    write() {},
    writeHead() {},
    end() {},
  };
  const present = Object.entries(methods).filter(([name]) => !missing.some((one) => one === name));
  const response = Object.assign(base, { req: request, socket: undefined }, Object.fromEntries(present));
  return { response: response as unknown as ServerResponse, headers };
}

const BASES: Readonly<Record<string, () => object>> = {
  "an emitter": () => new EventEmitter(),
  "a plain object": () => ({}),
  "an object without a prototype": () => Object.create(null) as object,
  "an object below one without a prototype": () => Object.create(Object.create(null) as object) as object,
};

describe.each(Object.entries(BASES))("a response that is %s", (_name, makeBase) => {
  it.each(["nobody", "garbage", "a member", "an expired member", "a bearer"])(
    "gets its headers, and nothing throws: %s",
    async (who) => {
      const world = makeWorld();
      const auth = world.mount();
      const { seal, accessToken } = await world.signIn();
      if (who === "an expired member") world.clock.now += 1_000;
      const headers: Record<string, Record<string, string>> = {
        nobody: {},
        garbage: { cookie: cookieOf("garbage") },
        "a member": { cookie: cookieOf(seal) },
        "an expired member": { cookie: cookieOf(seal) },
        "a bearer": { authorization: bearerOf(accessToken) },
      };
      const request = makeRequest({ headers: headers[who] ?? {} });
      const { response, headers: sent } = makeResponse(makeBase(), request);
      const error = await new Promise<unknown>((resolve) => auth(request, response, resolve));
      expect(error).toBeUndefined();
      response.writeHead(101);
      const status = { nobody: "anonymous", garbage: "rejected" }[who] ?? "authenticated";
      expect(auth.state(request).status).toBe(status);
      const setsCookie = String(sent["Set-Cookie"]).includes("Fe26.2");
      expect(setsCookie).toBe(who === "an expired member");
    },
  );

  it.each([
    ["the request", []],
    ["getHeader", ["getHeader"]],
    ["setHeader", ["setHeader"]],
    ["writeHead", ["writeHead"]],
  ] as const)("may lack %s", async (what, missing) => {
    const world = makeWorld();
    const auth = world.mount();
    const { seal } = await world.signIn();
    world.clock.now += 1_000;
    const request = makeRequest({ headers: { cookie: cookieOf(seal) } });
    const { response } = makeResponse(makeBase(), what === "the request" ? undefined : request, missing);
    const error = await new Promise<unknown>((resolve) => auth(request, response, resolve));
    expect(error).toBeUndefined();
    if (what !== "writeHead") response.writeHead(101, ["X-A", "1", "X-A", "2"]);
    expect(auth.state(request).status).toBe("authenticated");
  });

  it("gets a page where a guard refuses a page load", async () => {
    const world = makeWorld();
    const auth = world.mount();
    const request = makeRequest({ headers: { accept: "text/html", "sec-fetch-mode": "navigate" } });
    const { response, headers } = makeResponse(makeBase(), request);
    await new Promise<unknown>((resolve) => auth(request, response, resolve));
    const passed: unknown[] = [];
    auth.requireAuth()(request, response, (error) => passed.push(error));
    expect([passed, response.statusCode, headers["Content-Type"]]).toEqual([
      [],
      401,
      "text/html; charset=utf-8",
    ]);
  });

  it.each(["setHeader", "getHeader", "writeHead"] as const)(
    "keeps the refresh token unspent where no cookie can go out: without %s",
    async (missing) => {
      const world = makeWorld();
      const auth = world.mount();
      const { seal } = await world.signIn();
      world.clock.now += 1_000;
      world.store.behaviour = () => Promise.reject(new Error("down"));
      const request = makeRequest({ headers: { cookie: cookieOf(seal) } });
      const { response } = makeResponse(makeBase(), request, [missing]);
      await new Promise<unknown>((resolve) => auth(request, response, resolve));
      expect(auth.state(request).status).toBe("unavailable");
      expect(world.store.questions.map(({ stale }) => stale.sealed?.refreshToken)).toEqual([undefined]);
    },
  );

  it("keeps both of two headers that are passed to writeHead", async () => {
    const world = makeWorld();
    const auth = world.mount();
    const request = makeRequest({ headers: { cookie: cookieOf("garbage") } });
    const { response, headers } = makeResponse(makeBase(), request);
    await new Promise<unknown>((resolve) => auth(request, response, resolve));
    auth.requireAuth();
    response.writeHead(101, ["x-a", "1", "x-a", "2"]);
    expect(headers["x-a"]).toEqual(["1", "2"]);
  });
});
