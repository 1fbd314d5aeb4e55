import { describe, expect, it } from "@jest/globals";
import type { AuthenticateInput } from "../../src/authority/index.ts";
import { OrgateError } from "../../src/errors.ts";
import type { OrgateEvent } from "../../src/events.ts";
import { MAX_SEAL_LENGTH } from "../../src/lib/crypto.ts";
import type { Orgate } from "../../src/orgate.ts";
import { MAX_TOKEN_LENGTH } from "../../src/tokens/verify-token.ts";
import {
  closeAfterEach,
  makeTenancy,
  SELECTION,
  start,
  withBearer,
  withCookie,
  type Route,
} from "../support/apps.ts";
import { JSON_CLIENT } from "../support/browser.ts";
import { unexplainedDenials } from "../support/explained.ts";
import { claimsOf, cookieOf } from "../support/world.ts";

closeAfterEach();

const rejections = (events: readonly OrgateEvent[]): unknown[] =>
  events.flatMap((event) => (event.type === "rejected" ? [[event.code, event.reason]] : []));
const denials = (events: readonly OrgateEvent[]): unknown[] =>
  events.flatMap((event) => (event.type === "denied" ? [[event.code, event.reason]] : []));

describe("a credential that is refused unread", () => {
  const LONG = "a".repeat(MAX_SEAL_LENGTH + 1);

  it.each<[string, Record<string, string>, string, string]>([
    [
      "a bearer that is too long",
      withBearer("a".repeat(MAX_TOKEN_LENGTH + 1)),
      "invalid_token",
      "malformed_size",
    ],
    ["a bearer scheme without a token", { Authorization: "Bearer" }, "invalid_token", "bearer_empty"],
    ["a cookie that is too long", withCookie(LONG), "invalid_session", "cookie_too_long"],
    [
      "two cookies of which none is well formed",
      { Cookie: `${cookieOf("garbage")}; ${cookieOf("rubbish")}` },
      "invalid_session",
      "cookies_malformed",
    ],
    [
      "two cookies, one too long and one malformed",
      { Cookie: `${cookieOf(LONG)}; ${cookieOf("rubbish")}` },
      "invalid_session",
      "cookies_malformed",
    ],
  ])("has a reason of its own: %s", async (_what, headers, code, reason) => {
    const { world, send, reached } = await start();
    const answer = await send({ headers });
    expect([answer.status, JSON.parse(answer.body)["code"], reached]).toEqual([401, code, []]);
    expect(answer.body).not.toContain(reason);
    expect(rejections(world.events)).toEqual([[code, reason]]);
  });

  it("has a reason of its own: two Authorization headers", async () => {
    const { world, sendRaw } = await start();
    const lines = [
      "GET /documents HTTP/1.1",
      "Host: a",
      "Authorization: Bearer a",
      "Authorization: Bearer b",
    ];
    const answer = await sendRaw(`${[...lines, "Connection: close"].join("\r\n")}\r\n\r\n`);
    expect(answer).toContain("401");
    expect(rejections(world.events)).toEqual([["ambiguous_credential", "two_authorization_headers"]]);
  });
});

describe("cross_site_request", () => {
  it.each<[string, Record<string, string>, string]>([
    ["another site, by Sec-Fetch-Site", { "Sec-Fetch-Site": "cross-site" }, "fetch_site_cross_site"],
    ["another origin of the site", { "Sec-Fetch-Site": "same-site" }, "fetch_site_same_site"],
    ["a Sec-Fetch-Site that no browser sends", { "Sec-Fetch-Site": "Same-Origin" }, "fetch_site_unknown"],
    ["a foreign Origin", { Origin: "https://evil.example" }, "origin_foreign"],
    ["an Origin of null", { Origin: "null" }, "origin_null"],
    [
      "an Origin of null, from another site",
      { Origin: "null", "Sec-Fetch-Site": "cross-site" },
      "origin_null",
    ],
    [
      "a foreign Origin, from another site",
      { Origin: "https://evil.example", "Sec-Fetch-Site": "cross-site" },
      "fetch_site_cross_site",
    ],
  ])("tells what gave it away: %s", async (_what, headers, reason) => {
    const { world, send, reached } = await start();
    const { seal } = await world.signIn();
    world.events.length = 0;
    const answer = await send({ method: "POST", headers: { ...withCookie(seal), ...headers } });
    expect([answer.status, JSON.parse(answer.body)["code"], reached]).toEqual([
      403,
      "cross_site_request",
      [],
    ]);
    expect(answer.body).not.toContain(reason);
    expect(rejections(world.events)).toEqual([["cross_site_request", reason]]);
    expect(JSON.stringify(world.events)).not.toContain("evil");
  });
});

describe("invalid_pending_authentication", () => {
  const PENDING = "__Host-orgate-pending";
  const OTHER = "__Host-orgate-browser";
  type Cookies = Map<string, string>;
  type Spoil = (mine: Cookies, theirs: Cookies, clock: { now: number }) => unknown;

  const CASES: readonly (readonly [string, Spoil, string])[] = [
    ["garbage", (mine) => mine.set(PENDING, "garbage"), "pending_unreadable"],
    [
      "garbage without the browser's own cookie",
      (mine) => mine.set(PENDING, "garbage") && mine.delete(OTHER),
      "pending_unreadable",
    ],
    ["expired", (_mine, _theirs, clock) => (clock.now += 601), "pending_expired"],
    ["from the future", (_mine, _theirs, clock) => (clock.now -= 60), "pending_not_yet_valid"],
    [
      "another browser's",
      (mine, theirs) => mine.set(PENDING, theirs.get(PENDING) ?? ""),
      "pending_of_another_browser",
    ],
    ["without the browser's own cookie", (mine) => mine.delete(OTHER), "pending_of_another_browser"],
    [
      "two of them",
      (mine, theirs) => mine.set(PENDING, `${mine.get(PENDING)}; ${PENDING}=${theirs.get(PENDING)}`),
      "pending_repeated",
    ],
  ];
  const METHODS = ["get", "post"] as const;

  it.each(CASES.flatMap((one) => METHODS.map((method) => [one[0], one[2], method, one[1]] as const)))(
    "tells why there is none to continue: %s; %s, by %s",
    async (_what, reason, method, spoil) => {
      const app = makeTenancy();
      const theirs = await app.signIn("user_ada");
      const mine = await app.signIn("user_ada");
      app.world.events.length = 0;
      spoil(mine.cookies, theirs.cookies, app.world.clock);
      const body = { organization_id: "org_acme" };
      const answer = await mine.send(method, SELECTION, {
        headers: JSON_CLIENT,
        ...(method === "post" && { body }),
      });
      expect([answer.status, answer.body.code]).toEqual([401, "invalid_pending_authentication"]);
      expect(answer.text).not.toContain(reason);
      expect(denials(app.world.events)).toEqual([["invalid_pending_authentication", reason]]);
    },
  );

  it.each(METHODS)("has the store's own word for one that is spent, by %s", async (method) => {
    const refusal = {
      status: "refused",
      code: "invalid_pending_authentication",
      reason: "spent_there",
    } as const;
    const app = makeTenancy({
      overrides: () => ({
        organizations: async () => {
          throw new OrgateError("invalid_pending_authentication", { reason: "spent_there" });
        },
        selectOrganization: async () => refusal,
      }),
    });
    const browser = await app.signIn("user_ada");
    app.world.events.length = 0;
    const answer = await browser.send(method, SELECTION, {
      headers: JSON_CLIENT,
      ...(method === "post" && { body: { organization_id: "org_acme" } }),
    });
    expect([answer.status, answer.body.code]).toEqual([401, "invalid_pending_authentication"]);
    expect(denials(app.world.events)).toEqual([["invalid_pending_authentication", "spent_there"]]);
  });
});

describe("the denial of a guard", () => {
  const ROUTES = (auth: Orgate): Route[] => [
    { path: "/signed-in", guards: [auth.requireAuth()] },
    { path: "/organization", guards: [auth.requireOrganization({ organization: "header:x-org" })] },
    { path: "/slug", guards: [auth.requireOrganization({ organization: "header:x-org", by: "slug" })] },
    { path: "/permission", guards: [auth.requirePermission("billing", "manage")] },
    { path: "/role", guards: [auth.requireRole(["admin", "editor"])] },
    { path: "/factor", guards: [auth.requireFactor("totp")] },
    { path: "/recent", guards: [auth.requireRecentAuth({ maxAge: 60 })] },
    { path: "/own", guards: [auth.denyImpersonation()] },
    {
      path: "/authorize",
      handler: (request, response, next) =>
        void auth
          .authorize(request, { role: "admin" })
          .catch((error: unknown) => auth.errorHandler()(error, request, response, next)),
    },
    {
      path: "/thrown",
      handler: (request, response, next) =>
        auth.errorHandler()(new OrgateError("permission_denied"), request, response, next),
    },
    {
      path: "/thrown-with-markup",
      handler: (request, response, next) => auth.errorHandler()(MARKUP, request, response, next),
    },
  ];
  const MARKUP = new OrgateError("permission_denied", { reason: "<b>no</b>" });
  const VERA = { userId: "user_vera", organizationId: "org_acme" } as const;
  const PERMISSION = { code: "permission_denied", resource: "billing", action: "manage" } as const;

  it.each<[string, string, Partial<AuthenticateInput> | undefined, Record<string, string>, object]>([
    ["nobody is signed in", "/signed-in", undefined, {}, { code: "unauthenticated" }],
    [
      "another organization's route",
      "/organization",
      VERA,
      { "X-Org": "org_globex" },
      { code: "organization_mismatch" },
    ],
    [
      "a route that names no organization",
      "/organization",
      VERA,
      {},
      { code: "organization_mismatch", reason: "route_organization_missing" },
    ],
    ["another slug", "/slug", VERA, { "X-Org": "globex" }, { code: "organization_mismatch" }],
    ["a permission that no role grants", "/permission", VERA, {}, PERMISSION],
    ["none of two roles", "/role", VERA, {}, { code: "role_required", role: "admin,editor" }],
    [
      "another factor",
      "/factor",
      { ...VERA, authenticationFactors: [{ type: "sms_otp" }] },
      {},
      {
        code: "factor_required",
        factor: "totp",
      },
    ],
    [
      "no factor",
      "/factor",
      { ...VERA, authenticationFactors: [] },
      {},
      {
        code: "factor_required",
        factor: "totp",
        reason: "no_factors",
      },
    ],
    [
      "an old authentication",
      "/recent",
      VERA,
      {},
      {
        code: "reauthentication_required",
        reason: "authentication_too_old",
      },
    ],
    [
      "an impersonator",
      "/own",
      { ...VERA, impersonator: { email: "help@example.com" } },
      {},
      {
        code: "impersonation_denied",
      },
    ],
    ["a question in a handler", "/authorize", VERA, {}, { code: "role_required", role: "admin" }],
    ["an error that a handler threw", "/thrown", VERA, {}, { code: "permission_denied", reason: "thrown" }],
    [
      "one whose reason is no label",
      "/thrown-with-markup",
      VERA,
      {},
      { code: "permission_denied", reason: "thrown" },
    ],
  ])("says what the code alone does not: %s", async (_what, path, user, headers, event) => {
    const { world, send } = await start({ routes: ROUTES });
    const credential = user === undefined ? {} : withBearer((await world.signIn(user)).accessToken);
    world.clock.now += 61;
    world.events.length = 0;
    const answer = await send({ path, headers: { ...credential, ...headers } });
    expect([401, 403]).toContain(answer.status);
    expect(world.events.filter(({ type }) => type === "denied")).toEqual([{ type: "denied", ...event }]);
    expect(unexplainedDenials(world.events)).toEqual([]);
  });

  const ROLES = [
    ["the session has no role", [], "no_roles"],
    ["the policy knows none of its roles", ["stranger"], "roles_unknown"],
  ] as const;
  it.each(ROLES)("tells that %s", async (_what, roles, reason) => {
    const { world, send } = await start({ routes: ROUTES });
    const { accessToken } = await world.signIn(VERA);
    const token = world.sign({ ...claimsOf(accessToken), role: undefined, roles });
    const answer = await send({ path: "/permission", headers: withBearer(token) });
    expect([answer.status, answer.body.includes(reason)]).toEqual([403, false]);
    await send({ path: "/role", headers: withBearer(token) });
    expect(world.events.filter(({ type }) => type === "denied")).toEqual([
      { type: "denied", ...PERMISSION, reason },
      { type: "denied", code: "role_required", role: "admin,editor", ...(roles.length === 0 && { reason }) },
    ]);
  });
});
