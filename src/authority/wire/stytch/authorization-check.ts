import { StoreUnavailableError } from "../../../errors.ts";
import type { Policy } from "../../../policy/policy.ts";
import { decideVerdict } from "../../../policy/verdict.ts";
import type { Subject } from "../../subject.ts";
import { readOptionalObject, readOptionalText } from "../read-fields.ts";
import type { Fields } from "../read-fields.ts";
import { notPermitted, stytchError, wrongTenant } from "./errors.ts";

/** The answer to an authorization check; a refusal is thrown. */
export interface VerdictBody {
  readonly authorized: true;
  readonly granting_roles: readonly string[];
}

/**
 * Reads `authorization_check`. The organization is compared with the session's id alone: slugs and external ids are the
 * tenants' own choice.
 *
 * @returns what decides it for a member, by the roles that the directory says now.
 */
export function readAuthorizationCheck(
  policy: Policy | undefined,
  fields: Fields,
): ((place: NonNullable<Subject["place"]>) => VerdictBody) | undefined {
  const check = readOptionalObject(fields, "authorization_check");
  if (check === undefined) return undefined;
  const organizationId = readPart(check, "organization_id");
  const resource = readResource(check);
  const action = readPart(check, "action");
  return ({ organization, membership }) => {
    if (organization.id !== organizationId) throw wrongTenant();
    // Without a policy nobody knows; that is no denial.
    if (policy === undefined) throw new StoreUnavailableError({ reason: "policy_missing" });
    const question = { policy, roles: membership.roles, resource, action, source: "store" } as const;
    const { authorized, grantingRoles } = decideVerdict(question);
    if (!authorized) throw notPermitted();
    return { authorized: true, granting_roles: grantingRoles };
  };
}

/** Stytch's reference names it `resource`; its SDKs send `resource_id`. */
function readResource(check: Fields): string {
  const [id, name] = [readOptionalText(check, "resource_id"), readOptionalText(check, "resource")];
  if (id !== undefined && name !== undefined && id !== name) throw invalid("resource_id");
  return id ?? name ?? readPart(check, "resource_id");
}

function readPart(check: Fields, name: string): string {
  const value = readOptionalText(check, name);
  if (value === undefined) throw invalid(name);
  return value;
}

function invalid(name: string): Error {
  return stytchError(400, "invalid_authorization_check", `authorization_check.${name} is required, once.`);
}
