import { type ConfigurationError, type StoreUnavailableError, isOrgateError } from "../errors.ts";
import { type EventSink, describeCause } from "../events.ts";
import { createBoundedMap } from "../lib/bounded-map.ts";
import type { Clock } from "../lib/clock.ts";
import { RefreshingValue } from "../lib/concurrency.ts";
import { configurationError } from "../lib/problems.ts";
import { type Policy, isPolicy } from "./policy.ts";

/** Where policies come from; `policy` wins over the store's own. */
export interface PolicySourceOptions {
  readonly policy?: Policy | (() => Promise<Policy>) | undefined;
  /** The store's policy, cached for each organization. */
  readonly storePolicy?:
    | ((organizationId: string | undefined, context: { readonly signal: AbortSignal }) => Promise<Policy>)
    | undefined;
  /** Whether the store's policy differs between organizations. @defaultValue true */
  readonly byOrganization?: boolean | undefined;
  readonly clock: Clock;
  readonly events: EventSink;
}

/** The policy in force: there is one, there is none, or it cannot be loaded right now. */
export type PolicyLookup =
  | { readonly status: "found"; readonly policy: Policy }
  | { readonly status: "none" }
  | {
      readonly status: "unavailable";
      /** Seconds; `undefined`: waiting does not help. */
      readonly retryAfter: number | undefined;
      /** Why the last load failed. */
      readonly cause?: unknown;
    };

/** Answers which policy is in force. */
export interface PolicySource {
  /** The policy, if it is known from the start. */
  readonly current?: Policy;
  /** Gets the policy of an organization. Returns a promise only if something must be loaded. Never throws and never rejects. */
  get(organizationId: string | undefined): PolicyLookup | Promise<PolicyLookup>;
}

type FoundPolicy = Extract<PolicyLookup, { status: "found" }>;

const MAX_ORGANIZATIONS = 10_000;
const POLICY_MAX_AGE = 300;
const LOAD_BUDGET = 5;
const WITHOUT_ORGANIZATION = Symbol("without organization");

/**
 * Makes the source of policies.
 *
 * A loaded policy is served for five minutes and then loaded again, within 5 s, one load at a time. When that fails, the old
 * one is still served; without an old one the answer is `unavailable`, which is not a denial.
 */
export function createPolicySource(options: PolicySourceOptions): PolicySource {
  const { policy, storePolicy, byOrganization = true } = options;
  if (typeof policy === "function") {
    const cache = cachePolicy(() => policy(), options);
    return { get: () => lookUp(cache) };
  }
  if (policy !== undefined) {
    const lookup: PolicyLookup = Object.freeze({ status: "found", policy });
    return { current: policy, get: () => lookup };
  }
  if (storePolicy === undefined) {
    const lookup: PolicyLookup = Object.freeze({ status: "none" });
    return { get: () => lookup };
  }
  const caches = createBoundedMap<string | symbol, RefreshingValue<FoundPolicy>>(MAX_ORGANIZATIONS);
  return {
    get(organizationId) {
      const asked = byOrganization ? organizationId : undefined;
      const key = asked ?? WITHOUT_ORGANIZATION;
      const cached = caches.get(key);
      if (cached !== undefined) return lookUp(cached);
      const cache = cachePolicy((signal) => storePolicy(asked, { signal }), options);
      caches.set(key, cache);
      return lookUp(cache);
    },
  };
}

function lookUp(cache: RefreshingValue<FoundPolicy>): PolicyLookup | Promise<PolicyLookup> {
  const found = cache.get();
  return found instanceof Promise
    ? found.then((loaded) => loaded ?? unavailable(cache))
    : (found ?? unavailable(cache));
}

function unavailable({ lastError, secondsUntilLoad }: RefreshingValue<FoundPolicy>): PolicyLookup {
  // A store that refuses this application is asked again all the same, but nobody is told to wait for it.
  const helps = describeFailure(lastError).misconfigured === undefined;
  return {
    status: "unavailable",
    retryAfter: helps ? Math.ceil(secondsUntilLoad) : undefined,
    cause: lastError,
  };
}

function cachePolicy(
  load: (signal: AbortSignal) => Promise<unknown>,
  { clock, events }: PolicySourceOptions,
): RefreshingValue<FoundPolicy> {
  return new RefreshingValue<FoundPolicy>({
    async load(signal) {
      const policy = await load(signal);
      if (!isPolicy(policy)) throw notPolicy();
      return Object.freeze({ status: "found", policy });
    },
    clock,
    budget: LOAD_BUDGET,
    maxAge: POLICY_MAX_AGE,
    retryAfterOf: (error) => describeFailure(error).retryAfter,
    onFailure({ error, timedOut, retryAfter }) {
      const { reason, misconfigured } = describeFailure(error);
      if (misconfigured !== undefined) {
        events.emit({ type: "misconfigured", reason: misconfigured, ...describeCause(error) });
      }
      events.emit({
        type: "unavailable",
        code: "store_unavailable",
        reason: timedOut ? "policy_timeout" : reason,
        retryAfter,
        ...describeCause(error),
      });
    },
  });
}

function notPolicy(): ConfigurationError {
  const suggestion = "Resolve to what definePolicy() returns.";
  return configurationError("option_invalid", "policy", "was loaded and is not a policy.", suggestion);
}

interface PolicyFailure {
  /** `policy_invalid`: there was an answer, and it was not a policy. */
  readonly reason: "policy_failed" | "policy_invalid";
  /** Seconds, where the store said so. */
  readonly retryAfter?: number;
  /** Why the store refuses this application itself. */
  readonly misconfigured?: string;
  /** What reading the error threw. */
  readonly unreadable?: unknown;
}

function describeFailure(error: unknown): PolicyFailure {
  try {
    if (isOrgateError(error)) {
      if (error.code === "configuration_invalid") return { reason: "policy_invalid" };
      const { retryAfter, misconfigured, reason = "policy_failed" } = error as Partial<StoreUnavailableError>;
      if (misconfigured === true) return { reason: "policy_failed", misconfigured: reason };
      if (typeof retryAfter === "number") return { reason: "policy_failed", retryAfter };
    }
    return { reason: "policy_failed" };
  } catch (unreadable) {
    return { reason: "policy_failed", unreadable };
  }
}
