import type { Clock } from "../clock.ts";
import type { EventSink } from "../events.ts";
import { createBoundedMap } from "../pipeline/bounded-map.ts";
import { createPolicySlot, type PolicyLookup } from "./policy-slot.ts";
import type { Policy } from "./policy.ts";

/** Where policies come from; `policy` wins over the store's own. */
export interface PolicySourceOptions {
  readonly policy?: Policy | (() => Promise<Policy>) | undefined;
  /** The store's policy, kept for each organization by itself. */
  readonly storePolicy?:
    | ((organizationId: string | undefined, context: { readonly signal: AbortSignal }) => Promise<Policy>)
    | undefined;
  /** Whether the store's policy differs between organizations. @defaultValue true */
  readonly byOrganization?: boolean | undefined;
  readonly clock: Clock;
  readonly events: EventSink;
}

/** Answers which policy is in force. */
export interface PolicySource {
  /** The policy, where it is known from the start. */
  readonly current?: Policy;
  /** Answers without a promise whenever nothing has to be loaded. Never throws, never rejects. */
  get(organizationId: string | undefined): PolicyLookup | Promise<PolicyLookup>;
}

/** Organizations whose policies are kept; beyond that the one asked for longest ago is loaded anew. */
const MOST_ORGANIZATIONS = 10_000;

const WITHOUT_ORGANIZATION = Symbol("without organization");

/**
 * Makes the source of policies.
 *
 * A loaded policy is served for five minutes, then loaded again by one call at a time, of at most 5 s. When that
 * fails the old one goes on being served; without an old one the answer is `unavailable`, which is not a denial.
 */
export function createPolicySource(options: PolicySourceOptions): PolicySource {
  const { policy, storePolicy, byOrganization = true, clock, events } = options;
  if (typeof policy === "function") {
    return { get: createPolicySlot({ load: () => policy(), clock, events }) };
  }
  if (policy !== undefined) {
    const lookup: PolicyLookup = Object.freeze({ status: "found", policy });
    return { current: policy, get: () => lookup };
  }
  if (storePolicy === undefined) {
    const lookup: PolicyLookup = Object.freeze({ status: "none" });
    return { get: () => lookup };
  }
  if (!byOrganization) {
    const load = (signal: AbortSignal): Promise<Policy> => storePolicy(undefined, { signal });
    return { get: createPolicySlot({ load, clock, events }) };
  }
  return { get: createOrganizationSlots(storePolicy, { clock, events }) };
}

function createOrganizationSlots(
  storePolicy: NonNullable<PolicySourceOptions["storePolicy"]>,
  parts: { readonly clock: Clock; readonly events: EventSink },
): PolicySource["get"] {
  const slots = createBoundedMap<string | symbol, () => PolicyLookup | Promise<PolicyLookup>>(
    MOST_ORGANIZATIONS,
  );
  return (organizationId) => {
    const key = organizationId ?? WITHOUT_ORGANIZATION;
    const known = slots.get(key);
    if (known !== undefined) return known();
    const slot = createPolicySlot({ load: (signal) => storePolicy(organizationId, { signal }), ...parts });
    slots.set(key, slot);
    return slot();
  };
}
