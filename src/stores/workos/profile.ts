import { camelCaseKeys } from "../../lib/case.ts";
import type { JsonObject } from "../../lib/json-client.ts";
import type { Member, Organization } from "../../model.ts";
import type { Profile, StaleCredential, StoreContext } from "../../store.ts";
import {
  type KnownFields,
  asBoolean,
  asListOf,
  asObject,
  asObjectOf,
  asText,
  readKnownFields,
} from "../hosted-store.ts";
import { interpretWorkosClaims, readPerson } from "./claims.ts";
import { type WorkosClient, fetchObject, workosUnavailable } from "./client.ts";

const WORKOS_USER = {
  emailVerified: asBoolean,
  firstName: asText,
  lastName: asText,
  profilePictureUrl: asText,
  lastSignInAt: asText,
  /** `en-US`, ... */
  locale: asText,
  externalId: asText,
  /** The application's own, as it is. */
  metadata: asObject,
  createdAt: asText,
  updatedAt: asText,
};

/** A user in full, as WorkOS knows them now. `roles` are the session's. */
export interface WorkosMember extends KnownFields<typeof WORKOS_USER>, Member {}

const WORKOS_DOMAIN = {
  id: asText,
  domain: asText,
  /** `verified`, `pending`, `failed`, `legacy_verified`, `unverified`. */
  state: asText,
  /** `dns`, `manual`. */
  verificationStrategy: asText,
};

/** A domain of an organization. */
export interface WorkosDomain extends KnownFields<typeof WORKOS_DOMAIN> {}

const WORKOS_ORGANIZATION = {
  name: asText,
  allowProfilesOutsideOrganization: asBoolean,
  domains: asListOf<WorkosDomain>(asObjectOf(WORKOS_DOMAIN)),
  stripeCustomerId: asText,
  externalId: asText,
  /** The application's own, as it is. */
  metadata: asObject,
  createdAt: asText,
  updatedAt: asText,
};

/** An organization in full, as WorkOS knows it now. */
export interface WorkosOrganization extends KnownFields<typeof WORKOS_ORGANIZATION>, Organization {}

/** A user and an organization in full, as WorkOS knows them now. */
export interface WorkosProfile extends Profile {
  readonly member: WorkosMember;
  readonly organization?: WorkosOrganization;
}

/**
 * Fetches the user and the organization as they are now; the roles are the session's.
 *
 * @returns `undefined` for a credential whose claims are unknown, and for a user who no longer exists.
 */
export async function readProfile(
  client: WorkosClient,
  { claims, sealed }: StaleCredential,
  { signal }: StoreContext,
): Promise<WorkosProfile | undefined> {
  const known = claims && interpretWorkosClaims(client.settings.clientId, claims, sealed);
  if (known === undefined) return undefined;
  const { member, organization } = known;
  const [user, found] = await Promise.all([
    fetchObject(client, `/user_management/users/${encodeURIComponent(member.id)}`, signal),
    organization && fetchObject(client, `/organizations/${encodeURIComponent(organization.id)}`, signal),
  ]);
  if (user === undefined) return undefined;
  if (user["id"] !== member.id) throw workosUnavailable("identity");
  return {
    member: describeMember(member, user),
    ...(organization !== undefined && {
      organization: {
        ...organization,
        ...(found !== undefined && readKnownFields(found, WORKOS_ORGANIZATION)),
      },
    }),
  };
}

function describeMember(member: Member, user: JsonObject): WorkosMember {
  return { ...member, ...readKnownFields(user, WORKOS_USER), ...readPerson(camelCaseKeys(user)) };
}
