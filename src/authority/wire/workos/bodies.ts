import type { Impersonator } from "../../../model.ts";
import type { Policy } from "../../../policy/policy.ts";
import type { DirectoryMembership, DirectoryOrganization, DirectoryUser } from "../../directory.ts";
import type { AuthenticationResult, SessionSummary } from "../../operations.ts";
import { idOfMembership } from "../../subject.ts";
import type { WireClient, WireDialect } from "../../wire-client.ts";
import type { WorkosRouterOptions } from "./workos-options.ts";

/** For a time that nobody knows where the protocol must have one: clients in typed languages parse it. */
const UNKNOWN_TIME = "1970-01-01T00:00:00.000Z";

type Body = Readonly<Record<string, unknown>>;

/** The user, by the further fields that the directory keeps in camelCase; what it does not say is `null`, or false. */
export function toUserBody(user: DirectoryUser): Body {
  return {
    object: "user",
    id: user.id,
    email: user.emailAddress,
    email_verified: user["emailVerified"] === true || user["emailAddressVerified"] === true,
    name: textOf(user.name),
    first_name: textOf(user["firstName"]),
    last_name: textOf(user["lastName"]),
    profile_picture_url: textOf(user["profilePictureUrl"]),
    last_sign_in_at: textOf(user["lastSignInAt"]),
    locale: textOf(user["locale"]),
    external_id: textOf(user["externalId"]),
    metadata: metadataOf(user),
    ...toTimes(user),
  };
}

/** The organization, by the further fields that the directory keeps in camelCase. Its domains are not known here. */
export function toOrganizationBody(organization: DirectoryOrganization): Body {
  return {
    object: "organization",
    id: organization.id,
    name: organization.name,
    allow_profiles_outside_organization: organization["allowProfilesOutsideOrganization"] === true,
    domains: [],
    external_id: textOf(organization["externalId"]),
    metadata: metadataOf(organization),
    ...toTimes(organization),
  };
}

/** A completed authentication. */
export function toAuthenticationBody(result: AuthenticationResult): Body {
  const { user, organizationId, accessToken, refreshToken, authenticationMethod, impersonator } = result;
  return {
    user: toUserBody(user),
    ...(organizationId !== undefined && { organization_id: organizationId }),
    access_token: accessToken,
    refresh_token: refreshToken,
    authentication_method: authenticationMethod,
    ...(impersonator !== undefined && { impersonator: toImpersonatorBody(impersonator) }),
  };
}

/** A live session. */
export function toSessionBody(session: SessionSummary): Body {
  const { organizationId, impersonator } = session;
  return {
    object: "session",
    id: session.id,
    user_id: session.userId,
    ip_address: session.ipAddress ?? null,
    user_agent: session.userAgent ?? null,
    ...(organizationId !== undefined && { organization_id: organizationId }),
    ...(impersonator !== undefined && { impersonator: toImpersonatorBody(impersonator) }),
    auth_method: authMethodOf(session.authenticationMethod ?? ""),
    status: "active",
    expires_at: session.expiresAt ?? UNKNOWN_TIME,
    ended_at: null,
    created_at: session.startedAt ?? UNKNOWN_TIME,
    updated_at: session.lastAccessedAt ?? UNKNOWN_TIME,
  };
}

/** An active membership. */
export function toMembershipBody(membership: DirectoryMembership, organization: DirectoryOrganization): Body {
  const roles = membership.roles.map((slug) => ({ slug }));
  return {
    object: "organization_membership",
    id: idOfMembership(membership),
    user_id: membership.userId,
    organization_id: organization.id,
    organization_name: organization.name,
    status: "active",
    role: roles[0] ?? { slug: "" },
    roles,
    directory_managed: Reflect.get(membership, "directoryManaged") === true,
    custom_attributes: {},
    ...toTimes(membership),
  };
}

function toImpersonatorBody({ email, reason }: Impersonator): Body {
  return { email, reason: reason ?? null };
}

function metadataOf({ metadata }: Readonly<Record<string, unknown>>): object {
  return typeof metadata === "object" && metadata !== null ? metadata : {};
}

function toTimes(entity: object): Body {
  return {
    created_at: textOf(Reflect.get(entity, "createdAt")) ?? UNKNOWN_TIME,
    updated_at: textOf(Reflect.get(entity, "updatedAt")) ?? UNKNOWN_TIME,
  };
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

function authMethodOf(method: string): string {
  return AUTH_METHODS.get(method) ?? (method.endsWith("OAuth") ? "oauth" : "unknown");
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** Makes the dialect for a client: WorkOS's claims are a superset of the authority's own, so one token serves both. */
export type DialectFor = (client: WireClient) => WireDialect;

/** Makes what gives tokens WorkOS's claims. */
export function createDialect(options: WorkosRouterOptions, policy: Policy | undefined): DialectFor {
  const { clientId, issuer, permissions = true } = options;
  const slugsOf = permissions ? createSlugs(policy) : undefined;
  return (client) => ({
    client,
    algorithm: "RS256",
    claims: (native, _record, { place }) => ({
      ...native,
      ...(issuer !== undefined && { iss: issuer }),
      client_id: clientId,
      ...(place !== undefined && slugsOf !== undefined && { permissions: slugsOf(place.membership.roles) }),
    }),
  });
}

/**
 * Permission slugs by roles: `resource:action` for every action that the policy lists. A policy that does not list its
 * resources has no names for what `"*"` grants, and so gives the actions that roles name.
 */
function createSlugs(
  policy: Policy | undefined,
): ((roles: readonly string[]) => readonly string[]) | undefined {
  const described = policy?.describe?.();
  if (policy === undefined || described === undefined) return undefined;
  const listed = described.resources ?? described.roles.flatMap((role) => role.permissions);
  const pairs = listed.flatMap(({ resource, actions }) =>
    actions.filter((action) => action !== "*").map((action) => ({ resource, action })),
  );
  const grants = new Map(
    pairs.map(({ resource, action }) => [`${resource}:${action}`, policy.grantingRoles(resource, action)]),
  );
  return (roles) =>
    [...grants].filter(([, granting]) => roles.some((role) => granting.has(role))).map(([slug]) => slug);
}
