import { createBoundedMap } from "../../lib/bounded-map.ts";
import { isTimestamp } from "../../lib/clock.ts";
import { countEdits, describeValue, didYouMean, quoteName } from "../../lib/problems.ts";
import {
  type Predicate,
  absentOr,
  arrayOf,
  isBoolean,
  isFiniteNumber,
  isListOf,
  isObject,
  isOneOf,
  isString,
  isText,
  isTextList,
  nullOr,
  objectWith,
} from "../../lib/values.ts";
import type {
  ConnectionGroupRoleRule,
  ConnectionRoleRule,
  DirectoryCustomRole,
  DirectoryDomain,
  DirectoryOauthRegistration,
  DirectoryRetiredEmailAddress,
  DirectoryScimConnection,
  DirectoryScimRegistration,
  DirectorySsoConnection,
  DirectorySsoRegistration,
  DirectoryTime,
  EmailRoleRule,
  MemberFields,
  MembershipFields,
  OrganizationFields,
  ScimGroupRoleRule,
  UserFields,
} from "./objects.ts";

/** An object of a directory. */
export type ObjectKind = "user" | "organization" | "membership";

/** What a field holds. */
interface FieldCheck<Value = unknown> {
  /** For messages: "must be ...". */
  readonly what: string;
  readonly is: Predicate<Value>;
  /** What the value must look like beside its type. */
  readonly hasForm?: (value: unknown) => boolean;
  /** Whether the field forbids something, so that more would be permitted without it. */
  readonly forbids?: true;
}

/** A check of every field of an object. */
type FieldTable<Fields> = {
  readonly [Name in keyof Required<Fields>]: FieldCheck<Exclude<Fields[Name], undefined>>;
};

function field<Value>(what: string, is: Predicate<Value>): FieldCheck<Value> {
  return { what, is };
}

function forbidding<Value>(check: FieldCheck<Value>): FieldCheck<Value> {
  return { ...check, forbids: true };
}

const text = field("a string", isString);
const flag = field("true or false", isBoolean);
const object = field("an object", isObject);
const texts = field("a list of non-empty strings", isTextList);

/** As databases write times: without a time of day, with a space for the `T`, without a zone. */
const SQL_TIME =
  /^(\d{4}-\d\d-\d\d)(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?: ?(?:Z|UTC|[+-]\d\d(?::?\d\d)?))?)?$/;

/** Dates of another realm are dates too. */
function isTime(value: unknown): value is DirectoryTime {
  if (isTimestamp(value)) return true;
  if (isString(value)) return !Number.isNaN(Date.parse(SQL_TIME.exec(value)?.[1] ?? ""));
  const isDate = Object.prototype.toString.call(value) === "[object Date]";
  return isDate && !Number.isNaN(Number(value));
}

const time = field('a time such as "2026-01-31T12:00:00Z", or a Date', isTime);

function choice<const Value extends string>(...values: readonly Value[]): FieldCheck<Value> {
  return field(`one of ${values.map(quoteName).join(", ")}`, isOneOf(...values));
}

function choices<const Value extends string>(...values: readonly Value[]): FieldCheck<readonly Value[]> {
  return field(`a list of ${values.map(quoteName).join(", ")}`, arrayOf(isOneOf(...values)));
}

function list<Item extends object>(of: string, isItem: Predicate<Item>): FieldCheck<readonly Item[]> {
  return field(`a list of ${of}`, arrayOf(isItem));
}

const allowedType = choice("ALL_ALLOWED", "RESTRICTED", "NOT_ALLOWED");
const allOrRestricted = choice("ALL_ALLOWED", "RESTRICTED");
const provisioning = choice("RESTRICTED", "NOT_ALLOWED");

/** Letters of ASCII: domains are compared as they are written, and a look-alike is another domain. */
const EMAIL_DOMAIN = /^[a-z\d](?:[a-z\d-]*[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]*[a-z\d])?)+$/i;

function isDomain(value: unknown): value is string {
  return isString(value) && value.length <= 253 && EMAIL_DOMAIN.test(value);
}

const domains = field('a list of domains, such as "example.com"', arrayOf(isDomain));

const E164 = /^\+[1-9]\d{1,14}$/;

const isSsoRegistration = objectWith<DirectorySsoRegistration>({
  connectionId: isText,
  externalId: absentOr(isString),
  registrationId: absentOr(isString),
  ssoAttributes: absentOr(isObject),
});

const isOauthRegistration = objectWith<DirectoryOauthRegistration>({
  providerType: isText,
  providerSubject: isText,
  memberOauthRegistrationId: absentOr(isString),
  profilePictureUrl: absentOr(isString),
  locale: absentOr(isString),
});

const isScimRegistration = objectWith<DirectoryScimRegistration>({
  connectionId: isText,
  registrationId: absentOr(isString),
  externalId: absentOr(isString),
  scimAttributes: absentOr(isObject),
});

const isRetiredEmailAddress = objectWith<DirectoryRetiredEmailAddress>({
  emailId: isText,
  emailAddress: isText,
});

const CHECKS_OF_MEMBERS: FieldTable<MemberFields> = {
  status: forbidding(choice("pending", "invited", "active", "inactive", "deleted")),
  externalId: text,
  isBreakglass: flag,
  isAdmin: flag,
  isLocked: forbidding(flag),
  lockCreatedAt: time,
  lockExpiresAt: time,
  emailAddressVerified: forbidding(flag),
  retiredEmailAddresses: list("{ emailId, emailAddress }", isRetiredEmailAddress),
  memberPasswordId: text,
  mfaEnrolled: forbidding(flag),
  mfaPhoneNumber: {
    ...field('a phone number in the form of E.164, such as "+15555550100"', isString),
    hasForm: (value) => value === "" || (isString(value) && E164.test(value)),
  },
  mfaPhoneNumberVerified: flag,
  defaultMfaMethod: choice("sms_otp", "totp", ""),
  totpRegistrationId: text,
  ssoRegistrations: forbidding(list("{ connectionId, ... }", isSsoRegistration)),
  oauthRegistrations: list("{ providerType, providerSubject, ... }", isOauthRegistration),
  scimRegistration: field("{ connectionId, ... }", isScimRegistration),
  trustedMetadata: object,
  untrustedMetadata: object,
  createdAt: time,
  updatedAt: time,
};

const CHECKS_OF_USERS: FieldTable<UserFields> = {
  ...CHECKS_OF_MEMBERS,
  name: text,
  firstName: text,
  lastName: text,
  emailVerified: forbidding(flag),
  profilePictureUrl: text,
  lastSignInAt: time,
  locale: text,
  metadata: object,
};

const CHECKS_OF_MEMBERSHIPS: FieldTable<MembershipFields> = {
  ...CHECKS_OF_MEMBERS,
  name: text,
  directoryManaged: flag,
  customAttributes: object,
};

const isEmailRule = objectWith<EmailRoleRule>({ domain: isDomain, roleId: isText });
const isConnectionRule = objectWith<ConnectionRoleRule>({ connectionId: isText, roleId: isText });
const isConnectionGroupRule = objectWith<ConnectionGroupRoleRule>({
  connectionId: isText,
  group: isText,
  roleId: isText,
});
const isScimGroupRule = objectWith<ScimGroupRoleRule>({
  connectionId: isText,
  groupId: isText,
  roleId: isText,
});

const isSsoConnection = objectWith<DirectorySsoConnection>({
  connectionId: isText,
  displayName: absentOr(isString),
  identityProvider: absentOr(isString),
});

const isScimConnection = objectWith<DirectoryScimConnection>({
  connectionId: isText,
  displayName: absentOr(isString),
  bearerTokenLastFour: absentOr(isString),
  bearerTokenExpiresAt: absentOr(isTime),
});

const isCustomRole = objectWith<DirectoryCustomRole>({
  roleId: isText,
  description: isString,
  permissions: arrayOf(
    objectWith<DirectoryCustomRole["permissions"][number]>({ resourceId: isText, actions: isTextList }),
  ),
});

const isDomainObject = objectWith<DirectoryDomain>({
  id: absentOr(isText),
  domain: isText,
  state: isOneOf(undefined, "verified", "failed", "legacy_verified", "pending", "unverified"),
  verificationStrategy: isOneOf(undefined, "dns", "manual"),
});

function isDomainEntry(value: unknown): value is string | DirectoryDomain {
  return isText(value) || isDomainObject(value);
}

function isTenants(value: unknown): value is Readonly<Record<string, readonly string[]>> {
  return isObject(value) && isListOf(Object.values(value), isTextList);
}

const MAX_SESSION_LIFETIME = 366 * 86_400;

function isLifetime(value: unknown): value is number {
  return isFiniteNumber(value) && value >= 1 && value <= MAX_SESSION_LIFETIME;
}

const CHECKS_OF_ORGANIZATIONS: FieldTable<OrganizationFields> = {
  logoUrl: text,
  externalId: text,
  authMethods: forbidding(allOrRestricted),
  allowedAuthMethods: forbidding(
    choices(
      "sso",
      "magic_link",
      "email_otp",
      "password",
      "google_oauth",
      "microsoft_oauth",
      "slack_oauth",
      "github_oauth",
      "hubspot_oauth",
    ),
  ),
  mfaPolicy: forbidding(choice("REQUIRED_FOR_ALL", "OPTIONAL")),
  mfaMethods: forbidding(allOrRestricted),
  allowedMfaMethods: forbidding(choices("sms_otp", "totp")),
  sessionLifetime: forbidding(field(`seconds, from 1 to ${MAX_SESSION_LIFETIME}`, isLifetime)),
  emailJitProvisioning: provisioning,
  emailInvites: forbidding(allowedType),
  emailAllowedDomains: domains,
  claimedEmailDomains: domains,
  ssoJitProvisioning: allowedType,
  ssoJitProvisioningAllowedConnections: texts,
  oauthTenantJitProvisioning: provisioning,
  allowedOauthTenants: field("lists of tenants by provider", isTenants),
  ssoActiveConnections: forbidding(list("{ connectionId, ... }", isSsoConnection)),
  ssoDefaultConnectionId: text,
  scimActiveConnection: forbidding(
    field("{ connectionId, ... }, or null for none", nullOr(isScimConnection)),
  ),
  rbacEmailImplicitRoleAssignments: list("{ domain, roleId }", isEmailRule),
  samlConnectionImplicitRoleAssignments: list("{ connectionId, roleId }", isConnectionRule),
  samlGroupImplicitRoleAssignments: list("{ connectionId, group, roleId }", isConnectionGroupRule),
  scimGroupImplicitRoleAssignments: list("{ connectionId, groupId, roleId }", isScimGroupRule),
  customRoles: list("{ roleId, description, permissions }", isCustomRole),
  firstPartyConnectedAppsAllowedType: allowedType,
  allowedFirstPartyConnectedApps: texts,
  thirdPartyConnectedAppsAllowedType: allowedType,
  allowedThirdPartyConnectedApps: texts,
  allowProfilesOutsideOrganization: flag,
  domains: field("a list of domains, or of { id, domain }", arrayOf(isDomainEntry)),
  metadata: object,
  stripeCustomerId: text,
  trustedMetadata: object,
  createdAt: time,
  updatedAt: time,
};

const NAME = /^.{1,128}$/su;
const SLUG = /^[\w.~-]{2,128}$/;

/** Fields whose type is checked elsewhere. */
const FORMS: Readonly<Record<ObjectKind, Readonly<Record<string, FieldCheck>>>> = {
  user: {},
  membership: {},
  organization: {
    // Guards compare it: a slug that cannot be read must not count as none.
    slug: {
      ...forbidding(field("a slug of 2 to 128 letters, digits and -._~", isString)),
      hasForm: (value) => isString(value) && SLUG.test(value),
    },
    name: {
      ...field("a name of 1 to 128 characters", isString),
      hasForm: (value) => isString(value) && NAME.test(value),
    },
  },
};

function toMap(...tables: readonly Readonly<Record<string, FieldCheck>>[]): ReadonlyMap<string, FieldCheck> {
  return new Map(tables.flatMap((table) => Object.entries(table)));
}

const FIELDS: Readonly<Record<ObjectKind, ReadonlyMap<string, FieldCheck>>> = {
  user: toMap(CHECKS_OF_USERS, FORMS.user),
  membership: toMap(CHECKS_OF_MEMBERSHIPS, FORMS.membership),
  organization: toMap(CHECKS_OF_ORGANIZATIONS, FORMS.organization),
};

/** Fields that every object of a kind has, and is checked for elsewhere. */
const REQUIRED: Readonly<Record<ObjectKind, ReadonlySet<string>>> = {
  user: new Set(["id", "emailAddress"]),
  membership: new Set(["id", "userId", "organizationId", "roles"]),
  organization: new Set(["id"]),
};

/** Whether a field of this name is one that databases say null for; the one field where `null` has a meaning is none. */
export function isOptionalField(kind: ObjectKind, name: string): boolean {
  return name === "id" || (FIELDS[kind].has(name) && name !== "scimActiveConnection");
}

/** What is wrong with a field of an object. */
export interface FieldProblem {
  readonly field: string;
  /** `near_miss`: no field has this name, and one has nearly this name. */
  readonly kind: "near_miss" | "invalid";
  /** Goes on after the field's name. Quotes no value. */
  readonly message: string;
  readonly suggestion: string;
  /**
   * Whether the value has another type than the field and nothing is lost without it. A value that forbids something stays: what
   * reads it takes a value that it does not know for the strictest.
   */
  readonly isUnusable: boolean;
}

/** Finds the fields of an object that are misspelt, or whose values are impossible. `null` counts as absent. */
export function findFieldProblems(
  kind: ObjectKind,
  row: Readonly<Record<string, unknown>>,
): readonly FieldProblem[] {
  return Object.entries(row).flatMap(([name, value]) => {
    if (value === undefined || REQUIRED[kind].has(name)) return [];
    const check = FIELDS[kind].get(name);
    if (check === undefined) return findNearMiss(kind, name);
    if (value === null && isOptionalField(kind, name)) return [];
    const isUsable = check.is(value);
    if (isUsable && (check.hasForm?.(value) ?? true)) return [];
    const given = isUsable ? "" : `, but is ${describeValue(value)}`;
    return [
      {
        field: name,
        kind: "invalid",
        message: `must be ${check.what}${given}.`,
        suggestion: "Correct it, or leave it out.",
        isUnusable: !isUsable && check.forbids !== true,
      },
    ];
  });
}

function findNearMiss(kind: ObjectKind, name: string): readonly FieldProblem[] {
  const meant = meantField(kind, name);
  if (meant === undefined) return [];
  return [
    {
      field: name,
      kind: "near_miss",
      message: `is not a field of the ${kind}.`,
      suggestion: didYouMean(meant, [meant], meant),
      isUnusable: false,
    },
  ];
}

/** Longer names are not compared: they are no typing mistakes. */
const MAX_NAME_LENGTH = 64;
const MAX_REMEMBERED_NAMES = 2_000;

/** Rows have the same few names again and again. `""`: nothing similar. */
const meantFields = createBoundedMap<string, string>(MAX_REMEMBERED_NAMES);

function meantField(kind: ObjectKind, name: string): string | undefined {
  if (name.length > MAX_NAME_LENGTH) return undefined;
  const key = `${kind} ${name}`;
  const known = meantFields.get(key);
  if (known !== undefined) return known === "" ? undefined : known;
  const found = [...FIELDS[kind].keys()].find((candidate) => isNearMiss(kind, name, candidate));
  meantFields.set(key, found ?? "");
  return found;
}

const OWN_PREFIX: Readonly<Record<ObjectKind, RegExp | undefined>> = {
  user: undefined,
  organization: /^organization(?:_|(?=[A-Z]))/,
  membership: /^member(?:ship)?(?:_|(?=[A-Z]))/,
};

/** Whether a name is nearly a field's: in another spelling, with the object's own prefix, or with a typing mistake. */
function isNearMiss(kind: ObjectKind, name: string, candidate: string): boolean {
  const wanted = flatten(candidate);
  const prefix = OWN_PREFIX[kind];
  if (flatten(name) === wanted) return true;
  if (prefix?.test(name) === true && flatten(name.replace(prefix, "")) === wanted) return true;
  const shorter = Math.min(name.length, candidate.length);
  if (shorter < 5) return false;
  // `domain` beside `domains` is a field of the application's own.
  if (shorter < 8 && [`${name}s`, name.slice(0, -1)].includes(candidate)) return false;
  // Two edits would take `lastSignInIp` for `lastSignInAt`.
  return countEdits(flatten(name), wanted) === 1;
}

/** `email_verified`, `EmailVerified` and `email-verified` are the same name. */
function flatten(name: string): string {
  return name.replaceAll(/[_-]/g, "").toLowerCase();
}
