import { ServerResponse } from "node:http";
import { describe, expect, it } from "@jest/globals";
import express from "express";
import { hookResponse } from "../../../src/request/respond.ts";
import { attach } from "../../../src/request/request-auth.ts";
import { makeExchange, type Answer, type WiredExchange } from "../../support/exchange.ts";

/** What an instance wants on the response. */
interface Planned {
  readonly cookies: ReadonlyMap<string, string>;
  readonly headers: ReadonlyMap<string, string>;
  readonly isPrivate: boolean;
}

const LINE = "__Host-orgate=new; Path=/";
const COOKIES = new Map([["__Host-orgate", LINE]]);

/** Everything at once: a cookie, a header, and a state that was read. */
const ALL: Planned = { cookies: COOKIES, headers: new Map([["Session-Jwt", "a.b.c"]]), isPrivate: true };
const LOOKED: Planned = { cookies: new Map(), headers: new Map(), isPrivate: false };

/** Attaches to a request what instances want on its response; the last in the list was mounted first. */
function setPlan(request: object, planned: readonly Partial<Planned>[]): void {
  for (const { cookies = [], headers = [], isPrivate = false } of planned.toReversed()) {
    const owner = { options: { names: undefined }, nextInSequence: () => 0 };
    const why = { code: "invalid_session", reason: "cookie_too_long" } as const;
    const junk = { status: "rejected", ...why, via: "cookie", cookieNames: [] } as const;
    const auth = attach(request, owner, isPrivate ? junk : { status: "none" }, true);
    auth.markUsed();
    for (const [name, line] of cookies) auth.queueCookie(name, line);
    for (const [name, value] of headers) auth.queueHeader(name, value);
  }
}

function plan(...planned: readonly Partial<Planned>[]): (exchange: WiredExchange) => void {
  return ({ request, response }) => {
    setPlan(request, planned);
    hookResponse(response);
  };
}

/** Answers with these headers planned, the way `respond` does. */
async function answer(
  headers: Partial<Planned> | undefined,
  respond: (response: ServerResponse) => void,
  prepare: (exchange: WiredExchange) => void = () => undefined,
): Promise<Answer> {
  const exchange = makeExchange();
  prepare(exchange);
  plan(...(headers === undefined ? [] : [headers]))(exchange);
  respond(exchange.response);
  return exchange.answered();
}

const asExpress = ({ response }: WiredExchange): void => {
  Object.setPrototypeOf(response, express().response);
};

/** Ways to write a head. */
const WAYS: readonly (readonly [string, (response: ServerResponse) => void])[] = [
  ["end", (response) => response.end("x")],
  ["write before end", (response) => void (response.write("x"), response.end("y"))],
  ["flushHeaders", (response) => void (response.flushHeaders(), response.end("x"))],
  ["writeHead", (response) => response.writeHead(200).end("x")],
  ["writeHead with a message", (response) => response.writeHead(200, "Fine").end("x")],
  ["writeHead with an object", (response) => response.writeHead(200, { "X-Own": "1" }).end("x")],
  [
    "writeHead with a message and an object",
    (response) => response.writeHead(200, "Fine", { "X-Own": "1" }).end("x"),
  ],
  ["writeHead with a flat list", (response) => response.writeHead(200, ["X-Own", "1"]).end("x")],
  [
    "writeHead with a message and a list",
    (response) => response.writeHead(200, "Fine", ["X-Own", "1", "X-Two", "2"]).end("x"),
  ],
  [
    "writeHead with no message and an object",
    (response) => response.writeHead(200, undefined as unknown as string, { "X-Own": "1" }).end("x"),
  ],
];

describe.each([
  ["node:http", () => undefined],
  ["Express", asExpress],
] as const)("hookResponse, on a response of %s", (_, prepare) => {
  it.each(WAYS)("puts headers on a head written by %s", async (_way, respond) => {
    const { headers, cookies } = await answer(ALL, respond, prepare);
    expect(cookies).toEqual([LINE]);
    expect(headers).toMatchObject({
      "session-jwt": "a.b.c",
      vary: "Cookie, Authorization",
      "cache-control": "private, no-store",
    });
  });

  it.each(WAYS)("leaves a response alone that nobody looked at, written by %s", async (_way, respond) => {
    const plain = makeExchange();
    respond(plain.response);
    const expected = await plain.answered();
    const seen = await answer(undefined, respond, prepare);
    expect(seen).toEqual(expected);
    expect(seen.headers["vary"]).toBeUndefined();
  });

  it("keeps the status, its message and the headers that the handler passed", async () => {
    const exchange = makeExchange();
    prepare(exchange);
    plan(ALL)(exchange);
    exchange.response.writeHead(418, "Teapot", { "X-Own": "1", "X-Many": ["a", "b"] }).end();
    const { status, headers } = await exchange.answered();
    expect([status, exchange.response.statusMessage]).toEqual([418, "Teapot"]);
    expect(headers).toMatchObject({ "x-own": "1", "x-many": ["a", "b"] });
  });

  it("keeps what a handler decided while it streamed: late plans are on the head if it was not written", async () => {
    const exchange = makeExchange();
    prepare(exchange);
    plan()(exchange);
    setPlan(exchange.request, [ALL]);
    exchange.response.write("first");
    setPlan(exchange.request, [{ ...ALL, cookies: new Map([["late", "late=1"]]) }]);
    exchange.response.end("second");
    const { cookies } = await exchange.answered();
    expect(cookies).toEqual([LINE]);
  });

  it("survives an error handler that removes every header", async () => {
    const { cookies, headers } = await answer(
      ALL,
      (response) => {
        response.setHeader("X-Own", "1");
        for (const name of response.getHeaderNames()) response.removeHeader(name);
        response.statusCode = 500;
        response.end("failed");
      },
      prepare,
    );
    expect(cookies).toEqual([LINE]);
    expect(headers).toMatchObject({ vary: "Cookie, Authorization", "cache-control": "private, no-store" });
    expect(headers["x-own"]).toBeUndefined();
  });

  it("is done once for a response, however many instances see it", async () => {
    const exchange = makeExchange();
    prepare(exchange);
    plan(ALL)(exchange);
    plan({ ...LOOKED, cookies: new Map([["other", "other=1"]]) })(exchange);
    exchange.response.end();
    const { cookies, headers } = await exchange.answered();
    expect(cookies).toEqual(["other=1", LINE]);
    expect(headers["vary"]).toBe("Cookie, Authorization");
  });

  it("goes together with others that hook the head, in either order", async () => {
    const exchange = makeExchange();
    prepare(exchange);
    const { response } = exchange;
    hookAsOthersDo(response, "X-Before");
    plan(ALL)(exchange);
    hookAsOthersDo(response, "X-After");
    plan(ALL)(exchange);
    response.end();
    const { cookies, headers } = await exchange.answered();
    expect(cookies).toEqual([LINE]);
    expect(headers).toMatchObject({ "x-before": "1", "x-after": "1", vary: "Cookie, Authorization" });
  });
});

/** What `on-headers` does, which compression and session middleware are built on. */
function hookAsOthersDo(response: ServerResponse, name: string): void {
  const before = response.writeHead.bind(response) as (...given: unknown[]) => ServerResponse;
  response.writeHead = (...given: unknown[]) => {
    response.setHeader(name, "1");
    return before(...given);
  };
}

async function setBeside(...lines: readonly string[]): Promise<readonly string[]> {
  const respond = (response: ServerResponse): void => {
    response.setHeader("Set-Cookie", lines);
    response.end();
  };
  return (await answer({ cookies: COOKIES }, respond)).cookies;
}

function respondWith(
  headers: Readonly<Record<string, string | string[]>>,
): (response: ServerResponse) => void {
  return (response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.end();
  };
}

describe("Set-Cookie", () => {
  it("keeps the cookies of the application, and replaces its own", async () => {
    expect(await setBeside("theme=dark", "a=1; Path=/x")).toEqual(["theme=dark", "a=1; Path=/x", LINE]);
    expect(await setBeside("__Host-orgate=old", "theme=dark")).toEqual(["theme=dark", LINE]);
    expect(await setBeside("__Host-orgate.0=chunk", "x__Host-orgate=1")).toEqual([
      "__Host-orgate.0=chunk",
      "x__Host-orgate=1",
      LINE,
    ]);
  });

  it("keeps one that was set as a string, or passed to writeHead", async () => {
    const asString = await answer({ cookies: COOKIES }, (response) => {
      response.setHeader("set-cookie", "theme=dark");
      response.end();
    });
    expect(asString.cookies).toEqual(["theme=dark", LINE]);
    const passed = await answer({ cookies: COOKIES }, (response) =>
      response.writeHead(200, ["Set-Cookie", "a=1", "set-cookie", "b=2"]).end(),
    );
    expect(passed.cookies).toEqual(["a=1", "b=2", LINE]);
  });
});

describe("R-46: Vary and Cache-Control", () => {
  it.each([
    [undefined, "Cookie, Authorization"],
    ["Accept", "Accept, Cookie, Authorization"],
    ["accept-encoding, cookie", "accept-encoding, cookie, Authorization"],
    ["AUTHORIZATION , Cookie", "AUTHORIZATION , Cookie"],
    ["X-Cookie", "X-Cookie, Cookie, Authorization"],
    ["*", "*"],
    ["Accept, *", "Accept, *"],
  ])("merges into Vary %j", async (given, expected) => {
    const { headers } = await answer(LOOKED, respondWith(given === undefined ? {} : { Vary: given }));
    expect(headers["vary"]).toBe(expected);
  });

  it("merges into a Vary of several lines", async () => {
    const { headers } = await answer(LOOKED, respondWith({ Vary: ["Accept", "Origin"] }));
    expect(headers["vary"]).toBe("Accept,Origin, Cookie, Authorization");
  });

  it.each([
    [undefined, "private, no-store"],
    ["public, max-age=3600", "private, no-store"],
    ["private, max-age=60", "private, no-store"],
    ["no-cache", "private, no-store"],
    ["no-store", "no-store"],
    ["No-Store, must-revalidate", "No-Store, must-revalidate"],
    ["private, no-store, max-age=0", "private, no-store, max-age=0"],
    ["x-no-store=1", "private, no-store"],
  ])("makes Cache-Control %j private, but leaves a stricter one", async (given, expected) => {
    const headers = given === undefined ? {} : { "Cache-Control": given };
    const looked = await answer({ ...LOOKED, isPrivate: true }, respondWith(headers));
    expect(looked.headers["cache-control"]).toBe(expected);
    const withCookie = await answer({ cookies: COOKIES }, respondWith(headers));
    expect(withCookie.headers["cache-control"]).toBe(expected);
  });

  it("leaves Cache-Control to the application where no credential came", async () => {
    const { headers } = await answer(LOOKED, respondWith({ "Cache-Control": "public, max-age=60" }));
    expect(headers).toMatchObject({ "cache-control": "public, max-age=60", vary: "Cookie, Authorization" });
  });

  it("is on a 304 and on a redirect as well", async () => {
    for (const status of [304, 302]) {
      const { headers } = await answer({ ...LOOKED, isPrivate: true }, (response) =>
        response.writeHead(status).end(),
      );
      expect(headers).toMatchObject({ vary: "Cookie, Authorization", "cache-control": "private, no-store" });
    }
  });
});

describe("the prototypes of a process", () => {
  it("leave Node's own alone", async () => {
    const before = Object.getOwnPropertyDescriptors(ServerResponse.prototype);
    await answer(ALL, (response) => response.end());
    expect(Object.getOwnPropertyDescriptors(ServerResponse.prototype)).toEqual(before);
  });

  it("leave an application's own alone, and Express's", async () => {
    const app = express();
    const under = ({ response }: WiredExchange): void => void Object.setPrototypeOf(response, app.response);
    const { cookies } = await answer(ALL, (response) => response.end(), under);
    expect(cookies).toEqual([LINE]);
    expect(Object.hasOwn(app.response, "writeHead")).toBe(false);
    expect(Object.hasOwn(express.response, "writeHead")).toBe(false);
  });

  it("keep the hook when a mounted application leaves the answer to its parent", async () => {
    const [app, inner, innermost] = [express(), express(), express()];
    app.use("/inner", inner);
    inner.use("/most", innermost);
    const exchange = makeExchange();
    Object.setPrototypeOf(exchange.response, innermost.response);
    plan(ALL)(exchange);
    Object.setPrototypeOf(exchange.response, app.response);
    exchange.response.end();
    expect((await exchange.answered()).cookies).toEqual([LINE]);
    expect(Object.hasOwn(express.response, "writeHead")).toBe(false);
  });

  it("keep the hook when an application stands behind the middleware", async () => {
    const exchange = makeExchange();
    plan(ALL)(exchange);
    asExpress(exchange);
    plan(ALL)(exchange);
    exchange.response.end();
    const { cookies, headers } = await exchange.answered();
    expect(cookies).toEqual([LINE]);
    expect(headers["vary"]).toBe("Cookie, Authorization");
  });
});
