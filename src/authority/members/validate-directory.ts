import { ConfigurationError, type ConfigurationProblem } from "../../errors.ts";
import { foldEmailAddress } from "../../lib/case.ts";
import { configurationError, describeValue, didYouMean, quoteName } from "../../lib/problems.ts";
import { isListOf, isObject, isString, isText } from "../../lib/values.ts";
import type { RoleAssignment } from "../../model.ts";
import { PREDEFINED_ROLES } from "../../policy/predefined-roles.ts";
import { membershipIdOf } from "../directory.ts";
import { type ObjectKind, findFieldProblems } from "./field-checks.ts";
import { listTakenByRetired } from "./retired-addresses.ts";
import { isRoleAssignment, slugOf } from "./roles.ts";

/** An object of a directory, with any fields. */
export type Row = Readonly<Record<string, unknown>>;

/** The lists that a directory is made of. */
export type List = "users" | "organizations" | "memberships";

const KIND_BY_LIST: Readonly<Record<List, ObjectKind>> = {
  users: "user",
  organizations: "organization",
  memberships: "membership",
};

/** The fields of each list that must be non-empty strings. */
const REQUIRED_FIELDS: Readonly<Record<List, readonly string[]>> = {
  users: ["id", "emailAddress"],
  organizations: ["id", "name"],
  memberships: ["userId", "organizationId"],
};

/** The fields whose values, or what is made of them, must not occur twice. */
const UNIQUE_FIELDS: readonly (readonly [list: List, field: string, valueOf: (row: Row) => unknown])[] = [
  ["users", "id", ({ id }) => id],
  ["users", "emailAddress", ({ emailAddress }) => foldEmailAddress(String(emailAddress))],
  ["organizations", "id", ({ id }) => id],
  ["organizations", "slug", ({ slug }) => slug],
  [
    "memberships",
    "id",
    ({ id, userId, organizationId }) =>
      id ?? membershipIdOf({ userId: String(userId), organizationId: String(organizationId) }),
  ],
  ["memberships", "userId", ({ userId, organizationId }) => JSON.stringify([userId, organizationId])],
];

type Rows = Readonly<Record<List, readonly Row[]>>;
/** Adds a problem. */
export type AddProblem = (code: string, option: string, message: string, suggestion: string) => void;

/** Makes what adds problems to a list. */
export function addTo(problems: ConfigurationProblem[]): AddProblem {
  return (code, option, message, suggestion) => problems.push({ code, option, message, suggestion });
}

/** Throws one `ConfigurationError` with every mistake: names, types, duplicates, and unknown ids. */
export function assertValid(input: unknown, roles: ReadonlySet<string> | undefined): void {
  if (!isObject(input)) {
    const message = `was given ${describeValue(input)}.`;
    const suggestion = "Pass { users, organizations, memberships }, or nothing.";
    throw configurationError("option_invalid", "memoryDirectory", message, suggestion);
  }
  const problems: ConfigurationProblem[] = [];
  const add = addTo(problems);
  const lists = Object.keys(REQUIRED_FIELDS);
  for (const name of Object.keys(input).filter((given) => !lists.includes(given))) {
    const suggestion = didYouMean(name, lists, `Known lists: ${lists.join(", ")}.`);
    add("option_unknown", name, "is not a list of a directory.", suggestion);
  }
  const rows: Rows = {
    users: readRows(input, "users", add),
    organizations: readRows(input, "organizations", add),
    memberships: readRows(input, "memberships", add),
  };
  if (problems.length === 0) {
    reportDuplicates(rows, add);
    checkMemberships(rows, roles, add);
    checkRoleRules(rows, roles, add);
    checkRetired(rows, add);
  }
  if (problems.length > 0) throw new ConfigurationError(problems);
}

function readRows(input: object, list: List, add: AddProblem): readonly Row[] {
  const given: unknown = Reflect.get(input, list) ?? [];
  if (!Array.isArray(given)) {
    add("option_invalid", list, "must be an array.", "Leave it out for none.");
    return [];
  }
  const rows = given.map((row: unknown): Row => (isObject(row) ? row : {}));
  for (const [index, row] of rows.entries()) {
    for (const field of REQUIRED_FIELDS[list].filter((name) => !isText(row[name]))) {
      add("option_invalid", `${list}[${index}].${field}`, "must be a non-empty string.", "Set it.");
    }
    for (const { kind, field, message, suggestion } of findFieldProblems(KIND_BY_LIST[list], row)) {
      if (REQUIRED_FIELDS[list].includes(field) && !isText(row[field])) continue;
      const code = kind === "near_miss" ? "option_unknown" : "option_invalid";
      add(code, `${list}[${index}].${field}`, message, suggestion);
    }
  }
  return rows;
}

function reportDuplicates(rows: Rows, add: AddProblem): void {
  for (const [list, field, valueOf] of UNIQUE_FIELDS) {
    const seen = new Set<unknown>();
    for (const [index, value] of rows[list].map(valueOf).entries()) {
      if (value !== undefined && seen.has(value)) {
        const message = "is already taken by an entry before it.";
        add("directory_duplicate", `${list}[${index}].${field}`, message, "Remove one of them.");
      }
      seen.add(value);
    }
  }
}

function checkMemberships(
  { users, organizations, memberships }: Rows,
  known: ReadonlySet<string> | undefined,
  add: AddProblem,
): void {
  const userIds = new Set(users.map(({ id }) => String(id)));
  const organizationIds = new Set(organizations.map(({ id }) => String(id)));
  const checkId = (option: string, id: string, ids: ReadonlySet<string>): void => {
    if (ids.has(id)) return;
    const suggestion = didYouMean(id, ids, "Add it, or correct the id.");
    add("directory_unknown_id", option, `"${id}" is not in the directory.`, suggestion);
  };
  for (const [index, { userId, organizationId, roles }] of memberships.entries()) {
    const option = `memberships[${index}]`;
    checkId(`${option}.userId`, String(userId), userIds);
    checkId(`${option}.organizationId`, String(organizationId), organizationIds);
    checkMembershipRoles(`${option}.roles`, roles, known, add);
  }
}

function isRole(value: unknown): value is string | RoleAssignment {
  return isText(value) || (isRoleAssignment(value) && value.sources.length > 0);
}

/** Checks the roles of a membership, in both forms. */
export function checkMembershipRoles(
  option: string,
  roles: unknown,
  known: ReadonlySet<string> | undefined,
  add: AddProblem,
): void {
  if (!isListOf(roles, isRole)) {
    const suggestion = "Use [] for none.";
    add("option_invalid", option, "must be an array of role slugs, or of { role, sources }.", suggestion);
    return;
  }
  reportUnknownRoles(option, roles.map(slugOf), known, add);
}

const ROLE_RULES = [
  "rbacEmailImplicitRoleAssignments",
  "samlConnectionImplicitRoleAssignments",
  "samlGroupImplicitRoleAssignments",
  "scimGroupImplicitRoleAssignments",
] as const;

/** Checks the roles that organizations give by rules. */
function checkRoleRules(
  { organizations }: Rows,
  known: ReadonlySet<string> | undefined,
  add: AddProblem,
): void {
  for (const [index, organization] of organizations.entries()) {
    for (const name of ROLE_RULES) {
      const rules: unknown = organization[name];
      const roles = Array.isArray(rules)
        ? rules.map((rule: unknown) => (isObject(rule) ? rule["roleId"] : undefined)).filter(isString)
        : [];
      reportUnknownRoles(`organizations[${index}].${name}`, roles, known, add);
    }
  }
}

/** Refuses members with an address that another member of the organization used before. */
function checkRetired(rows: Rows, add: AddProblem): void {
  for (const index of listTakenByRetired(rows.users, rows.memberships)) {
    const message = "has an address that another member of the organization used before.";
    const suggestion = "Unlink it with unlinkRetiredEmailAddress().";
    add("email_address_retired", `memberships[${index}].userId`, message, suggestion);
  }
}

function reportUnknownRoles(
  option: string,
  roles: readonly string[],
  known: ReadonlySet<string> | undefined,
  add: AddProblem,
): void {
  const isUnknown = (role: string): boolean => known?.has(role) === false && !PREDEFINED_ROLES.has(role);
  for (const role of roles.filter(isUnknown)) {
    const suggestion = didYouMean(role, known ?? [], "Check the spelling, or add it to the policy's roles.");
    add("role_unknown", option, `${quoteName(role)} is not a role of the policy.`, suggestion);
  }
}
