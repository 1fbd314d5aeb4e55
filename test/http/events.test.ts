import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { afterEach, describe, expect, it } from "@jest/globals";
import type { OrgateEvent, OrgateEventType } from "../../src/events.ts";
import { closeAfterEach, start, withBearer, withCookie, type Harness } from "../support/apps.ts";
import { TROUBLE } from "../support/stores.ts";
import { makeWorld, START, type SignIn } from "../support/world.ts";
import { resign } from "./decision-table.scenarios.ts";

closeAfterEach();

const TYPES: readonly OrgateEventType[] = [
  "authenticated",
  "renewed",
  "coalesced",
  "rejected",
  "denied",
  "unavailable",
  "revoked",
  "reuse_detected",
  "misconfigured",
  "late_replay",
  "member_provisioned",
];

let stop: (() => void) | undefined;
afterEach(() => {
  stop?.();
  stop = undefined;
});

/** Everything published on the channels from now on. */
function listenToChannels(): OrgateEvent[] {
  const heard: OrgateEvent[] = [];
  const listen = (message: unknown): void => void heard.push(message as OrgateEvent);
  for (const type of TYPES) subscribe(`orgate:${type}`, listen);
  stop = () => {
    for (const type of TYPES) unsubscribe(`orgate:${type}`, listen);
  };
  return heard;
}

type Provoke = (harness: Harness, signIn: SignIn) => Promise<unknown>;

const CASES: Readonly<Record<OrgateEventType, { provoke: Provoke; event: unknown }>> = {
  authenticated: {
    provoke: ({ send }, { seal }) => send({ headers: withCookie(seal) }),
    event: { type: "authenticated", via: "cookie", source: "local" },
  },
  renewed: {
    provoke({ world, send }, { accessToken }) {
      world.clock.now += 306;
      return send({ headers: withBearer(accessToken) });
    },
    event: { type: "renewed", reason: "expired", milliseconds: 0 },
  },
  coalesced: {
    async provoke({ world, send }, { seal }) {
      world.clock.now += 306;
      await send({ headers: withCookie(seal) });
      await send({ headers: withCookie(seal) });
    },
    event: { type: "coalesced", with: "settled" },
  },
  rejected: {
    provoke: ({ send }) => send({ headers: withBearer("garbage") }),
    event: { type: "rejected", code: "invalid_token", reason: "malformed_structure" },
  },
  denied: {
    provoke: ({ send }, { seal }) => send({ path: "/owners", headers: withCookie(seal) }),
    event: { type: "denied", code: "permission_denied", resource: "billing", action: "manage" },
  },
  unavailable: {
    provoke({ world, send }, { seal }) {
      world.clock.now += 306;
      world.store.behaviour = TROUBLE.overloaded;
      return send({ headers: withCookie(seal) });
    },
    event: { type: "unavailable", code: "store_unavailable", reason: "rate_limited", retryAfter: 7 },
  },
  revoked: {
    provoke: ({ auth }) => auth.invalidate({ userId: "user_vera" }),
    event: { type: "revoked", by: "user" },
  },
  reuse_detected: {
    async provoke({ world }, { refreshToken, memberSession }) {
      const second = await world.authority.authenticateWithRefreshToken({ refreshToken });
      await world.authority.authenticateWithRefreshToken({ refreshToken: second.refreshToken });
      world.clock.now += 31;
      const refusal = world.authority.authenticateWithRefreshToken({ refreshToken });
      await refusal.catch(() => undefined);
      Object.assign(CASES.reuse_detected, { event: { type: "reuse_detected", sessionId: memberSession.id } });
    },
    event: undefined,
  },
  misconfigured: {
    async provoke({ world, send }, signIn) {
      const accessToken = resign(world, signIn, { iss: "https://other.example" });
      return send({ headers: withCookie(await world.seal({ accessToken })) });
    },
    event: { type: "misconfigured", reason: "sealed_token_issuer" },
  },
  late_replay: {
    async provoke({ world, send }, { seal }) {
      world.clock.now += 306;
      await send({ headers: withCookie(seal) });
      world.clock.now += 31;
      await send({ headers: withCookie(seal) });
    },
    event: { type: "late_replay" },
  },
  member_provisioned: {
    provoke({ world }) {
      world.directory.addOrganization({
        id: "org_open",
        name: "Open",
        emailJitProvisioning: "RESTRICTED",
        emailAllowedDomains: ["example.com"],
      });
      const nora = { userId: "user_nora", organizationId: "org_open" };
      return world.authority.authenticate({ ...nora, authenticationMethod: "magic_link" });
    },
    event: {
      type: "member_provisioned",
      by: "email_domain",
      organizationId: "org_open",
      userId: "user_nora",
    },
  },
};

async function startWatched(): Promise<Harness & { readonly signIn: SignIn }> {
  const harness = await start({
    routes: (auth) => [
      { path: "/documents", guards: [auth.requireAuth()] },
      { path: "/owners", guards: [auth.requirePermission("billing", "manage")] },
    ],
  });
  return { ...harness, signIn: await harness.world.signIn({ userId: "user_vera" }) };
}

describe("each type of event", () => {
  it.each(TYPES)("%s reaches the listener and its channel", async (type) => {
    const heard = listenToChannels();
    const harness = await startWatched();
    await CASES[type].provoke(harness, harness.signIn);
    const of = (events: readonly OrgateEvent[]): OrgateEvent[] =>
      events.filter((event) => event.type === type);
    expect(of(harness.world.events)).toContainEqual(
      expect.objectContaining({ ...(CASES[type].event as object) }),
    );
    expect(of(heard)).toEqual(of(harness.world.events));
  });

  it("contains no credentials and no unbounded names", async () => {
    const heard = listenToChannels();
    for (const type of TYPES) {
      const harness = await startWatched();
      await CASES[type].provoke(harness, harness.signIn);
      const { accessToken, refreshToken, seal } = harness.signIn;
      const told = JSON.stringify(harness.world.events);
      for (const secret of [accessToken, refreshToken, seal]) {
        expect([type, told.includes(secret.slice(-24))]).toEqual([type, false]);
      }
    }
    const labels = heard.map((event) =>
      Object.keys(event)
        .toSorted((a, b) => a.localeCompare(b))
        .join(" "),
    );
    const known =
      /^(?:action|by|code|error|memberId|milliseconds|organizationId|reason|resource|retryAfter|sessionId|source|type|userId|via|with| )*$/;
    expect(labels.filter((names) => !known.test(names))).toEqual([]);
  });
});

describe("a listener", () => {
  it.each<[string, () => void]>([
    [
      "throws",
      () => {
        throw new Error("in the listener");
      },
    ],
    ["rejects", () => Promise.reject(new Error("in the listener"))],
  ])("that %s changes no answer", async (_how, listener) => {
    const { world, send, errors } = await start({ options: { events: listener } });
    const { seal } = await world.signIn();
    expect((await send({ headers: withCookie(seal) })).status).toBe(200);
    expect((await send({ headers: withCookie("garbage") })).status).toBe(401);
    expect(errors).toEqual([]);
  });

  it("is optional", async () => {
    const { world, send } = await start({ options: { events: undefined } });
    const { seal } = await world.signIn();
    expect((await send({ headers: withCookie(seal) })).status).toBe(200);
    expect(world.events).toEqual([]);
  });
});

describe("events of the authority", () => {
  const noticed = (events: readonly OrgateEvent[]): OrgateEvent[] =>
    events.filter(({ type }) => type === "reuse_detected" || type === "revoked");

  it("reach the middleware's listener when the authority has none, and the channels once", async () => {
    const heard = listenToChannels();
    const world = makeWorld({ events: undefined });
    await start({ world });
    const { refreshToken, memberSession } = await world.signIn({ userId: "user_vera" });
    const second = await world.authority.authenticateWithRefreshToken({ refreshToken });
    await world.authority.authenticateWithRefreshToken({ refreshToken: second.refreshToken });
    world.clock.now += 31;
    await world.authority.authenticateWithRefreshToken({ refreshToken }).catch(() => undefined);
    const { memberSession: other } = await world.signIn({ userId: "user_vera" });
    await world.authority.revoke({ sessionId: other.id });
    expect(noticed(world.events)).toEqual([
      { type: "reuse_detected", sessionId: memberSession.id },
      { type: "revoked", by: "session", reason: "revoked" },
    ]);
    expect(noticed(heard)).toEqual(noticed(world.events));
  });

  it("are not repeated for calls that the middleware made", async () => {
    const world = makeWorld({ events: undefined });
    const { send } = await start({
      world,
      routes: (auth) => [{ path: "/sign-out", guards: [], handler: auth.signOut() }],
    });
    const { seal } = await world.signIn();
    await send({ method: "POST", path: "/sign-out", headers: withCookie(seal) });
    expect(noticed(world.events)).toEqual([{ type: "revoked", by: "session", reason: "sign_out" }]);
  });

  it("reach only the authority's own listener, and no closed one", async () => {
    const own: OrgateEvent[] = [];
    const world = makeWorld({ events: (event) => own.push(event) });
    await start({ world });
    await world.authority.revoke({ sessionId: (await world.signIn()).memberSession.id });
    expect([noticed(own).length, noticed(world.events).length]).toEqual([1, 0]);
    const other = makeWorld({ events: undefined });
    await other.mount().close();
    await other.authority.revoke({ sessionId: (await other.signIn()).memberSession.id });
    expect(noticed(other.events)).toEqual([]);
  });
});

describe("clock events", () => {
  it("report clocks that differ", async () => {
    const { world, send } = await start();
    const signIn = await world.signIn();
    const token = resign(world, signIn, { iat: START + 100, exp: START + 400 });
    await send({ headers: withBearer(token) });
    expect(world.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "clock_skew" }),
    );
    expect(world.events).toContainEqual(
      expect.objectContaining({
        type: "unavailable",
        code: "clock_skew",
        reason: "not_yet_valid",
        retryAfter: 5,
      }),
    );
  });
});
