import { isObject, isString } from "../../../lib/values.ts";
import type { Impersonator } from "../../../model.ts";
import type { AuthenticationResult } from "../../authentication-result.ts";
import {
  type DirectoryOrganization,
  type DirectoryUser,
  type OrganizationMembership,
  membershipIdOf,
} from "../../directory.ts";
import { slugOf } from "../../members/roles.ts";
import type { SessionSummary } from "../../revoke.ts";
import {
  type FieldReaders,
  flagField,
  freeField,
  readEntity,
  textField,
  textMapField,
  timeField,
  wordField,
} from "../entity-fields.ts";

type Body = Readonly<Record<string, unknown>>;

/** A membership as lists show it. */
export interface UserMembership extends OrganizationMembership {
  readonly user: DirectoryUser;
}

/** Writes WorkOS's objects. */
export interface WorkosBodies {
  /** Describes a user. A field that the directory does not keep is `null` or false. */
  user(user: DirectoryUser): Body;
  organization(organization: DirectoryOrganization): Body;
  /** Describes an active membership. */
  membership(membership: UserMembership): Body;
  /** Describes a live session. */
  session(session: SessionSummary): Body;
  /** Describes a completed authentication. */
  authentication(result: AuthenticationResult): Body;
}

const nullableText = textField(null);

const USER_FIELDS: FieldReaders = {
  name: nullableText,
  first_name: nullableText,
  last_name: nullableText,
  profile_picture_url: nullableText,
  last_sign_in_at: timeField(null),
  locale: nullableText,
  external_id: nullableText,
  metadata: textMapField,
};

const DOMAIN_FIELDS: FieldReaders = {
  id: textField(undefined),
  domain: textField(""),
  state: wordField(new Set(["verified", "failed", "legacy_verified", "pending", "unverified"]), undefined),
  verification_strategy: wordField(new Set(["dns", "manual"]), undefined),
  verification_token: textField(undefined),
  verification_prefix: textField(undefined),
};

/**
 * Makes the writer of WorkOS's objects.
 *
 * @param since - stands for the times that the directory does not keep: clients in typed languages require one
 */
export function createWorkosBodies(since: string): WorkosBodies {
  const timesOf = (entity: object): Body => {
    const { created_at: created, updated_at: updated } = readEntity(entity, TIMES);
    return { created_at: created ?? updated ?? since, updated_at: updated ?? created ?? since };
  };

  const user = (row: DirectoryUser): Body => ({
    object: "user",
    id: row.id,
    email: row.emailAddress,
    email_verified: row["emailVerified"] === true || row["emailAddressVerified"] === true,
    ...readEntity(row, USER_FIELDS),
    ...timesOf(row),
  });

  const domain = (organizationId: string, row: object): Body => {
    const fields = readEntity(row, DOMAIN_FIELDS);
    return {
      object: "organization_domain",
      ...fields,
      id: fields["id"] ?? `${organizationId}:${String(fields["domain"])}`,
      organization_id: organizationId,
      ...timesOf(row),
    };
  };

  return {
    user,
    organization: (row) => ({
      object: "organization",
      id: row.id,
      name: row.name,
      ...readEntity(row, { allow_profiles_outside_organization: flagField }),
      domains: listDomains(row).map((each) => domain(row.id, each)),
      ...readEntity(row, {
        external_id: nullableText,
        stripe_customer_id: textField(undefined),
        metadata: textMapField,
      }),
      ...timesOf(row),
    }),
    membership: (row) => toMembership(row, { ...timesOf(row.membership), user: user(row.user) }),
    session: (session) => ({
      object: "session",
      id: session.id,
      user_id: session.userId,
      ip_address: session.ipAddress ?? null,
      user_agent: session.userAgent ?? null,
      ...toOrganizationId(session.organizationId),
      ...toImpersonator(session.impersonator),
      auth_method: toAuthMethod(session.authenticationMethod ?? ""),
      status: "active",
      ...readEntity(session, { expires_at: timeField(since) }),
      ended_at: null,
      created_at: session.startedAt ?? since,
      updated_at: session.lastAccessedAt ?? since,
    }),
    authentication: (result) => ({
      user: user(result.user),
      ...toOrganizationId(result.organizationId),
      access_token: result.accessToken,
      refresh_token: result.refreshToken,
      authentication_method: result.authenticationMethod,
      ...toImpersonator(result.impersonator),
    }),
  };
}

const TIMES: FieldReaders = { created_at: timeField(null), updated_at: timeField(null) };

/** Lists the domains that the directory keeps of an organization: by name, or with what is known of them. */
function listDomains({ domains }: DirectoryOrganization): readonly object[] {
  const rows = Array.isArray(domains) ? domains : [];
  return rows.map((row: unknown) => (isString(row) ? { domain: row } : row)).filter(isObject);
}

function toMembership({ membership, organization }: UserMembership, more: Body): Body {
  const roles = membership.roles.map((role) => ({ slug: slugOf(role) }));
  return {
    object: "organization_membership",
    id: membershipIdOf(membership),
    user_id: membership.userId,
    organization_id: organization.id,
    organization_name: organization.name,
    status: "active",
    role: roles[0] ?? { slug: "" },
    roles,
    ...readEntity(membership, { directory_managed: flagField, custom_attributes: freeField({}) }),
    ...more,
  };
}

function toOrganizationId(organizationId: string | undefined): Body {
  return organizationId === undefined ? {} : { organization_id: organizationId };
}

function toImpersonator(impersonator: Impersonator | undefined): Body {
  if (impersonator === undefined) return {};
  return { impersonator: { email: impersonator.email, reason: impersonator.reason ?? null } };
}

/** The words of session lists, which are others than those of an authentication. */
const AUTH_METHODS: ReadonlyMap<string, string> = new Map([
  ["SSO", "sso"],
  ["Password", "password"],
  ["Passkey", "passkey"],
  ["MagicAuth", "magic_code"],
  ["CrossAppAuth", "cross_app_auth"],
  ["ExternalAuth", "external_auth"],
  ["Impersonation", "impersonation"],
  ["MigratedSession", "migrated_session"],
]);

function toAuthMethod(method: string): string {
  return AUTH_METHODS.get(method) ?? (method.endsWith("OAuth") ? "oauth" : "unknown");
}
