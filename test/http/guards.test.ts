import { describe, expect, it } from "@jest/globals";
import type { AuthenticateInput } from "../../src/authority/index.ts";
import type { GuardOptions, Middleware } from "../../src/guards/guard.ts";
import type { Orgate } from "../../src/orgate.ts";
import { closeAfterEach, EXPRESSES, start, withBearer, withCookie } from "../support/apps.ts";
import { makeWorld } from "../support/world.ts";

closeAfterEach();

const codeOf = (body: string): unknown => (JSON.parse(body) as { code?: unknown }).code;

/** What a session may be in each respect; the first is what the guards ask for. */
const DIMENSIONS = {
  role: ["admin", "viewer"],
  organization: ["own", "another", "unnamed"],
  age: ["recent", "old"],
  factor: ["totp", "password"],
  impersonated: ["no", "yes"],
} as const;

type Combination = { readonly [Name in keyof typeof DIMENSIONS]: (typeof DIMENSIONS)[Name][number] };

const COMBINATIONS: readonly Combination[] = DIMENSIONS.role.flatMap((role) =>
  DIMENSIONS.organization.flatMap((organization) =>
    DIMENSIONS.age.flatMap((age) =>
      DIMENSIONS.factor.flatMap((factor) =>
        DIMENSIONS.impersonated.map((impersonated) => ({ role, organization, age, factor, impersonated })),
      ),
    ),
  ),
);

const ASKED: readonly ((auth: Orgate) => Middleware)[] = [
  (auth) => auth.requireOrganization({ organization: "header:x-org" }),
  (auth) => auth.requireRole("admin"),
  (auth) => auth.requirePermission("billing", "manage"),
  (auth) => auth.requireRecentAuth({ maxAge: 60 }),
  (auth) => auth.requireFactor("totp"),
  (auth) => auth.denyImpersonation(),
];

function isAllowed({ role, organization, age, factor, impersonated }: Combination): boolean {
  return (
    role === "admin" &&
    organization === "own" &&
    age === "recent" &&
    factor === "totp" &&
    impersonated === "no"
  );
}

describe("R-40: several guards on one route", () => {
  it.each([
    ["in one order", ASKED],
    ["in the other", ASKED.toReversed()],
  ])(`pass in one of ${COMBINATIONS.length} combinations, %s`, async (_order, asked) => {
    const { world, send, reached } = await start({
      routes: (auth) => [{ path: "/documents", guards: asked.map((make) => make(auth)) }],
    });
    const allowed: Combination[] = [];
    for (const combination of COMBINATIONS) {
      const { role, organization, age, factor, impersonated } = combination;
      const input: Partial<AuthenticateInput> = {
        userId: role === "admin" ? "user_ada" : "user_vera",
        authenticationFactors: [{ type: factor }],
        ...(impersonated === "yes" && { impersonator: { email: "support@example.com" } }),
      };
      const { accessToken } = await world.signIn(input);
      world.clock.now += age === "old" ? 61 : 0;
      const named = { own: "org_acme", another: "org_globex", unnamed: undefined }[organization];
      const headers = { ...withBearer(accessToken), ...(named !== undefined && { "X-Org": named }) };
      const { status } = await send({ headers });
      if (status === 200) allowed.push(combination);
    }
    expect(allowed).toEqual(COMBINATIONS.filter(isAllowed));
    expect(reached).toHaveLength(1);
    expect(world.store.questions.length).toBe(0);
  });
});

describe("requirePermission", () => {
  const PAIRS = [
    ["documents", "read"],
    ["documents", "write"],
    ["documents", "delete"],
    ["billing", "manage"],
  ] as const;
  const GRANTED: Readonly<Record<string, readonly string[]>> = {
    user_ada: ["documents read", "documents write", "documents delete", "billing manage"],
    user_bob: ["documents read", "documents write"],
    user_vera: ["documents read"],
  };

  it.each(Object.keys(GRANTED))("passes %s by the policy's table", async (userId) => {
    const { world, send } = await start({
      routes: (auth) =>
        PAIRS.map(([resource, action]) => ({
          path: `/${resource}/${action}`,
          guards: [auth.requirePermission(resource, action)],
        })),
    });
    const { seal } = await world.signIn({ userId });
    const passed: string[] = [];
    for (const [resource, action] of PAIRS) {
      const { status, body } = await send({ path: `/${resource}/${action}`, headers: withCookie(seal) });
      expect([200, 403]).toContain(status);
      if (status === 200) passed.push(`${resource} ${action}`);
      else passed.push(...(codeOf(body) === "permission_denied" ? [] : [body]));
    }
    expect(passed).toEqual(GRANTED[userId]);
  });

  it("returns the resource, the action and every granting role in the verdict", async () => {
    const { world, send } = await start({
      routes: (auth) => [
        {
          path: "/documents",
          guards: [
            auth.requireAnyPermission([
              ["billing", "manage"],
              ["documents", "write"],
            ]),
          ],
        },
      ],
    });
    const { seal } = await world.signIn({ userId: "user_bob" });
    const { body } = await send({ headers: withCookie(seal) });
    expect(JSON.parse(body)).toMatchObject({
      verdict: { authorized: true, grantingRoles: ["editor"], resource: "documents", action: "write" },
    });
  });

  it("uses the session's organization only: roles in other organizations do not count", async () => {
    const { world, send, reached } = await start({
      routes: (auth) => [{ path: "/documents", guards: [auth.requirePermission("documents", "delete")] }],
    });
    const { seal } = await world.signIn({ organizationId: "org_globex" });
    expect((await send({ headers: withCookie(seal) })).status).toBe(403);
    expect(reached).toEqual([]);
  });

  it("uses the store's policy when the application has none", async () => {
    const { POLICY } = await import("../support/world.ts");
    const world = makeWorld({ policy: POLICY });
    const { send } = await start({
      world,
      options: { policy: undefined },
      routes: (auth) => [{ path: "/documents", guards: [auth.requirePermission("documents", "write")] }],
    });
    const [bob, vera] = [
      await world.signIn({ userId: "user_bob" }),
      await world.signIn({ userId: "user_vera" }),
    ];
    expect((await send({ headers: withCookie(bob.seal) })).status).toBe(200);
    expect((await send({ headers: withCookie(vera.seal) })).status).toBe(403);
  });
});

describe.each(EXPRESSES)("a route for one organization, on %s", (framework) => {
  type Place = NonNullable<GuardOptions["organization"]>;
  const byFunction: Place = (request) =>
    new URL(request.url ?? "/", "http://x").searchParams.get("org") ?? undefined;

  it.each<[string, Place, "id" | "slug", string, Record<string, string>, number]>([
    ["its id in the path", "param:orgId", "id", "/o/org_acme", {}, 200],
    ["another's id in the path", "param:orgId", "id", "/o/org_globex", {}, 403],
    ["its slug where the id is asked for", "param:orgId", "id", "/o/acme", {}, 403],
    ["its id where the slug is asked for", "param:orgId", "slug", "/o/org_acme", {}, 403],
    ["its slug", "param:orgId", "slug", "/o/acme", {}, 200],
    ["its slug in capitals", "param:orgId", "slug", "/o/ACME", {}, 403],
    ["its id, encoded", "param:orgId", "id", "/o/org%5Facme", {}, 200],
    ["its id in a header", "header:X-Org", "id", "/o/x", { "x-org": "org_acme" }, 200],
    ["another's id in a header", "header:X-Org", "id", "/o/x", { "x-org": "org_globex" }, 403],
    ["no header", "header:X-Org", "id", "/o/x", {}, 403],
    ["an empty header", "header:X-Org", "id", "/o/x", { "x-org": "" }, 403],
    ["a parameter that the route has not", "param:tenant", "id", "/o/org_acme", {}, 403],
    ["a parameter named like a prototype's member", "param:constructor", "id", "/o/org_acme", {}, 403],
    ["a function", byFunction, "id", "/o/x?org=org_acme", {}, 200],
    ["a function that names another", byFunction, "id", "/o/x?org=org_globex", {}, 403],
    ["a function that names none", byFunction, "id", "/o/x", {}, 403],
  ])(
    "is guarded when the organization is named by %s",
    async (_what, organization, by, path, headers, expected) => {
      const { world, send } = await start({
        framework,
        routes: (auth) => [{ path: "/o/:orgId", guards: [auth.requireAuth({ organization, by })] }],
      });
      const { accessToken } = await world.signIn();
      const { status, body } = await send({ path, headers: { ...withBearer(accessToken), ...headers } });
      expect(status).toBe(expected);
      expect(status === 403 ? codeOf(body) : "organization_mismatch").toBe("organization_mismatch");
    },
  );

  it("fails the request when the function throws, and does not open the route", async () => {
    const { world, send, reached } = await start({
      framework,
      routes: (auth) => [
        {
          path: "/documents",
          guards: [
            auth.requireAuth({
              organization() {
                throw new Error("no tenant");
              },
            }),
          ],
        },
      ],
    });
    const { seal } = await world.signIn();
    const { status } = await send({ headers: withCookie(seal) });
    expect([status, reached]).toEqual([500, []]);
  });

  it("is denied to a member without an organization, after authentication", async () => {
    const { world, send } = await start({
      framework,
      routes: (auth) => [{ path: "/o/:orgId", guards: [auth.requireAuth({ organization: "param:orgId" })] }],
    });
    const { seal } = await world.signIn({ userId: "user_nora" });
    const nora = await send({ path: "/o/org_acme", headers: withCookie(seal) });
    expect([nora.status, codeOf(nora.body)]).toEqual([403, "organization_selection_required"]);
    expect((await send({ path: "/o/org_acme" })).status).toBe(401);
  });
});

describe("requireRecentAuth", () => {
  it.each([
    [0, 200],
    [59.9, 200],
    [60, 401],
    [61, 401],
  ])("%s seconds after the authentication, with a limit of 60: %s", async (age, expected) => {
    const { world, send } = await start({
      routes: (auth) => [{ path: "/documents", guards: [auth.requireRecentAuth({ maxAge: 60 })] }],
    });
    const { accessToken } = await world.signIn();
    world.clock.now += age;
    expect((await send({ headers: withBearer(accessToken) })).status).toBe(expected);
  });

  it("is not satisfied by a renewal, but by a new authentication", async () => {
    const { world, send } = await start({
      routes: (auth) => [{ path: "/documents", guards: [auth.requireRecentAuth({ maxAge: 60 })] }],
    });
    const { seal, memberSession } = await world.signIn();
    world.clock.now += 306;
    expect((await send({ headers: withCookie(seal) })).status).toBe(401);
    const { accessToken } = await world.authority.stepUp({
      sessionId: memberSession.id,
      factor: { type: "totp" },
    });
    expect((await send({ headers: withBearer(accessToken) })).status).toBe(200);
  });
});
