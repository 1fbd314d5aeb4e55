import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "@jest/globals";
import type { Invalidation } from "../../src/fleet/coordinator.ts";
import { closeAfterEach, start, withBearer, withCookie } from "../support/apps.ts";
import { makeWorld } from "../support/world.ts";

closeAfterEach();

/** An application that keeps the requests of its connections, as a server of sockets does. */
async function startKeeping(world = makeWorld()) {
  const connections: IncomingMessage[] = [];
  const harness = await start({
    world,
    routes: () => [
      {
        path: "/documents",
        handler(request, response) {
          connections.push(request);
          response.end();
        },
      },
    ],
  });
  return { ...harness, world, connections };
}

describe("a connection that stays open", () => {
  it("is asked about again, by the credential that it began with", async () => {
    const { world, auth, send, connections } = await startKeeping();
    const { seal, memberSession } = await world.signIn();
    await send({ headers: withCookie(seal) });
    const [request] = connections;
    if (request === undefined) throw new Error("no connection");
    world.clock.now += 400;
    expect(await auth.authenticate(request)).toMatchObject({ status: "authenticated" });
    expect(world.store.questions).toHaveLength(0);
    expect(await auth.authenticate(request, { again: true })).toMatchObject({ status: "authenticated" });
    expect(world.store.questions).toHaveLength(1);
    await world.authority.revoke({ sessionId: memberSession.id });
    expect(await auth.authenticate(request, { again: true })).toMatchObject({
      status: "rejected",
      code: "session_revoked",
    });
    expect(auth.state(request)).toMatchObject({ status: "rejected" });
  });

  it("sees a change of roles", async () => {
    const { world, auth, send, connections } = await startKeeping();
    const { accessToken } = await world.signIn();
    await send({ headers: withBearer(accessToken) });
    const [request] = connections;
    if (request === undefined) throw new Error("no connection");
    world.directory.setRoles("user_ada", "org_acme", ["viewer"]);
    expect(await auth.authenticate(request, undefined, { again: true })).toMatchObject({
      member: { roles: ["viewer"] },
    });
  });

  it("hears what to close or ask about: sign-outs, revocations, invalidations, changes of the directory", async () => {
    const { world, auth, send } = await startKeeping();
    const heard: Invalidation[] = [];
    const stop = auth.onInvalidated((target) => heard.push(target));
    auth.onInvalidated(() => {
      throw new Error("a listener's own");
    });
    const { memberSession } = await world.signIn();
    await send({});
    await auth.invalidate({ userId: "user_ada" });
    await world.authority.revoke({ sessionId: memberSession.id });
    world.directory.removeMembership("user_bob", "org_acme");
    expect(heard).toEqual([
      { userId: "user_ada" },
      { sessionId: memberSession.id },
      { memberId: "user_bob:org_acme" },
    ]);
    expect(world.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "invalidation_listener_failed" }),
    );
    stop();
    await auth.invalidate({ organizationId: "org_acme" });
    expect(heard).toHaveLength(3);
  });
});
