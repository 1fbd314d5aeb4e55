import { OrgateError, StoreUnavailableError } from "../../errors.ts";
import type { Verdict } from "../../model.ts";
import type { PolicySource } from "../../policy/policy-source.ts";
import { decideVerdict } from "../../policy/verdict.ts";

/** What a session is to be allowed to do. */
export interface StytchAuthorizationCheck {
  /** The id of the organization whose resource it is; a slug or an external id is never the same. */
  readonly organizationId: string;
  readonly resource: string;
  readonly action: string;
}

/** Refuses a check about another organization's resource. */
export function checkTenancy(check: StytchAuthorizationCheck, organizationId: string | undefined): void {
  if (check.organizationId !== organizationId) throw new OrgateError("organization_mismatch");
}

/**
 * Decides a check by the project's policy.
 *
 * @throws OrgateError `permission_denied`; StoreUnavailableError where there is no policy to decide by.
 */
export async function decideLocally(
  policies: PolicySource,
  check: StytchAuthorizationCheck,
  session: { readonly roles: readonly string[]; readonly source: Verdict["source"] },
): Promise<Verdict> {
  const lookup = await policies.get(check.organizationId);
  if (lookup.status !== "found") {
    const retryAfter = lookup.status === "unavailable" ? lookup.retryAfter : undefined;
    throw new StoreUnavailableError({
      reason: "policy_unavailable",
      ...(retryAfter !== undefined && { retryAfter }),
    });
  }
  const verdict = decideVerdict({ ...check, ...session, policy: lookup.policy });
  if (!verdict.authorized) throw new OrgateError("permission_denied");
  return verdict;
}
