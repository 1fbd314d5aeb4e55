import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "@jest/globals";
import { OrgateError, StoreUnavailableError, isOrgateError } from "../../src/errors.ts";
import type { Middleware } from "../../src/guards/guard.ts";
import type { Orgate } from "../../src/orgate.ts";
import { closeAfterEach, start, withBearer, withCookie, type Harness } from "../support/apps.ts";
import { TROUBLE } from "../support/stores.ts";
import { makeWorld, type World } from "../support/world.ts";

closeAfterEach();

type Question = Parameters<Orgate["authorize"]>[1];

/** The same question, asked by a guard on one route and by `auth.authorize` on the other. */
function startBoth(world: World, guard: (auth: Orgate) => Middleware, question: Question): Promise<Harness> {
  return start({
    world,
    options: { signIn: { path: "/sign-in" } },
    routes: (auth) => [
      { path: "/guarded", guards: [guard(auth)] },
      {
        path: "/asked",
        async handler(request, response) {
          const { member, organization } = await auth.authorize(request, question);
          response.end(JSON.stringify({ member: member.id, organization: organization?.id }));
        },
      },
    ],
  });
}

/** Express error middleware, as Express recognizes it. */
function withErrorHandler(handler: () => ReturnType<Orgate["errorHandler"]>): Middleware {
  return ((error: unknown, request: IncomingMessage, response: never, next: never) =>
    handler()(error, request, response, next)) as unknown as Middleware;
}

const QUESTIONS: readonly [string, (auth: Orgate) => Middleware, Question][] = [
  ["a signed-in member", (auth) => auth.requireAuth(), undefined],
  ["an organization", (auth) => auth.requireOrganization(), { organization: true }],
  [
    "one organization",
    (auth) => auth.requireAuth({ organization: () => "org_acme" }),
    { organization: "org_acme" },
  ],
  [
    "another organization",
    (auth) => auth.requireAuth({ organization: () => "org_globex" }),
    { organization: "org_globex" },
  ],
  [
    "a permission",
    (auth) => auth.requirePermission("documents", "delete"),
    { permission: ["documents", "delete"] },
  ],
  ["a role", (auth) => auth.requireRole("admin"), { role: "admin" }],
  ["one of two roles", (auth) => auth.requireRole(["admin", "viewer"]), { role: ["admin", "viewer"] }],
  ["a factor", (auth) => auth.requireFactor("totp"), { factor: "totp" }],
  ["a recent authentication", (auth) => auth.requireRecentAuth({ maxAge: 1 }), { recentAuth: 1 }],
  ["an answer of the store", (auth) => auth.requireAuth({ maxTokenAge: 0 }), { maxTokenAge: 0 }],
];

describe("auth.authorize asks what guards ask", () => {
  it.each(QUESTIONS)(
    "%s: the same answer from a guard and from the error handler",
    async (_what, guard, question) => {
      const world = makeWorld();
      let auth: Orgate | undefined;
      const { send, errors } = await start({
        world,
        options: { signIn: { path: "/sign-in" } },
        before: (own) => [(auth = own)],
        routes: (own) => [
          { path: "/guarded", guards: [guard(own)] },
          {
            path: "/asked",
            guards: [
              (request, response, next) => {
                own.authorize(request, question).then(
                  () => next(),
                  (error: unknown) => {
                    errors.push(error);
                    own.errorHandler()(error, request, response, next);
                  },
                );
              },
            ],
          },
        ],
      });
      expect(auth).toBeDefined();
      const [ada, vera, nora] = [
        await world.signIn(),
        await world.signIn({ userId: "user_vera" }),
        await world.signIn({ userId: "user_nora" }),
      ];
      world.clock.now += 10;
      const page = { Accept: "text/html", "Sec-Fetch-Mode": "navigate" };
      for (const headers of [
        {},
        page,
        withBearer("garbage"),
        ...[ada, vera, nora].flatMap(({ seal, accessToken }) => [
          withBearer(accessToken),
          withCookie(seal),
          { ...withCookie(seal), ...page },
        ]),
      ]) {
        const answers = await Promise.all([
          send({ path: "/guarded", headers }),
          send({ path: "/asked", headers }),
        ]);
        const [guarded, asked] = answers.map(({ status, body, headers: sent }) => ({
          status,
          body: body.replaceAll("%2Fasked", "%2Fguarded"),
          challenge: sent["www-authenticate"],
          location: sent["location"]?.replace("%2Fasked", "%2Fguarded"),
          caching: sent["cache-control"],
        }));
        expect(asked).toEqual(guarded);
      }
      for (const error of errors) {
        if (!isOrgateError(error)) throw error;
        expect(error.statusCode).toBe(error.status);
        expect(error.expose).toBe(error.status < 500);
        expect("WWW-Authenticate" in error.headers).toBe(
          [401].includes(error.status) || error.code === "permission_denied",
        );
      }
    },
  );

  it("returns the member, the organization, the session and the verdict", async () => {
    const world = makeWorld();
    const { accessToken } = await world.signIn();
    const { send } = await startBoth(world, (auth) => auth.requireAuth(), {
      permission: ["documents", "read"],
    });
    const { status, body } = await send({ path: "/asked", headers: withBearer(accessToken) });
    expect([status, JSON.parse(body)]).toEqual([
      200,
      { member: "user_ada:org_acme", organization: "org_acme" },
    ]);
  });

  it("emits one event for each denial", async () => {
    const world = makeWorld();
    const { accessToken } = await world.signIn({ userId: "user_vera" });
    const { send } = await startBoth(world, (auth) => auth.requireAuth(), {
      permission: ["documents", "delete"],
    });
    const { status } = await send({ path: "/asked", headers: withBearer(accessToken) });
    expect(status).toBe(403);
    expect(world.events.filter(({ type }) => type === "denied")).toEqual([
      { type: "denied", code: "permission_denied", resource: "documents", action: "delete" },
    ]);
  });

  it("does not match an organization that the request does not name", async () => {
    const world = makeWorld();
    const { accessToken } = await world.signIn();
    const { send } = await startBoth(world, (auth) => auth.requireAuth(), { organization: undefined });
    const { status, body } = await send({ path: "/asked", headers: withBearer(accessToken) });
    expect([status, body]).toEqual([403, "organization_mismatch"]);
  });

  it.each([
    { permission: ["documents", "raed"] },
    { permission: undefined },
    { role: "amdin" },
    { role: undefined },
    { role: [] },
    { factor: "" },
    { maxTokenAge: -1 },
    { recentAuth: "60" },
    { maxTokenage: 0 },
    7,
  ])("rejects the question %j, which can never be answered", async (question) => {
    const world = makeWorld();
    const { accessToken } = await world.signIn();
    const { send } = await startBoth(world, (auth) => auth.requireAuth(), question as never);
    const { status, body } = await send({ path: "/asked", headers: withBearer(accessToken) });
    expect([status, body]).toEqual([500, "configuration_invalid"]);
  });

  it("authenticates a request that no middleware saw, without spending the refresh token", async () => {
    const world = makeWorld();
    const auth = world.mount();
    const { send } = await start({
      world,
      before: () => [],
      routes: () => [
        {
          path: "/asked",
          async handler(request, response) {
            const { member } = await auth.authorize(request, { role: "admin" });
            response.end(member.id);
          },
        },
      ],
    });
    const { seal } = await world.signIn();
    world.clock.now += 400;
    const { status, body, headers } = await send({ path: "/asked", headers: withCookie(seal) });
    expect([status, body, headers["set-cookie"]]).toEqual([200, "user_ada:org_acme", undefined]);
    await auth.close();
  });
});

it("denies a role while the policy cannot be loaded, and calls no role unknown", async () => {
  const { world, send, reached } = await start({
    options: { policy: () => Promise.reject(new Error("down")) },
    routes: (auth) => [{ path: "/documents", guards: [auth.requireRole("owner")] }],
  });
  const { seal } = await world.signIn();
  const { status, body } = await send({ headers: withCookie(seal) });
  expect([status, JSON.parse(body)["code"], reached]).toEqual([403, "role_required", []]);
  expect(world.events).not.toContainEqual(expect.objectContaining({ reason: "role_unknown" }));
});

describe("auth.errorHandler", () => {
  const failWith =
    (error: unknown): Middleware =>
    (_request, _response, next) =>
      next(error);

  it("answers an error of the authority as a guard would", async () => {
    const world = makeWorld();
    const failed = world.authority.authenticateJwt({ sessionJwt: "x" });
    const error: unknown = await failed.catch((thrown: unknown) => thrown);
    let own: Orgate | undefined;
    const { send } = await start({
      world,
      before: (auth) => [(own = auth), failWith(error), withErrorHandler(() => own!.errorHandler())],
    });
    const { status, headers, body } = await send({});
    expect([status, headers["content-type"], JSON.parse(body)["code"]]).toEqual([
      401,
      "application/problem+json",
      "invalid_token",
    ]);
  });

  it.each([
    [new StoreUnavailableError({ reason: "down", retryAfter: 7 }), 503, "7", "down"],
    [new OrgateError("permission_denied", { reason: "theirs" }), 403, undefined, "theirs"],
    [new OrgateError("role_required"), 403, undefined, undefined],
    [new OrgateError("unauthenticated"), 401, undefined, undefined],
  ])("answers an error that the application made, as far as it says: %s", async (error, ...expected) => {
    let own: Orgate | undefined;
    const { send } = await start({
      before: (auth) => [(own = auth), failWith(error), withErrorHandler(() => own!.errorHandler())],
    });
    const { status, headers, body } = await send({});
    expect([status, headers["retry-after"], JSON.parse(body)["reason"]]).toEqual(expected);
  });

  it("answers as a guard would when the store is down", async () => {
    const world = makeWorld();
    let own: Orgate | undefined;
    const { send, reached } = await start({
      world,
      before: (auth) => [(own = auth)],
      routes: (auth) => [
        {
          path: "/documents",
          guards: [
            (request, response, next) => {
              auth.authorize(request).then(
                () => next(),
                (error: unknown) => own!.errorHandler()(error, request, response, next),
              );
            },
          ],
        },
      ],
    });
    const { seal } = await world.signIn();
    world.clock.now += 306;
    world.store.behaviour = TROUBLE.down;
    const { status, headers, body } = await send({ headers: withCookie(seal) });
    expect([status, headers["retry-after"], JSON.parse(body)["code"]]).toEqual([
      503,
      "1",
      "store_unavailable",
    ]);
    expect(reached).toEqual([]);
  });

  it("hands other errors on", async () => {
    let own: Orgate | undefined;
    const { send, errors } = await start({
      before: (auth) => [
        (own = auth),
        failWith(new TypeError("theirs")),
        withErrorHandler(() => own!.errorHandler()),
      ],
    });
    expect([(await send({})).status, errors]).toEqual([500, [new TypeError("theirs")]]);
  });

  it("reports a fault of the configuration in an event, and does not show it to the client", async () => {
    const world = makeWorld();
    let own: Orgate | undefined;
    const { send } = await start({
      world,
      before: (auth) => [(own = auth)],
      routes: (auth) => [
        {
          path: "/documents",
          guards: [
            (request, response, next) => {
              auth
                .authorize(request, { role: "amdin" })
                .catch((error: unknown) => own!.errorHandler()(error, request, response, next));
            },
          ],
        },
      ],
    });
    const { status, body } = await send({});
    expect([status, body.includes("amdin")]).toEqual([500, false]);
    expect(world.events).toMatchObject([
      { type: "misconfigured", reason: "configuration_invalid" },
      { type: "denied" },
    ]);
  });
});
