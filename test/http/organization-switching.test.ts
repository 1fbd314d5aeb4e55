import { describe, expect, it } from "@jest/globals";
import { StoreUnavailableError } from "../../src/errors.ts";
import { settle } from "../support/timers.ts";
import { FRAMEWORKS, makeTenancy, SELECTION, type Tenancy, type TenancyOptions } from "../support/apps.ts";
import { JSON_CLIENT, openBrowser, setCookiesOf, type Visitor } from "../support/browser.ts";
import { bearerOf, claimsOf, COOKIE, makeWorld } from "../support/world.ts";

const FORM = { Accept: "text/html" };
const toGlobex = { headers: JSON_CLIENT, body: { organization_id: "org_globex" } };

async function signedIn(options: TenancyOptions = {}): Promise<{ app: Tenancy; browser: Visitor }> {
  const app = makeTenancy(options);
  const browser = await app.signIn("user_ada");
  await browser.post(SELECTION, { headers: FORM, body: "organization_id=org_acme" });
  return { app, browser };
}

describe.each(FRAMEWORKS)("switching on %s", (framework) => {
  it.each([true, false])(
    "continues the session in another organization, auth mounted above: %s",
    async (mounted) => {
      const { app, browser } = await signedIn({ framework, mounted });
      const before = await app.whoIs(browser);
      const response = await browser.post("/switch?return_to=/documents", {
        headers: FORM,
        body: "organization_id=org_globex",
      });
      expect([response.status, response.headers["location"]]).toEqual([303, "/documents"]);
      const after = await app.whoIs(browser);
      expect(after).toMatchObject({ member: "user_ada:org_globex", organization: "org_globex" });
      expect(after.session).not.toBe(before.session);
      expect(await app.countSessions("user_ada")).toBe(1);
      expect(app.errors).toEqual([]);
    },
  );

  it("answers an API client with JSON", async () => {
    const { browser } = await signedIn({ framework });
    const response = await browser.post("/switch", toGlobex);
    expect(response.status).toBe(200);
    expect(response.body).toMatchObject({
      status: "authenticated",
      organization: { id: "org_globex", name: "Globex" },
    });
    expect(response.headers["cache-control"]).toBe("private, no-store");
  });

  it("gives a bearer the new token, and the old one is rejected", async () => {
    const { app } = await signedIn({ framework });
    const { accessToken } = await app.world.signIn();
    const headers = { ...JSON_CLIENT, Authorization: bearerOf(accessToken) };
    const program = openBrowser(app.listener);
    const response = await program.post("/switch", { ...toGlobex, headers });
    expect([response.status, setCookiesOf(response)]).toEqual([200, []]);
    const token = String(response.headers["session-jwt"]);
    expect(claimsOf(token)["org_id"]).toBe("org_globex");
    const me = await program.get("/me", { headers: { ...JSON_CLIENT, Authorization: bearerOf(token) } });
    expect(me.body.organization).toBe("org_globex");
    const old = await program.get("/me", { headers });
    expect([old.status, old.body.code]).toEqual([401, "session_revoked"]);
  });

  it("requires a session", async () => {
    const { browser } = makeTenancy({ framework });
    const response = await browser.post("/switch", toGlobex);
    expect([response.status, response.body.code]).toEqual([401, "unauthenticated"]);
    browser.cookies.set(COOKIE, "forged");
    expect((await browser.post("/switch", toGlobex)).body.code).toBe("invalid_session");
  });
});

describe("switching", () => {
  it("to the current organization changes nothing", async () => {
    const { app, browser } = await signedIn();
    const before = await app.whoIs(browser);
    const response = await browser.post("/switch", { headers: FORM, body: "organization_id=org_acme" });
    expect([response.status, setCookiesOf(response)]).toEqual([303, []]);
    expect(await app.whoIs(browser)).toEqual(before);
  });

  it("to an organization of other users is rejected, and the session stays", async () => {
    const { app, browser } = await signedIn();
    const before = await app.whoIs(browser);
    app.world.directory.removeMembership("user_ada", "org_globex");
    const response = await browser.post("/switch", toGlobex);
    expect([response.status, response.body.code]).toEqual([403, "organization_not_available"]);
    expect(await app.whoIs(browser)).toEqual(before);
  });

  it("renews an expired session first", async () => {
    const { app, browser } = await signedIn();
    app.world.clock.now += 1_000;
    expect((await browser.post("/switch", toGlobex)).status).toBe(200);
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_globex" });
    expect(app.world.store.questions).toHaveLength(1);
  });

  it("does not renew a revoked session", async () => {
    const { app, browser } = await signedIn();
    await app.world.authority.revoke({ userId: "user_ada" });
    app.world.clock.now += 1;
    const response = await browser.post("/switch", toGlobex);
    expect([response.status, response.body.code]).toEqual([401, "session_revoked"]);
  });

  it("redirects where the handler says when the request names no target", async () => {
    const world = makeWorld();
    const auth = world.mount();
    const { seal } = await world.signIn();
    const handler = auth.switchOrganization({ returnTo: "/start" });
    const browser = openBrowser(
      (request, response) => handler(request, response, () => response.end()),
      new Map([[COOKIE, seal]]),
    );
    const response = await browser.post("/", { headers: FORM, body: "organization_id=org_globex" });
    expect(response.headers["location"]).toBe("/start");
  });

  it.each<[string, object, number, object]>([
    [
      "a step-up",
      { status: "step_up_required", reason: "sso_required", url: "https://id.example/sso" },
      401,
      { code: "reauthentication_required", reason: "sso_required", sign_in_url: "https://id.example/sso" },
    ],
    [
      "a session that is over",
      { status: "refused", code: "session_revoked" },
      401,
      { code: "session_revoked" },
    ],
    ["nonsense", { status: "perhaps" }, 503, { code: "store_unavailable" }],
  ])("reports %s, and keeps the cookie", async (_what, outcome, status, body) => {
    const { app, browser } = await signedIn({
      overrides: () => ({ switchOrganization: async () => outcome as never }),
    });
    const response = await browser.post("/switch", toGlobex);
    expect(response.status).toBe(status);
    expect(response.body).toMatchObject(body);
    expect(setCookiesOf(response)).toEqual([]);
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_acme" });
  });

  it("gives 503 while the store is down, and works afterwards", async () => {
    let isDown = true;
    const { app, browser } = await signedIn({
      overrides: (real) => ({
        switchOrganization: async (...given) => {
          if (isDown) throw new StoreUnavailableError({ retryAfter: 3 });
          return real.switchOrganization!(...given);
        },
      }),
    });
    const response = await browser.post("/switch", toGlobex);
    expect([response.status, response.headers["retry-after"], setCookiesOf(response)]).toEqual([
      503,
      "3",
      [],
    ]);
    isDown = false;
    expect((await browser.post("/switch", toGlobex)).status).toBe(200);
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_globex" });
  });

  it("asks the store about no organization that it does not offer the member", async () => {
    const asked: string[] = [];
    const { browser } = await signedIn({
      overrides: (real) => ({
        switchOrganization: async (stale, organizationId, context) => {
          asked.push(organizationId);
          return real.switchOrganization!(stale, organizationId, context);
        },
      }),
    });
    for (const id of ["x", "org_nowhere", "ORG_GLOBEX", "__proto__"]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const { status, body } = await browser.post("/switch", { ...toGlobex, body: { organization_id: id } });
      expect([status, body.code]).toEqual([403, "organization_not_available"]);
    }
    expect(asked).toEqual([]);
  });

  it("asks the store each time that a member tries a switch again which keeps failing", async () => {
    let calls = 0;
    const { browser } = await signedIn({
      overrides: () => ({ switchOrganization: () => Promise.reject(new Error(`down ${++calls}`)) }),
    });
    for (let turn = 0; turn < 6; turn++) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect((await browser.post("/switch", toGlobex)).status).toBe(503);
    }
    expect(calls).toBe(6);
  });

  it.each(["into another organization than the one chosen", "as somebody else"])(
    "never leads %s, whatever the store says",
    async (what) => {
      const lie = { accessToken: "" };
      const { app, browser } = await signedIn({
        overrides: () => ({ switchOrganization: async () => ({ status: "authenticated", credential: lie }) }),
      });
      const mine = await app.world.signIn();
      const bobs = await app.world.signIn({ userId: "user_bob" });
      lie.accessToken = what.startsWith("into")
        ? mine.accessToken
        : app.world.sign({ ...claimsOf(bobs.accessToken), org_id: "org_globex" });
      const response = await browser.post("/switch", toGlobex);
      expect([response.status, response.body.code, setCookiesOf(response)]).toEqual([
        503,
        "store_unavailable",
        [],
      ]);
      expect(await app.whoIs(browser)).toMatchObject({ member: "user_ada:org_acme" });
    },
  );

  it.each<[string, () => unknown, string]>([
    [
      "a store that cannot switch",
      () => {
        const world = makeWorld();
        return world
          .mount({ store: { ...world.store, switchOrganization: undefined } as never })
          .switchOrganization();
      },
      "switchOrganization",
    ],
    [
      "a target elsewhere",
      () => makeWorld().mount().switchOrganization({ returnTo: "//evil.example" }),
      "switchOrganization.returnTo",
    ],
  ])("rejects %s at construction", (_what, make, option) => {
    expect(make).toThrow(option);
  });

  it("reports a selection page over a store that cannot switch as an application error", async () => {
    const world = makeWorld();
    const auth = world.mount({ store: { ...world.store, switchOrganization: undefined } as never });
    const { seal } = await world.signIn();
    const handler = auth.organizationSelection();
    const errors: unknown[] = [];
    const browser = openBrowser(
      (request, response) => handler(request, response, (error) => response.end(String(errors.push(error)))),
      new Map([[COOKIE, seal]]),
    );
    await browser.post("/", toGlobex);
    expect(errors).toMatchObject([{ code: "configuration_invalid" }]);
  });
});

describe("R-13: after a switch", () => {
  it("the old session is rejected at once, by cookie and by token", async () => {
    const { app, browser } = await signedIn();
    const thief = browser.copy();
    await browser.post("/switch", toGlobex);
    const stolen = await thief.get("/me", { headers: JSON_CLIENT });
    expect([stolen.status, stolen.body.code]).toEqual([401, "session_revoked"]);
    expect(setCookiesOf(stolen)).toEqual([]);
    expect(await app.countSessions("user_ada")).toBe(1);
  });
});

describe("R-15: a switch among concurrent requests", () => {
  it("gives both clicks of a double click the same session", async () => {
    const { app, browser } = await signedIn();
    const clicks = await Promise.all([1, 2, 3].map(() => browser.copy().post("/switch", toGlobex)));
    expect(clicks.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(new Set(clicks.map(({ body }) => body.member_session.id)).size).toBe(1);
    expect(await app.countSessions("user_ada")).toBe(1);
  });

  it("gives a second click after the end the same session", async () => {
    const { app, browser } = await signedIn();
    const stale = browser.copy();
    const first = await browser.post("/switch", toGlobex);
    const second = await stale.post("/switch", toGlobex);
    expect([second.status, second.body.member_session?.id]).toEqual([200, first.body.member_session.id]);
    expect(await app.whoIs(stale)).toEqual(await app.whoIs(browser));
  });

  it("gives a stale tab nothing for another choice, after the grace window, or after a sign-in", async () => {
    const { app, browser } = await signedIn();
    const stale = browser.copy();
    await browser.post("/switch", toGlobex);
    const other = await stale.copy().post("/switch", { ...toGlobex, body: { organization_id: "org_acme" } });
    expect([other.status, other.body.code, setCookiesOf(other)]).toEqual([401, "session_revoked", []]);
    const afterSignOut = stale.copy();
    await browser.post("/sign-out");
    const late = await afterSignOut.post("/switch", toGlobex);
    expect([late.status, late.body.code, setCookiesOf(late)]).toEqual([401, "session_revoked", []]);
    app.world.clock.now += 31;
    expect((await stale.post("/switch", toGlobex)).status).toBe(401);
  });

  it("waits for a renewal in progress, and continues from its result", async () => {
    const spent: unknown[] = [];
    let arrive = (): void => undefined;
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const { app, browser } = await signedIn({
      before: [
        (request, _response, next) => {
          if (request.url === "/switch") arrive();
          next();
        },
      ],
      overrides: (real) => ({
        switchOrganization(stale, ...rest) {
          spent.push(stale.sealed?.refreshToken);
          return real.switchOrganization!(stale, ...rest);
        },
      }),
    });
    const tab = browser.copy();
    const held = app.world.store.hold();
    const { behaviour: wait } = app.world.store;
    let rotated: unknown;
    app.world.store.behaviour = (stale, context, ask) =>
      wait(stale, context, async () => {
        const answer = await ask({ ...stale, reason: "expired" }, context);
        rotated = answer.status === "active" && answer.credential?.refreshToken;
        return answer;
      });
    const renewing = tab.get("/fresh", { headers: JSON_CLIENT });
    await held.asked;
    const switching = browser.post("/switch", toGlobex);
    await arrived;
    for (let turn = 0; turn < 5; turn++) {
      // oxlint-disable-next-line no-await-in-loop -- it had time enough to spend the token that is being spent
      await settle();
    }
    expect(spent).toEqual([]);
    held.release();
    const [renewed, switched] = await Promise.all([renewing, switching]);
    expect([renewed.status, switched.status]).toEqual([200, 200]);
    expect([typeof rotated, spent]).toEqual(["string", [rotated]]);
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_globex" });
    expect(await app.countSessions("user_ada")).toBe(1);
  });

  it("is not undone by a renewal that ends later", async () => {
    const { app, browser } = await signedIn();
    const tab = browser.copy();
    // The store has answered for the old session already; its answer is on the way while the switch happens.
    let release = (): void => undefined;
    const onTheWay = new Promise<void>((resolve) => {
      release = resolve;
    });
    const asked = new Promise<void>((resolve) => {
      app.world.store.behaviour = async (stale, context, ask) => {
        const answer = await ask({ ...stale, reason: "expired" }, context);
        resolve();
        await onTheWay;
        return answer;
      };
    });
    const renewing = tab.get("/fresh", { headers: JSON_CLIENT });
    await asked;
    const signingIn = browser.post("/sign-in", { headers: { ...FORM, "X-User": "user_bob" } });
    expect((await signingIn).status).toBe(303);
    release();
    const late = await renewing;
    expect(setCookiesOf(late)).toEqual([]);
    expect(await app.whoIs(browser)).toMatchObject({ member: "user_bob:org_acme" });
  });

  it("keeps the new cookie when an ended answer comes later", async () => {
    const { app, browser } = await signedIn();
    const tab = browser.copy();
    const held = app.world.store.hold();
    const renewing = tab.get("/fresh", { headers: JSON_CLIENT });
    await held.asked;
    expect((await browser.post("/sign-in", { headers: { ...FORM, "X-User": "user_bob" } })).status).toBe(303);
    held.release();
    const late = await renewing;
    expect([late.status, late.body.code, setCookiesOf(late)]).toEqual([401, "session_revoked", []]);
  });
});
