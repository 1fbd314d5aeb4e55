import type { Verdict } from "../model.ts";
import { NO_ROLES, type Policy } from "./policy.ts";

/** What a verdict is about. */
export interface PermissionQuestion {
  /** `undefined`: there is no policy, and permission slugs alone decide. */
  readonly policy: Policy | undefined;
  /** The roles that the session holds. */
  readonly roles: readonly string[];
  /** Permission slugs carried by the token: `documents:read`. */
  readonly permissions?: readonly string[] | undefined;
  readonly organizationId?: string | undefined;
  readonly resource: string;
  readonly action: string;
  readonly source: Verdict["source"];
}

/** Why a verdict is what it is; for the member's own administrators, never for whoever was denied. */
export interface VerdictExplanation {
  /** The roles that the session holds. */
  readonly held: readonly string[];
  /** Every role of the policy that grants it, in the order of the policy. */
  readonly wouldGrant: readonly string[];
}

const EMPTY_LIST: readonly string[] = Object.freeze([]);

/**
 * Answers whether the roles, or else the permission slugs, of a session grant an action on a resource.
 *
 * Roles that the policy does not know are passed over. Names are compared as whole strings.
 */
export function decideVerdict(question: PermissionQuestion): Verdict {
  const { policy, roles, permissions, organizationId, resource, action, source } = question;
  const granting = policy === undefined ? NO_ROLES : policy.grantingRoles(resource, action);
  const grantingRoles = selectGranting(granting, roles);
  const byRole = grantingRoles.length > 0;
  const bySlug = !byRole && listOf(permissions).includes(`${resource}:${action}`);
  const authorized = byRole || bySlug;
  const via = bySlug ? "permission" : "role";
  return Object.freeze<Verdict>({
    authorized,
    grantingRoles,
    resource,
    action,
    ...(organizationId !== undefined && { organizationId }),
    via,
    source,
  });
}

/** Whether {@link decideVerdict} would authorize it: what a guard needs to know of every request. */
export function isAuthorized({ policy, roles, permissions, resource, action }: PermissionQuestion): boolean {
  if (policy !== undefined) {
    const granting = policy.grantingRoles(resource, action);
    for (const role of listOf(roles)) if (granting.has(role)) return true;
  }
  return listOf(permissions).includes(`${resource}:${action}`);
}

/** The verdict on a question, made when somebody asks for it. */
export function deferVerdict(question: PermissionQuestion): () => Verdict {
  let verdict: Verdict | undefined;
  return () => (verdict ??= decideVerdict(question));
}

/** Tells which roles are held and which would grant it. */
export function explainVerdict(
  question: Pick<PermissionQuestion, "policy" | "roles" | "resource" | "action">,
): VerdictExplanation {
  const { policy, roles, resource, action } = question;
  return Object.freeze({
    held: Object.freeze([...listOf(roles)]),
    wouldGrant: Object.freeze([...(policy?.grantingRoles(resource, action) ?? [])]),
  });
}

function selectGranting(granting: ReadonlySet<string>, held: readonly string[]): readonly string[] {
  const selected = new Set(listOf(held).filter((role) => granting.has(role)));
  return selected.size === 0 ? EMPTY_LIST : Object.freeze([...selected]);
}

/** A string in place of the list would be walked letter by letter, and `includes` would match any part of it. */
function listOf(names: readonly string[] | undefined): readonly string[] {
  return Array.isArray(names) ? names : EMPTY_LIST;
}
