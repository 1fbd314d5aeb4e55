import type { Engine } from "../engine/engine.ts";
import type { Exchange } from "../engine/deny.ts";
import type { Verdict } from "../model.ts";
import type { Problems } from "../options/problems.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import type { PolicyLookup } from "../policy/policy-slot.ts";
import { deferVerdict, isAuthorized } from "../policy/verdict.ts";
import { createGuard } from "./create-guard.ts";
import { PASSED, type GuardOptions, type GuardVerdict, type Middleware } from "./guard.ts";

/** A resource and an action. */
export type PermissionPair = readonly [resource: string, action: string];

/** Lets a member through whose roles, or permission slugs, grant one of the pairs. */
export function requirePermission(
  engine: Engine,
  name: "requirePermission" | "requireAnyPermission",
  pairs: readonly PermissionPair[],
  options?: GuardOptions,
): Middleware {
  const { policies } = engine;
  return createGuard(engine, {
    name,
    options,
    needsOrganization: true,
    requirement(session, exchange) {
      const lookup = policies.get(session.organizationId);
      return lookup instanceof Promise
        ? lookup.then((found) => decide(found, pairs, session, exchange))
        : decide(lookup, pairs, session, exchange);
    },
    validate: (problems) => validatePairs(engine, name, pairs, problems),
  });
}

function decide(
  lookup: PolicyLookup,
  pairs: readonly PermissionPair[],
  session: VerifiedSession,
  { record }: Exchange,
): GuardVerdict {
  // Without any policy nobody can say that a permission is missing.
  if (lookup.status === "unavailable") {
    return { status: "denied", code: "store_unavailable", retryAfter: lookup.retryAfter };
  }
  const policy = lookup.status === "found" ? lookup.policy : undefined;
  const { roles, permissions, organizationId } = session;
  const { source } = record;
  // What is told of several pairs is told of the first.
  let denied: (() => Verdict) | undefined;
  for (const [resource, action] of pairs) {
    const question = { policy, roles, permissions, organizationId, resource, action, source };
    const verdict = deferVerdict(question);
    if (isAuthorized(question)) {
      record.verdict = verdict;
      return PASSED;
    }
    denied ??= verdict;
  }
  record.verdict = denied;
  const verdict = denied?.();
  const extensions = { resource: verdict?.resource, action: verdict?.action };
  return { status: "denied", code: "permission_denied", extensions };
}

function validatePairs(
  { options, policies }: Engine,
  name: string,
  pairs: readonly PermissionPair[],
  problems: Problems,
): void {
  if (pairs.length === 0)
    problems.invalid(name, "names no permission.", 'Pass [["documents", "read"], ...].');
  const given: readonly unknown[] = pairs;
  if (!given.every(Array.isArray)) {
    problems.invalid(name, "has a permission that is no pair.", 'Pass [["documents", "read"], ...].');
  }
  for (const pair of given.filter(Array.isArray)) {
    const [resource, action]: readonly unknown[] = pair;
    const call = `${name}(${JSON.stringify(resource)}, ${JSON.stringify(action)})`;
    if (typeof resource !== "string" || typeof action !== "string" || resource === "" || action === "") {
      problems.invalid(call, "needs a resource and an action.", 'Pass "documents", "read".');
    } else if (policies.current?.declares(resource, action) === false) {
      problems.invalid(
        call,
        "is not in the policy.",
        "Check the spelling, or add it to the policy's resources.",
      );
    }
  }
  const hasPolicy = options.policy !== undefined || options.store.policy !== undefined;
  if (!hasPolicy && options.store.capabilities.permissions !== true) {
    problems.invalid(
      name,
      "cannot be answered: there is no policy.",
      "Pass policy: definePolicy({...}) to orgate().",
    );
  }
}
