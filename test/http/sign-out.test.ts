import { describe, expect, it } from "@jest/globals";
import {
  inProcessCoordinator,
  type Coordinator,
  type InvalidationMessage,
} from "../../src/fleet/coordinator.ts";
import { StoreUnavailableError } from "../../src/errors.ts";
import { FRAMEWORKS, makeTenancy, SELECTION, type TenancyOptions } from "../support/apps.ts";
import { clears } from "../support/servers.ts";
import { active } from "../support/stores.ts";
import { generateSigningKey, signToken } from "../support/tokens.ts";
import { JSON_CLIENT, openBrowser, setCookiesOf, type Visitor } from "../support/browser.ts";
import { bearerOf, claimsOf, COOKIE, makeWorld } from "../support/world.ts";

const FORM = { Accept: "text/html" };

describe.each(FRAMEWORKS)("signing out on %s", (framework) => {
  it.each([true, false])(
    "ends the session at the store and clears the cookie, auth mounted above: %s",
    async (mounted) => {
      const app = makeTenancy({ framework, mounted });
      const browser = await app.signIn("user_bob");
      const thief = browser.copy();
      const response = await browser.post("/sign-out", { headers: FORM });
      expect([response.status, response.headers["location"]]).toEqual([303, "/"]);
      expect(response.headers["cache-control"]).toBe("private, no-store");
      const lines = setCookiesOf(response);
      expect(lines.every(clears)).toBe(true);
      expect(lines[0]).toBe(
        "__Host-orgate=; Max-Age=0; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax",
      );
      expect(await app.countSessions("user_bob")).toBe(0);
      const stolen = await thief.get("/me", { headers: JSON_CLIENT });
      expect([stolen.status, stolen.body.code]).toEqual([401, "session_revoked"]);
      expect(app.errors).toEqual([]);
    },
  );

  it("answers an API client with JSON", async () => {
    const app = makeTenancy({ framework, signOut: { redirectTo: "/bye" } });
    const browser = await app.signIn("user_bob");
    const response = await browser.post("/sign-out", { headers: JSON_CLIENT });
    expect([response.status, response.body]).toEqual([200, { signed_out: true, redirect_to: "/bye" }]);
  });
});

describe("signing out", () => {
  it("works without a session", async () => {
    const app = makeTenancy();
    const response = await app.browser.post("/sign-out", { headers: FORM });
    expect([response.status, response.headers["location"]]).toEqual([303, "/"]);
    expect(app.world.store.otherCalls).toBe(0);
  });

  it("works for a cookie that cannot be unsealed, and clears it", async () => {
    const app = makeTenancy();
    app.browser.cookies.set(COOKIE, "garbage");
    expect((await app.browser.post("/sign-out", { headers: FORM })).status).toBe(303);
    expect(app.browser.cookies.has(COOKIE)).toBe(false);
    expect(app.world.store.otherCalls).toBe(0);
  });

  it("works for a bearer", async () => {
    const app = makeTenancy();
    const { accessToken } = await app.world.signIn();
    const headers = { ...JSON_CLIENT, Authorization: bearerOf(accessToken) };
    expect((await app.browser.post("/sign-out", { headers })).status).toBe(200);
    expect((await app.browser.get("/me", { headers })).body.code).toBe("session_revoked");
    expect(await app.countSessions("user_ada")).toBe(0);
  });

  it("works for an expired token, without a renewal", async () => {
    const app = makeTenancy({ mounted: false });
    const browser = await app.signIn("user_bob");
    app.world.clock.now += 1_000;
    expect((await browser.post("/sign-out", { headers: FORM })).status).toBe(303);
    expect(await app.countSessions("user_bob")).toBe(0);
    expect(app.world.store.questions).toEqual([]);
  });

  it("works for a session that the store already rejects", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_bob");
    await app.world.authority.revoke({ userId: "user_bob" });
    app.world.clock.now += 1_000;
    expect((await browser.post("/sign-out", { headers: FORM })).status).toBe(303);
    expect(browser.cookies.size).toBe(0);
  });

  it("clears every orgate cookie, with chunks and the pending authentication", async () => {
    const world = makeWorld();
    const auth = world.mount({
      cookie: { password: "the first of the cookie passwords, long enough", domain: "example.com" },
    });
    const handler = auth.signOut();
    const names = [
      "__Secure-orgate",
      "__Secure-orgate.0",
      "__Secure-orgate.1",
      "__Host-orgate-pending",
      "__Host-orgate-browser",
    ];
    const flow = `__Host-orgate-sign-in-${"x".repeat(16)}`;
    const browser = openBrowser(
      (request, response) => handler(request, response, () => response.end()),
      new Map([...names, flow, "theirs", "__Secure-orgate.x"].map((name) => [name, "value"])),
    );
    const lines = setCookiesOf(await browser.post("/", { headers: FORM }));
    expect(lines.every(clears)).toBe(true);
    const cleared = lines.map((line) =>
      [line.split("=", 1)[0], /; Domain=([^;]+)/.exec(line)?.[1]].join(" "),
    );
    const sessionForms = names.slice(0, 3).flatMap((name) => [`${name} `, `${name} example.com`]);
    expect(new Set(cleared)).toEqual(new Set([...sessionForms, `${names[3]} `, `${names[4]} `, `${flow} `]));
  });

  it("everywhere ends every session of the member, in this process at once", async () => {
    const app = makeTenancy({ signOut: { everywhere: "member" } });
    const here = await app.signIn("user_bob");
    const there = await app.signIn("user_bob");
    const others = await app.signIn("user_vera");
    await app.whoIs(there);
    app.world.clock.now += 1;
    await here.post("/sign-out", { headers: FORM });
    expect(await app.countSessions("user_bob")).toBe(0);
    expect((await there.get("/me", { headers: JSON_CLIENT })).body.code).toBe("session_revoked");
    expect(await app.whoIs(others)).toMatchObject({ member: "user_vera:org_acme" });
  });

  describe("everywhere for a user of two organizations", () => {
    /** Ada in both of her organizations, each in a browser of its own. */
    async function signInTwice(
      everywhere: "member" | "user",
      overrides: TenancyOptions["overrides"] = () => ({}),
    ) {
      const app = makeTenancy({ signOut: { everywhere }, overrides });
      const enter = async (organizationId: string): Promise<Visitor> => {
        const browser = await app.signIn("user_ada");
        await browser.post(SELECTION, { headers: FORM, body: `organization_id=${organizationId}` });
        expect(await app.whoIs(browser)).toMatchObject({ organization: organizationId });
        return browser;
      };
      const [acme, globex] = [await enter("org_acme"), await enter("org_globex")];
      const bob = await app.signIn("user_bob");
      app.world.clock.now += 1;
      return { app, acme, globex, bob };
    }

    it("ends the user's sessions in every organization, at once, and nobody else's", async () => {
      const { app, acme, globex, bob } = await signInTwice("user");
      const asked = app.world.store.questions.length;
      const answer = await acme.post("/sign-out", { headers: FORM });
      expect([answer.status, answer.headers["location"], [...acme.cookies.keys()]]).toEqual([303, "/", []]);
      expect(await app.countSessions("user_ada")).toBe(0);
      const reached = app.reached.length;
      const other = await globex.get("/me", { headers: JSON_CLIENT });
      expect([other.status, other.body.code, app.reached.length - reached]).toEqual([
        401,
        "session_revoked",
        0,
      ]);
      expect(await app.whoIs(bob)).toMatchObject({ member: "user_bob:org_acme" });
      expect(app.world.store.questions.length - asked).toBeLessThanOrEqual(1);
      expect(app.world.events).toContainEqual({ type: "revoked", by: "user", reason: "sign_out" });
    });

    it("of the member leaves the user's other organizations alone", async () => {
      const { app, acme, globex } = await signInTwice("member");
      await acme.post("/sign-out", { headers: FORM });
      expect(await app.whoIs(globex)).toMatchObject({ organization: "org_globex" });
      expect(await app.countSessions("user_ada")).toBe(1);
    });

    it("asks a store that knows no users to end the member's sessions", async () => {
      const targets: unknown[] = [];
      const { acme } = await signInTwice("user", (real) => ({
        interpret(claims, sealed) {
          const known = real.interpret(claims, sealed);
          if (known === undefined) return undefined;
          const { userId: _none, ...member } = known.member;
          return { ...known, member };
        },
        async endSession(target) {
          targets.push(target);
          return {};
        },
      }));
      targets.length = 0;
      await acme.post("/sign-out", { headers: FORM });
      expect(targets).toEqual([{ memberId: "user_ada:org_acme" }]);
    });
  });

  it.each<[string, object | undefined, string | undefined, string]>([
    ["nobody says", undefined, undefined, "/"],
    [
      "the store says",
      { redirectTo: "https://id.example/logout?sid=1" },
      undefined,
      "https://id.example/logout?sid=1",
    ],
    ["the handler says", { redirectTo: "https://id.example/logout" }, "/bye", "/bye"],
    ["the handler names another site", undefined, "https://www.example.com/", "https://www.example.com/"],
    ["the store says something else", { redirectTo: "javascript:alert(1)" }, undefined, "/"],
    ["the store leads away unseen", { redirectTo: "//evil.example" }, undefined, "/"],
    ["the store says nothing that is text", { redirectTo: 7 }, undefined, "/"],
    ["the store answers nothing at all", undefined, undefined, "/"],
  ])("R-16: redirects to the target that %s", async (_what, answer, redirectTo, expected) => {
    const app = makeTenancy({
      overrides: () => ({ endSession: async () => answer as never }),
      ...(redirectTo !== undefined && { signOut: { redirectTo } }),
    });
    const response = await (
      await app.signIn("user_bob")
    ).post("/sign-out?return_to=//evil.example", { headers: FORM });
    expect(response.headers["location"]).toBe(expected);
  });

  it("ends the session in this process when the store cannot end sessions", async () => {
    const app = makeTenancy({ overrides: () => ({ endSession: undefined as never }) });
    const browser = await app.signIn("user_bob");
    const thief = browser.copy();
    expect((await browser.post("/sign-out", { headers: FORM })).status).toBe(303);
    expect((await thief.get("/me", { headers: JSON_CLIENT })).body.code).toBe("session_revoked");
  });
});

describe("signing out while the store is down", () => {
  it.each<[string, () => Promise<never>]>([
    ["down", () => Promise.reject(new StoreUnavailableError({ reason: "down" }))],
    ["failing", () => Promise.reject(new TypeError("fetch failed"))],
  ])(
    "%s: succeeds, clears the cookie, rejects the session here, and emits an event",
    async (_what, endSession) => {
      const app = makeTenancy({ overrides: () => ({ endSession }) });
      const browser = await app.signIn("user_bob");
      const thief = browser.copy();
      const response = await browser.post("/sign-out", { headers: FORM });
      expect([response.status, [...browser.cookies.keys()]]).toEqual([503, ["__Host-orgate-sign-out"]]);
      const stolen = await thief.get("/me", { headers: JSON_CLIENT });
      expect([stolen.status, stolen.body.code]).toEqual([401, "session_revoked"]);
      expect(app.world.events).toContainEqual(expect.objectContaining({ type: "unavailable" }));
      expect(app.world.events).toContainEqual({ type: "revoked", by: "session", reason: "sign_out" });
    },
  );

  it("tells the other processes, and succeeds when they cannot be reached", async () => {
    const told: InvalidationMessage[] = [];
    const broken = (message: InvalidationMessage): Promise<void> => {
      told.push(message);
      return Promise.reject(new Error("the channel is down"));
    };
    const coordinator: Coordinator = { ...inProcessCoordinator(), publish: broken };
    const app = makeTenancy({ options: { coordinator }, signOut: { everywhere: "member" } });
    const browser = await app.signIn("user_bob");
    const { session } = await app.whoIs(browser);
    expect((await browser.post("/sign-out", { headers: FORM })).status).toBe(303);
    const at = app.world.clock.now;
    expect(told).toEqual([
      { target: { sessionId: session }, at, effect: "refuse", until: expect.any(Number) },
      { target: { memberId: "user_bob:org_acme" }, at, effect: "ask" },
    ]);
    expect(app.world.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "coordinator_failed" }),
    );
  });
});

describe("R-15: a renewal during a sign-out", () => {
  it.each(["an active session", "an ended one"])("never sets the cookie again: %s", async (what) => {
    const app = makeTenancy();
    const browser = await app.signIn("user_bob");
    const tab = browser.copy();
    let release = (): void => undefined;
    const onTheWay = new Promise<void>((resolve) => {
      release = resolve;
    });
    const asked = new Promise<void>((resolve) => {
      app.world.store.behaviour = async (stale, context, ask) => {
        // Whether the store answered before it was told of the sign-out, or after.
        const early = what.includes("active")
          ? await ask({ ...stale, reason: "expired" }, context)
          : undefined;
        resolve();
        await onTheWay;
        return early ?? ask(stale, context);
      };
    });
    const renewing = tab.get("/fresh", { headers: JSON_CLIENT });
    await asked;
    expect((await browser.post("/sign-out", { headers: FORM })).status).toBe(303);
    release();
    const late = await renewing;
    expect(setCookiesOf(late).filter((line) => !clears(line))).toEqual([]);
    expect((await tab.get("/me", { headers: JSON_CLIENT })).status).toBe(401);
    expect(await app.countSessions("user_bob")).toBe(0);
  });

  it.each([true, false])(
    "never sets it when the new token cannot be verified yet, signed out: %s",
    async (signsOut) => {
      const app = makeTenancy();
      const browser = await app.signIn("user_bob");
      const tab = browser.copy();
      const held = app.world.store.hold();
      const { behaviour: wait } = app.world.store;
      const claims = claimsOf((await app.world.signIn({ userId: "user_bob" })).accessToken);
      const accessToken = signToken(generateSigningKey("ES256", "not-published-yet"), claims);
      app.world.store.behaviour = (stale, context) => wait(stale, context, () => active({ accessToken }));
      const renewing = tab.get("/fresh", { headers: JSON_CLIENT });
      await held.asked;
      if (signsOut) await browser.post("/sign-out", { headers: FORM });
      held.release();
      const late = await renewing;
      expect([late.status, setCookiesOf(late).length]).toEqual([503, 0]);
    },
  );
});

describe("signOut at construction", () => {
  it.each<[string, () => unknown, string]>([
    [
      "an unknown option",
      () =>
        makeWorld()
          .mount()
          .signOut({ everwhere: true } as never),
      "signOut.everwhere",
    ],
    [
      "everywhere that is no boolean",
      () =>
        makeWorld()
          .mount()
          .signOut({ everywhere: "no" } as never),
      "signOut.everywhere",
    ],
    [
      "a target that is none",
      () => makeWorld().mount().signOut({ redirectTo: "javascript:alert(1)" }),
      "signOut.redirectTo",
    ],
    [
      "everywhere with a store that cannot end sessions",
      () => {
        const world = makeWorld();
        const store = { ...world.store, endSession: undefined } as never;
        return world.mount({ store }).signOut({ everywhere: "member" });
      },
      "signOut.everywhere",
    ],
  ])("rejects %s", (_what, make, option) => {
    expect(make).toThrow(option);
  });
});
