import type { IncomingMessage } from "node:http";
import type { Engine } from "../engine/engine.ts";
import { lookAt } from "../engine/mounted-record.ts";
import { errorOf } from "../engine/state-error.ts";
import { StoreUnavailableError } from "../errors.ts";
import type { Verdict } from "../model.ts";
import type { RequestRecord } from "../pipeline/attach.ts";
import type { PolicyLookup } from "../policy/policy-slot.ts";
import { decideVerdict, explainVerdict, type VerdictExplanation } from "../policy/verdict.ts";
import type { PermissionPair } from "./require-permission.ts";

/** A verdict that was asked for, with why it is what it is. */
export interface CheckedVerdict extends Verdict {
  /** For the member's own administrators; do not send it to whoever was denied. */
  readonly explanation: VerdictExplanation;
}

/** The verdict on a permission, with its explanation, for a handler that wants to know rather than to refuse. */
export function checkPermission(
  engine: Engine,
  request: IncomingMessage,
  pair: PermissionPair,
): CheckedVerdict | Promise<CheckedVerdict> {
  const record = lookAt(engine, request, "check");
  // Who is asking cannot be known right now: that is no denial either.
  if (record.state?.status === "unavailable") throw errorOf(record.state);
  const lookup = engine.policies.get(record.session?.memberSession.organizationId);
  return lookup instanceof Promise
    ? lookup.then((found) => explain(record, pair, found))
    : explain(record, pair, lookup);
}

function explain(
  { session, source }: RequestRecord,
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
