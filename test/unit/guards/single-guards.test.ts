import { describe, expect, it } from "@jest/globals";
import { ConfigurationError } from "../../../src/errors.ts";
import { denyImpersonation } from "../../../src/guards/requirements.ts";
import type { Middleware } from "../../../src/guards/guard.ts";
import { requireAuth } from "../../../src/guards/requirements.ts";
import { requireFactor } from "../../../src/guards/requirements.ts";
import { requireOrganization } from "../../../src/guards/requirements.ts";
import { requireRecentAuth, type RecentAuthOptions } from "../../../src/guards/requirements.ts";
import { requireRole } from "../../../src/guards/requirements.ts";
import { makeBench, POLICY, send, type EngineBench, type Outcome } from "../../support/engine-bench.ts";
import { issueToken, NOW } from "../../support/fake-store.ts";

const WITHOUT = { factors: false, authenticationTime: false, impersonation: false, renewsBareToken: true };

function ask(
  bench: EngineBench,
  guard: Middleware,
  claims: Readonly<Record<string, unknown>> = {},
): Promise<Outcome> {
  return send(bench, { headers: { Authorization: `Bearer ${issueToken(claims)}` } }, [guard]);
}

function at(seconds: number): string {
  return new Date(seconds * 1_000).toISOString();
}

function problemOf(make: () => unknown): { option: string; message: string } | undefined {
  try {
    make();
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems[0];
    throw error;
  }
  return undefined;
}

describe("requireAuth", () => {
  it("lets a signed-in member through, and nobody else", async () => {
    const bench = makeBench();
    const guard = requireAuth(bench.engine);
    expect((await ask(bench, guard)).reached).toBe(true);
    const anonymous = await send(bench, {}, [guard]);
    expect([anonymous.reached, anonymous.status, anonymous.headers["www-authenticate"]]).toEqual([
      false,
      401,
      'Bearer realm="app.example.com"',
    ]);
  });
});

describe("requireOrganization", () => {
  it("lets a member with an organization through, and no other", async () => {
    const bench = makeBench();
    const guard = requireOrganization(bench.engine);
    expect((await ask(bench, guard)).reached).toBe(true);
    expect((await ask(bench, guard, { org: undefined })).status).toBe(403);
  });
});

describe("guards over a store that copies claims as they are", () => {
  it.each([["admin"], [null], [{ some: true }], [7]])("R-09: take %j for no role", async (roles) => {
    const bench = makeBench();
    const outcome = await ask(bench, requireRole(bench.engine, "admin"), { roles });
    expect([outcome.reached, outcome.status]).toEqual([false, 403]);
  });

  it("R-09: do not read a string as a list of factors or as a time", async () => {
    const bench = makeBench();
    const claims = { factors: "totp" };
    const answers = [
      await ask(bench, requireFactor(bench.engine, "totp"), claims),
      await ask(bench, requireRecentAuth(bench.engine, { maxAge: 60 }), claims),
    ];
    expect(answers.map(({ reached, status }) => [reached, status])).toEqual([
      [false, 403],
      [false, 401],
    ]);
  });

  it("answer 503 for a session that names no member", async () => {
    const bench = makeBench();
    const outcome = await ask(bench, requireAuth(bench.engine), { member: "" });
    expect([outcome.reached, outcome.status]).toEqual([false, 503]);
    expect(bench.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "interpret_failed" }),
    );
  });
});

describe("requireRole", () => {
  // A policy that is not loaded yet: the guard cannot check its names.
  const bench = makeBench({ policy: async () => POLICY });

  it.each([
    ["admin", ["admin"], true],
    ["admin", ["viewer", "admin"], true],
    [["admin", "owner"], ["owner"], true],
    ["admin", ["viewer"], false],
    ["admin", [], false],
    ["admin", ["Admin", "admins", "admi"], false],
    [["admin", "owner"], ["adminowner", "admin,owner"], false],
    ["__proto__", ["viewer"], false],
    ["__proto__", ["__proto__"], true],
    ["constructor", [], false],
  ])("R-39: of %j, held %j: %s", async (role, roles, reached) => {
    const outcome = await ask(bench, requireRole(bench.engine, role), { roles });
    expect([outcome.reached, outcome.status]).toEqual([reached, reached ? 204 : 403]);
    expect(outcome.body === "" ? "" : (JSON.parse(outcome.body) as { code: string }).code).toBe(
      reached ? "" : "role_required",
    );
  });

  it.each([["amdin"], [["admin", "veiwer"]]])("rejects %j, which the policy does not know", (role) => {
    const problem = problemOf(() => requireRole(makeBench().engine, role));
    expect(problem?.message).toBe("is not a role of the policy.");
    expect(problem?.option).toContain([role].flat().at(-1));
  });

  it("does not say which role is required", async () => {
    const outcome = await ask(bench, requireRole(bench.engine, "secret-role"));
    expect(outcome.body).not.toContain("secret-role");
  });

  it.each([undefined, null, "", [], [""], ["admin", ""], [7], {}, 7, new Set(["admin"])])(
    "throws at construction without a role: %p",
    (role) => {
      expect(problemOf(() => requireRole(bench.engine, role as never))?.option).toBe("requireRole");
    },
  );

  it("is not changed by later changes to the list", async () => {
    const roles = ["admin"];
    const guard = requireRole(bench.engine, roles);
    roles.push("viewer");
    expect((await ask(bench, guard, { roles: ["viewer"] })).reached).toBe(false);
  });
});

describe("requireFactor", () => {
  const bench = makeBench();

  it.each([
    [[{ type: "password" }, { type: "totp" }], true],
    [[{ type: "password" }], false],
    [[{ type: "TOTP" }], false],
    [[], false],
  ])("of totp, held %j: %s", async (factors, reached) => {
    const outcome = await ask(bench, requireFactor(bench.engine, "totp"), { factors });
    expect([outcome.reached, outcome.status]).toEqual([reached, reached ? 204 : 403]);
  });

  it.each([undefined, null, "", 7, ["totp"]])("throws at construction without a type: %p", (type) => {
    expect(problemOf(() => requireFactor(bench.engine, type as never))).toMatchObject({
      option: "requireFactor",
      message: "names no factor.",
    });
  });

  it("throws at construction if the store's sessions list no factors", () => {
    const { engine } = makeBench({}, { capabilities: WITHOUT });
    expect(problemOf(() => requireFactor(engine, "totp"))?.message).toMatch(/list no factors/);
  });
});

describe("denyImpersonation", () => {
  it("lets members through, but no impersonator", async () => {
    const bench = makeBench();
    const guard = denyImpersonation(bench.engine);
    expect((await ask(bench, guard)).reached).toBe(true);
    const outcome = await ask(bench, guard, { act: "support@example.com" });
    expect([outcome.reached, JSON.parse(outcome.body)]).toEqual([
      false,
      expect.objectContaining({ code: "impersonation_denied", status: 403 }),
    ]);
    expect(outcome.body).not.toContain("support@example.com");
  });

  it("throws at construction if the store's sessions do not say who impersonates", () => {
    const { engine } = makeBench({}, { capabilities: WITHOUT });
    expect(problemOf(() => denyImpersonation(engine))?.option).toBe("denyImpersonation");
  });
});

describe("requireRecentAuth", () => {
  const bench = makeBench();
  const guard = requireRecentAuth(bench.engine, { maxAge: 300 });
  const factor = (time: string): object => ({ type: "password", lastAuthenticatedAt: time });

  it.each([
    ["a moment ago", { auth_time: NOW }, true],
    ["just within", { auth_time: NOW - 299 }, true],
    ["at exactly the age", { auth_time: NOW - 300 }, false],
    ["long ago", { auth_time: NOW - 3_600 }, false],
    ["in the future within tolerance", { auth_time: NOW + 5 }, true],
    ["in the future beyond tolerance", { auth_time: NOW + 6 }, false],
    ["at a time that nobody knows", {}, false],
    ["by auth_time, whatever the factors say", { auth_time: NOW - 3_600, factors: [factor(at(NOW))] }, false],
    [
      "by its newest factor",
      { factors: [factor(at(NOW - 900)), factor(at(NOW - 299)), { type: "totp" }] },
      true,
    ],
    ["by factors that are all too old", { factors: [factor(at(NOW - 900)), factor(at(NOW - 300))] }, false],
    ["by factors, whatever the start says", { started: at(NOW), factors: [factor(at(NOW - 900))] }, false],
    ["by its start", { started: at(NOW - 299) }, true],
    ["by a start too long ago", { started: at(NOW - 300) }, false],
    [
      "by a start beside factors without a time",
      { started: at(NOW - 10), factors: [{ type: "totp" }] },
      true,
    ],
    ["by a start that is no time", { started: "yesterday" }, false],
    ["by factors that are no time", { factors: [factor("soon")] }, false],
  ])("of a session that authenticated %s: %#", async (_, claims, reached) => {
    const outcome = await ask(bench, guard, claims);
    expect([outcome.reached, outcome.status]).toEqual([reached, reached ? 204 : 401]);
  });

  it("says how recent the authentication must be (RFC 9470), and where to authenticate", async () => {
    const withSignIn = makeBench({ signIn: { path: "/sign-in" } });
    const outcome = await ask(withSignIn, requireRecentAuth(withSignIn.engine, { maxAge: 300 }), {
      auth_time: 1,
    });
    expect(outcome.headers["www-authenticate"]).toBe(
      'Bearer realm="app.example.com", error="insufficient_user_authentication", max_age="300"',
    );
    expect(JSON.parse(outcome.body)).toMatchObject({
      code: "reauthentication_required",
      reason: "authentication_too_old",
      max_age: 300,
      sign_in_url: "/sign-in",
    });
  });

  it.each([
    undefined,
    null,
    {},
    { maxAge: 0 },
    { maxAge: -1 },
    { maxAge: NaN },
    { maxAge: Infinity },
    { maxAge: "300" },
    300,
  ])("throws at construction without an age: %p", (options) => {
    expect(problemOf(() => requireRecentAuth(bench.engine, options as RecentAuthOptions))?.option).toBe(
      "requireRecentAuth",
    );
  });

  it("throws at construction if the store's sessions do not say when", () => {
    const { engine } = makeBench({}, { capabilities: WITHOUT });
    expect(problemOf(() => requireRecentAuth(engine, { maxAge: 300 }))?.message).toMatch(/do not say when/);
  });
});
