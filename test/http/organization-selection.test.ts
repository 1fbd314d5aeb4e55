import { describe, expect, it } from "@jest/globals";
import express from "express";
import helmet from "helmet";
import { StoreUnavailableError, type ConfigurationError } from "../../src/errors.ts";
import type { Middleware } from "../../src/guards/guard.ts";
import type { OrganizationSelectionView } from "../../src/sign-in/selection-page.ts";
import { EXPRESSES, FRAMEWORKS, makeTenancy, SELECTION } from "../support/apps.ts";
import { JSON_CLIENT, NAVIGATION, setCookiesOf } from "../support/browser.ts";
import { makeWorld } from "../support/world.ts";

const FORM = { Accept: "text/html" };
const PENDING = "__Host-orgate-pending";

describe.each(FRAMEWORKS)("organization selection on %s", (framework) => {
  it.each([true, false])(
    "signs a member of several organizations in, auth mounted above: %s",
    async (mounted) => {
      const app = makeTenancy({ framework, mounted });
      const browser = await app.signIn("user_ada", "/sign-in?return_to=/documents%3Fpage=2");
      expect(await app.whoIs(browser)).toEqual({ member: null, organization: null, session: null });

      const page = await browser.get(SELECTION);
      expect([page.status, page.headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
      expect(page.headers["cache-control"]).toBe("private, no-store");
      expect(page.text).toContain("Globex");

      const chosen = await browser.post(SELECTION, { headers: FORM, body: "organization_id=org_globex" });
      expect([chosen.status, chosen.headers["location"]]).toEqual([303, "/documents?page=2"]);
      expect([...browser.cookies.keys()]).toEqual(["__Host-orgate"]);
      expect(await app.whoIs(browser)).toMatchObject({ organization: "org_globex" });
      expect(await app.countSessions("user_ada")).toBe(1);
      expect(app.errors).toEqual([]);
    },
  );

  it("answers an API client with JSON", async () => {
    const app = makeTenancy({ framework });
    const browser = await app.signIn("user_ada", "/sign-in?return_to=/documents");
    const list = await browser.get(SELECTION, { headers: JSON_CLIENT });
    expect([list.status, list.headers["cache-control"]]).toEqual([200, "private, no-store"]);
    expect(list.body).toEqual({
      organizations: [
        { id: "org_acme", name: "Acme" },
        { id: "org_globex", name: "Globex" },
      ],
      return_to: "/documents",
    });
    const chosen = await browser.post(SELECTION, {
      headers: JSON_CLIENT,
      body: { organization_id: "org_globex", return_to: "/elsewhere" },
    });
    expect([chosen.status, chosen.body.status, chosen.body.return_to]).toEqual([
      200,
      "authenticated",
      "/elsewhere",
    ]);
  });

  it.each(["PUT", "DELETE", "PATCH", "OPTIONS"])("answers %s with the allowed methods", async (method) => {
    const app = makeTenancy({ framework });
    const browser = await app.signIn("user_ada");
    const response = await browser.send(method, SELECTION);
    expect([response.status, response.headers["allow"]]).toEqual([405, "GET, HEAD, POST"]);
    expect(response.body.code).toBe("method_not_allowed");
  });

  it.each<[string, string | object, string | undefined, number, string]>([
    ["no id", "organization=org_acme", undefined, 400, "invalid_request"],
    ["an empty id", "organization_id=", undefined, 400, "invalid_request"],
    ["two ids", "organization_id=org_acme&organization_id=org_globex", undefined, 400, "invalid_request"],
    ["an id too long", `organization_id=${"a".repeat(256)}`, undefined, 400, "invalid_request"],
    ["a control character", "organization_id=org%00acme", undefined, 400, "invalid_request"],
    ["an array", { organization_id: ["org_acme"] }, undefined, 400, "invalid_request"],
    ["an object", { organization_id: { id: "org_acme" } }, undefined, 400, "invalid_request"],
    ["a number", { organization_id: 7 }, undefined, 400, "invalid_request"],
    ["a list for a body", ["org_acme"], undefined, 400, "invalid_request"],
    ["broken JSON", '{"organization_id":', "application/json", 400, "invalid_request"],
    ["JSON that is no object", "null", "application/json", 400, "invalid_request"],
    ["bytes that are no text", "\ud800", "application/json", 400, "invalid_request"],
    ["plain text", "organization_id=org_acme", "text/plain", 400, "invalid_request"],
    [
      "a multipart form",
      "organization_id=org_acme",
      "multipart/form-data; boundary=x",
      400,
      "invalid_request",
    ],
    ["a relative of JSON", '{"organization_id":"org_acme"}', "application/ld+json", 400, "invalid_request"],
    ["too much", `organization_id=org_acme&x=${"a".repeat(9_000)}`, undefined, 413, "payload_too_large"],
    ["another organization", "organization_id=org_other", undefined, 403, "organization_not_available"],
    ["an inherited name", "organization_id=__proto__", undefined, 403, "organization_not_available"],
    ["255 characters", `organization_id=${"a".repeat(255)}`, undefined, 403, "organization_not_available"],
  ])("leaves the pending token unused after %s: %s", async (_what, body, type, status, code) => {
    const app = makeTenancy({ framework });
    const browser = await app.signIn("user_ada");
    const headers = { ...JSON_CLIENT, ...(type !== undefined && { "Content-Type": type }) };
    const response = await browser.post(SELECTION, { headers, body });
    expect([response.status, response.body.code]).toEqual([status, code]);
    const again = await browser.post(SELECTION, { headers: FORM, body: "organization_id=org_acme" });
    expect(again.status).toBe(303);
    expect(app.errors).toEqual([]);
  });
});

describe.each(EXPRESSES)("body parsers on %s that ran before", (framework) => {
  const parsers: [string, Middleware[]][] = [
    ["none", []],
    ["express.urlencoded", [express.urlencoded({ extended: true }) as never]],
    ["express.json, which leaves forms alone", [express.json() as never]],
    ["both", [express.json() as never, express.urlencoded({ extended: false }) as never]],
    ["express.text, which leaves the text as it is", [express.text({ type: "*/*" }) as never]],
    ["express.raw, which leaves the bytes as they are", [express.raw({ type: "*/*" }) as never]],
    [
      "one that left an empty object and the body unread",
      [(r, _s, next) => (Object.assign(r, { body: {} }), next())],
    ],
  ];

  it.each(parsers)("are supported: %s", async (_what, before) => {
    const app = makeTenancy({ framework, before });
    for (const body of ["organization_id=org_globex", { organization_id: "org_globex" }]) {
      const browser = await app.signIn("user_ada");
      expect((await browser.post(SELECTION, { headers: FORM, body })).status).toBe(303);
      expect(await app.whoIs(browser)).toMatchObject({ organization: "org_globex" });
    }
  });

  it("that leave no body get 400, without waiting for it", async () => {
    const parser: Middleware = (request, _response, next) => void request.resume().once("end", () => next());
    const app = makeTenancy({ framework, before: [parser] });
    const browser = await app.signIn("user_ada");
    const response = await browser.post(SELECTION, {
      headers: JSON_CLIENT,
      body: { organization_id: "org_acme" },
    });
    expect([response.status, response.body.code]).toEqual([400, "invalid_request"]);
  });
});

describe("the selection page", () => {
  it("has one form with a button for each organization, and works without script", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_ada", "/sign-in?return_to=/a%26b");
    const { text } = await browser.get(SELECTION);
    expect(text).toContain('<html lang="en">');
    expect(text.match(/<h1>/g)).toHaveLength(1);
    expect(text).toContain('<form method="post" action="/select-organization?return_to=%2Fa%26b">');
    expect(
      [...text.matchAll(/<button name="organization_id" value="([^"]+)">/g)].map(([, id]) => id),
    ).toEqual(["org_acme", "org_globex"]);
    expect(text).not.toContain("<script");
    expect(text).not.toMatch(/\son\w+=/);
  });

  it("works with helmet's default headers, and sets a stricter policy without them", async () => {
    const under = makeTenancy({ before: [helmet()] });
    const page = await (await under.signIn("user_ada")).get(SELECTION);
    const policy = String(page.headers["content-security-policy"]);
    expect(policy).toContain("style-src 'self' https: 'unsafe-inline'");
    expect(policy).toContain("form-action 'self'");
    const alone = await (await makeTenancy().signIn("user_ada")).get(SELECTION);
    expect(alone.headers["content-security-policy"]).toContain("default-src 'none'");
  });

  it("is not cached although only a pending authentication exists, and keeps a stricter value", async () => {
    const strict: Middleware = (_request, response, next) => {
      response.setHeader("Cache-Control", "no-store, max-age=0");
      next();
    };
    const app = makeTenancy({ before: [strict] });
    const page = await (await app.signIn("user_ada")).get(SELECTION);
    expect(page.headers["cache-control"]).toBe("no-store, max-age=0");
  });

  it("shows a member the current organization, and lets them switch", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_ada");
    await browser.post(SELECTION, { headers: FORM, body: "organization_id=org_acme" });
    const { text } = await browser.get(`${SELECTION}?return_to=/documents`);
    expect(text).toMatch(/value="org_acme" aria-current="true"/);
    expect(text).toMatch(/value="org_globex">/);
    const before = await app.whoIs(browser);
    const switched = await browser.post(`${SELECTION}?return_to=/documents`, {
      headers: FORM,
      body: "organization_id=org_globex",
    });
    expect([switched.status, switched.headers["location"]]).toEqual([303, "/documents"]);
    const after = await app.whoIs(browser);
    expect(after).toMatchObject({ organization: "org_globex" });
    expect(after.session).not.toBe(before.session);
    expect(await app.countSessions("user_ada")).toBe(1);
  });

  it("is never shown to a member of exactly one organization", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_bob");
    const response = await browser.get(`${SELECTION}?return_to=/documents`);
    expect([response.status, response.headers["location"]]).toEqual([303, "/documents"]);
  });

  it("is shown to a user whose list has shrunk to one: GET changes nothing", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_ada");
    app.world.directory.removeMembership("user_ada", "org_globex");
    const { status, text } = await browser.get(SELECTION);
    expect([status, text.includes("org_acme"), text.includes("org_globex")]).toEqual([200, true, false]);
    expect(await app.countSessions("user_ada")).toBe(0);
  });

  it("tells a user that they have no organization", async () => {
    const app = makeTenancy();
    const { status, text } = await (await app.signIn("user_nora")).get(SELECTION);
    expect([status, text.includes("not a member of any organization"), text.includes("<form")]).toEqual([
      200,
      true,
      false,
    ]);
  });

  it("is not shown to anonymous users", async () => {
    const { browser } = makeTenancy();
    const page = await browser.get(`${SELECTION}?return_to=/x`, { headers: NAVIGATION });
    expect([page.status, page.headers["location"]]).toEqual([303, "/sign-in?return_to=%2Fx"]);
    const program = await browser.get(SELECTION, { headers: JSON_CLIENT });
    expect([program.status, program.body.code]).toEqual([401, "unauthenticated"]);
    expect(program.headers["www-authenticate"]).toBe('Bearer realm="app.example.com"');
    const form = await browser.post(SELECTION, { headers: FORM, body: "organization_id=org_acme" });
    expect([form.status, form.text.includes('href="/sign-in?')]).toEqual([401, true]);
  });

  it("redirects a member without an organization there and back", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_nora");
    const away = await browser.get("/documents");
    expect(away.headers["location"]).toBe(`${SELECTION}?return_to=%2Fdocuments`);
    await app.world.directory.addMembership({
      userId: "user_nora",
      organizationId: "org_acme",
      roles: ["viewer"],
    });
    const page = await browser.get(String(away.headers["location"]));
    expect(page.text).toContain(`action="${SELECTION}?return_to=%2Fdocuments"`);
    const chosen = await browser.post(String(away.headers["location"]), {
      headers: FORM,
      body: "organization_id=org_acme",
    });
    expect(chosen.headers["location"]).toBe("/documents");
    expect((await browser.get("/documents", { headers: JSON_CLIENT })).status).toBe(200);
  });

  it("answers HEAD like GET, without the body", async () => {
    const app = makeTenancy();
    const response = await (await app.signIn("user_ada")).send("HEAD", SELECTION);
    expect([response.status, response.text ?? ""]).toEqual([200, ""]);
  });
});

describe("a selection page of the application", () => {
  it("receives the view, also after a choice that was not available", async () => {
    const views: OrganizationSelectionView[] = [];
    const app = makeTenancy({
      selection: {
        async render(view, _request, response) {
          views.push(view);
          await Promise.resolve();
          response.end("mine");
        },
      },
    });
    const browser = await app.signIn("user_ada", "/sign-in?return_to=/x");
    const page = await browser.get(SELECTION);
    const again = await browser.post(SELECTION, { headers: FORM, body: "organization_id=org_other" });
    expect([page.status, page.text, again.status, again.text]).toEqual([200, "mine", 403, "mine"]);
    const organizations = [
      { id: "org_acme", name: "Acme" },
      { id: "org_globex", name: "Globex" },
    ];
    const action = `${SELECTION}?return_to=%2Fx`;
    expect(views).toEqual([
      { organizations, action, returnTo: "/x" },
      { organizations, action, returnTo: "/x", error: "organization_not_available" },
    ]);
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("render failed");
      },
    ],
    ["rejects", () => Promise.reject(new Error("render failed"))],
  ])("is reported as an application error when it %s", async (_what, render) => {
    const app = makeTenancy({ selection: { render } });
    const browser = await app.signIn("user_ada");
    expect((await browser.get(SELECTION)).status).toBe(500);
    expect((await browser.post(SELECTION, { headers: FORM, body: "organization_id=other" })).status).toBe(
      500,
    );
    expect(app.errors).toMatchObject([{ message: "render failed" }, { message: "render failed" }]);
  });
});

describe("a choice that is not available", () => {
  it("shows the page again with an alert, and lets the user choose again", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_ada");
    app.world.directory.removeMembership("user_ada", "org_globex");
    const response = await browser.post(SELECTION, { headers: FORM, body: "organization_id=org_globex" });
    expect([response.status, response.headers["content-type"]]).toEqual([403, "text/html; charset=utf-8"]);
    expect(response.text).toContain('<p role="alert">');
    expect(response.text).toContain('value="org_acme"');
    expect(response.text).not.toContain('value="org_globex"');
    expect(browser.cookies.has(PENDING)).toBe(true);
    expect((await browser.post(SELECTION, { headers: FORM, body: "organization_id=org_acme" })).status).toBe(
      303,
    );
  });

  it("shows the page again for a member who switches as well", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_bob");
    const response = await browser.post(SELECTION, { headers: FORM, body: "organization_id=org_globex" });
    expect([response.status, response.text.includes('value="org_acme" aria-current="true"')]).toEqual([
      403,
      true,
    ]);
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_acme" });
  });

  it("is answered by the application's onDenied", async () => {
    const app = makeTenancy({
      options: {
        onDenied(denial, _request, response) {
          response.statusCode = 418;
          response.end(denial.code);
        },
      },
    });
    const browser = await app.signIn("user_ada");
    const response = await browser.post(SELECTION, { headers: FORM, body: "organization_id=org_other" });
    expect([response.status, response.text]).toEqual([418, "organization_not_available"]);
  });
});

describe("organization selection while the store is in trouble", () => {
  const down = (): Promise<never> => Promise.reject(new StoreUnavailableError({ retryAfter: 9 }));

  it.each<[string, () => Promise<never>]>([
    ["down", down],
    ["failing", () => Promise.reject(new TypeError("fetch failed"))],
    ["throwing nonsense", () => Promise.reject(undefined)], // oxlint-disable-line typescript/prefer-promise-reject-errors
  ])("%s: 503, and the pending authentication works afterwards", async (_what, fail) => {
    let isDown = true;
    const app = makeTenancy({
      overrides: (real) => ({
        selectOrganization: async (...given) => (isDown ? fail() : real.selectOrganization!(...given)),
        organizations: async (...given) => (isDown ? fail() : real.organizations!(...given)),
      }),
    });
    const browser = await app.signIn("user_ada");
    const page = await browser.get(SELECTION);
    expect([page.status, page.text.includes("<h1>")]).toEqual([503, true]);
    const post = await browser.post(SELECTION, {
      headers: JSON_CLIENT,
      body: { organization_id: "org_acme" },
    });
    expect([post.status, post.body.code, setCookiesOf(post)]).toEqual([503, "store_unavailable", []]);
    expect(Number(post.headers["retry-after"])).toBeGreaterThan(0);
    isDown = false;
    expect((await browser.post(SELECTION, { headers: FORM, body: "organization_id=org_acme" })).status).toBe(
      303,
    );
    expect(await app.countSessions("user_ada")).toBe(1);
  });

  it.each<[string, unknown]>([
    ["nothing", undefined],
    ["an unknown status", { status: "perhaps" }],
    ["a refusal without a code", { status: "refused" }],
    ["a session of another organization", undefined],
  ])("signs nobody in when the store answers %s", async (what, answer) => {
    const app = makeTenancy({
      overrides: (real) => ({
        selectOrganization: async (pending, _id, context) =>
          what.includes("another")
            ? real.selectOrganization!(pending, "org_globex", context)
            : (answer as never),
      }),
    });
    const browser = await app.signIn("user_ada");
    const response = await browser.post(SELECTION, {
      headers: JSON_CLIENT,
      body: { organization_id: "org_acme" },
    });
    expect([response.status, response.body.code, setCookiesOf(response)]).toEqual([
      503,
      "store_unavailable",
      [],
    ]);
  });

  it.each<[string, unknown]>([
    ["nothing", undefined],
    ["no list", {}],
    ["names that are none", [{ id: "org_acme", name: null }]],
  ])("shows no page when the store lists %s", async (_what, list) => {
    const app = makeTenancy({ overrides: () => ({ organizations: async () => list as never }) });
    const browser = await app.signIn("user_ada");
    expect((await browser.get(SELECTION)).status).toBe(503);
  });

  it("redirects to the required step, and keeps the pending authentication", async () => {
    const url = "https://id.example/mfa?x=1&y=2";
    const app = makeTenancy({
      overrides: () => ({
        selectOrganization: async () => ({ status: "step_up_required", reason: "mfa", url }),
      }),
    });
    const browser = await app.signIn("user_ada");
    const program = await browser.post(SELECTION, {
      headers: JSON_CLIENT,
      body: { organization_id: "org_acme" },
    });
    expect(program.body).toMatchObject({
      code: "reauthentication_required",
      reason: "mfa",
      sign_in_url: url,
    });
    const person = await browser.post(SELECTION, { headers: FORM, body: "organization_id=org_acme" });
    expect([person.status, person.text.includes('href="https://id.example/mfa?x=1&amp;y=2"')]).toEqual([
      401,
      true,
    ]);
    expect(browser.cookies.has(PENDING)).toBe(true);
  });
});

describe("organization selection at construction", () => {
  const mount = (overrides: object, options: object = {}): unknown => {
    const world = makeWorld();
    return world.mount({ store: { ...world.store, ...overrides }, ...options }).organizationSelection();
  };

  it.each<[string, () => unknown, string]>([
    [
      "a store without organizations",
      () => mount({ organizations: undefined, selectOrganization: undefined }),
      "organizationSelection",
    ],
    ["no password", () => mount({}, { credentials: ["bearer"], cookie: {} }), "cookie.password"],
    [
      "an unknown option",
      () =>
        makeWorld()
          .mount()
          .organizationSelection({ rendr: 1 } as never),
      "organizationSelection.rendr",
    ],
    [
      "a page that is no function",
      () =>
        makeWorld()
          .mount()
          .organizationSelection({ render: 1 } as never),
      "render",
    ],
    [
      "no object",
      () =>
        makeWorld()
          .mount()
          .organizationSelection(1 as never),
      "organizationSelection",
    ],
  ])("rejects %s", (_what, make, option) => {
    let thrown: unknown;
    try {
      make();
    } catch (error) {
      thrown = error;
    }
    expect((thrown as ConfigurationError).problems).toMatchObject([{ option }]);
  });

  it("accepts a store that can only select: the page lists nothing, and the choice works", async () => {
    const app = makeTenancy({ overrides: () => ({ organizations: undefined as never }) });
    const browser = await app.signIn("user_ada");
    expect((await browser.get(SELECTION)).status).toBe(200);
    expect((await browser.post(SELECTION, { headers: FORM, body: "organization_id=org_acme" })).status).toBe(
      303,
    );
  });
});
