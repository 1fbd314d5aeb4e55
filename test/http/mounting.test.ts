import express from "express";
import type { RequestListener } from "node:http";
import { afterEach, describe, expect, it, jest } from "@jest/globals";
import { isOrgateError } from "../../src/errors.ts";
import type { Middleware } from "../../src/guards/guard.ts";
import type { Orgate } from "../../src/orgate.ts";
import {
  closeAfterEach,
  FRAMEWORKS,
  makeApp,
  start,
  withBearer,
  withCookie,
  type AttachedRequest,
  type Harness,
} from "../support/apps.ts";
import { serve } from "../support/servers.ts";
import { BASE_URL, makeWorld } from "../support/world.ts";

closeAfterEach();

const GUARDS: Readonly<Record<string, (auth: Orgate) => Middleware>> = {
  requireAuth: (auth) => auth.requireAuth(),
  requireOrganization: (auth) => auth.requireOrganization(),
  requirePermission: (auth) => auth.requirePermission("documents", "read"),
  requireAnyPermission: (auth) => auth.requireAnyPermission([["documents", "read"]]),
  requireRole: (auth) => auth.requireRole("admin"),
  requireRecentAuth: (auth) => auth.requireRecentAuth({ maxAge: 300 }),
  requireFactor: (auth) => auth.requireFactor("password"),
  denyImpersonation: (auth) => auth.denyImpersonation(),
};
const UNCALLED = [
  ...Object.keys(GUARDS),
  "organizationSelection",
  "switchOrganization",
  "signOut",
  "signIn",
  "callback",
] as const;

describe.each(FRAMEWORKS)("R-41: guards that are mounted wrongly, on %s", (framework) => {
  it.each(Object.keys(GUARDS))(
    "%s before app.use(auth) is an error, and never lets a request pass",
    async (name) => {
      const guard = GUARDS[name] as (auth: Orgate) => Middleware;
      const { world, send, reached, errors } = await start({
        framework,
        before: (auth) => [guard(auth), auth],
        routes: () => [{ path: "/documents" }],
      });
      const { seal } = await world.signIn();
      const { status, body } = await send({ headers: withCookie(seal) });
      expect([status, body, reached]).toEqual([500, "configuration_invalid", []]);
      expect(isOrgateError(errors[0]) && errors[0].message).toContain("ran before orgate saw the request");
    },
  );

  it.each(UNCALLED)("%s passed without a call is an error", async (name) => {
    const { world, send, reached, errors } = await start({
      framework,
      routes: (auth) => [
        { path: "/documents", guards: [auth[name as "requireAuth"] as unknown as Middleware] },
      ],
    });
    const { seal } = await world.signIn();
    const { status, body } = await send({ headers: withCookie(seal) });
    expect([status, body, reached]).toEqual([500, "configuration_invalid", []]);
    expect(isOrgateError(errors[0]) && errors[0].message).toContain(`Write auth.${name}(`);
  });

  it("the middleware called instead of passed is an error", async () => {
    const { auth } = await start({ framework });
    expect(() => (auth as unknown as () => void)()).toThrow("write app.use(auth)");
  });

  it("a signed-in member passes every guard that is mounted correctly", async () => {
    const { world, send, reached } = await start({
      framework,
      routes: (auth) => [{ path: "/documents", guards: Object.values(GUARDS).map((make) => make(auth)) }],
    });
    const { seal } = await world.signIn();
    expect((await send({ headers: withCookie(seal) })).status).toBe(200);
    expect((await send({})).status).toBe(401);
    expect(reached).toHaveLength(1);
  });
});

describe.each(FRAMEWORKS)("the middleware on %s", (framework) => {
  it("authenticates once when it is mounted twice", async () => {
    const { world, send } = await start({
      framework,
      options: { maxTokenAge: 0 },
      before: (auth) => [auth, auth],
      routes: (auth) => [{ path: "/documents", guards: [auth, auth.requireAuth()] }],
    });
    const { seal } = await world.signIn();
    const { status, setCookies } = await send({ headers: withCookie(seal) });
    expect([status, setCookies.length, world.store.questions.length]).toEqual([200, 1, 1]);
    expect(world.events.filter(({ type }) => type === "authenticated")).toHaveLength(1);
  });

  it("attaches the state and never rejects", async () => {
    const { send, reached } = await start({ framework, routes: () => [{ path: "/documents" }] });
    for (const headers of [{}, withCookie("garbage"), withBearer("garbage")]) {
      const { status, body } = await send({ headers });
      expect([status, JSON.parse(body)]).toEqual([200, { member: null, organization: null, session: null }]);
    }
    expect(reached).toHaveLength(3);
  });

  it("attaches under other names", async () => {
    const { world, send } = await start({
      framework,
      options: { attach: { organization: "tenant", member: "user" } },
      before: (auth) => [
        (request, _response, next) => {
          Object.assign(request, { organization: "the application's own" });
          next();
        },
        auth,
      ],
      routes: () => [
        {
          path: "/documents",
          handler(request, response) {
            const { organization, member, tenant, user } = request as unknown as Record<
              string,
              { id?: string } | string
            >;
            response.end(JSON.stringify({ organization, member, tenant, user }));
          },
        },
      ],
    });
    const { seal } = await world.signIn();
    expect(JSON.parse((await send({ headers: withCookie(seal) })).body)).toEqual({
      organization: "the application's own",
      tenant: { id: "org_acme", slug: "acme", name: "Acme" },
      user: expect.objectContaining({ id: "user_ada:org_acme" }),
    });
  });

  it("attaches nothing when it is configured so, and still guards", async () => {
    const { world, send } = await start({ framework, options: { attach: false } });
    const { seal } = await world.signIn();
    const { status, body } = await send({ headers: withCookie(seal) });
    expect([status, JSON.parse(body)]).toEqual([200, { member: null, organization: null, session: null }]);
    expect((await send({})).status).toBe(401);
  });

  it("gives every handler frozen objects, the same ones for the same credential", async () => {
    const seen: AttachedRequest[] = [];
    const { world, send } = await start({
      framework,
      routes: (auth) => [
        {
          path: "/documents",
          guards: [auth.requirePermission("documents", "read")],
          handler(request, response) {
            seen.push(request);
            response.end();
          },
        },
      ],
    });
    const { seal } = await world.signIn();
    await send({ headers: withCookie(seal) });
    await send({ headers: withCookie(seal) });
    const [first, second] = seen;
    for (const property of ["member", "organization", "memberSession", "verdict"] as const) {
      expect(Object.isFrozen(first?.[property])).toBe(true);
    }
    expect(Object.isFrozen(first?.memberSession?.roles)).toBe(true);
    expect(first?.member).toBe(second?.member);
    expect(first?.memberSession).toEqual({
      id: expect.stringMatching(/^session_/),
      memberId: "user_ada:org_acme",
      organizationId: "org_acme",
      organizationSlug: "acme",
      startedAt: "2027-01-15T08:00:00.000Z",
      lastAccessedAt: "2027-01-15T08:00:00.000Z",
      expiresAt: "2027-02-14T08:00:00.000Z",
      authenticationFactors: [expect.objectContaining({ type: "password" })],
      roles: ["admin", "viewer"],
      customClaims: null,
      authenticationMethod: "Password",
    });
    expect(first?.verdict).toEqual({
      authorized: true,
      grantingRoles: ["admin", "viewer"],
      resource: "documents",
      action: "read",
      organizationId: "org_acme",
      via: "role",
      source: "local",
    });
  });
});

describe.each(FRAMEWORKS)("R-42: a member property that other middleware sets, on %s", (framework) => {
  const PRETENDER = { id: "user_eve", roles: ["admin"], organizationId: "org_acme" };
  const pretend: Middleware = (request, _response, next) => {
    Object.assign(request, {
      member: PRETENDER,
      organization: { id: "org_acme" },
      memberSession: { id: "session_of_eve", roles: ["admin"] },
      verdict: { authorized: true },
      auth: { userId: "user_eve", sub: "user_eve" },
      user: PRETENDER,
    });
    next();
  };

  it.each([
    ["before", (auth: Orgate) => [pretend, auth]],
    ["after", (auth: Orgate) => [auth, pretend]],
  ])("does not affect a guard: set %s orgate", async (_when, before) => {
    const { world, send, reached } = await start({
      framework,
      before,
      routes: (auth) => [
        { path: "/documents", guards: [auth.requireAuth()] },
        { path: "/billing", guards: [auth.requirePermission("billing", "manage")] },
      ],
    });
    const { seal } = await world.signIn({ userId: "user_vera" });
    expect((await send({})).status).toBe(401);
    expect((await send({ path: "/billing", headers: withCookie(seal) })).status).toBe(403);
    expect(reached).toEqual([]);
  });

  it("hides orgate's property for that request only", async () => {
    let shadows = true;
    const { world, send } = await start({
      framework,
      before: (auth) => [
        auth,
        (request, response, next) => {
          if (shadows) pretend(request, response, next);
          else next();
        },
      ],
    });
    const { seal } = await world.signIn();
    expect(JSON.parse((await send({ headers: withCookie(seal) })).body)).toMatchObject({
      member: "user_eve",
    });
    shadows = false;
    expect(JSON.parse((await send({ headers: withCookie(seal) })).body)).toMatchObject({
      member: "user_ada:org_acme",
    });
  });
});

describe.each(FRAMEWORKS)("R-34: two instances in one application, on %s", (framework) => {
  it("each know their own member, and each guard uses its own instance", async () => {
    const [staff, customers] = [makeWorld(), makeWorld()];
    const staffAuth = staff.mount({
      cookie: { password: "the password of the staff's cookie, long enough", name: "__Host-staff" },
    });
    const customerAuth = customers.mount();
    const states: string[] = [];
    const app = makeApp(framework, {
      before: [staffAuth, customerAuth],
      routes: [
        {
          path: "/both",
          handler(request, response) {
            states.push(staffAuth.state(request).status, customerAuth.state(request).status);
            response.end(JSON.stringify({ member: request.member?.id }));
          },
        },
        { path: "/staff", guards: [staffAuth.requireAuth()] },
        { path: "/customers", guards: [customerAuth.requireAuth()] },
      ],
    });
    const server = await serve(app.listener);
    try {
      const bob = await customers.signIn({ userId: "user_bob" });
      const headers = withCookie(bob.seal);
      expect(JSON.parse((await server.send({ path: "/both", headers })).body)).toEqual({
        member: "user_bob:org_acme",
      });
      expect(states).toEqual(["anonymous", "authenticated"]);
      expect((await server.send({ path: "/staff", headers })).status).toBe(401);
      expect((await server.send({ path: "/customers", headers })).status).toBe(200);
      // One renewal each must not lose the other's cookie.
      const ada = await staff.signIn();
      const adaSeal = await staff.seal(
        { accessToken: ada.accessToken, refreshToken: ada.refreshToken },
        "the password of the staff's cookie, long enough",
      );
      staff.clock.now += 306;
      customers.clock.now += 306;
      const both = await server.send({
        path: "/both",
        headers: { Cookie: `__Host-staff=${adaSeal}; ${headers["Cookie"]}` },
      });
      expect(
        both.setCookies.map((line) => line.split("=", 1)[0] ?? "").toSorted((a, b) => a.localeCompare(b)),
      ).toEqual(["__Host-orgate", "__Host-staff"]);
    } finally {
      await server.close();
      await Promise.all([staffAuth.close(), customerAuth.close()]);
    }
  });
});

describe.each(FRAMEWORKS)("an Express application that is called as a function, inside %s", (framework) => {
  /** The inner application has prototypes of its own: what was attached outside must not be lost in it. */
  async function startNested(
    addRoutes: (inner: ReturnType<typeof express>, auth: Orgate) => void,
  ): Promise<Harness> {
    const inner = express();
    return start({
      framework,
      before: (auth) => {
        addRoutes(inner, auth);
        return [auth, (request, response) => (inner as RequestListener)(request, response)];
      },
      routes: () => [],
    });
  }

  it("is guarded by the outer instance, with its properties and headers", async () => {
    const { world, send } = await startNested((inner, auth) => {
      inner.get("/list", auth.requireAuth(), (request, response) => {
        response.json({ member: request.member?.id });
      });
    });
    const { seal } = await world.signIn();
    const { status, body, headers } = await send({ path: "/list", headers: withCookie(seal) });
    expect([status, JSON.parse(body), headers["cache-control"]]).toEqual([
      200,
      { member: "user_ada:org_acme" },
      "private, no-store",
    ]);
    expect((await send({ path: "/list" })).status).toBe(401);
  });

  it("keeps a renewed cookie, with or without a guard", async () => {
    const { world, send } = await startNested((inner) => {
      inner.get("/list", (_request, response) => {
        response.json({});
      });
    });
    const { seal } = await world.signIn();
    world.clock.now += 306;
    const { setCookies, headers } = await send({ path: "/list", headers: withCookie(seal) });
    expect([setCookies.length, headers["cache-control"]]).toEqual([1, "private, no-store"]);
  });

  it("attaches when the instance is mounted inside as well, and authenticates once", async () => {
    const { world, send } = await startNested((inner, auth) => {
      inner.use(auth);
      inner.get("/list", (request, response) => {
        response.json({ member: request.member?.id });
      });
    });
    const { seal } = await world.signIn();
    world.clock.now += 306;
    const { body, setCookies, headers } = await send({ path: "/list", headers: withCookie(seal) });
    expect([JSON.parse(body), setCookies.length, headers.vary]).toEqual([
      { member: "user_ada:org_acme" },
      1,
      "Cookie, Authorization",
    ]);
    expect(world.store.questions.length).toBe(1);
  });
});

describe("in a test with fake timers", () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  it.each([{}, { maxTokenAge: 0 }])(
    "the middleware verifies, asks the store and continues, with %j",
    async (options) => {
      const { world, send, reached } = await start({
        routes: (auth) => [
          { path: "/documents", guards: [auth.requirePermission("documents", "read", options)] },
        ],
      });
      const { seal } = await world.signIn();
      jest.useFakeTimers();
      const { status } = await send({ headers: withCookie(seal) });
      expect([status, reached]).toEqual([200, ["GET /documents"]]);
      expect(world.store.questions.length).toBe(options.maxTokenAge === 0 ? 1 : 0);
    },
  );
});

describe("what is never derived from the request", () => {
  it("R-48: a hostile Host header decides nothing", async () => {
    const { world, send } = await start({ options: { signIn: { path: "/sign-in" } } });
    const { seal } = await world.signIn();
    world.clock.now += 306;
    const hostile = {
      Host: "evil.example",
      "X-Forwarded-Host": "evil.example",
      "X-Forwarded-Proto": "http",
      Forwarded: "host=evil.example;proto=http",
    };
    const renewed = await send({ headers: { ...withCookie(seal), ...hostile } });
    expect(renewed.setCookies[0]).toMatch(/; Secure;/);
    const denied = await send({ headers: hostile });
    expect(JSON.stringify(denied)).not.toContain("evil.example");
    expect(denied.headers["www-authenticate"]).toContain(new URL(BASE_URL).host);
  });
});
