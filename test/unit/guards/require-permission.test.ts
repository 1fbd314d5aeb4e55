import { describe, expect, it } from "@jest/globals";
import { ConfigurationError, type ConfigurationProblem } from "../../../src/errors.ts";
import type { PermissionPair } from "../../../src/guards/authorize.ts";
import { requirePermission } from "../../../src/guards/permissions.ts";
import { definePolicy } from "../../../src/policy/policy.ts";
import type { Policy } from "../../../src/policy/policy.ts";
import { makeBench, POLICY, send, type EngineBench, type Outcome } from "../../support/engine-bench.ts";
import { issueToken, NOW } from "../../support/fake-store.ts";

function as(claims: Readonly<Record<string, unknown>>): { headers: Record<string, string> } {
  return { headers: { Authorization: `Bearer ${issueToken(claims)}` } };
}

function ask(bench: EngineBench, claims: object, ...pairs: PermissionPair[]): Promise<Outcome> {
  return send(bench, as({ ...claims }), [requirePermission(bench.engine, "requireAnyPermission", pairs)]);
}

function problemsOf(make: () => unknown): readonly ConfigurationProblem[] {
  try {
    make();
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
  throw new Error("expected a ConfigurationError");
}

describe("requirePermission", () => {
  it("passes with a verdict that names every role that grants it", async () => {
    const outcome = await ask(makeBench(), { roles: ["viewer", "editor", "nobody", "admin"] }, [
      "documents",
      "read",
    ]);
    expect(outcome.reached).toBe(true);
    expect(outcome.record?.verdict).toEqual({
      authorized: true,
      grantingRoles: ["viewer", "editor", "admin"],
      resource: "documents",
      action: "read",
      organizationId: "org_1",
      via: "role",
      source: "local",
    });
    expect(Object.isFrozen(outcome.record?.verdict)).toBe(true);
  });

  it("passes by a permission slug that the token carries", async () => {
    const outcome = await ask(makeBench(), { permissions: ["documents:write"] }, ["documents", "write"]);
    expect(outcome.record?.verdict).toMatchObject({
      authorized: true,
      grantingRoles: [],
      via: "permission",
    });
  });

  it("R-10: denies without saying which roles would have helped", async () => {
    const outcome = await ask(makeBench(), { roles: ["viewer"] }, ["billing", "manage"]);
    expect([outcome.reached, outcome.status]).toEqual([false, 403]);
    expect(JSON.parse(outcome.body)).toEqual({
      type: "urn:orgate:error:permission_denied",
      title: "You are not allowed to do this",
      status: 403,
      detail: "The member's roles do not allow this action.",
      code: "permission_denied",
      resource: "billing",
      action: "manage",
    });
    expect(outcome.headers["www-authenticate"]).toBe(
      'Bearer realm="app.example.com", error="insufficient_scope"',
    );
    expect(outcome.body).not.toContain("admin");
    expect(outcome.record?.verdict).toMatchObject({ authorized: false, grantingRoles: [] });
  });

  it("passes with any of several pairs; the verdict is on the first granted one, a denial on the first one", async () => {
    const pairs: PermissionPair[] = [
      ["billing", "manage"],
      ["documents", "write"],
      ["documents", "read"],
    ];
    const passed = await ask(makeBench(), { roles: ["editor"] }, ...pairs);
    expect([passed.reached, passed.record?.verdict?.action]).toEqual([true, "write"]);
    const denied = await ask(makeBench(), { roles: [] }, ...pairs);
    expect(JSON.parse(denied.body)).toMatchObject({ resource: "billing", action: "manage" });
  });

  it.each([
    ["R-39: a role of Object.prototype", { roles: ["__proto__", "constructor", "toString"] }],
    ["a role in other letters", { roles: ["Admin", "ADMIN", " admin"] }],
    ["a string in place of the roles", { roles: "admin" }],
    ["a string in place of the permissions", { permissions: "billing:manage" }],
    ["a wildcard that nobody defined", { permissions: ["*", "billing:*", "billing"] }],
  ])("denies %s", async (_, claims) => {
    expect((await ask(makeBench(), claims, ["billing", "manage"])).reached).toBe(false);
  });

  it("needs an organization, whichever roles the session holds", async () => {
    const outcome = await ask(makeBench(), { org: undefined, roles: ["admin"] }, ["billing", "manage"]);
    expect(JSON.parse(outcome.body)).toMatchObject({ code: "organization_selection_required" });
  });
});

describe("a policy that must be loaded", () => {
  it("is loaded once, and then known", async () => {
    let loads = 0;
    const bench = makeBench({
      policy: () => {
        loads += 1;
        return Promise.resolve(POLICY as Policy);
      },
    });
    for (let time = 0; time < 3; time++) {
      expect((await ask(bench, { roles: ["editor"] }, ["documents", "write"])).reached).toBe(true);
      expect((await ask(bench, { roles: ["viewer"] }, ["documents", "write"])).status).toBe(403);
    }
    expect(loads).toBe(1);
  });

  it.each([
    ["rejects", () => Promise.reject(new Error("down"))],
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors
    ["rejects with nothing", () => Promise.reject(undefined)],
    [
      "throws",
      () => {
        throw new Error("down");
      },
    ],
    ["comes to nothing", () => Promise.resolve(undefined)],
  ])("R-45: is 503 where it %s, never 403: nobody knows that a permission is missing", async (_, load) => {
    const bench = makeBench({ policy: load as never });
    const outcome = await ask(bench, { roles: ["admin"] }, ["documents", "read"]);
    expect([outcome.reached, outcome.status, outcome.cookies]).toEqual([false, 503, []]);
    expect(JSON.parse(outcome.body)).toMatchObject({ code: "store_unavailable" });
    expect(Number(outcome.headers["retry-after"])).toBeGreaterThan(0);
  });

  it("comes from the store, for the session's organization, if the application has none", async () => {
    const own = definePolicy({
      resources: { documents: ["read"] },
      roles: { guest: { documents: ["read"] } },
    });
    const bench = makeBench(
      { policy: undefined as never },
      { policy: (organizationId) => Promise.resolve(organizationId === "org_1" ? own : POLICY) },
    );
    expect((await ask(bench, { roles: ["guest"] }, ["documents", "read"])).reached).toBe(true);
    expect((await ask(bench, { org: "org_2", roles: ["guest"] }, ["documents", "read"])).reached).toBe(false);
  });

  it("is not needed if tokens carry permissions", async () => {
    const bench = makeBench({ policy: undefined as never });
    expect((await ask(bench, { permissions: ["any:thing"] }, ["any", "thing"])).reached).toBe(true);
    expect((await ask(bench, { roles: ["admin"] }, ["any", "thing"])).status).toBe(403);
  });
});

describe("a permission guard that can never work as written", () => {
  const { engine } = makeBench();

  it.each([
    ["no pair", [], /names no permission/],
    ["an action that the policy does not know", [["documents", "raed"]], /not in the policy/],
    ["a resource that the policy does not know", [["documnets", "read"]], /not in the policy/],
    ["R-39: names of Object.prototype", [["__proto__", "constructor"]], /not in the policy/],
    ["an empty action", [["documents", ""]], /resource and an action/],
    ["an empty resource", [["", "read"]], /resource and an action/],
    ["no action", [["documents"]], /resource and an action/],
    ["a list of actions", [["documents", ["read"]]], /resource and an action/],
    ["a string for a pair", ["documents:read"], /no pair/],
    ["nothing for a pair", [undefined], /no pair/],
    ["one pair for a list of them", ["documents", "read"], /no pair/],
  ])("throws at construction: %s", (_, pairs, message) => {
    const problems = problemsOf(() => requirePermission(engine, "requireAnyPermission", pairs as never));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ code: "option_invalid", message: expect.stringMatching(message) });
  });

  it("names the call in its error", () => {
    const [problem] = problemsOf(() =>
      requirePermission(engine, "requirePermission", [["documents", "raed"]]),
    );
    expect(problem?.option).toBe('requirePermission("documents", "raed")');
  });

  it("throws without any policy if tokens carry no permissions", () => {
    const bench = makeBench(
      { policy: undefined as never },
      { capabilities: { ...engine.options.store.capabilities, permissions: false } },
    );
    expect(
      problemsOf(() => requirePermission(bench.engine, "requirePermission", [["a", "b"]])),
    ).toMatchObject([
      {
        code: "option_invalid",
        option: "requirePermission",
        message: "cannot be answered: there is no policy.",
      },
    ]);
  });

  it("accepts every name if the policy is loaded later or does not list its resources", () => {
    const later = makeBench({ policy: () => Promise.resolve(POLICY as Policy) });
    expect(() => requirePermission(later.engine, "requirePermission", [["documents", "raed"]])).not.toThrow();
    const open = definePolicy({
      roles: [{ role_id: "a", permissions: [{ resource_id: "x", actions: ["*"] }] }],
    });
    const unlisted = makeBench({ policy: open });
    expect(() => requirePermission(unlisted.engine, "requirePermission", [["any", "thing"]])).not.toThrow();
  });
});

describe("the denial of a permission", () => {
  it("is reported once", async () => {
    const bench = makeBench();
    await ask(bench, { roles: [], iat: NOW - 1 }, ["documents", "read"]);
    expect(bench.events.filter(({ type }) => type === "denied")).toEqual([
      {
        type: "denied",
        code: "permission_denied",
        reason: "no_roles",
        resource: "documents",
        action: "read",
      },
    ]);
  });
});
