import { foldEmailAddress } from "../../lib/case.ts";
import { isObject, isString } from "../../lib/values.ts";
import { makeSecret } from "../secrets.ts";
import type { MembershipFields } from "./objects.ts";

/**
 * Returns a membership after its user's address changed: the old address is retired, and the new one no longer is if the member
 * takes it back.
 */
export function retireEmailAddress<Membership extends MembershipFields>(
  membership: Membership,
  before: string,
  after: string,
): Membership {
  if (foldEmailAddress(before) === foldEmailAddress(after)) return membership;
  const others = (membership.retiredEmailAddresses ?? []).filter(
    ({ emailAddress }) => ![before, after].map(foldEmailAddress).includes(foldEmailAddress(emailAddress)),
  );
  const retired = { emailId: `email_${makeSecret(18)}`, emailAddress: before };
  return { ...membership, retiredEmailAddresses: [...others, retired] };
}

type Row = Readonly<Record<string, unknown>>;

/** Lists the places of memberships whose user has an address that another member of the organization used before. */
export function listTakenByRetired(users: readonly Row[], memberships: readonly Row[]): readonly number[] {
  const owners = new Map<string, unknown>();
  for (const { userId, organizationId, retiredEmailAddresses } of memberships) {
    for (const retired of Array.isArray(retiredEmailAddresses) ? retiredEmailAddresses : []) {
      const address: unknown = isObject(retired) ? retired["emailAddress"] : undefined;
      if (isString(address)) owners.set(nameOf(organizationId, address), userId);
    }
  }
  const addresses = new Map(users.map(({ id, emailAddress }) => [id, emailAddress]));
  return memberships.flatMap(({ userId, organizationId }, index) => {
    const address = addresses.get(userId);
    const owner = isString(address) ? owners.get(nameOf(organizationId, address)) : undefined;
    return owner === undefined || owner === userId ? [] : [index];
  });
}

function nameOf(organizationId: unknown, emailAddress: string): string {
  return JSON.stringify([organizationId, foldEmailAddress(emailAddress)]);
}
