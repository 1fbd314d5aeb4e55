import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, expect, it } from "@jest/globals";
import { authenticateRequest } from "../../../src/request/authenticate.ts";
import { denyImpersonation } from "../../../src/guards/requirements.ts";
import type { Middleware } from "../../../src/guards/guard.ts";
import { requireAuth } from "../../../src/guards/requirements.ts";
import { requireFactor } from "../../../src/guards/requirements.ts";
import { requireOrganization } from "../../../src/guards/requirements.ts";
import { requirePermission } from "../../../src/guards/permissions.ts";
import { requireRecentAuth } from "../../../src/guards/requirements.ts";
import { requireRole } from "../../../src/guards/requirements.ts";
import { definePolicy } from "../../../src/policy/policy.ts";
import { makeBench } from "../../support/engine-bench.ts";
import { makeExchange } from "../../support/exchange.ts";
import { issueToken, NOW } from "../../support/fake-store.ts";

/** How a session stands in each dimension; `ok` is what every guard asks for. */
const DIMENSIONS = {
  state: ["ok", "anonymous", "rejected", "unavailable"],
  organization: ["ok", "another", "none"],
  role: ["ok", "wrong"],
  permission: ["ok", "wrong"],
  factor: ["ok", "none"],
  recency: ["ok", "old", "unknown"],
  impersonation: ["ok", "impersonated"],
} as const;

/** There are tens of thousands of rows. */
const LONG = 60_000;

type Dimension = keyof typeof DIMENSIONS;
type Standing = Readonly<Record<Dimension, string>>;

let settle: (code: string | undefined) => void = () => undefined;
const policy = definePolicy({
  resources: { documents: ["read", "write"] },
  roles: { viewer: {}, editor: { documents: ["write"] }, auditor: {}, owner: {} },
});
const { engine, store } = makeBench({ policy, onDenied: ({ code }) => settle(code) });

/** The guard of each dimension, and its denial by how a session stands. */
const GUARDS: Readonly<Record<Dimension, { guard: Middleware; denial: (standing: Standing) => string }>> = {
  state: { guard: requireAuth(engine), denial: () => "" },
  organization: {
    guard: requireOrganization(engine, { organization: "header:x-org" }),
    denial: ({ organization }) =>
      organization === "none" ? "organization_selection_required" : "organization_mismatch",
  },
  role: { guard: requireRole(engine, ["auditor", "owner"]), denial: () => "role_required" },
  permission: {
    guard: requirePermission(engine, "requirePermission", [["documents", "write"]]),
    denial: () => "permission_denied",
  },
  factor: { guard: requireFactor(engine, "totp"), denial: () => "factor_required" },
  recency: { guard: requireRecentAuth(engine, { maxAge: 300 }), denial: () => "reauthentication_required" },
  impersonation: { guard: denyImpersonation(engine), denial: () => "impersonation_denied" },
};

const NAMES = Object.keys(DIMENSIONS) as Dimension[];

/** Every way in which a session can stand. */
function allStandings(): Standing[] {
  let standings: Partial<Record<Dimension, string>>[] = [{}];
  for (const name of NAMES) {
    standings = standings.flatMap((standing) =>
      DIMENSIONS[name].map((value) => ({ ...standing, [name]: value })),
    );
  }
  const full = standings as Standing[];
  // Whoever is not signed in stands nowhere else.
  return full.filter(
    (standing) =>
      standing.state === "ok" || NAMES.every((name) => name === "state" || standing[name] === "ok"),
  );
}

function tokenOf(standing: Standing): string {
  const { state, organization, role, permission, factor, recency, impersonation } = standing;
  const times = state === "unavailable" ? { iat: NOW + 60, exp: NOW + 360 } : {};
  return issueToken({
    org: { ok: "org_1", another: "org_2" }[organization],
    roles: [
      ...(role === "ok" ? ["auditor"] : ["auditors"]),
      ...(permission === "ok" ? ["editor"] : ["viewer"]),
    ],
    factors: [{ type: "password" }, ...(factor === "ok" ? [{ type: "totp" }] : [])],
    auth_time: { ok: NOW - 299, old: NOW - 300 }[recency],
    act: impersonation === "ok" ? undefined : "support@example.com",
    ...times,
  });
}

function headersOf(standing: Standing): Record<string, string> {
  const { state } = standing;
  if (state === "anonymous") return {};
  const token = state === "rejected" ? "garbage" : tokenOf(standing);
  return { Authorization: `Bearer ${token}`, "X-Org": "org_1" };
}

/** The code of the first guard that must refuse; `undefined`: all pass. */
function expectedDenial(requested: readonly Dimension[], standing: Standing): string | undefined {
  if (standing.state !== "ok") {
    return { anonymous: "unauthenticated", rejected: "invalid_token", unavailable: "clock_skew" }[
      standing.state
    ];
  }
  for (const name of requested) {
    const needsOrganization = name === "role" || name === "permission";
    if (needsOrganization && standing.organization === "none") return "organization_selection_required";
    if (standing[name] !== "ok") return GUARDS[name].denial(standing);
  }
  return undefined;
}

/** Runs guards one after the other: the code of the first denial, `undefined` where the handler was reached. */
function run(
  request: IncomingMessage,
  response: ServerResponse,
  requested: readonly Dimension[],
): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    settle = resolve;
    const step = (index: number) => (error?: unknown) => {
      const name = requested[index];
      if (error !== undefined) reject(new Error("a guard failed", { cause: error }));
      else if (name === undefined) resolve(undefined);
      else GUARDS[name].guard(request, response, step(index + 1));
    };
    step(0)();
  });
}

const SUBSETS = Array.from({ length: 2 ** NAMES.length - 1 }, (_, index) =>
  NAMES.filter((__, bit) => ((index + 1) & (1 << bit)) !== 0),
);

describe("R-40: the guards together", () => {
  const standings = allStandings();

  it("cover every combination of session properties", () => {
    expect(standings.length).toBe(3 * 2 * 2 * 2 * 3 * 2 + 3);
    expect(SUBSETS.length).toBe(127);
  });

  it.each([
    ["in the order of the table", (guards: readonly Dimension[]) => guards],
    ["the other way round", (guards: readonly Dimension[]) => guards.toReversed()],
  ])(
    "pass exactly when every requested dimension is ok, %s",
    async (_, order) => {
      let passed = 0;
      for (const standing of standings) {
        const { request, response } = makeExchange({ headers: headersOf(standing) });
        await authenticateRequest(engine, request, response);
        for (const subset of SUBSETS) {
          const requested = order(subset);
          const code = await run(request, response, requested);
          const expected = expectedDenial(requested, standing);
          // Thrown, not asserted, because there are tens of thousands.
          if (code !== expected) throw new Error(JSON.stringify({ standing, requested, code, expected }));
          if (code === undefined) passed += 1;
        }
      }
      // All ok passes every subset; each dimension that is not ok passes those that do not ask for it.
      expect(passed).toBeGreaterThan(SUBSETS.length);
      expect(store.asked).toEqual([]);
    },
    LONG,
  );
});
