import { describe, expect, it } from "@jest/globals";
import { cookiesSet } from "../support/servers.ts";
import { closeAfterEach, start, withCookie, type Harness } from "../support/apps.ts";
import { COOKIE, type SignIn } from "../support/world.ts";
import { resign } from "./decision-table.scenarios.ts";

closeAfterEach();

const PAST_EXPIRY = 306;

/** A session that was renewed, and whose reply reached nobody. Its refresh token is spent for good. */
async function loseReply(): Promise<Harness & { readonly signIn: SignIn; readonly lost: string }> {
  const harness = await start();
  const { world, send } = harness;
  const signIn = await world.signIn();
  world.clock.now += PAST_EXPIRY;
  const lost = cookiesSet(await send({ headers: withCookie(signIn.seal) })).get(COOKIE) ?? "";
  const spent = new Set([signIn.refreshToken]);
  world.store.behaviour = async (stale, context, ask) => {
    const refreshToken = stale.sealed?.refreshToken ?? "";
    if (spent.has(refreshToken)) return { status: "ended", reason: "invalid_grant" };
    spent.add(refreshToken);
    return ask(stale, context);
  };
  return { ...harness, signIn, lost };
}

const lateReplays = ({ world }: Harness): number =>
  world.events.filter(({ type }) => type === "late_replay").length;

describe("a reply that was lost", () => {
  it.each([
    [5, 0],
    [29, 0],
    [31, 1],
    [120, 1],
    [600, 1],
    [899, 1],
  ])("signs nobody out who is back after %d seconds", async (away, replays) => {
    const harness = await loseReply();
    const { world, send, signIn } = harness;
    world.clock.now += away;
    const back = await send({ headers: withCookie(signIn.seal) });
    expect(back.status).toBe(200);
    const then = await send({ headers: withCookie(cookiesSet(back).get(COOKIE) ?? "") });
    expect(then.status).toBe(200);
    expect(lateReplays(harness)).toBe(replays);
  });

  it("signs out after fifteen minutes", async () => {
    const { world, send, signIn } = await loseReply();
    world.clock.now += 900;
    expect((await send({ headers: withCookie(signIn.seal) })).status).toBe(401);
  });

  it("may be followed by further replies that are lost", async () => {
    const { world, send, signIn } = await loseReply();
    for (const away of [310, 310, 200]) {
      world.clock.now += away;
      // oxlint-disable-next-line no-await-in-loop -- one page after the other
      expect((await send({ headers: withCookie(signIn.seal) })).status).toBe(200);
    }
  });

  it("is not sent again once its cookie was presented", async () => {
    const harness = await loseReply();
    const { world, send, signIn, lost } = harness;
    expect((await send({ headers: withCookie(lost) })).status).toBe(200);
    world.clock.now += 31;
    expect((await send({ headers: withCookie(signIn.seal) })).status).toBe(401);
    expect(lateReplays(harness)).toBe(0);
  });

  it("is not sent again once its session was signed out, where a renewal begins a session of another id", async () => {
    const { world, send } = await start({
      routes: (auth) => [
        { path: "/sign-out", guards: [auth.signOut()] },
        { path: "/documents", guards: [auth.requireAuth()] },
      ],
    });
    const signIn = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    world.store.behaviour = async () => ({
      status: "active",
      verifiedAt: world.clock.now,
      credential: {
        accessToken: resign(world, signIn, {
          iat: world.clock.now,
          exp: world.clock.now + 300,
          sid: "session_2",
        }),
        refreshToken: "second",
      },
    });
    const renewed = cookiesSet(await send({ headers: withCookie(signIn.seal) })).get(COOKIE) ?? "";
    await send({ method: "POST", path: "/sign-out", headers: withCookie(renewed) });
    for (const seal of [renewed, signIn.seal]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const answer = await send({ headers: withCookie(seal) });
      expect([answer.status, JSON.parse(answer.body).code]).toEqual([401, "session_revoked"]);
    }
  });

  it.each<[string, (harness: Harness & { readonly signIn: SignIn }) => Promise<unknown>]>([
    [
      "its session is invalidated",
      ({ auth, signIn }) => auth.invalidate({ sessionId: signIn.memberSession.id }),
    ],
    ["its organization is invalidated", ({ auth }) => auth.invalidate({ organizationId: "org_acme" })],
    [
      "its session is revoked",
      ({ world, signIn }) => world.authority.revoke({ sessionId: signIn.memberSession.id }),
    ],
  ])("is not sent again once %s", async (_name, drop) => {
    const harness = await loseReply();
    const { world, send, signIn } = harness;
    world.clock.now += 40;
    await drop(harness);
    const back = await send({ headers: withCookie(signIn.seal) });
    expect(back.status).toBe(401);
    expect(lateReplays(harness)).toBe(0);
  });
});
