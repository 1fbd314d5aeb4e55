import { request as httpRequest } from "node:http";
import { describe, expect, it } from "@jest/globals";
import {
  closeAfterEach,
  FRAMEWORKS,
  start,
  tellWhoIsAsking,
  withBearer,
  withCookie,
  type Handler,
  type Harness,
} from "../support/apps.ts";
import { settle } from "../support/timers.ts";
import { cookiesSet, type Received } from "../support/servers.ts";
import { claimsOf, COOKIE } from "../support/world.ts";

closeAfterEach();

const PAST_EXPIRY = 306;
const NEW_COOKIE = /^__Host-orgate=Fe26\.2\*.+~2; Max-Age=\d+; Path=\/; HttpOnly; Secure; SameSite=Lax$/;

function sealOf(received: Received): string {
  return cookiesSet(received).get(COOKIE) ?? "";
}

const HANDLERS: Readonly<Record<string, Handler>> = {
  "answers at once": tellWhoIsAsking,
  "answers later": async (request, response, next) => {
    await settle();
    tellWhoIsAsking(request, response, next);
  },
  streams: async (request, response) => {
    response.write(`{"member":`);
    await settle();
    response.end(`${JSON.stringify(request.member?.id)}}`);
  },
  "flushes its headers first": (request, response) => {
    response.flushHeaders();
    response.end(JSON.stringify({ member: request.member?.id }));
  },
  "overwrites Set-Cookie": (request, response, next) => {
    response.setHeader("Set-Cookie", "theme=dark");
    tellWhoIsAsking(request, response, next);
  },
  "passes Set-Cookie to writeHead": (request, response) => {
    response.writeHead(200, { "set-cookie": ["theme=dark"], "Content-Type": "application/json" });
    response.end(JSON.stringify({ member: request.member?.id }));
  },
  "passes a raw list to writeHead": (request, response) => {
    response.writeHead(200, "OK", ["Set-Cookie", "theme=dark", "Set-Cookie", "size=12"]);
    response.end(JSON.stringify({ member: request.member?.id }));
  },
  "removes Set-Cookie": (request, response, next) => {
    response.removeHeader("Set-Cookie");
    tellWhoIsAsking(request, response, next);
  },
};

describe.each(FRAMEWORKS)("a stale session on %s", (framework) => {
  it.each(Object.keys(HANDLERS))("is renewed on the same response when the handler %s", async (name) => {
    const handler = HANDLERS[name] as Handler;
    const { world, send } = await start({
      framework,
      routes: (auth) => [{ path: "/documents", guards: [auth.requireAuth()], handler }],
    });
    const { seal } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    const received = await send({ headers: withCookie(seal) });
    expect([received.status, JSON.parse(received.body)]).toMatchObject([
      200,
      { member: "user_ada:org_acme" },
    ]);
    expect(received.setCookies.filter((line) => line.startsWith(COOKIE))).toEqual([
      expect.stringMatching(NEW_COOKIE),
    ]);
    const others = received.setCookies.filter((line) => !line.startsWith(COOKIE));
    expect(others.length > 0).toBe(/Set-Cookie|raw list/.test(name) && !name.startsWith("removes"));
    expect((await send({ headers: withCookie(sealOf(received)) })).setCookies).toEqual(others);
    expect(world.store.questions.length).toBe(1);
  });

  it.each(["HEAD", "OPTIONS", "POST", "DELETE"])("is renewed for %s", async (method) => {
    const { world, send } = await start({ framework });
    const { seal } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    const received = await send({ method, headers: withCookie(seal) });
    expect([received.status, received.setCookies]).toEqual([200, [expect.stringMatching(NEW_COOKIE)]]);
  });

  it("is renewed when the application fails afterwards", async () => {
    const { world, send, errors } = await start({
      framework,
      routes: (auth) => [
        {
          path: "/documents",
          guards: [auth.requireAuth()],
          handler() {
            throw new Error("in the handler");
          },
        },
      ],
    });
    const { seal } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    const received = await send({ headers: withCookie(seal) });
    expect([received.status, received.setCookies]).toEqual([500, [expect.stringMatching(NEW_COOKIE)]]);
    expect(errors).toEqual([new Error("in the handler")]);
  });

  it("is renewed when no route matches", async () => {
    const { world, send } = await start({ framework });
    const { seal } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    const received = await send({ path: "/nowhere", headers: withCookie(seal) });
    expect([received.status, received.setCookies]).toEqual([404, [expect.stringMatching(NEW_COOKIE)]]);
  });

  it("is renewed for a bearer, who gets the new token in a header", async () => {
    const { world, send } = await start({ framework });
    const { accessToken } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    const { status, headers, setCookies } = await send({ headers: withBearer(accessToken) });
    const renewed = claimsOf(String(headers["session-jwt"]));
    expect([status, setCookies, headers["access-control-expose-headers"]]).toEqual([200, [], undefined]);
    expect(renewed).toMatchObject({ sid: claimsOf(accessToken)["sid"], iat: world.clock.now });
  });
});

describe("the header with the new token", () => {
  it.each([
    ["a trusted origin", "https://admin.example.org", "Session-Jwt"],
    ["another origin", "https://evil.example", undefined],
    ["the application's own", "https://app.example.com", undefined],
  ])("is readable by scripts of %s: %s", async (_whose, origin, exposed) => {
    const { world, send } = await start({
      options: { csrf: { trustedOrigins: ["https://admin.example.org"] } },
    });
    const { accessToken } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    const { headers } = await send({ headers: { ...withBearer(accessToken), Origin: origin } });
    expect([headers["session-jwt"] !== undefined, headers["access-control-expose-headers"]]).toEqual([
      true,
      exposed,
    ]);
  });

  it.each(["X-Total, X-Page", "*", "session-jwt"])(
    "is added to the headers that the application exposes: %s",
    async (exposed) => {
      const { world, send } = await start({
        options: { csrf: { trustedOrigins: ["https://admin.example.org"] } },
        routes: (auth) => [
          {
            path: "/documents",
            guards: [auth.requireAuth()],
            handler(_request, response) {
              response.setHeader("Access-Control-Expose-Headers", exposed);
              response.end();
            },
          },
        ],
      });
      const { accessToken } = await world.signIn();
      world.clock.now += PAST_EXPIRY;
      const { headers } = await send({
        headers: { ...withBearer(accessToken), Origin: "https://admin.example.org" },
      });
      const already = exposed === "session-jwt" ? [] : ["Session-Jwt"];
      expect(headers["access-control-expose-headers"]).toBe([exposed, ...already].join(", "));
    },
  );
});

function sendMany({ send }: Harness, headers: Record<string, string>): Promise<Received[]> {
  return Promise.all(Array.from({ length: 50 }, () => send({ headers })));
}

describe("R-20: concurrent requests", () => {
  it("with one expired cookie cause one call to the store, and all get the same new cookie", async () => {
    const harness = await start();
    const { world } = harness;
    const { seal } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    const held = world.store.hold();
    const answers = sendMany(harness, withCookie(seal));
    await held.asked;
    held.release();
    const received = await answers;
    expect(new Set(received.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(received.map(sealOf)).size).toBe(1);
    expect([world.store.questions.length, harness.reached.length]).toEqual([1, 50]);
    expect(world.events.filter(({ type }) => type === "renewed")).toHaveLength(1);
    expect(world.events.filter(({ type }) => type === "coalesced")).toHaveLength(49);
  });

  it("with one expired bearer token cause one call to the store as well", async () => {
    const harness = await start();
    const { world } = harness;
    const { accessToken } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    const received = await sendMany(harness, withBearer(accessToken));
    expect(new Set(received.map(({ headers }) => headers["session-jwt"])).size).toBe(1);
    expect(world.store.questions.length).toBe(1);
  });

  it("of different members never get each other's session", async () => {
    const harness = await start();
    const { world } = harness;
    const people = await Promise.all(
      ["user_ada", "user_bob", "user_vera"].map((userId) =>
        world.signIn({ userId, organizationId: "org_acme" }),
      ),
    );
    world.clock.now += PAST_EXPIRY;
    const requests = Array.from({ length: 60 }, (_, index) => people[index % people.length]).filter(
      (person) => person !== undefined,
    );
    const answers = await Promise.all(
      requests.map(async (person) => {
        const received = await harness.send({ headers: withCookie(person.seal) });
        return [person.memberSession.id, (JSON.parse(received.body) as { session: string }).session];
      }),
    );
    expect(answers.filter(([own, got]) => own !== got)).toEqual([]);
    expect(world.store.questions.length).toBe(3);
  });

  it("are rejected together while the store is down, after one call", async () => {
    const harness = await start();
    const { world } = harness;
    const { seal } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    world.store.behaviour = async () => {
      await settle();
      throw new Error("down");
    };
    const received = await sendMany(harness, withCookie(seal));
    expect(new Set(received.map(({ status }) => status))).toEqual(new Set([503]));
    expect(received.flatMap(({ setCookies }) => setCookies)).toEqual([]);
    expect(world.store.questions.length).toBeLessThanOrEqual(3);
  });
});

describe("R-25: late requests with the old cookie", () => {
  it("get the new cookie within the grace window, without a call", async () => {
    const { world, send } = await start();
    const { seal } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    const winner = await send({ headers: withCookie(seal) });
    world.clock.now += 29;
    const straggler = await send({ headers: withCookie(seal) });
    expect([straggler.status, sealOf(straggler)]).toEqual([200, sealOf(winner)]);
    expect(world.store.questions.length).toBe(1);
  });

  it("keep working after a lost answer until the new pair is used", async () => {
    const { world, send } = await start();
    const { seal } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    await send({ headers: withCookie(seal) });
    world.clock.now += 120;
    const late = await send({ headers: withCookie(seal) });
    expect([late.status, late.setCookies]).toEqual([200, [expect.stringMatching(NEW_COOKIE)]]);
    expect((await send({ headers: withCookie(sealOf(late)) })).status).toBe(200);
  });

  it("R-24: end the whole session after the grace window, once the new pair was used", async () => {
    const { world, send } = await start();
    const { seal } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    const second = await send({ headers: withCookie(seal) });
    world.clock.now += PAST_EXPIRY;
    const third = await send({ headers: withCookie(sealOf(second)) });
    expect(third.status).toBe(200);
    world.clock.now += 31;
    const thief = await send({ headers: withCookie(seal) });
    expect(thief.status).toBe(401);
    expect(JSON.parse(thief.body)).toMatchObject({ code: "session_revoked" });
    expect((await send({ headers: withCookie(sealOf(third)) })).status).toBe(401);
    expect(world.events.filter(({ type }) => type === "reuse_detected")).toHaveLength(1);
  });
});

describe("R-15: a client that disconnects", () => {
  it("loses nothing during a renewal: the next request gets the rotated pair", async () => {
    const { world, send, port, reached } = await start();
    const { seal } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    const held = world.store.hold();
    const outgoing = httpRequest({ host: "127.0.0.1", port, path: "/documents", headers: withCookie(seal) });
    outgoing.on("error", () => undefined);
    outgoing.end();
    await held.asked;
    const closed = new Promise((resolve) => outgoing.once("close", resolve));
    outgoing.destroy();
    await closed;
    held.release();
    const next = await send({ headers: withCookie(seal) });
    expect([next.status, next.setCookies]).toEqual([200, [expect.stringMatching(NEW_COOKIE)]]);
    expect(world.store.questions.length).toBe(1);
    expect(reached.length).toBeGreaterThanOrEqual(1);
  });
});

describe("what the store is told about a request", () => {
  it("includes the client's address and user agent, bounded and without control characters", async () => {
    const { world, send } = await start({ framework: "node:http" });
    const { seal } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    await send({ headers: { ...withCookie(seal), "User-Agent": `tab\there ${"x".repeat(600)}` } });
    const [question] = world.store.questions;
    expect(question?.context).toMatchObject({
      ipAddress: "127.0.0.1",
      userAgent: `tabhere ${"x".repeat(504)}`,
    });
    expect(question?.context.signal).toBeInstanceOf(AbortSignal);
    expect(question?.context).not.toHaveProperty("extendBy");
  });

  it.each<[string, () => string, string | undefined]>([
    ["an IPv4 address mapped into IPv6", () => "::ffff:192.0.2.7", "192.0.2.7"],
    ["an IPv6 address", () => "2001:db8::1", "2001:db8::1"],
    ["something else", () => "<script>", undefined],
    ["a very long address", () => "1".repeat(46), undefined],
    [
      "an error",
      () => {
        throw new Error("no address");
      },
      undefined,
    ],
  ])("includes the address that the application provides: %s", async (_what, ipAddress, expected) => {
    const { world, send } = await start({ options: { ipAddress } });
    const { seal } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    const headers = { ...withCookie(seal), "X-Forwarded-For": "203.0.113.9" };
    expect((await send({ headers })).status).toBe(200);
    expect(world.store.questions[0]?.context.ipAddress).toBe(expected);
  });

  it("includes how long to extend the session when the application sets it", async () => {
    const { world, send } = await start({ options: { sessionDuration: 60 * 86_400 } });
    const { seal } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    const received = await send({ headers: withCookie(seal) });
    expect(world.store.questions[0]?.context.extendBy).toBe(60 * 86_400);
    expect(received.setCookies[0]).toContain(`Max-Age=${Math.min(60 * 86_400, 34_560_000)};`);
  });
});
