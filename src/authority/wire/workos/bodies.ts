import { isObject } from "../../../lib/values.ts";
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
import { type FieldReader, flagField, readEntity, textField } from "../read-fields.ts";

/** Stands for an unknown time in a required field: clients in typed languages parse it. */
const UNKNOWN_TIME = "1970-01-01T00:00:00.000Z";

type Body = Readonly<Record<string, unknown>>;

const TIMES = { created_at: textField(UNKNOWN_TIME), updated_at: textField(UNKNOWN_TIME) };

/** A list passes as it is. */
const metadata: FieldReader = (value) => (isObject(value) || Array.isArray(value) ? value : {});

const USER_FIELDS = {
  name: textField(null),
  first_name: textField(null),
  last_name: textField(null),
  profile_picture_url: textField(null),
  last_sign_in_at: textField(null),
  locale: textField(null),
  external_id: textField(null),
  metadata,
  ...TIMES,
};

/** Describes a user. A field that the directory does not keep is `null` or false. */
export function toWorkosUser(user: DirectoryUser): Body {
  return {
    object: "user",
    id: user.id,
    email: user.emailAddress,
    email_verified: user["emailVerified"] === true || user["emailAddressVerified"] === true,
    ...readEntity(user, USER_FIELDS),
  };
}

/** Describes an organization. The authority does not know its domains. */
export function toWorkosOrganization(organization: DirectoryOrganization): Body {
  return {
    object: "organization",
    id: organization.id,
    name: organization.name,
    ...readEntity(organization, { allow_profiles_outside_organization: flagField }),
    domains: [],
    ...readEntity(organization, { external_id: textField(null), metadata, ...TIMES }),
  };
}

/** Describes a completed authentication. */
export function toWorkosAuthentication(result: AuthenticationResult): Body {
  const { user, organizationId, accessToken, refreshToken, authenticationMethod, impersonator } = result;
  return {
    user: toWorkosUser(user),
    ...toOrganizationId(organizationId),
    access_token: accessToken,
    refresh_token: refreshToken,
    authentication_method: authenticationMethod,
    ...toImpersonator(impersonator),
  };
}

/** Describes a live session. */
export function toWorkosSession(session: SessionSummary): Body {
  return {
    object: "session",
    id: session.id,
    user_id: session.userId,
    ip_address: session.ipAddress ?? null,
    user_agent: session.userAgent ?? null,
    ...toOrganizationId(session.organizationId),
    ...toImpersonator(session.impersonator),
    auth_method: toAuthMethod(session.authenticationMethod ?? ""),
    status: "active",
    expires_at: session.expiresAt ?? UNKNOWN_TIME,
    ended_at: null,
    created_at: session.startedAt ?? UNKNOWN_TIME,
    updated_at: session.lastAccessedAt ?? UNKNOWN_TIME,
  };
}

/** Describes an active membership. */
export function toWorkosMembership({ membership, organization }: OrganizationMembership): Body {
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
    ...readEntity(membership, { directory_managed: flagField }),
    custom_attributes: {},
    ...readEntity(membership, TIMES),
  };
}

function toOrganizationId(organizationId: string | undefined): Body {
  return organizationId === undefined ? {} : { organization_id: organizationId };
}

function toImpersonator(impersonator: Impersonator | undefined): Body {
  if (impersonator === undefined) return {};
  return { impersonator: { email: impersonator.email, reason: impersonator.reason ?? null } };
}

const AUTH_METHODS: ReadonlyMap<string, string> = new Map([
  ["SSO", "sso"],
  ["Password", "password"],
  ["Passkey", "passkey"],
  ["MagicAuth", "magic_auth"],
  ["CrossAppAuth", "cross_app_auth"],
  ["ExternalAuth", "external_auth"],
  ["Impersonation", "impersonation"],
  ["MigratedSession", "migrated_session"],
]);

function toAuthMethod(method: string): string {
  return AUTH_METHODS.get(method) ?? (method.endsWith("OAuth") ? "oauth" : "unknown");
}
