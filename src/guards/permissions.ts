import type { IncomingMessage } from "node:http";
import { StoreUnavailableError } from "../errors.ts";
import type { Problems } from "../lib/problems.ts";
import type { Verdict } from "../model.ts";
import type { PolicyLookup } from "../policy/policy-source.ts";
import {
  type VerdictExplanation,
  decideVerdict,
  deferVerdict,
  explainVerdict,
  isAuthorized,
} from "../policy/verdict.ts";
import type { VerifiedSession } from "../request/cache.ts";
import type { Instance } from "../request/instance.ts";
import { errorOf } from "../request/inspect.ts";
import { type RequestAuth, requireRequestAuth } from "../request/request-auth.ts";
import type { Exchange } from "./denial.ts";
import { type GuardOptions, type GuardVerdict, type Middleware, PASSED, createGuard } from "./guard.ts";

/** A resource and an action. */
export type PermissionPair = readonly [resource: string, action: string];

/** Lets a member through whose roles, or permission slugs, grant one of the pairs. */
export function requirePermission(
  instance: Instance,
  name: "requirePermission" | "requireAnyPermission",
  pairs: readonly PermissionPair[],
  options?: GuardOptions,
): Middleware {
  const { policies } = instance;
  return createGuard(instance, {
    name,
    options,
    needsOrganization: true,
    requirement(session, exchange) {
      const lookup = policies.get(session.organizationId);
      return lookup instanceof Promise
        ? lookup.then((found) => decide(found, pairs, session, exchange))
        : decide(lookup, pairs, session, exchange);
    },
    validate: (problems) => validatePairs(instance, name, pairs, problems),
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
  { options, policies }: Instance,
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

/** A verdict that was asked for, with why it is what it is. */
export interface CheckedVerdict extends Verdict {
  /** For the member's own administrators; do not send it to whoever was denied. */
  readonly explanation: VerdictExplanation;
}

/** The verdict on a permission, with its explanation, for a handler that wants to know rather than to refuse. */
export function checkPermission(
  instance: Instance,
  request: IncomingMessage,
  pair: PermissionPair,
): CheckedVerdict | Promise<CheckedVerdict> {
  const record = requireRequestAuth(instance, request, "check");
  // Who is asking cannot be known right now: that is no denial either.
  if (record.state?.status === "unavailable") throw errorOf(record.state);
  const lookup = instance.policies.get(record.session?.memberSession.organizationId);
  return lookup instanceof Promise
    ? lookup.then((found) => explain(record, pair, found))
    : explain(record, pair, lookup);
}

function explain(
  { session, source }: RequestAuth,
  [resource, action]: PermissionPair,
  lookup: PolicyLookup,
): CheckedVerdict {
  if (lookup.status === "unavailable") throw new StoreUnavailableError({ retryAfter: lookup.retryAfter });
  const question = {
    policy: lookup.status === "found" ? lookup.policy : undefined,
    roles: session?.memberSession.roles ?? [],
    permissions: session?.permissions,
    organizationId: session?.memberSession.organizationId,
    resource,
    action,
    source,
  };
  return Object.freeze({ ...decideVerdict(question), explanation: explainVerdict(question) });
}
