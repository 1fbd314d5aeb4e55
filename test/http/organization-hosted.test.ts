import { describe, expect, it } from "@jest/globals";
import { createHash } from "node:crypto";
import { StoreUnavailableError } from "../../src/errors.ts";
import type { CallbackOptions, SignInOptions } from "../../src/sign-in/hosted-sign-in.ts";
import type { BeginSignInOptions, Outcome, SessionStore } from "../../src/store.ts";
import { FRAMEWORKS, makeApp, type FrameworkName, type TestApp } from "../support/apps.ts";
import { JSON_CLIENT, NAVIGATION, openBrowser, setCookiesOf, type Visitor } from "../support/browser.ts";
import { COOKIE, makeWorld, type World } from "../support/world.ts";

const HOSTED = "https://id.example/authorize";
const FLOW = /^__Host-orgate-sign-in-[\w-]{16}$/;

interface HostedState {
  readonly verifier: string;
}

/** A store with a sign-in page of its own: codes are handed out there, and redeemed once, with the verifier of the flow. */
interface HostedPage {
  readonly store: SessionStore;
  readonly begun: BeginSignInOptions[];
  /** What the page sends the browser back with. */
  grant(location: string, userId: string): string;
  isDown: boolean;
  /** What the way back comes to instead, once. */
  due: Outcome | undefined;
}

function openHostedPage(world: World): HostedPage {
  const codes = new Map<string, { readonly challenge: string; readonly userId: string }>();
  const begun: BeginSignInOptions[] = [];
  let serial = 0;
  const challengeOf = (verifier: string): string => createHash("sha256").update(verifier).digest("base64url");

  const redeem = async (query: URLSearchParams, { verifier }: HostedState): Promise<Outcome> => {
    const code = query.get("code") ?? "";
    const grant = codes.get(code);
    if (grant?.challenge !== challengeOf(verifier)) return { status: "refused", code: "sign_in_failed" };
    codes.delete(code);
    const { userId } = grant;
    try {
      const result = await world.authority.authenticate({ userId, authenticationMethod: "GoogleOAuth" });
      const { accessToken, refreshToken, user } = result;
      return { status: "authenticated", credential: { accessToken, refreshToken, user: { ...user } } };
    } catch (error) {
      const { pendingAuthenticationToken, organizations } = error as {
        pendingAuthenticationToken: string;
        organizations: { id: string; name: string }[];
      };
      return { status: "selection_required", pending: { pendingAuthenticationToken }, organizations };
    }
  };

  const page: HostedPage = {
    begun,
    isDown: false,
    due: undefined,
    store: {
      ...world.store,
      beginSignIn(options) {
        begun.push(options);
        serial += 1;
        const verifier = `verifier-${serial}`;
        const query = new URLSearchParams({
          state: `state-${serial}`,
          code_challenge: challengeOf(verifier),
        });
        return { url: `${HOSTED}?${query.toString()}`, state: { verifier } };
      },
      async completeSignIn(query, state) {
        if (page.isDown) throw new StoreUnavailableError({ retryAfter: 4 });
        const { due } = page;
        page.due = undefined;
        return due ?? redeem(query, state as HostedState);
      },
    },
    grant(location, userId) {
      const asked = new URL(location).searchParams;
      const code = `code-${codes.size + 1}-${serial}`;
      codes.set(code, { challenge: asked.get("code_challenge") ?? "", userId });
      return `/callback?${new URLSearchParams({ code, state: asked.get("state") ?? "" }).toString()}`;
    },
  };
  return page;
}

interface HostedApp extends TestApp {
  readonly world: World;
  readonly page: HostedPage;
  readonly browser: Visitor;
  /** Goes out to the page and is granted a way back. */
  begin(visitor: Visitor, userId: string, query?: string): Promise<string>;
}

function makeHosted(
  options: {
    readonly framework?: FrameworkName;
    readonly mounted?: boolean;
    readonly signIn?: SignInOptions;
    readonly callback?: CallbackOptions;
  } = {},
): HostedApp {
  const { framework = "Express 5", mounted = true, signIn, callback } = options;
  const world = makeWorld();
  const page = openHostedPage(world);
  const auth = world.mount({ store: page.store, signIn: { path: "/sign-in" } });
  const app = makeApp(framework, {
    before: mounted ? [auth] : [],
    routes: [
      { path: "/sign-in", guards: [auth.signIn(signIn)] },
      { path: "/callback", guards: [auth.callback(callback)] },
      { path: "/select-organization", guards: [auth.organizationSelection()] },
      { path: "/sign-out", guards: [auth.signOut()] },
      { path: "/me", guards: [auth, auth.requireAuth()] },
    ],
  });
  return {
    ...app,
    world,
    page,
    browser: openBrowser(app.listener),
    async begin(visitor, userId, query = "") {
      const response = await visitor.get(`/sign-in${query}`);
      return page.grant(String(response.headers["location"]), userId);
    },
  };
}

const flowsOf = (visitor: Visitor): string[] => [...visitor.cookies.keys()].filter((name) => FLOW.test(name));

describe.each(FRAMEWORKS)("a hosted sign-in on %s", (framework) => {
  it.each([true, false])("redirects out and back, auth mounted above: %s", async (mounted) => {
    const app = makeHosted({ framework, mounted });
    const { browser } = app;
    const out = await browser.get("/sign-in?return_to=/documents%3Fpage=2");
    expect([out.status, out.headers["cache-control"]]).toEqual([303, "private, no-store"]);
    expect(out.headers["location"]).toMatch(/^https:\/\/id\.example\/authorize\?state=state-1&/);
    const [line] = setCookiesOf(out);
    expect(line).toMatch(
      /^__Host-orgate-sign-in-[\w-]{16}=1800000000\.Fe26\.2\*[\w*.-]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
    const back = await browser.get(app.page.grant(String(out.headers["location"]), "user_bob"), {
      headers: { ...NAVIGATION, "Sec-Fetch-Site": "cross-site" },
    });
    expect([back.status, back.headers["location"]]).toEqual([303, "/documents?page=2"]);
    expect([...browser.cookies.keys()]).toEqual([expect.stringContaining("-sign-in-"), COOKIE]);
    expect((await browser.get("/me")).body.member).toBe("user_bob:org_acme");
    expect(app.errors).toEqual([]);
  });

  it("leads through the organization selection", async () => {
    const app = makeHosted({ framework });
    const back = await app.browser.get(await app.begin(app.browser, "user_ada", "?return_to=/documents"));
    expect([back.status, back.headers["location"]]).toEqual([303, "/select-organization"]);
    const body = "organization_id=org_globex";
    const chosen = await app.browser.post("/select-organization", { headers: { Accept: "text/html" }, body });
    expect(chosen.headers["location"]).toBe("/documents");
    expect((await app.browser.get("/me")).body.organization).toBe("org_globex");
  });
});

describe("the redirect to the hosted sign-in", () => {
  it("forwards the allowed parameters of a link, and no others", async () => {
    const { browser, page } = makeHosted();
    await browser.get(
      "/sign-in?organization_id=org_1&login_hint=ada@example.com&screen_hint=sign-up&max_age=300&invitation_token=inv&redirect_uri=https://evil.example&x=1",
    );
    await browser.get("/sign-in?screen_hint=other&max_age=-1&login_hint=%00&organization_id=");
    await browser.get(`/sign-in?login_hint=${"a".repeat(513)}&max_age=1e3`);
    expect(page.begun).toEqual([
      {
        organizationId: "org_1",
        loginHint: "ada@example.com",
        screenHint: "sign-up",
        maxAge: 300,
        invitationToken: "inv",
      },
      {},
      {},
    ]);
  });

  it("uses the handler's options before the link's parameters", async () => {
    const { browser, page } = makeHosted({
      signIn: { organizationId: "org_fixed", redirectUri: "https://app/cb" },
    });
    await browser.get("/sign-in?organization_id=org_1&login_hint=a");
    expect(page.begun).toEqual([
      { organizationId: "org_fixed", loginHint: "a", redirectUri: "https://app/cb" },
    ]);
  });

  it.each([
    ["//evil.example", "/"],
    ["https://evil.example", "/"],
    ["/sign-in", "/"],
    ["/callback", "/"],
    ["/ok", "/ok"],
  ])("R-16: stores the return target %s as %s", async (returnTo, expected) => {
    const app = makeHosted();
    const back = await app.begin(
      app.browser,
      "user_bob",
      `?${new URLSearchParams({ return_to: returnTo }).toString()}`,
    );
    expect((await app.browser.get(back)).headers["location"]).toBe(expected);
  });

  it("continues where the handlers say when the link names nothing", async () => {
    const first = makeHosted({ signIn: { returnTo: "/start" } });
    expect((await first.browser.get(await first.begin(first.browser, "user_bob"))).headers["location"]).toBe(
      "/start",
    );
    const second = makeHosted({ callback: { returnTo: "/home" } });
    expect(
      (await second.browser.get(await second.begin(second.browser, "user_bob"))).headers["location"],
    ).toBe("/home");
  });

  it("R-17: is refused for another site's form, but not for a link", async () => {
    const { browser } = makeHosted();
    const evil = { ...NAVIGATION, "Sec-Fetch-Site": "cross-site" };
    expect((await browser.post("/sign-in", { headers: evil })).status).toBe(403);
    expect((await browser.get("/sign-in", { headers: evil })).status).toBe(303);
    const own = { ...NAVIGATION, "Sec-Fetch-Site": "same-origin" };
    expect((await browser.post("/sign-in", { headers: own })).status).toBe(303);
  });

  it("R-14: keeps at most five sign-ins, and drops the oldest", async () => {
    const app = makeHosted();
    const backs: string[] = [];
    for (let turn = 0; turn < 8; turn++) {
      app.world.clock.now += 1;
      // oxlint-disable-next-line no-await-in-loop -- one tab after the other
      backs.push(await app.begin(app.browser, "user_bob"));
    }
    expect(flowsOf(app.browser)).toHaveLength(5);
    expect((await app.browser.copy().get(backs[2] ?? "")).status).toBe(401);
    expect((await app.browser.copy().get(backs[3] ?? "")).status).toBe(303);
    expect((await app.browser.copy().get(backs[7] ?? "")).status).toBe(303);
    app.world.clock.now += 600;
    await app.begin(app.browser, "user_bob");
    expect(flowsOf(app.browser)).toHaveLength(1);
  });

  it("works in several tabs at once", async () => {
    const app = makeHosted();
    const one = await app.begin(app.browser, "user_bob", "?return_to=/one");
    const two = await app.begin(app.browser, "user_bob", "?return_to=/two");
    expect((await app.browser.get(one)).headers["location"]).toBe("/one");
    expect((await app.browser.get(two)).headers["location"]).toBe("/two");
  });
});

describe("R-13: the callback", () => {
  const FAILED = [401, "invalid_pending_authentication"];

  it.each<[string, (back: string, visitor: Visitor) => [string, Visitor]]>([
    ["in another browser", (back) => [back, openBrowser(() => undefined)]],
    ["with another state", (back, visitor) => [back.replace("state-1", "state-9"), visitor]],
    ["without a state", (back, visitor) => [back.replace(/&state=.*/, ""), visitor]],
    ["with two", (back, visitor) => [`${back}&state=state-2`, visitor]],
    [
      "with a cookie tampered with",
      (back, visitor) => {
        const [name = ""] = flowsOf(visitor);
        visitor.cookies.set(name, `${visitor.cookies.get(name)?.slice(0, -1)}~`);
        return [back, visitor];
      },
    ],
    [
      "with another flow's cookie under its name",
      (back, visitor) => {
        const [one = "", two = ""] = flowsOf(visitor);
        visitor.cookies.set(one, visitor.cookies.get(two) ?? "");
        return [back, visitor];
      },
    ],
    [
      "with a session in place of the flow",
      (back, visitor) => {
        const [one = ""] = flowsOf(visitor);
        visitor.cookies.set(one, `1.${visitor.cookies.get("seal")?.replace(/~2$/, "")}`);
        return [back, visitor];
      },
    ],
  ])("is rejected %s", async (_what, spoil) => {
    const app = makeHosted();
    const back = await app.begin(app.browser, "user_bob");
    await app.begin(app.browser, "user_bob");
    app.browser.cookies.set("seal", (await app.world.signIn()).seal);
    const [path, other] = spoil(back, app.browser);
    const visitor = openBrowser(app.listener, other.cookies);
    const response = await visitor.get(path, { headers: JSON_CLIENT });
    expect([response.status, response.body.code]).toEqual(FAILED);
    expect(visitor.cookies.has(COOKIE)).toBe(false);
  });

  it("does not accept a pending authentication in place of the flow", async () => {
    const app = makeHosted();
    await app.browser.get(await app.begin(app.browser, "user_ada"));
    const [seal = "", secret = ""] = ["pending", "browser"].map((name) =>
      app.browser.cookies.get(`__Host-orgate-${name}`),
    );
    const name = createHash("sha256").update(secret).digest("base64url").slice(0, 16);
    app.browser.cookies.set(`__Host-orgate-sign-in-${name}`, `1.${seal}`);
    const response = await app.browser.get(`/callback?code=1&state=${secret}`, { headers: JSON_CLIENT });
    expect([response.status, response.body.code]).toEqual(FAILED);
  });

  it.each([
    [599, 303],
    [600, 401],
  ])("is open for ten minutes: after %d seconds it answers %d", async (seconds, status) => {
    const app = makeHosted();
    const back = await app.begin(app.browser, "user_bob");
    app.world.clock.now += seconds;
    expect((await app.browser.get(back)).status).toBe(status);
  });

  it("works once: the back button leads to where the sign-in went", async () => {
    const app = makeHosted();
    const back = await app.begin(app.browser, "user_bob", "?return_to=/documents");
    await app.browser.get(back);
    app.world.clock.now += 60;
    const again = await app.browser.get(back);
    expect([again.status, again.headers["location"]]).toEqual([303, "/documents"]);
    expect((await app.browser.get("/me")).status).toBe(200);
  });

  it("with an error is a failed sign-in, even with a code", async () => {
    const app = makeHosted();
    const back = await app.begin(app.browser, "user_bob", "?return_to=/x");
    const response = await app.browser.get(`${back}&error=access_denied&error_description=<script>`);
    expect([response.status, response.text.includes('href="/sign-in?return_to=%2Fx"')]).toEqual([400, true]);
    expect(response.text).not.toContain("<script");
    expect(app.world.events).toContainEqual({
      type: "rejected",
      code: "sign_in_failed",
      reason: "access_denied",
      upstream: { code: "access_denied", message: "<script>" },
    });
    expect([...app.browser.cookies.keys()]).toEqual([]);
  });

  it("with an unknown error does not repeat it", async () => {
    const app = makeHosted();
    const back = await app.begin(app.browser, "user_bob");
    const response = await app.browser.get(`${back}&error=${encodeURIComponent("a\nb".repeat(99))}`, {
      headers: JSON_CLIENT,
    });
    expect([response.status, response.body.code]).toEqual([400, "sign_in_failed"]);
    expect(app.world.events).toContainEqual({ type: "rejected", code: "sign_in_failed", reason: "unknown" });
  });

  it("with an error but without a flow changes nothing", async () => {
    const app = makeHosted();
    const back = await app.begin(app.browser, "user_bob");
    const forged = await app.browser.get("/callback?error=access_denied&state=guessed");
    expect([forged.status, setCookiesOf(forged)]).toEqual([401, []]);
    expect((await app.browser.get(back)).status).toBe(303);
  });

  it("can be repeated after the store was down", async () => {
    const app = makeHosted();
    const back = await app.begin(app.browser, "user_bob");
    app.page.isDown = true;
    const failed = await app.browser.get(back);
    expect([failed.status, failed.headers["retry-after"], setCookiesOf(failed)]).toEqual([503, "4", []]);
    app.page.isDown = false;
    expect((await app.browser.get(back)).status).toBe(303);
  });

  it("that needs a further step keeps the pending token, and the next sign-in continues where the first began", async () => {
    const app = makeHosted({ callback: { returnTo: "/home" } });
    const pending = { pendingAuthenticationToken: "the-pending-token" };
    app.page.due = { status: "step_up_required", reason: "sso_required", pending };
    const first = await app.browser.get(await app.begin(app.browser, "user_bob", "?return_to=/documents"));
    expect([first.status, first.text.includes("the-pending-token")]).toEqual([401, false]);
    expect(first.text).toContain('href="/sign-in?return_to=%2Fdocuments"');
    expect(app.browser.cookies.has("__Host-orgate-pending")).toBe(true);
    const second = await app.browser.get(await app.begin(app.browser, "user_bob"));
    expect([second.status, second.headers["location"]]).toEqual([303, "/documents"]);
    expect([...app.browser.cookies.keys()]).toEqual([expect.stringContaining("-sign-in-"), COOKIE]);
  });

  it("with another flow's code is rejected by the store", async () => {
    const app = makeHosted();
    const thief = openBrowser(app.listener);
    const theirs = await app.begin(thief, "user_vera");
    const mine = await app.begin(app.browser, "user_bob");
    const code = new URLSearchParams(theirs.split("?")[1]).get("code");
    const response = await app.browser.get(mine.replace(/code=[^&]*/, `code=${code}`), {
      headers: JSON_CLIENT,
    });
    expect([response.status, response.body.code]).toEqual([400, "sign_in_failed"]);
    expect(app.browser.cookies.size).toBe(0);
  });

  it.each(["head", "post", "put", "options"])("does not accept %s", async (method) => {
    const app = makeHosted();
    const back = await app.begin(app.browser, "user_bob");
    const response = await app.browser.send(method, back);
    expect([response.status, response.headers["allow"]]).toEqual([405, "GET"]);
    expect((await app.browser.get(back)).status).toBe(303);
  });

  it("ends the previous session", async () => {
    const app = makeHosted();
    await app.browser.get(await app.begin(app.browser, "user_bob"));
    await app.browser.get(await app.begin(app.browser, "user_vera"));
    expect((await app.browser.get("/me")).body.member).toBe("user_vera:org_acme");
    expect(await app.world.authority.listSessions({ userId: "user_bob" })).toEqual([]);
  });

  it("is closed by a sign-out", async () => {
    const app = makeHosted();
    await app.begin(app.browser, "user_bob");
    await app.browser.post("/sign-out");
    expect(app.browser.cookies.size).toBe(0);
  });
});

describe("a store without a hosted sign-in", () => {
  it.each<["signIn" | "callback"]>([["signIn"], ["callback"]])("has no %s", (handler) => {
    expect(() => makeWorld().mount()[handler]()).toThrow(handler);
  });

  it.each<["signIn" | "callback"]>([["signIn"], ["callback"]])(
    "has no hosted sign-in without a cookie password either: %s",
    (handler) => {
      const world = makeWorld();
      const { store } = openHostedPage(world);
      expect(() => world.mount({ store, credentials: ["bearer"], cookie: {} })[handler]()).toThrow(
        "cookie.password",
      );
    },
  );

  it.each<[string, string, unknown]>([
    ["no state parameter", HOSTED, {}],
    ["an empty one", `${HOSTED}?state=`, {}],
    ["no URL", "sign-in", {}],
  ])("a sign-in URL with %s is reported as an error of the store's author", async (_what, url, state) => {
    const world = makeWorld();
    const { store } = openHostedPage(world);
    const handler = world.mount({ store: { ...store, beginSignIn: () => ({ url, state }) } }).signIn();
    const errors: unknown[] = [];
    const visitor = openBrowser((request, response) =>
      handler(request, response, (error) => response.end(String(errors.push(error)))),
    );
    expect(setCookiesOf(await visitor.get("/"))).toEqual([]);
    expect(errors).toHaveLength(1);
  });

  it("R-14: a state too large for a cookie is rejected before anything is sent", async () => {
    const world = makeWorld();
    const { store } = openHostedPage(world);
    const beginSignIn = () => ({ url: `${HOSTED}?state=1`, state: "x".repeat(4_000) });
    const handler = world.mount({ store: { ...store, beginSignIn } }).signIn();
    const errors: unknown[] = [];
    const visitor = openBrowser((request, response) =>
      handler(request, response, (error) => response.end(String(errors.push(error)))),
    );
    expect(setCookiesOf(await visitor.get("/"))).toEqual([]);
    expect(errors).toMatchObject([{ code: "session_too_large" }]);
  });
});
