import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { SessionStore } from "../../src/store.ts";
import { controlTimers, settle, type ControlledTimers } from "../support/timers.ts";
import { makeTenancy, SELECTION, type Tenancy } from "../support/apps.ts";
import { JSON_CLIENT, type Visitor } from "../support/browser.ts";
import { claimsOf } from "../support/world.ts";

const FORM = { Accept: "text/html" };
const acme = { headers: JSON_CLIENT, body: { organization_id: "org_acme" } };
const globex = { headers: JSON_CLIENT, body: { organization_id: "org_globex" } };

type Method = "organizations" | "selectOrganization" | "switchOrganization" | "endSession";

/** A store one method of which answers only when it is told to, whatever its signal says. */
function makeSlow(method: Method): { app: Tenancy; asked: Promise<void>; answer: () => void } {
  let answer = (): void => undefined;
  let tell = (): void => undefined;
  const told = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const asked = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const app = makeTenancy({
    overrides: (real) => ({
      [method]: async (...given: never[]) => {
        tell();
        await told;
        return (real[method] as (...parameters: never[]) => unknown)(...given);
      },
    }),
  });
  return { app, asked, answer };
}

describe("a store that does not answer in time", () => {
  let timers: ControlledTimers;
  beforeEach(() => {
    timers = controlTimers();
  });
  afterEach(() => timers.restore());

  const spend = async (asked: Promise<void>): Promise<void> => {
    await asked;
    await settle();
    await timers.pass(5.1);
  };

  const chosen = async (app: Tenancy): Promise<Visitor> => {
    const browser = await app.signIn("user_ada");
    await browser.post(SELECTION, acme);
    return browser;
  };

  it("gives 503 for the page", async () => {
    const { app, asked } = makeSlow("organizations");
    const browser = await app.signIn("user_ada");
    const page = browser.get(SELECTION, { headers: JSON_CLIENT });
    await spend(asked);
    expect([(await page).status, (await page).body.code]).toEqual([503, "store_unavailable"]);
    expect(app.world.events).toContainEqual(
      expect.objectContaining({
        type: "unavailable",
        code: "store_unavailable",
        reason: "timeout",
        retryAfter: 5,
      }),
    );
  });

  it("gives 503 for a choice, and its late answer serves the retry", async () => {
    const { app, asked, answer } = makeSlow("selectOrganization");
    const browser = await app.signIn("user_ada");
    const first = browser.post(SELECTION, acme);
    await spend(asked);
    expect([(await first).status, (await first).body.code]).toEqual([503, "store_unavailable"]);
    answer();
    await settle();
    await settle();
    expect((await browser.post(SELECTION, acme)).status).toBe(200);
    expect(await app.countSessions("user_ada")).toBe(1);
  });

  it("gives 503 for a switch", async () => {
    const { app, asked } = makeSlow("switchOrganization");
    const browser = await chosen(app);
    const switching = browser.post("/switch", globex);
    await spend(asked);
    expect((await switching).status).toBe(503);
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_acme" });
  });

  it("does not prevent a sign-out", async () => {
    const { app, asked } = makeSlow("endSession");
    const browser = await chosen(app);
    const thief = browser.copy();
    const leaving = browser.post("/sign-out", { headers: FORM });
    await spend(asked);
    expect((await leaving).status).toBe(503);
    expect((await thief.get("/me", { headers: JSON_CLIENT })).body.code).toBe("session_revoked");
  });
});

describe("a store that alone can read its tokens", () => {
  const signOut = (endPresented: NonNullable<SessionStore["endPresented"]> | undefined) => {
    const app = makeTenancy({
      mounted: false,
      options: { credentials: [{ jwtCookie: "session_jwt" }] },
      overrides: () => ({
        credential: { opaqueCookieName: "session_token" },
        ...(endPresented !== undefined && { endPresented }),
      }),
    });
    app.browser.cookies.set("session_token", "the-session-token");
    return { app, leaving: app.browser.post("/sign-out", { headers: JSON_CLIENT }) };
  };

  it("gets the token at sign-out, and says where the browser goes", async () => {
    const asked: unknown[] = [];
    const { app, leaving } = signOut(async (of, scope, { signal, ...client }) => {
      asked.push(of, scope, signal instanceof AbortSignal, client.ipAddress);
      return { status: "ended", redirectTo: "https://id.example/out" };
    });
    expect((await leaving).body).toEqual({ signed_out: true, redirect_to: "https://id.example/out" });
    const of = { reason: "asked", opaqueToken: "the-session-token" };
    expect(asked).toEqual([of, "session", true, expect.any(String)]);
    expect(app.browser.cookies.size).toBe(0);
  });

  it("says whose session it was, and the process rejects that session at once", async () => {
    let accessToken = "";
    const { app, leaving } = signOut(async () => {
      ({ accessToken } = await app.world.signIn());
      return { status: "ended", sessionId: String(claimsOf(accessToken)["sid"]) };
    });
    await leaving;
    app.browser.cookies.set("session_jwt", accessToken);
    const late = await app.browser.get("/me", { headers: JSON_CLIENT });
    expect([late.status, late.body.code, app.world.store.questions]).toEqual([401, "session_revoked", []]);
  });

  it("does not prevent a sign-out by taking too long", async () => {
    const timers = controlTimers();
    try {
      let tell = (): void => undefined;
      const asked = new Promise<void>((resolve) => {
        tell = resolve;
      });
      const { app, leaving } = signOut(() => {
        tell();
        return new Promise(() => undefined);
      });
      void leaving.catch(() => undefined);
      await asked;
      await settle();
      await timers.pass(5.1);
      expect((await leaving).status).toBe(200);
      expect(app.browser.cookies.size).toBe(0);
      expect(app.world.events).toContainEqual(
        expect.objectContaining({ type: "unavailable", reason: "timeout" }),
      );
    } finally {
      timers.restore();
    }
  });

  it.each<[string, () => Promise<never>]>([
    ["fails", () => Promise.reject(new TypeError("fetch failed"))],
    ["answers with nonsense", async () => ({ status: "perhaps" }) as never],
    ["answers with nothing", async () => undefined as never],
  ])("does not prevent a sign-out when it %s, and an event reports it", async (_what, endPresented) => {
    const { app, leaving } = signOut(endPresented);
    expect((await leaving).status).toBe(200);
    expect([app.browser.cookies.size, app.errors]).toEqual([0, []]);
    expect(app.world.events).toContainEqual(expect.objectContaining({ type: "unavailable" }));
  });

  it("does not prevent a sign-out when it has no method for it", async () => {
    const { app, leaving } = signOut(undefined);
    expect((await leaving).status).toBe(200);
    expect([app.browser.cookies.size, app.world.store.otherCalls]).toEqual([0, 0]);
    expect(app.world.events).toEqual([]);
  });
});

describe("R-45: a store that throws unreadable errors", () => {
  const trap = new Proxy(new Error("trap"), {
    get() {
      throw new TypeError("sprung");
    },
  });

  it.each<[string, Partial<SessionStore>]>([
    ["a trap", { selectOrganization: () => Promise.reject(trap) }],
    ["undefined", { selectOrganization: () => Promise.reject(undefined) }], // oxlint-disable-line typescript/prefer-promise-reject-errors
    [
      "at once",
      {
        selectOrganization() {
          throw new Error("not even a promise");
        },
      },
    ],
  ])("%s: 503", async (_what, overrides) => {
    const app = makeTenancy({ overrides: () => overrides });
    const browser = await app.signIn("user_ada");
    const response = await browser.post(SELECTION, acme);
    expect([response.status, response.body.code, app.errors]).toEqual([503, "store_unavailable", []]);
  });
});

describe("a store that knows better than the token", () => {
  it("shows on the page that the session has ended", async () => {
    const app = makeTenancy({
      options: { coordinator: undefined },
      overrides: (real) => ({ ...real, onInvalidated: undefined as never }),
    });
    const browser = await app.signIn("user_bob");
    await app.world.authority.revoke({ userId: "user_bob" });
    const page = await browser.get(SELECTION, { headers: JSON_CLIENT });
    expect([page.status, page.body.code]).toEqual([401, "session_revoked"]);
  });

  it("shows that a pending authentication has ended, and uses the session instead", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_bob");
    await browser.post("/sign-in", { headers: { ...FORM, "X-User": "user_ada" } });
    const spent = browser.copy();
    spent.cookies.delete("__Host-orgate");
    await spent.post(SELECTION, acme);
    const page = await browser.get(`${SELECTION}?return_to=/x`);
    expect([page.status, page.headers["location"], browser.cookies.has("__Host-orgate-pending")]).toEqual([
      303,
      "/x",
      false,
    ]);
    expect(await app.whoIs(browser)).toMatchObject({ member: "user_bob:org_acme" });
  });
});

describe("a store that cannot read the session that it has just made", () => {
  /** A store that cannot read sessions but Ada's at `org_acme`, and after a switch hands out the session that is named, if any. */
  function makeUnreadable(): { app: Tenancy; trouble: { isOn: boolean; handsOut?: string } } {
    const trouble: { isOn: boolean; handsOut?: string } = { isOn: true };
    const app = makeTenancy({
      overrides: (real) => ({
        interpret(claims, sealed) {
          const isAdasAtAcme = claims.sub === "user_ada" && claims["org_id"] === "org_acme";
          if (trouble.isOn && !isAdasAtAcme) throw new Error("cannot read");
          return real.interpret(claims, sealed);
        },
        async switchOrganization(...given) {
          const outcome = await real.switchOrganization?.(...given);
          if (outcome === undefined) throw new Error("the authority can switch");
          const { handsOut: accessToken } = trouble;
          if (accessToken === undefined || outcome.status !== "authenticated") return outcome;
          return { ...outcome, credential: { accessToken, refreshToken: "another's" } };
        },
      }),
    });
    return { app, trouble };
  }

  const switching = async (app: Tenancy): Promise<Visitor> => {
    const browser = await app.signIn("user_ada");
    await browser.post(SELECTION, acme);
    expect((await browser.post("/switch", globex)).status).toBe(503);
    return browser;
  };

  it("gives 503, and keeps the new session", async () => {
    const { app, trouble } = makeUnreadable();
    const browser = await switching(app);
    trouble.isOn = false;
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_globex" });
  });

  it("R-27: hands nobody another user's session", async () => {
    const { app, trouble } = makeUnreadable();
    trouble.handsOut = (await app.world.signIn({ userId: "user_bob" })).accessToken;
    const browser = await switching(app);
    trouble.isOn = false;
    const { status, text } = await browser.get("/me", { headers: JSON_CLIENT });
    expect([status, text]).toEqual([expect.any(Number), expect.not.stringContaining("bob")]);
  });
});

describe("an application without a sign-in page", () => {
  it("has no link to a sign-in page", async () => {
    const app = makeTenancy({ options: { signIn: undefined } });
    const page = await app.browser.get(SELECTION);
    expect([
      page.status,
      page.text.includes("<h1>Sign in to continue</h1>"),
      page.text.includes("<a "),
    ]).toEqual([401, true, false]);
  });

  it("R-16: keeps a return target that no router can parse", async () => {
    const app = makeTenancy();
    const response = await app.browser.post("/sign-in?return_to=/%25zz", {
      headers: { ...FORM, "X-User": "user_bob" },
    });
    expect(response.headers["location"]).toBe("/%zz");
  });
});
