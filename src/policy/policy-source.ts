import { type StoreUnavailableError, isOrgateError } from "../errors.ts";
import type { EventSink } from "../events.ts";
import { createBoundedMap } from "../lib/bounded-map.ts";
import type { Clock } from "../lib/clock.ts";
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

/** The policy in force: there is one, there is none to go by, or it cannot be had right now. */
export type PolicyLookup =
  | { readonly status: "found"; readonly policy: Policy }
  | { readonly status: "none" }
  /** `retryAfter` in seconds; `undefined`: waiting does not help. */
  | { readonly status: "unavailable"; readonly retryAfter: number | undefined };

/** What a slot is made of. */
export interface PolicySlotParts {
  readonly load: (signal: AbortSignal) => Promise<unknown>;
  readonly clock: Clock;
  readonly events: EventSink;
}

/** Seconds for which a loaded policy is served without asking. */
export const POLICY_MAX_AGE = 300;

const LONGEST_WAIT = 60;

/**
 * Keeps one policy that is loaded at first use, by one call at a time, and again after five minutes.
 *
 * When it cannot be loaded the old one goes on being served, and after 1, 2, 4 ... 60 seconds it is tried again.
 *
 * @returns what answers: at once while the policy is fresh or a failed load is being waited out.
 */
export function createPolicySlot(parts: PolicySlotParts): () => PolicyLookup | Promise<PolicyLookup> {
  const { load, clock, events } = parts;
  let found: PolicyLookup | undefined;
  let loadedAt = -Infinity;
  let failures = 0;
  let failedAt = -Infinity;
  let wait = 0;
  let mayWait = true;
  let flight: Promise<PolicyLookup> | undefined;

  async function reload(startedAt: number): Promise<PolicyLookup> {
    const loaded = await loadPolicy(load);
    flight = undefined;
    if (loaded.status === "loaded") {
      found = Object.freeze({ status: "found", policy: loaded.policy });
      loadedAt = startedAt;
      failures = 0;
      return found;
    }
    failures += 1;
    failedAt = clock();
    wait = chooseWait(failures, loaded.retryAfter);
    mayWait = tellFailure(events, loaded, wait);
    return found ?? missing(mayWait ? wait : undefined);
  }

  return () => {
    const now = clock();
    const fresh = isWithin(POLICY_MAX_AGE, loadedAt, now);
    const waiting = isWithin(wait, failedAt, now);
    if (found !== undefined && (fresh || waiting)) return found;
    if (waiting) return missing(mayWait ? Math.ceil(failedAt + wait - now) : undefined);
    flight ??= reload(now);
    // Somebody saw a moment ago that it cannot be had: nobody needs to wait to see it again.
    const failing = failures > 0 && isWithin(POLICY_MAX_AGE, failedAt, now);
    return found !== undefined && failing ? found : flight;
  };
}

/** @returns whether waiting helps: what refuses this application is tried again all the same, but nobody is told to wait. */
function tellFailure(
  events: EventSink,
  { reason, misconfigured }: Extract<LoadedPolicy, { status: "failed" }>,
  retryAfter: number,
): boolean {
  if (misconfigured !== undefined) events.emit({ type: "misconfigured", reason: misconfigured });
  events.emit({ type: "unavailable", code: "store_unavailable", reason, retryAfter });
  return misconfigured === undefined;
}

function missing(retryAfter: number | undefined): PolicyLookup {
  return { status: "unavailable", retryAfter };
}

/** A clock that was set back makes everything old, never fresh for longer. */
function isWithin(seconds: number, since: number, now: number): boolean {
  const age = now - since;
  return age >= 0 && age < seconds;
}

function chooseWait(failures: number, asked: number | undefined): number {
  const wait = Math.min(2 ** (failures - 1), LONGEST_WAIT);
  return asked !== undefined && asked > wait ? Math.min(Math.ceil(asked), POLICY_MAX_AGE) : wait;
}

/** Seconds that one load may take. */
export const LOAD_BUDGET = 5;

/** What came of one attempt to load a policy. */
export type LoadedPolicy =
  | { readonly status: "loaded"; readonly policy: Policy }
  | {
      readonly status: "failed";
      /** `policy_invalid`: there was an answer, and it was no policy. */
      readonly reason: "policy_failed" | "policy_invalid" | "policy_timeout";
      /** Seconds, where the store said so. */
      readonly retryAfter?: number;
      /** Why the store refuses this application itself. */
      readonly misconfigured?: string;
    };

/** Loads a policy once, within {@link LOAD_BUDGET} seconds. Never rejects, whatever the loader does. */
export async function loadPolicy(load: (signal: AbortSignal) => Promise<unknown>): Promise<LoadedPolicy> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<LoadedPolicy>((resolve) => {
    timer = setTimeout(() => {
      resolve({ status: "failed", reason: "policy_timeout" });
      controller.abort();
    }, LOAD_BUDGET * 1000);
  });
  try {
    return await Promise.race([attempt(load, controller.signal), timeout]);
  } finally {
    clearTimeout(timer);
  }
}

async function attempt(
  load: (signal: AbortSignal) => Promise<unknown>,
  signal: AbortSignal,
): Promise<LoadedPolicy> {
  try {
    const policy = await load(signal);
    return isPolicy(policy) ? { status: "loaded", policy } : { status: "failed", reason: "policy_invalid" };
  } catch (error) {
    return describeFailure(error);
  }
}

/** Whether a value answers what a policy is asked. */
export function isPolicy(value: unknown): value is Policy {
  if (typeof value !== "object" || value === null) return false;
  const { declares, grantingRoles, roles } = value as Partial<Policy>;
  return (
    typeof declares === "function" && typeof grantingRoles === "function" && typeof roles?.has === "function"
  );
}

function describeFailure(error: unknown): LoadedPolicy {
  try {
    if (isOrgateError(error)) {
      if (error.code === "configuration_invalid") return { status: "failed", reason: "policy_invalid" };
      const { retryAfter, misconfigured, reason = "policy_failed" } = error as Partial<StoreUnavailableError>;
      if (misconfigured === true) return { status: "failed", reason: "policy_failed", misconfigured: reason };
      if (typeof retryAfter === "number") return { status: "failed", reason: "policy_failed", retryAfter };
    }
  } catch {
    // What was thrown throws when it is looked at.
  }
  return { status: "failed", reason: "policy_failed" };
}
