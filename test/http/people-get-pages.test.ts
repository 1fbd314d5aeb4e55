import type { ServerResponse } from "node:http";
import { describe, expect, it } from "@jest/globals";
import type { Response } from "supertest";
import { StoreUnavailableError } from "../../src/errors.ts";
import type { OrgateOptions } from "../../src/options/options.ts";
import { type Tenancy, type TenancyOptions, makeTenancy } from "../support/apps.ts";
import { JSON_CLIENT, NAVIGATION } from "../support/browser.ts";
import { TROUBLE } from "../support/stores.ts";
import { PASSWORD } from "../support/world.ts";
import { makeStytchApp } from "../support/stytch-app.ts";
import { makeWorkosApp } from "../support/workos-app.ts";

const HTML = "text/html; charset=utf-8";

/** The links and form targets of a page, without entities. */
function targetsOf({ text }: Response): string[] {
  return [...text.matchAll(/ (?:href|action)="([^"]*)"/g)].map(([, target = ""]) =>
    target.replaceAll("&amp;", "&"),
  );
}

function makePages(options: Partial<OrgateOptions> = {}, more: Partial<TenancyOptions> = {}): Tenancy {
  return makeTenancy({
    options,
    ...more,
    routes: (auth) => [
      { path: "/billing", guards: [auth.requirePermission("billing", "manage")] },
      { path: "/owners", guards: [auth.requireRole("admin")] },
      {
        path: "/globex",
        guards: [auth.requireOrganization({ organization: () => "org_globex" })],
      },
      { path: "/sso", guards: [auth.requireFactor("sso")] },
      { path: "/recent", guards: [auth.requireRecentAuth({ maxAge: 60 })] },
      { path: "/own", guards: [auth.denyImpersonation()] },
      { path: "/account", guards: [auth.requireAuth()] },
    ],
  });
}

describe("a browser that loads a page it may not see", () => {
  it.each([
    ["permission_denied", "/billing", "You are not allowed to do this", "Choose another organization"],
    ["role_required", "/owners", "A role that you do not hold is required", "Choose another organization"],
    [
      "organization_mismatch",
      "/globex",
      "This belongs to another organization",
      "Choose another organization",
    ],
    ["factor_required", "/sso", "A further authentication factor is required", "Sign in again"],
  ])("is shown a page with a way on, and a program gets JSON: %s", async (code, path, title, way) => {
    const app = makePages();
    const browser = await app.signIn("user_bob");
    const page = await browser.get(path);
    expect([page.status, page.headers["content-type"], page.headers["location"]]).toEqual([
      403,
      HTML,
      undefined,
    ]);
    expect(page.text).toContain(`<h1>${title}</h1>`);
    expect(page.text).toContain(`>${way}</a>`);
    expect(page.text).toContain('<html lang="en">');
    expect(page.headers["content-security-policy"]).toContain("default-src 'none'");
    for (const target of targetsOf(page)) expect((await browser.get(target)).status).not.toBe(404);
    const program = await browser.get(path, { headers: JSON_CLIENT });
    expect([program.status, program.body.code]).toEqual([403, code]);
    expect(app.reached).not.toContain(`GET ${path}`);
  });

  it("links to the selection, which then does not send a member of one organization straight back", async () => {
    const app = makePages();
    const browser = await app.signIn("user_bob");
    const [target = ""] = targetsOf(await browser.get("/globex"));
    expect(target).toBe("/select-organization?return_to=%2Fglobex&choose=1");
    expect((await browser.get(target)).status).toBe(200);
  });

  it("is told to try again while the store is down, without a link to anything that is not mounted", async () => {
    const app = makePages();
    const browser = await app.signIn("user_bob");
    app.world.clock.now += 306;
    app.world.store.behaviour = TROUBLE.down;
    const page = await browser.get("/me?tab=2");
    expect([page.status, page.headers["content-type"], page.headers["retry-after"]]).toEqual([
      503,
      HTML,
      "1",
    ]);
    expect(page.text).toContain("You are not signed out");
    expect(targetsOf(page)).toEqual(["/me?tab=2"]);
  });

  it("is shown a page after a form, with a way to sign in", async () => {
    const app = makePages();
    const page = await app.browser.post("/me");
    expect([page.status, page.headers["content-type"]]).toEqual([401, HTML]);
    expect(targetsOf(page)).toEqual(["/sign-in?return_to=%2F"]);
    const script = await app.browser.post("/me", { headers: { ...NAVIGATION, "Sec-Fetch-Mode": "cors" } });
    expect([script.status, script.body.code]).toEqual([401, "unauthenticated"]);
  });

  it("is shown where to choose after a form, while the session has no organization", async () => {
    const app = makePages();
    const browser = await app.signIn("user_nora");
    const page = await browser.post("/globex");
    expect([page.status, page.headers["content-type"]]).toEqual([403, HTML]);
    expect(targetsOf(page)).toEqual(["/select-organization?return_to=%2F"]);
  });

  it.each([
    ["/select-organization", ["/select-organization?return_to=%2F"]],
    ["/account", ["/account?return_to=%2F"]],
    ["/me", []],
  ])("leads from a form that another site posted to %s back to the form", async (path, targets) => {
    const app = makePages({ signIn: { path: "/account" } });
    const browser = await app.signIn("user_bob");
    const page = await browser.post(path, { headers: { ...NAVIGATION, "Sec-Fetch-Site": "cross-site" } });
    expect([page.status, page.headers["content-type"]]).toEqual([403, HTML]);
    expect(page.text).toContain("<h1>The request came from another site</h1>");
    expect(targetsOf(page)).toEqual(targets);
  });

  it.each([
    ["/select-organization", ["/select-organization?return_to=%2F"]],
    ["/me", []],
  ])("is told to post to %s again while the store is down, where a form is there", async (path, targets) => {
    const app = makePages();
    const browser = await app.signIn("user_bob");
    app.world.clock.now += 306;
    app.world.store.behaviour = TROUBLE.down;
    const page = await browser.post(path);
    expect([page.status, page.headers["content-type"]]).toEqual([503, HTML]);
    expect(page.text).toContain("You are not signed out");
    expect(targetsOf(page)).toEqual(targets);
  });

  it("has no way on where nothing that the person does would help", async () => {
    const app = makePages();
    const { seal } = await app.world.signIn({ impersonator: { email: "support@example.com" } });
    app.browser.cookies.set("__Host-orgate", seal);
    const page = await app.browser.get("/own");
    expect([page.status, page.headers["content-type"], targetsOf(page)]).toEqual([403, HTML, []]);
    expect(page.text).toContain("while you act for somebody else");
  });

  it("is led to sign in again after a form, when its session has ended", async () => {
    const app = makePages();
    const browser = await app.signIn("user_bob");
    const [session] = await app.world.authority.listSessions({ userId: "user_bob" });
    await app.world.authority.revoke({ sessionId: session?.id ?? "" });
    const page = await browser.post("/me");
    expect([page.status, page.headers["content-type"]]).toEqual([401, HTML]);
    expect(page.text).toContain("Your session has ended");
    expect(targetsOf(page)).toEqual(["/sign-in?return_to=%2F"]);
  });

  it("never gets a link to a selection that is not mounted", async () => {
    const app = makeTenancy();
    const auth = app.world.mount({ signIn: { path: "/sign-in" } });
    const bare = makeTenancy({ before: [auth, auth.requireRole("editor")] });
    const { seal } = await app.world.signIn();
    bare.browser.cookies.set("__Host-orgate", seal);
    const page = await bare.browser.get("/me");
    expect([page.status, page.headers["content-type"], targetsOf(page)]).toEqual([403, HTML, []]);
  });
});

describe("pages that the application brands", () => {
  it("show its title and logo, and may load the logo alone", async () => {
    const app = makePages({ pages: { title: "Acme <Docs>", logoUrl: "/logo.svg" } });
    const browser = await app.signIn("user_bob");
    for (const path of ["/billing", "/select-organization?choose=1"]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const page = await browser.get(path);
      expect(page.text).toContain(" - Acme &lt;Docs&gt;</title>");
      expect(page.text).toContain('<img src="/logo.svg" alt="" />');
      expect(page.headers["content-security-policy"]).toContain("img-src 'self'");
    }
  });

  it("are rendered by the application", async () => {
    const app = makePages({
      pages: {
        render: ({ title, content, code, status }) => `<main>${status} ${code} ${title}|${content}</main>`,
      },
    });
    const browser = await app.signIn("user_bob");
    const page = await browser.get("/owners");
    expect([page.status, page.headers["content-type"]]).toEqual([403, HTML]);
    expect(page.text).toMatch(/^<main>403 role_required A role that you do not hold is required\|<h1>/);
    expect((await browser.get("/select-organization?choose=1")).text).toMatch(/^<main>200 undefined Choose/);
  });

  it.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("no template");
      },
    ],
    ["rejects", () => Promise.reject(new Error("no template"))],
    ["returns nothing", () => undefined],
  ])("fall back to orgate's page and are reported when render %s", async (_what, render) => {
    const app = makePages({ pages: { render: render as () => string } });
    const page = await (await app.signIn("user_bob")).get("/owners");
    expect([page.status, page.headers["content-type"]]).toEqual([403, HTML]);
    expect(page.text).toContain("<h1>A role that you do not hold is required</h1>");
    expect(app.world.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "page_render_failed" }),
    );
  });

  it("are left alone when render answered by itself, whether it then fails or not", async () => {
    const answers = [undefined, Promise.reject(new Error("too late"))];
    const app = makePages({
      pages: {
        render: ((_page: unknown, _request: unknown, response: ServerResponse) => {
          response.writeHead(418).end("rendered elsewhere");
          return answers.pop();
        }) as never,
      },
    });
    const browser = await app.signIn("user_bob");
    for (let visit = 0; visit < 2; visit += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const page = await browser.get("/owners");
      expect([page.status, page.text]).toEqual([418, "rendered elsewhere"]);
    }
    expect(app.world.events.filter(({ type }) => type === "misconfigured")).toMatchObject([
      { reason: "page_render_failed" },
    ]);
  });

  it("are refused at construction with a logo that is no address", () => {
    expect(() => makePages({ pages: { logoUrl: "javascript:alert(1)" } })).toThrow("pages.logoUrl");
    expect(() => makePages({ pages: { logo: "/x" } as never })).toThrow("pages.logo");
  });
});

describe("redirects to sign in that are no loop", () => {
  it("are remembered in frames of other sites too, where the session's cookie is sent there", async () => {
    const app = makePages({ cookie: { password: PASSWORD, sameSite: "none" } });
    const { headers } = await app.browser.get("/me");
    expect(headers["set-cookie"]).toEqual([expect.stringMatching(/^__Host-orgate-bounce=.*; SameSite=None/)]);
    const strict = makePages({ cookie: { password: PASSWORD, sameSite: "strict" } });
    const { headers: others } = await strict.browser.get("/me");
    expect(others["set-cookie"]).toEqual([expect.stringMatching(/^__Host-orgate-bounce=.*; SameSite=Lax/)]);
  });

  it.each<[string, Record<string, string>]>([
    ["Sec-Purpose: prefetch", { "Sec-Purpose": "prefetch" }],
    ["Sec-Purpose: prefetch;prerender", { "Sec-Purpose": "prefetch;prerender" }],
    ["Purpose: prefetch", { Purpose: "prefetch" }],
  ])("a prefetch is redirected and remembered by no cookie: %s", async (_what, purpose) => {
    const app = makePages();
    const answer = await app.browser.get("/me", { headers: { ...NAVIGATION, ...purpose } });
    expect([answer.status, answer.headers["location"]]).toEqual([303, "/sign-in?return_to=%2Fme"]);
    expect(app.browser.cookies.size).toBe(0);
  });

  it("two tabs and a reload are redirected each time", async () => {
    const app = makePages();
    for (let tab = 0; tab < 3; tab += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect((await app.browser.get("/me")).status).toBe(303);
    }
  });

  it("a page that asks again right after a completed sign-in says so, and goes on with a link", async () => {
    const app = makePages();
    await app.browser.get("/me");
    app.world.clock.now += 120;
    await app.browser.post("/sign-in", { headers: { ...NAVIGATION, "X-User": "user_bob" } });
    app.browser.cookies.delete("__Host-orgate");
    const page = await app.browser.get("/me");
    expect([page.status, page.headers["content-type"]]).toEqual([401, HTML]);
    expect(page.text).toContain("accepts cookies");
    expect(targetsOf(page)).toEqual(["/sign-in?return_to=%2Fme"]);
  });
});

describe("a recent authentication where nobody knows the time", () => {
  it("is asked for by a page instead of a redirect, and reported once", async () => {
    const app = makePages(
      {},
      { overrides: (real) => ({ interpret: withoutTimes(real.interpret.bind(real)) }) },
    );
    const browser = await app.signIn("user_bob");
    for (let visit = 0; visit < 2; visit += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const page = await browser.get("/recent");
      expect([page.status, page.headers["content-type"], page.headers["location"]]).toEqual([
        401,
        HTML,
        undefined,
      ]);
      expect(targetsOf(page)).toEqual(["/sign-in?return_to=%2Frecent&max_age=60"]);
    }
    const told = app.world.events.filter(({ type }) => type === "misconfigured");
    expect(told).toEqual([
      expect.objectContaining({ type: "misconfigured", reason: "authentication_time_unknown" }),
    ]);
  });
});

type Interpret = Tenancy["world"]["store"]["interpret"];

function withoutTimes(interpret: Interpret): Interpret {
  return (claims, sealed) => {
    const read = interpret(claims, sealed);
    if (read === undefined) return undefined;
    const { authenticatedAt: _time, memberSession, ...rest } = read;
    const { startedAt: _start, ...session } = memberSession;
    return { ...rest, memberSession: { ...session, authenticationFactors: [] } };
  };
}

describe("a step that is due", () => {
  it("is named by the page of the callback, which offers the connection that is required", async () => {
    const app = await makeWorkosApp({ options: { signIn: { path: "/sign-in" } } });
    try {
      const browser = app.open();
      const out = await browser.get("/sign-in?return_to=/read");
      const state = new URL(String(out.headers["location"])).searchParams.get("state");
      app.harness.fake.fail("authorization_code", ({ answer }) =>
        answer({
          status: 400,
          body: { error: "sso_required", email: "ada@example.com", connection_ids: ["conn_1"] },
        }),
      );
      const page = await browser.get(`/callback?code=x&state=${state}`);
      expect([page.status, page.headers["content-type"]]).toEqual([401, HTML]);
      expect(page.text).toContain("<h1>Sign in with single sign-on</h1>");
      expect(targetsOf(page)).toEqual(["/sign-in?return_to=%2Fread&connection_id=conn_1"]);
      const next = await browser.get(targetsOf(page)[0] ?? "");
      const { searchParams } = new URL(String(next.headers["location"]));
      expect([searchParams.get("connection_id"), searchParams.get("provider")]).toEqual(["conn_1", null]);
    } finally {
      await app.close();
    }
  });

  it("has its challenge made by the store", async () => {
    const app = await makeWorkosApp();
    try {
      const { fake, store } = app.harness;
      fake.fail("password", ({ answer }) =>
        answer({
          status: 403,
          body: {
            code: "mfa_challenge",
            pending_authentication_token: "pending_1",
            authentication_factors: [
              { id: "auth_factor_sms", type: "sms" },
              { id: "auth_factor_1", type: "totp" },
            ],
          },
        }),
      );
      fake.fail("/auth/factors/auth_factor_1/challenge", ({ answer }) =>
        answer({ status: 201, body: { id: "auth_challenge_1" } }),
      );
      const outcome = await store.authenticateWithPassword({ emailAddress: "a@example.com", password: "x" });
      expect(outcome).toMatchObject({
        reason: "mfa_challenge",
        details: { authenticationChallengeId: "auth_challenge_1" },
      });
    } finally {
      await app.close();
    }
  });
});

describe("signing out of a hosted store", () => {
  it.each([
    ["by default", {}, null],
    ["with redirectTo", { redirectTo: "/bye" }, "https://app.example.com/bye"],
    ["everywhere", { everywhere: "member" as const }, null],
  ])("leads through WorkOS's logout %s, also when revoking fails", async (_what, options, returnTo) => {
    const app = await makeWorkosApp({
      routes: (auth) => [{ path: "/leave", guards: [auth.signOut(options)] }],
    });
    try {
      const program = await (await app.signIn("bob")).post("/leave", { headers: JSON_CLIENT });
      expect([program.status, program.body.logout_url]).toEqual([200, program.body.redirect_to]);
      app.harness.fake.fail("/revoke", ({ answer }) => answer({ status: 500, body: {} }), 9);
      const browser = await app.signIn("bob");
      const left = await browser.post("/leave");
      const url = new URL(String(left.headers["location"]));
      expect([left.status, url.pathname, url.searchParams.get("return_to")]).toEqual([
        303,
        "/user_management/sessions/logout",
        returnTo,
      ]);
      expect(url.searchParams.get("session_id")).toMatch(/^session_/);
      expect([...browser.cookies.keys()]).toEqual([]);
    } finally {
      await app.close();
    }
  });

  it("says so when Stytch cannot revoke the session, and ends it on the second try", async () => {
    const app = await makeStytchApp({
      orgate: { credentials: ["bearer", { jwtCookie: "stytch_session_jwt" }] },
    });
    try {
      const { session, jwt } = app.session();
      const browser = app.browser({ stytch_session_jwt: jwt });
      expect((await browser.get("/me")).status).toBe(200);
      app.harness.fake.isDown = true;
      const page = await browser.post("/sign-out");
      expect([page.status, page.headers["content-type"]]).toEqual([503, HTML]);
      expect(page.text).toContain("This browser is signed out.");
      expect(targetsOf(page)).toEqual(["/sign-out"]);
      expect([session.revoked, browser.cookies.has("stytch_session_jwt")]).toEqual([false, false]);
      app.harness.fake.isDown = false;
      await app.harness.advance(60);
      const again = await browser.post("/sign-out");
      expect([again.status, again.headers["location"], session.revoked]).toEqual([303, "/", true]);
      expect([...browser.cookies.keys()]).toEqual([]);
    } finally {
      await app.close();
    }
  });

  it("shows the same page for any store that cannot end the session now", async () => {
    const endSession = (): Promise<never> => Promise.reject(new StoreUnavailableError({ reason: "down" }));
    const app = makeTenancy({ overrides: () => ({ endSession }) });
    const page = await (await app.signIn("user_bob")).post("/sign-out");
    expect([page.status, targetsOf(page)]).toEqual([503, ["/sign-out"]]);
  });
});
