import { describe, expect, it } from "@jest/globals";
import { inspect } from "node:util";
import type { Outcome } from "../../src/store.ts";
import { FRAMEWORKS, makeApp, makeTenancy, SELECTION } from "../support/apps.ts";
import { makeStepUpTenancy, tellPending, type SeenPending, type StepUpTenancy } from "../support/step-ups.ts";
import { JSON_CLIENT, NAVIGATION, openBrowser, setCookiesOf, type Visitor } from "../support/browser.ts";
import { bearerOf, COOKIE, makeWorld } from "../support/world.ts";

const FORM = { Accept: "text/html" };
const PENDING = "__Host-orgate-pending";
const OTHER = "__Host-orgate-browser";
const WITH_CODE = { headers: { ...FORM, "X-Code": "123456" } };

const choose = (organizationId: string, headers: Record<string, string> = JSON_CLIENT) => ({
  headers,
  body: { organization_id: organizationId },
});

async function pendingOf(visitor: Visitor): Promise<SeenPending | null> {
  return (await visitor.copy().get("/pending", { headers: JSON_CLIENT })).body;
}

const namesOf = (lines: readonly string[]): string[] => lines.map((line) => line.split("=", 1)[0] ?? "");

/** A browser that has signed in on the way to /documents?page=2, and must choose. */
function signIn(app: StepUpTenancy): Promise<Visitor> {
  return app.signIn("user_ada", "/sign-in?return_to=/documents%3Fpage=2");
}

describe.each(FRAMEWORKS)("a step-up after an organization choice, on %s", (framework) => {
  it("continues from the new token, and returns to where the sign-in began", async () => {
    const app = makeStepUpTenancy({ framework });
    const browser = await signIn(app);
    const answer = await browser.post(SELECTION, choose("org_globex"));
    expect([answer.status, answer.headers["content-type"], answer.headers["cache-control"]]).toEqual([
      401,
      "application/problem+json",
      "private, no-store",
    ]);
    expect(answer.body).toEqual({
      type: "urn:orgate:error:reauthentication_required",
      title: expect.any(String),
      status: 401,
      detail: expect.any(String),
      code: "reauthentication_required",
      reason: "mfa_required",
      sign_in_url: "/sign-in",
    });
    const lines = setCookiesOf(answer);
    expect(lines).toEqual([
      expect.stringMatching(
        /^__Host-orgate-pending=Fe26\.2\*[\w*.-]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
      ),
      expect.stringMatching(
        /^__Host-orgate-browser=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
      ),
    ]);
    expect(await pendingOf(browser)).toEqual({
      token: "the-token-of-step-1",
      returnTo: "/documents?page=2",
      stepUp: { reason: "mfa_required", details: { organizationId: "org_globex" } },
      shows: false,
    });
    expect(await app.countSessions("user_ada")).toBe(0);

    const done = await browser.post("/mfa", WITH_CODE);
    expect([done.status, done.headers["location"]]).toEqual([303, "/documents?page=2"]);
    expect([...browser.cookies.keys()]).toEqual([COOKIE]);
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_globex" });
    expect(await pendingOf(browser)).toBeNull();
    expect(app.errors).toEqual([]);
  });
});

describe("a step-up after an organization choice", () => {
  it("shows a page with a link to continue", async () => {
    const app = makeStepUpTenancy();
    const browser = await signIn(app);
    const page = await browser.post(SELECTION, choose("org_acme", FORM));
    expect([page.status, page.headers["content-type"]]).toEqual([401, "text/html; charset=utf-8"]);
    expect(page.text).toContain('href="/sign-in?return_to=%2Fdocuments%3Fpage%3D2"');
  });

  it("never shows its token in an answer, an address, an event or an error", async () => {
    const app = makeStepUpTenancy();
    const browser = await signIn(app);
    const answers = [
      await browser.copy().post(SELECTION, choose("org_acme", FORM)),
      await browser.post(SELECTION, choose("org_acme")),
      await browser.get(SELECTION),
      await browser.post("/mfa", { headers: { ...JSON_CLIENT, "X-Code": "wrong" } }),
      await browser.post("/mfa", WITH_CODE),
    ];
    const seen = [
      ...answers.map(({ text, headers }) => `${text}${JSON.stringify(headers)}`),
      inspect(app.world.events, { depth: null }),
      inspect(app.errors, { depth: null, showHidden: true }),
    ].join("\n");
    expect(app.handedOut).toHaveLength(1);
    expect(seen).not.toContain("the-token-of-step");
  });

  it("survives a wrong code, a wrong choice and an outage", async () => {
    const app = makeStepUpTenancy();
    const browser = await signIn(app);
    expect((await browser.post(SELECTION, choose("org_other"))).body.code).toBe("organization_not_available");
    app.isDown = true;
    const down = await browser.post(SELECTION, choose("org_acme"));
    expect([down.status, setCookiesOf(down)]).toEqual([503, []]);
    app.isDown = false;
    expect((await browser.post(SELECTION, choose("org_acme"))).body.reason).toBe("mfa_required");
    const wrong = await browser.post("/mfa", { headers: { ...JSON_CLIENT, "X-Code": "guess" } });
    expect([wrong.status, wrong.body.code, setCookiesOf(wrong)]).toEqual([400, "sign_in_failed", []]);
    expect((await browser.post("/mfa", WITH_CODE)).headers["location"]).toBe("/documents?page=2");
  });

  it("uses up the previous token: another choice with it gets nothing", async () => {
    const app = makeStepUpTenancy();
    const browser = await signIn(app);
    const thief = browser.copy();
    await browser.post(SELECTION, choose("org_acme"));
    const replay = await thief.post(SELECTION, choose("org_globex"));
    expect([replay.status, replay.body.code]).toEqual([401, "invalid_pending_authentication"]);
    expect(app.handedOut).toHaveLength(1);
  });

  it("gives both clicks of a double click the same answer and token", async () => {
    const app = makeStepUpTenancy();
    const browser = await signIn(app);
    const second = browser.copy();
    const first = await browser.post(SELECTION, choose("org_acme"));
    const repeat = await second.post(SELECTION, choose("org_acme"));
    expect([repeat.status, repeat.body]).toEqual([first.status, first.body]);
    expect(await pendingOf(second)).toEqual(await pendingOf(browser));
    // The second click of a browser that has taken in the first answer already.
    const late = await browser.post(SELECTION, choose("org_acme"));
    expect([late.status, late.body]).toEqual([first.status, first.body]);
    expect((await pendingOf(browser))?.token).toBe("the-token-of-step-1");
    expect(app.asked).toHaveLength(1);
    expect((await browser.post("/mfa", WITH_CODE)).status).toBe(303);
  });

  it("is one step for eight concurrent submits of one choice", async () => {
    const app = makeStepUpTenancy();
    const browser = await signIn(app);
    const visitors = Array.from({ length: 8 }, () => browser.copy());
    const answers = await Promise.all(visitors.map((one) => one.post(SELECTION, choose("org_acme"))));
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.reason}`))).toEqual(
      new Set(["401 mfa_required"]),
    );
    const tokens = await Promise.all(visitors.map(async (one) => (await pendingOf(one))?.token));
    expect(new Set(tokens)).toEqual(new Set(["the-token-of-step-1"]));
    expect(app.asked).toHaveLength(1);
  });

  it("is not cleared when another choice comes too late", async () => {
    const app = makeStepUpTenancy();
    const browser = await signIn(app);
    const loser = browser.copy();
    await browser.post(SELECTION, choose("org_acme"));
    const lost = await loser.post(SELECTION, choose("org_globex"));
    expect([lost.body.code, setCookiesOf(lost)]).toEqual(["invalid_pending_authentication", []]);
  });

  it("can be requested again after the grace window", async () => {
    const app = makeStepUpTenancy();
    const browser = await signIn(app);
    await browser.post(SELECTION, choose("org_acme"));
    app.world.clock.now += 31;
    const late = await browser.post(SELECTION, choose("org_acme"));
    expect([late.body.code, browser.cookies.size]).toEqual(["invalid_pending_authentication", 0]);
  });

  it.each([
    [599, "the-token-of-step-1"],
    [600, undefined],
  ])("after %d seconds has the token %s", async (seconds, token) => {
    const app = makeStepUpTenancy();
    const browser = await signIn(app);
    app.world.clock.now += 500;
    await browser.post(SELECTION, choose("org_acme"));
    app.world.clock.now += seconds;
    expect((await pendingOf(browser))?.token).toBe(token);
  });

  it("can be left for another organization when the store allows it", async () => {
    const app = makeStepUpTenancy();
    app.letsChooseAgain = true;
    const browser = await signIn(app);
    await browser.post(SELECTION, choose("org_acme"));
    const page = await browser.get(SELECTION);
    expect([page.status, page.text.includes("org_globex")]).toEqual([200, true]);
    await browser.post(SELECTION, choose("org_globex"));
    expect(await pendingOf(browser)).toMatchObject({
      token: "the-token-of-step-2",
      returnTo: "/documents?page=2",
      stepUp: { details: { organizationId: "org_globex" } },
    });
  });

  it("that issues no new token continues from the previous one, which expires no later", async () => {
    const app = makeStepUpTenancy();
    app.spendsNothing = true;
    const browser = await signIn(app);
    const before = await pendingOf(browser);
    app.world.clock.now += 400;
    const answer = await browser.post(SELECTION, choose("org_acme"));
    expect(setCookiesOf(answer).every((line) => line.includes("; Max-Age=200; "))).toBe(true);
    const after = await pendingOf(browser);
    expect(after).toEqual({
      ...before,
      stepUp: { reason: "mfa_required", details: { organizationId: "org_acme" } },
    });
    await browser.post(SELECTION, choose("org_acme"));
    expect(app.asked).toHaveLength(2);
    app.world.clock.now += 200;
    expect(await pendingOf(browser)).toBeNull();
    expect(await pendingOf(openBrowser(app.listener, browser.cookies))).toBeNull();
  });

  it("is cleared when the next step finds its token used up", async () => {
    const app = makeStepUpTenancy();
    const browser = await signIn(app);
    await browser.post(SELECTION, choose("org_acme"));
    const late = await browser.post("/mfa", { headers: { ...JSON_CLIENT, "X-Code": "too-late" } });
    expect([late.status, late.body.code]).toEqual([401, "invalid_pending_authentication"]);
    expect(namesOf(setCookiesOf(late))).toEqual([PENDING, OTHER]);
    expect(browser.cookies.size).toBe(0);
  });

  it("is cleared by a sign-out", async () => {
    const app = makeStepUpTenancy();
    const browser = await signIn(app);
    await browser.post(SELECTION, choose("org_acme"));
    await browser.post("/sign-out", { headers: FORM });
    expect(browser.cookies.size).toBe(0);
  });

  it.each<[string, string, string | undefined]>([
    ["what the handler's address says", "/mfa?return_to=/elsewhere", "/elsewhere"],
    ["nothing of another origin", "/mfa?return_to=//evil.example", "/"],
    ["what it was begun with", "/mfa", "/documents?page=2"],
  ])("R-16: returns to %s", async (_what, path, expected) => {
    const app = makeStepUpTenancy();
    const browser = await signIn(app);
    await browser.post(SELECTION, choose("org_acme"));
    expect((await browser.post(path, WITH_CODE)).headers["location"]).toBe(expected);
  });
});

describe("R-19: the pending authentication", () => {
  it("is readable only by the browser that began it, and by no cache", async () => {
    const app = makeStepUpTenancy();
    const [mine, theirs] = [await signIn(app), await signIn(app)];
    const told = await mine.get("/pending", { headers: JSON_CLIENT });
    expect([told.headers["cache-control"], told.headers["vary"]]).toEqual([
      "private, no-store",
      "Cookie, Authorization",
    ]);
    expect(told.body).toMatchObject({ returnTo: "/documents?page=2", shows: false });
    expect(told.body.stepUp).toBeUndefined();
    mine.cookies.set(OTHER, theirs.cookies.get(OTHER) ?? "");
    expect(await pendingOf(mine)).toBeNull();
    const nobody = await openBrowser(app.listener).get("/pending", { headers: JSON_CLIENT });
    expect([nobody.body, nobody.headers["cache-control"]]).toEqual([null, undefined]);
  });

  it("does not keep a choice's return_to for a new sign-in", async () => {
    const app = makeStepUpTenancy();
    const browser = await signIn(app);
    const bob = { headers: { ...FORM, "X-User": "user_bob" } };
    expect((await browser.post("/sign-in", bob)).headers["location"]).toBe("/");
  });

  it("cannot be read when orgate is not mounted, or has no cookie password", async () => {
    const world = makeWorld();
    const [unmounted, bare] = [world.mount(), world.mount({ credentials: ["bearer"], cookie: {} })];
    const app = makeApp("Express 5", {
      before: [bare],
      routes: [
        { path: "/unmounted", handler: tellPending(unmounted) },
        { path: "/bare", handler: tellPending(bare) },
      ],
    });
    const visitor = openBrowser(app.listener);
    await visitor.get("/unmounted");
    await visitor.get("/bare");
    expect(app.errors).toMatchObject([
      { problems: [{ code: "not_mounted" }] },
      { problems: [{ option: "cookie.password" }] },
    ]);
  });

  it("is, within a request, what the response will set", async () => {
    const seen: unknown[] = [];
    const app = makeStepUpTenancy({
      options: {
        async onDenied(denial, request, response) {
          seen.push((await app.auth.pendingAuthentication(request))?.pendingAuthenticationToken);
          if (denial.extensions["reason"] !== "mfa_required") denial.respond();
          else response.writeHead(303, { Location: "/mfa" }).end();
        },
      },
    });
    const browser = await signIn(app);
    const answer = await browser.post(SELECTION, choose("org_acme"));
    expect([answer.status, answer.headers["location"]]).toEqual([303, "/mfa"]);
    await browser.post("/mfa", { headers: { ...JSON_CLIENT, "X-Code": "too-late" } });
    expect(seen).toEqual(["the-token-of-step-1", undefined]);
  });
});

describe("a step-up that establish receives", () => {
  const STEP = {
    status: "step_up_required",
    reason: "email_verification_required",
    pending: { pendingAuthenticationToken: "the-pending-token" },
    details: { emailAddress: "ada@example.com" },
  } as const satisfies Outcome;

  function makeDesk(outcomes: readonly Outcome[], options: Parameters<typeof makeTenancy>[0] = {}) {
    const queue = [...outcomes];
    const app = makeTenancy({
      ...options,
      routes: (auth) => [
        { path: "/pending", handler: tellPending(auth) },
        {
          path: "/step",
          handler: (request, response) => auth.establish(request, response, queue.shift() as Outcome),
        },
      ],
    });
    return { ...app, browser: openBrowser(app.listener) };
  }

  it.each([true, false])(
    "is kept in the browser like that of a choice, auth mounted above: %s",
    async (mounted) => {
      const { browser } = makeDesk([STEP], { mounted });
      const answer = await browser.post("/step?return_to=/x", { headers: JSON_CLIENT });
      expect([answer.status, answer.body.code, answer.body.reason]).toEqual([
        401,
        "reauthentication_required",
        "email_verification_required",
      ]);
      expect(answer.text).not.toMatch(/the-pending-token|ada@example/);
      expect(namesOf(setCookiesOf(answer))).toEqual([PENDING, OTHER]);
    },
  );

  it("is read by the next handler, step after step, and keeps return_to", async () => {
    const next = { ...STEP, reason: "mfa_challenge", pending: { pendingAuthenticationToken: "the-next" } };
    const list = [{ id: "org_acme", name: "Acme" }];
    const last: Outcome = {
      status: "selection_required",
      pending: { pendingAuthenticationToken: "the-last" },
      organizations: list,
    };
    const { browser } = makeDesk([STEP, next, last]);
    const page = await browser.post("/step?return_to=/x", { headers: FORM });
    expect([page.status, page.headers["content-type"]]).toEqual([401, "text/html; charset=utf-8"]);
    expect(await pendingOf(browser)).toEqual({
      token: "the-pending-token",
      returnTo: "/x",
      stepUp: { reason: "email_verification_required", details: { emailAddress: "ada@example.com" } },
      shows: false,
    });
    await browser.post("/step", { headers: FORM });
    expect(await pendingOf(browser)).toMatchObject({ token: "the-next", returnTo: "/x" });
    const chosen = await browser.post("/step", { headers: FORM });
    expect(chosen.headers["location"]).toBe(SELECTION);
    const seen = await pendingOf(browser);
    expect(seen).toEqual({ token: "the-last", returnTo: "/x", shows: false });
  });

  it("redirects the browser of an e-mail link to the final target, not to the link", async () => {
    const { browser } = makeDesk([STEP]);
    const answer = await browser.get("/step?token=single-use&return_to=/x", { headers: NAVIGATION });
    expect([answer.status, answer.headers["location"]]).toEqual([303, "/sign-in?return_to=%2Fx"]);
    expect(browser.cookies.has(PENDING)).toBe(true);
  });

  it("without a token stores nothing, and uses nothing from an earlier sign-in", async () => {
    const { pending: _none, ...bare } = STEP;
    const { browser } = makeDesk([STEP, bare]);
    await browser.post("/step?return_to=/x", { headers: JSON_CLIENT });
    const before = await pendingOf(browser);
    const answer = await browser.post("/step", { headers: JSON_CLIENT });
    expect([answer.status, setCookiesOf(answer)]).toEqual([401, []]);
    expect(await pendingOf(browser)).toEqual(before);
  });

  it("is answered but not stored when no password is configured", async () => {
    const auth = makeWorld().mount({ credentials: ["bearer"], cookie: {} });
    const { listener, errors } = makeApp("Express 5", {
      before: [auth],
      routes: [{ path: "/step", handler: (request, response) => auth.establish(request, response, STEP) }],
    });
    const answer = await openBrowser(listener).post("/step", { headers: JSON_CLIENT });
    expect(errors).toEqual([]);
    expect(answer).toMatchObject({ status: 401, body: { reason: "email_verification_required" } });
  });

  it.each<[string, object]>([
    ["a pending authentication that is none", { ...STEP, pending: { token: "x" } }],
    ["a user that is no text", { ...STEP, pending: { pendingAuthenticationToken: "x", userId: 7 } }],
    ["details that are none", { ...STEP, details: "mfa" }],
  ])("is rejected with %s", async (_what, outcome) => {
    const { browser, errors } = makeDesk([outcome as Outcome]);
    expect((await browser.post("/step", { headers: JSON_CLIENT })).status).toBe(500);
    expect(errors).toMatchObject([{ problems: [{ code: "authentication_invalid" }] }]);
  });

  it("R-14: is rejected before anything is sent when its token does not fit into a cookie", async () => {
    const { browser, errors } = makeDesk([
      { ...STEP, pending: { pendingAuthenticationToken: "x".repeat(4_000) } },
    ]);
    expect(setCookiesOf(await browser.post("/step", { headers: JSON_CLIENT }))).toEqual([]);
    expect(errors).toMatchObject([{ code: "session_too_large" }]);
  });
});

describe("a step-up during a switch", () => {
  const STEP = {
    status: "step_up_required",
    reason: "mfa_required",
    pending: { pendingAuthenticationToken: "the-token-of-the-switch" },
    details: { organizationId: "org_globex" },
  } as const satisfies Outcome;

  async function switching() {
    let asked = 0;
    const app = makeTenancy({
      overrides: () => ({
        async switchOrganization() {
          asked += 1;
          return STEP;
        },
      }),
      routes: (auth, world) => [
        { path: "/pending", handler: tellPending(auth) },
        {
          path: "/mfa",
          handler: (request, response) =>
            auth.establish(
              request,
              response,
              world.authority.authenticate({
                userId: "user_ada",
                organizationId: "org_globex",
                authenticationMethod: "MFA",
              }),
            ),
        },
      ],
    });
    const browser = await app.signIn("user_ada");
    await browser.post(SELECTION, choose("org_acme"));
    return { ...app, browser, countAsked: () => asked };
  }

  it("is kept beside the session, which continues, and replaces it at the end", async () => {
    const app = await switching();
    const { browser } = app;
    const answer = await browser.post("/switch?return_to=/documents", choose("org_globex"));
    expect([answer.status, answer.body.reason]).toEqual([401, "mfa_required"]);
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_acme" });
    expect(await pendingOf(browser)).toMatchObject({
      token: "the-token-of-the-switch",
      returnTo: "/documents",
    });
    const repeat = await browser.post("/switch?return_to=/documents", choose("org_globex"));
    expect([repeat.body, app.countAsked()]).toEqual([answer.body, 1]);

    const done = await browser.post("/mfa", { headers: FORM });
    expect(done.headers["location"]).toBe("/documents");
    expect([...browser.cookies.keys()]).toEqual([COOKIE]);
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_globex" });
    expect(await app.countSessions("user_ada")).toBe(1);
  });

  it("does not hide the selection page from the member", async () => {
    const app = await switching();
    const { browser } = app;
    await browser.post("/switch", choose("org_globex"));
    const page = await browser.get(SELECTION);
    expect(page.text).toMatch(/value="org_acme" aria-current="true"/);
    const again = await browser.post(SELECTION, choose("org_globex", FORM));
    expect([again.status, app.countAsked()]).toEqual([401, 2]);
    expect(browser.cookies.has(PENDING)).toBe(true);
  });

  it("sets no cookie for a bearer", async () => {
    const app = await switching();
    const { accessToken } = await app.world.signIn({ organizationId: "org_acme" });
    const headers = { ...JSON_CLIENT, Authorization: bearerOf(accessToken) };
    const answer = await openBrowser(app.listener).post("/switch", choose("org_globex", headers));
    expect([answer.status, answer.body.reason, setCookiesOf(answer)]).toEqual([401, "mfa_required", []]);
  });
});
