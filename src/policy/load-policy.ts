import { isOrgateError, type StoreUnavailableError } from "../errors.ts";
import type { Policy } from "./policy.ts";

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
