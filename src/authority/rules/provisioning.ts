import { foldEmailAddress } from "../../lib/case.ts";
import { isObject, isString } from "../../lib/values.ts";
import type { AuthenticationFactor } from "../../model.ts";
import type { AuthorityContext } from "../context.ts";
import {
  type DirectoryMembership,
  type DirectoryOrganization,
  type DirectoryUser,
  membershipIdOf,
} from "../directory.ts";
import { connectionsOf, tenantsOf } from "./factor-names.ts";
import { isOfDomains } from "./email-domains.ts";
import { isAddressVerified, isActiveMembership, readJoiningRules } from "./settings.ts";

/** By what a user becomes a member without an invitation. */
export type ProvisioningGround = "email_domain" | "sso_connection" | "oauth_tenant";

/** Finds by what a user may join an organization just in time; `undefined` if they may not. */
export function findProvisioning(
  organization: DirectoryOrganization,
  user: DirectoryUser,
  factors: readonly AuthenticationFactor[],
): ProvisioningGround | undefined {
  const rules = readJoiningRules(organization);
  const connections = factors.flatMap(connectionsOf);
  if (connections.some((connection) => rules.byConnection?.includes(connection))) return "sso_connection";
  const tenants = factors.flatMap((factor) => tenantsOf(factor) ?? []);
  if (
    tenants.some(({ provider, tenants: ids }) => ids.some((id) => rules.byTenant.get(provider)?.includes(id)))
  ) {
    return "oauth_tenant";
  }
  const isOfOrganization = rules.byEmailDomain && isOfDomains(user.emailAddress, rules.emailDomains);
  // Anybody can register an account with somebody else's address: it counts once it is verified.
  const isTheirs = isAddressVerified(user) || factors.some((factor) => provesAddress(factor, user));
  return isTheirs && isOfOrganization ? "email_domain" : undefined;
}

/** Whether a factor was sent to the user's address. One that names another address was not. */
function provesAddress(
  { type, emailFactor }: AuthenticationFactor,
  { emailAddress }: DirectoryUser,
): boolean {
  if (type !== "magic_link" && type !== "email_otp") return false;
  const sentTo = isObject(emailFactor) ? emailFactor["emailAddress"] : undefined;
  return !isString(sentTo) || foldEmailAddress(sentTo) === foldEmailAddress(emailAddress);
}

/** Makes the membership of a user who joins just in time, and reports it. */
export async function provisionMember(
  { directory, events }: Pick<AuthorityContext, "directory" | "events">,
  membership: DirectoryMembership,
  by: ProvisioningGround,
): Promise<void> {
  const { userId, organizationId } = membership;
  try {
    await directory.addMembership?.(membership);
  } catch (error) {
    // Another request of the same user may have been first.
    const made = await directory.membership(userId, organizationId);
    if (made === undefined || !isActiveMembership(made)) throw error;
    return;
  }
  const made = (await directory.membership(userId, organizationId)) ?? membership;
  events.emit({ type: "member_provisioned", by, organizationId, userId, memberId: membershipIdOf(made) });
}
