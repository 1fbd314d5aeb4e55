import type { IncomingMessage } from "node:http";
import { StoreUnavailableError } from "../errors.ts";
import { type Problems, describeValue, quoteName } from "../lib/problems.ts";
import { isString, isText } from "../lib/values.ts";
import type { Verdict } from "../model.ts";
import type { PolicyLookup } from "../policy/policy-source.ts";
import { type VerdictExplanation, decideVerdict, explainVerdict } from "../policy/policy.ts";
import { errorOf } from "../request/inspect.ts";
import type { Instance } from "../request/instance.ts";
import { type RequestAuth, reportUnavailable, requireRequestAuth } from "../request/request-auth.ts";
import { type PermissionPair, permissionQuestion } from "./authorize.ts";
import { type GuardOptions, type Middleware, createGuard } from "./guard.ts";

/** Lets members through whose roles, or permission slugs, grant one of the pairs. */
export function requirePermission(
  instance: Instance,
  name: "requirePermission" | "requireAnyPermission",
  pairs: readonly PermissionPair[],
  options?: GuardOptions,
): Middleware {
  return createGuard(instance, {
    name,
    options,
    requires: { needsOrganization: true, permissions: pairs },
    validate: (problems) => validatePairs(instance, name, pairs, problems),
  });
}

/** Adds the problems of permissions that a guard or a question names. */
export function validatePairs(
  { options, policies }: Instance,
  name: string,
  pairs: readonly unknown[],
  problems: Problems,
): void {
  const example = 'Pass [["documents", "read"], ...].';
  if (pairs.length === 0) problems.invalid(name, "names no permission.", example);
  if (!pairs.every(Array.isArray)) problems.invalid(name, "has a permission that is no pair.", example);
  for (const pair of pairs.filter(Array.isArray)) {
    const [resource, action]: readonly unknown[] = pair;
    const call = `${name}(${nameGiven(resource)}, ${nameGiven(action)})`;
    if (!isText(resource) || !isText(action)) {
      problems.invalid(call, "needs a resource and an action.", 'Pass "documents", "read".');
    } else if (policies.current?.declares(resource, action) === false) {
      const suggestion = "Check the spelling, or add it to the policy's resources.";
      problems.invalid(call, "is not in the policy.", suggestion);
    }
  }
  const hasPolicy = options.policy !== undefined || options.store.policy !== undefined;
  if (!hasPolicy && options.store.capabilities.permissions !== true) {
    const suggestion = "Pass policy: definePolicy({...}) to orgate().";
    problems.invalid(name, "cannot be answered: there is no policy.", suggestion);
  }
}

/** Names a parameter in a message: a text is quoted; of anything else, only the kind is known to be printable. */
function nameGiven(value: unknown): string {
  return isString(value) ? quoteName(value) : describeValue(value);
}

/** A verdict with its explanation. */
export interface CheckedVerdict extends Verdict {
  /** For the member's own administrators; do not send it to the member who was denied. */
  readonly explanation: VerdictExplanation;
}

/**
 * Returns the verdict on a permission with its explanation, for handlers that ask without refusing. Nobody signed in is a
 * denial.
 *
 * @throws OrgateError with status 503 if the session or the policy cannot be known right now.
 */
export function checkPermission(
  instance: Instance,
  request: IncomingMessage,
  pair: PermissionPair,
): CheckedVerdict | Promise<CheckedVerdict> {
  const auth = requireRequestAuth(instance, request, "check");
  if (auth.state.status === "unavailable") throw errorOf(auth.state);
  const lookup = instance.policies.get(auth.session?.organizationId);
  return lookup instanceof Promise
    ? lookup.then((found) => explain(instance, auth, pair, found))
    : explain(instance, auth, pair, lookup);
}

function explain(
  { events }: Instance,
  auth: RequestAuth,
  pair: PermissionPair,
  lookup: PolicyLookup,
): CheckedVerdict {
  if (lookup.status === "unavailable") {
    const { retryAfter, cause } = lookup;
    reportUnavailable(events, { reason: "policy_unavailable", retryAfter, cause });
    throw new StoreUnavailableError({ retryAfter, cause });
  }
  const question = permissionQuestion(auth, auth.session, pair, lookup);
  return Object.freeze({ ...decideVerdict(question), explanation: explainVerdict(question) });
}
