import { createBoundedMap } from "../../lib/bounded-map.ts";
import { isObject } from "../../lib/predicates.ts";
import type { StytchPolicyDocument } from "../../policy/policy-forms.ts";
import { type Policy, definePolicy, mergePolicies } from "../../policy/policy.ts";
import { type StytchClient, stytchUnavailable } from "./client.ts";

/** Loads the policy in force for an organization; whoever keeps it decides for how long. */
export type PolicyLoader = (organizationId: string | undefined, signal: AbortSignal) => Promise<Policy>;

/** Seconds for which organizations that load theirs at about the same time share the project's. */
const SHARED_FOR = 30;
const MOST_ORGANIZATIONS = 10_000;

/**
 * Loads the project's policy (`GET /v1/b2b/rbac/policy`), with the organization's own roles added where that was asked for.
 * An organization has none where Stytch says so (403, 404); trouble with them leaves those that were known before.
 */
export function createPolicyLoader(client: StytchClient): PolicyLoader {
  const { organizationPolicies, clock, timeout } = client.settings;
  const known = createBoundedMap<string, Policy>(MOST_ORGANIZATIONS);
  let shared: { readonly policy: Promise<Policy>; readonly since: number } | undefined;

  function loadShared(): Promise<Policy> {
    const now = clock();
    const age = now - (shared?.since ?? -Infinity);
    if (shared !== undefined && age >= 0 && age < SHARED_FOR) return shared.policy;
    const policy = loadProject(client);
    const current = { policy, since: now };
    shared = current;
    policy.catch(() => {
      if (shared === current) shared = undefined;
    });
    return policy;
  }

  async function loadOrganization(id: string, outer: AbortSignal): Promise<Policy | undefined> {
    // Whoever waits has as long as one call: the project's policy must still be given to them.
    const signal = AbortSignal.any([outer, AbortSignal.timeout((timeout * 1000) / 2)]);
    try {
      const policy = await loadOwn(client, id, signal);
      if (policy === undefined) known.delete(id);
      else known.set(id, policy);
      return policy;
    } catch {
      // Whatever becomes of an organization's own roles, those of the project go on.
      return known.get(id);
    }
  }

  return async (organizationId, signal) => {
    if (!organizationPolicies || organizationId === undefined) return loadShared();
    const [project, own] = await Promise.all([loadShared(), loadOrganization(organizationId, signal)]);
    return own === undefined ? project : mergePolicies(project, own);
  };
}

async function loadProject(client: StytchClient): Promise<Policy> {
  // Others may wait for it longer than whoever came first: the client's own budget bounds it.
  const reply = await client.get("/v1/b2b/rbac/policy", {});
  if (reply.status === "refused") throw stytchUnavailable("request_rejected", reply.requestId);
  const { policy } = reply.body;
  if (!isDocument(policy)) throw stytchUnavailable("nonsense", reply.requestId);
  return definePolicy(policy);
}

async function loadOwn(client: StytchClient, id: string, signal: AbortSignal): Promise<Policy | undefined> {
  const reply = await client.get(`/v1/b2b/rbac/organizations/${encodeURIComponent(id)}`, { signal });
  if (reply.status === "refused") {
    if (reply.httpStatus === 403 || reply.httpStatus === 404) return undefined;
    throw stytchUnavailable("request_rejected", reply.requestId);
  }
  const { org_policy: policy } = reply.body;
  if (!isDocument(policy)) throw stytchUnavailable("nonsense", reply.requestId);
  return definePolicy(policy);
}

/** Whether it can be given to `definePolicy`, which looks into it. */
function isDocument(value: unknown): value is StytchPolicyDocument {
  return isObject(value) && Array.isArray(value["roles"]);
}
