import { createSingleFlight } from "../../lib/concurrency.ts";
import { isObject } from "../../lib/values.ts";
import { type Policy, mergePolicies, parsePolicy } from "../../policy/policy.ts";
import { type StytchClient, stytchRejected, stytchUnavailable } from "./client.ts";

/** Loads the policy in force for an organization. The caller caches it. */
export type PolicyLoader = (organizationId: string | undefined, signal: AbortSignal) => Promise<Policy>;

/** Seconds for which organizations that load their policies at about the same time share the project's. */
const SHARED_FOR = 30;

/**
 * Loads the project's policy (`GET /v1/b2b/rbac/policy`), with the organization's own roles if `organizationPolicies` is set.
 * An organization has none if Stytch says so (403, 404). If its roles cannot be loaded, the policy is unknown: without them,
 * members would be denied what their roles grant.
 */
export function createPolicyLoader(client: StytchClient): PolicyLoader {
  const { organizationPolicies, clock, timeout } = client.settings;
  const projectPolicy = createSingleFlight<Policy>({ clock, budget: timeout, grace: SHARED_FOR });

  async function loadShared(): Promise<Policy> {
    const flight = await projectPolicy.run({ key: "project", start: () => loadProject(client) });
    if (flight.status !== "settled") throw stytchUnavailable("timeout");
    return flight.settled.result;
  }

  return async (organizationId, signal) => {
    if (!organizationPolicies || organizationId === undefined) return loadShared();
    const [project, own] = await Promise.all([loadShared(), loadOwn(client, organizationId, signal)]);
    return own === undefined ? project : mergePolicies(project, own);
  };
}

async function loadProject(client: StytchClient): Promise<Policy> {
  // No signal: other callers may still wait when the first one has given up. The client's own timeout ends the call.
  const reply = await client.get("/v1/b2b/rbac/policy", {});
  if (reply.status === "refused") throw stytchRejected(reply);
  const { policy } = reply.body;
  if (!isDocument(policy)) throw stytchUnavailable("nonsense", reply.requestId);
  return parsePolicy(policy);
}

async function loadOwn(client: StytchClient, id: string, signal: AbortSignal): Promise<Policy | undefined> {
  const reply = await client.get(`/v1/b2b/rbac/organizations/${encodeURIComponent(id)}`, { signal });
  if (reply.status === "refused") {
    if (reply.httpStatus === 403 || reply.httpStatus === 404) return undefined;
    throw stytchRejected(reply);
  }
  const { org_policy: policy } = reply.body;
  if (!isDocument(policy)) throw stytchUnavailable("nonsense", reply.requestId);
  return parsePolicy(policy);
}

/** Whether Stytch sent a policy at all; `parsePolicy` checks the rest. */
function isDocument(value: unknown): boolean {
  return isObject(value) && Array.isArray(value["roles"]);
}
