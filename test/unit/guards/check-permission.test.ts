import { describe, expect, it } from "@jest/globals";
import { authenticateRequest } from "../../../src/request/authenticate.ts";
import { ConfigurationError, isOrgateError, StoreUnavailableError } from "../../../src/errors.ts";
import { checkPermission } from "../../../src/guards/permissions.ts";
import type { Policy } from "../../../src/policy/policy.ts";
import { makeBench, POLICY, type EngineBench } from "../../support/engine-bench.ts";
import { makeRequest } from "../../support/exchange.ts";
import { issueToken, NOW } from "../../support/fake-store.ts";

async function requestOf(bench: EngineBench, claims?: Readonly<Record<string, unknown>>) {
  const headers = claims === undefined ? {} : { Authorization: `Bearer ${issueToken(claims)}` };
  const request = makeRequest({ headers });
  await authenticateRequest(bench.engine, request, undefined);
  return request;
}

function thrownBy(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error;
  }
}

describe("checkPermission", () => {
  it("returns a verdict at once, with the roles held and the roles that would grant it", async () => {
    const bench = makeBench();
    const request = await requestOf(bench, { roles: ["viewer", "unknown"] });
    expect(checkPermission(bench.engine, request, ["documents", "write"])).toEqual({
      authorized: false,
      grantingRoles: [],
      resource: "documents",
      action: "write",
      organizationId: "org_1",
      via: "role",
      source: "local",
      explanation: { held: ["viewer", "unknown"], wouldGrant: ["editor", "admin"] },
    });
    const granted = checkPermission(bench.engine, request, ["documents", "read"]);
    expect(granted).toMatchObject({ authorized: true, grantingRoles: ["viewer"] });
    expect(Object.isFrozen(granted)).toBe(true);
  });

  it("denies everything to a client that is not signed in", async () => {
    const bench = makeBench();
    const verdict = checkPermission(bench.engine, await requestOf(bench), ["documents", "read"]);
    expect(verdict).toMatchObject({ authorized: false, explanation: { held: [] } });
    expect(verdict).not.toHaveProperty("organizationId");
  });

  it("denies a pair that is not in the policy", async () => {
    const bench = makeBench();
    const request = await requestOf(bench, { roles: ["admin"] });
    expect(checkPermission(bench.engine, request, ["__proto__", "constructor"])).toMatchObject({
      authorized: false,
      explanation: { wouldGrant: [] },
    });
  });

  it("counts permission slugs, with a policy and without one", async () => {
    const bench = makeBench({ policy: undefined as never });
    const request = await requestOf(bench, { permissions: ["documents:read"] });
    expect(checkPermission(bench.engine, request, ["documents", "read"])).toMatchObject({
      authorized: true,
      via: "permission",
    });
  });

  it("waits for a policy that must be loaded", async () => {
    const bench = makeBench({ policy: () => Promise.resolve(POLICY as Policy) });
    const request = await requestOf(bench, { roles: ["admin"] });
    const first = checkPermission(bench.engine, request, ["documents", "read"]);
    expect(first).toBeInstanceOf(Promise);
    await expect(first).resolves.toMatchObject({ authorized: true });
    expect(checkPermission(bench.engine, request, ["documents", "read"])).toMatchObject({ authorized: true });
  });

  it("throws instead of denying when the policy cannot be loaded", async () => {
    const bench = makeBench({ policy: () => Promise.reject(new Error("down")) });
    const request = await requestOf(bench, { roles: ["admin"] });
    const failure: unknown = await Promise.resolve(
      checkPermission(bench.engine, request, ["documents", "read"]),
    ).catch((error: unknown) => error);
    expect(isOrgateError(failure) && failure.code).toBe("store_unavailable");
  });

  it.each([
    ["store_unavailable", { iat: NOW - 400, exp: NOW - 100 }],
    ["clock_skew", { nbf: NOW + 100 }],
  ])("throws where who is asking cannot be known, which is no denial either: %s", async (code, claims) => {
    const bench = makeBench();
    bench.store.answer = () => {
      throw new StoreUnavailableError({ retryAfter: 7 });
    };
    const request = await requestOf(bench, claims);
    const failure = thrownBy(() => checkPermission(bench.engine, request, ["documents", "read"]));
    expect(failure).toMatchObject({ code, status: 503, headers: { "Retry-After": expect.any(String) } });
  });

  it("throws when orgate is not mounted", () => {
    const { engine } = makeBench();
    expect(() => checkPermission(engine, makeRequest(), ["documents", "read"])).toThrow(ConfigurationError);
  });

  it("makes the response vary by credential", async () => {
    const bench = makeBench();
    const request = makeRequest({ headers: { Authorization: `Bearer ${issueToken()}` } });
    const record = await authenticateRequest(bench.engine, request, undefined);
    expect(record.isUsed).toBe(false);
    await checkPermission(bench.engine, request, ["documents", "read"]);
    expect(record.isUsed).toBe(true);
  });
});
