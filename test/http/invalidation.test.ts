import { describe, expect, it } from "@jest/globals";
import type { Invalidation } from "../../src/fleet/coordinator.ts";
import { isOrgateError } from "../../src/errors.ts";
import { settle } from "../support/timers.ts";
import { closeAfterEach, start, withBearer, withCookie, type Harness } from "../support/apps.ts";
import { clears } from "../support/servers.ts";
import { TROUBLE } from "../support/stores.ts";
import { COOKIE, type SignIn, type World } from "../support/world.ts";

closeAfterEach();

const codeOf = (body: string): unknown => (JSON.parse(body) as { code?: unknown }).code;

type Target = (signIn: SignIn) => Invalidation;

const TARGETS: Readonly<Record<string, Target>> = {
  session: ({ memberSession }) => ({ sessionId: memberSession.id }),
  member: ({ member }) => ({ memberId: member.id }),
  user: ({ user }) => ({ userId: user.id }),
  organization: ({ organizationId = "" }) => ({ organizationId }),
};

describe("auth.invalidate", () => {
  it.each(Object.keys(TARGETS))("makes the next request of a %s ask the store, once", async (name) => {
    const { world, auth, send } = await start();
    const signIn = await world.signIn();
    await send({ headers: withBearer(signIn.accessToken) });
    world.clock.now += 10;
    await auth.invalidate((TARGETS[name] as Target)(signIn));
    world.clock.now += 0.001;
    expect((await send({ headers: withBearer(signIn.accessToken) })).status).toBe(200);
    expect(world.store.questions.map(({ stale }) => stale.reason)).toEqual(["asked"]);
    expect((await send({ headers: withBearer(signIn.accessToken) })).status).toBe(200);
    expect(world.store.questions.length).toBe(1);
    expect(world.events).toContainEqual({ type: "revoked", by: name });
  });

  it.each([
    ["session", { sessionId: "session_of_somebody_else" }],
    ["member", { memberId: "user_bob:org_acme" }],
    ["user", { userId: "user_bob" }],
    ["organization", { organizationId: "org_globex" }],
    ["user by a member's id", { userId: "user_ada:org_acme" }],
    ["session by a user's id", { sessionId: "user_ada" }],
    ["prototype", { userId: "__proto__" }],
  ])("changes nothing for another %s", async (_what, target) => {
    const { world, auth, send } = await start();
    const { seal } = await world.signIn();
    await send({ headers: withCookie(seal) });
    await auth.invalidate(target);
    await send({ headers: withCookie(seal) });
    expect(world.store.questions.length).toBe(0);
  });

  it("does not affect tokens that are issued later than clocks may differ", async () => {
    const { world, auth, send } = await start();
    await auth.invalidate({ userId: "user_ada" });
    world.clock.now += 6;
    const { seal } = await world.signIn();
    expect((await send({ headers: withCookie(seal) })).status).toBe(200);
    expect(world.store.questions.length).toBe(0);
  });

  it("gives 503 while the store is down: neither signed in nor signed out", async () => {
    const { world, auth, send } = await start({ options: { staleIfUnavailable: 60 } });
    const { seal } = await world.signIn();
    await auth.invalidate({ organizationId: "org_acme" });
    world.store.behaviour = TROUBLE.down;
    const { status, setCookies } = await send({ headers: withCookie(seal) });
    expect([status, setCookies]).toEqual([503, []]);
  });

  it.each([{}, { sessionId: "a", memberId: "b" }, { sessionId: 7 }, { session: "a" }])(
    "rejects %p",
    async (target) => {
      const { auth } = await start();
      const refusal: unknown = await auth.invalidate(target as Invalidation).catch((error: unknown) => error);
      expect(isOrgateError(refusal) && refusal.code).toBe("configuration_invalid");
    },
  );
});

type End = (world: World, signIn: SignIn) => void | Promise<void>;

const ENDINGS: Readonly<Record<string, End>> = {
  "its session is revoked": ({ authority }, { memberSession }) =>
    authority.revoke({ sessionId: memberSession.id }),
  "the member's sessions are revoked": ({ authority }, { member }) =>
    authority.revoke({ memberId: member.id }),
  "the user's sessions are revoked": ({ authority }, { user }) => authority.revoke({ userId: user.id }),
  "the membership is removed": ({ directory }) => directory.removeMembership("user_ada", "org_acme"),
  "the user is removed": ({ directory }) => directory.removeUser("user_ada"),
  "the organization is removed": ({ directory }) => directory.removeOrganization("org_acme"),
};

describe("R-28: a session that ends at the authority", () => {
  it.each(Object.keys(ENDINGS))("is rejected on the very next request: %s", async (name) => {
    const { world, send, reached } = await start();
    const signIn = await world.signIn();
    for (const headers of [withCookie(signIn.seal), withBearer(signIn.accessToken)]) {
      expect((await send({ headers })).status).toBe(200);
    }
    await (ENDINGS[name] as End)(world, signIn);
    const byCookie = await send({ headers: withCookie(signIn.seal) });
    expect([byCookie.status, codeOf(byCookie.body)]).toEqual([401, "session_revoked"]);
    expect(byCookie.setCookies.map(clears)).toEqual([true]);
    const byBearer = await send({ headers: withBearer(signIn.accessToken) });
    expect([byBearer.status, codeOf(byBearer.body), byBearer.setCookies]).toEqual([
      401,
      "session_revoked",
      [],
    ]);
    expect(reached).toHaveLength(2);
  });

  it("stays rejected while the store is down", async () => {
    const { world, send } = await start();
    const { accessToken } = await world.signIn();
    await world.authority.revoke({ userId: "user_ada" });
    expect((await send({ headers: withBearer(accessToken) })).status).toBe(401);
    world.store.behaviour = TROUBLE.down;
    world.clock.now += 31;
    expect([401, 503]).toContain((await send({ headers: withBearer(accessToken) })).status);
  });

  it("does not affect other members", async () => {
    const { world, send } = await start();
    const bob = await world.signIn({ userId: "user_bob" });
    await world.authority.revoke({ userId: "user_ada" });
    expect((await send({ headers: withCookie(bob.seal) })).status).toBe(200);
  });

  it("R-28: a removed role is gone on the next request", async () => {
    const { world, send } = await start({
      routes: (auth) => [{ path: "/documents", guards: [auth.requirePermission("documents", "write")] }],
    });
    const { seal } = await world.signIn({ userId: "user_bob" });
    expect((await send({ headers: withCookie(seal) })).status).toBe(200);
    world.directory.setRoles("user_bob", "org_acme", ["viewer"]);
    const { status, body } = await send({ headers: withCookie(seal) });
    expect([status, codeOf(body)]).toEqual([403, "permission_denied"]);
  });
});

describe("R-15: a renewal that ends too late", () => {
  const startWithHandlers = (): Promise<Harness> =>
    start({
      before: () => [],
      routes: (auth) => [
        { path: "/documents", guards: [auth, auth.requireAuth()] },
        { path: "/sign-out", guards: [auth.signOut()] },
        { path: "/switch", guards: [auth.switchOrganization()] },
      ],
    });

  const JSON_CLIENT = { Accept: "application/json", "Content-Type": "application/json" };

  it.each([
    ["that the store has yet to answer", "question"],
    ["that the store has answered already", "answer"],
  ] as const)("does not undo a sign-out: %s", async (_what, where) => {
    const { world, send } = await startWithHandlers();
    const { seal } = await world.signIn();
    world.clock.now += 306;
    const held = world.store.hold(where);
    const late = send({ headers: withCookie(seal) });
    await held.asked;
    const out = await send({
      method: "POST",
      path: "/sign-out",
      headers: { ...withCookie(seal), ...JSON_CLIENT },
    });
    expect(out.status).toBe(200);
    expect(out.setCookies.filter((line) => line.startsWith(COOKIE)).every(clears)).toBe(true);
    held.release();
    const { status, setCookies } = await late;
    expect(setCookies.filter((line) => !clears(line))).toEqual([]);
    expect([200, 401]).toContain(status);
    expect((await send({ headers: withCookie(seal) })).status).toBe(401);
  });

  it("does not undo a switch", async () => {
    const { world, send } = await startWithHandlers();
    const { seal } = await world.signIn();
    world.clock.now += 306;
    const held = world.store.hold();
    const late = send({ headers: withCookie(seal) });
    await held.asked;
    const switching = send({
      method: "POST",
      path: "/switch",
      headers: { ...withCookie(seal), ...JSON_CLIENT },
      body: JSON.stringify({ organization_id: "org_globex" }),
    });
    await settle();
    held.release();
    const [switched] = await Promise.all([switching, late]);
    expect(switched.status).toBe(200);
    const straggler = await send({ headers: withCookie(seal) });
    expect(straggler.setCookies.filter((line) => line.startsWith(`${COOKIE}=`))).toEqual([]);
  });
});
