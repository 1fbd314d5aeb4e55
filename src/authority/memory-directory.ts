import { randomUUID } from "node:crypto";
import { ConfigurationError, type ConfigurationProblem } from "../errors.ts";
import { configurationError, describeValue, didYouMean, quoteName, readGiven } from "../lib/problems.ts";
import { foldEmailAddress } from "../lib/case.ts";
import { isObject, isText, isTextList } from "../lib/values.ts";
import type { Policy, PolicyShape } from "../policy/policy.ts";
import {
  type Directory,
  type DirectoryChange,
  type DirectoryMembership,
  type DirectoryOrganization,
  type DirectoryUser,
  type NewDirectoryUser,
  membershipIdOf,
} from "./directory.ts";
import { isActiveMembership } from "./rules/settings.ts";

/** What a memory directory begins with. */
export interface MemoryDirectoryInput<Role extends string = string> {
  readonly users?: readonly DirectoryUser[] | undefined;
  readonly organizations?: readonly DirectoryOrganization[] | undefined;
  readonly memberships?: readonly DirectoryMembership<Role>[] | undefined;
}

/** Options of a memory directory. */
export interface MemoryDirectoryOptions<Role extends string = string> {
  /** The policy whose roles memberships may have, in the types as well. @defaultValue that of the authority */
  readonly policy?: Policy<PolicyShape, Role> | undefined;
}

/** A directory in memory that can be changed while it is in use. It announces every change of roles and every removal. */
export interface MemoryDirectory<Role extends string = string> extends Directory {
  addUser(user: DirectoryUser): void;
  addOrganization(organization: DirectoryOrganization): void;
  /** Adds a membership, or puts one that is not active in force, with the roles given. */
  addMembership(membership: DirectoryMembership<Role>): Promise<void>;
  createUser(user: NewDirectoryUser): Promise<DirectoryUser>;
  /** Replaces the roles of a member. */
  setRoles(userId: string, organizationId: string, roles: readonly Role[]): void;
  removeMembership(userId: string, organizationId: string): void;
  /** Removes the user and all their memberships. */
  removeUser(userId: string): void;
  /** Removes the organization and all memberships in it. */
  removeOrganization(organizationId: string): void;
  onChanged(listener: (change: DirectoryChange) => void): () => void;
  /** Refuses memberships with other roles from now on. Throws for those that are there. */
  acceptRoles(roles: ReadonlySet<string>): void;
}

/**
 * Keeps users, organizations and memberships in memory: for demos, tests and first steps.
 *
 * Copies what it is given. Throws one `ConfigurationError` with all unknown ids, duplicates, and roles that are not in the policy.
 */
export function memoryDirectory<Role extends string = string>(
  input: MemoryDirectoryInput<NoInfer<Role>> = {},
  { policy }: MemoryDirectoryOptions<Role> = {},
): MemoryDirectory<Role> {
  const tables = readGiven("memoryDirectory", () => new DirectoryTables(input, policy?.roles));
  const { users, organizations, memberships } = tables;
  return {
    user: async (id) => structuredClone(users.get(id)),
    async userByEmailAddress(emailAddress) {
      const wanted = foldEmailAddress(emailAddress);
      return structuredClone(
        [...users.values()].find((user) => foldEmailAddress(user.emailAddress) === wanted),
      );
    },
    organization: async (id) => structuredClone(organizations.get(id)),
    membership: async (userId, organizationId) =>
      structuredClone(memberships.get(userId)?.get(organizationId)),
    memberships: async (userId) => structuredClone([...(memberships.get(userId)?.values() ?? [])]),
    addUser: (user) => readGiven("memoryDirectory", () => tables.add({ users: [user] })),
    addOrganization: (organization) =>
      readGiven("memoryDirectory", () => tables.add({ organizations: [organization] })),
    addMembership: async (membership) => readGiven("memoryDirectory", () => tables.addMembership(membership)),
    async createUser(user) {
      const made: DirectoryUser = { ...user, id: `user_${randomUUID()}` };
      readGiven("memoryDirectory", () => tables.add({ users: [made] }));
      return structuredClone(made);
    },
    setRoles: (userId, organizationId, roles) => tables.setRoles(userId, organizationId, roles),
    removeMembership: (userId, organizationId) => tables.removeMembership(userId, organizationId),
    removeUser: (userId) => tables.removeUser(userId),
    removeOrganization: (organizationId) => tables.removeOrganization(organizationId),
    acceptRoles: (roles) => tables.acceptRoles(roles),
    onChanged(listener) {
      tables.listeners.add(listener);
      return () => tables.listeners.delete(listener);
    },
  };
}

class DirectoryTables {
  readonly users = new Map<string, DirectoryUser>();
  readonly organizations = new Map<string, DirectoryOrganization>();
  /** By user, then by organization. */
  readonly memberships = new Map<string, Map<string, DirectoryMembership>>();
  readonly listeners = new Set<(change: DirectoryChange) => void>();

  /** What the policy knows; `undefined`: any role. */
  #roles: ReadonlySet<string> | undefined;

  constructor(input: MemoryDirectoryInput, roles: ReadonlySet<string> | undefined) {
    this.#roles = roles;
    assertValid(input, roles);
    this.#store(input);
  }

  acceptRoles(roles: ReadonlySet<string>): void {
    assertValid(this.#all(), roles);
    this.#roles = roles;
  }

  /** Adds all of it, or nothing. */
  add(input: MemoryDirectoryInput): void {
    const { users = [], organizations = [], memberships = [] } = input;
    const all = this.#all();
    const whole = {
      users: [...all.users, ...users],
      organizations: [...all.organizations, ...organizations],
      memberships: [...all.memberships, ...memberships],
    };
    assertValid(whole, this.#roles);
    this.#store(input);
  }

  addMembership(membership: DirectoryMembership): void {
    const { userId, organizationId } = membership;
    const existing = this.memberships.get(userId)?.get(organizationId);
    if (existing === undefined || isActiveMembership(existing)) {
      this.add({ memberships: [membership] });
      return;
    }
    const all = this.#all();
    const others = all.memberships.filter((one) => one !== existing);
    const renewed = { ...existing, status: "active", ...membership };
    assertValid({ ...all, memberships: [...others, renewed] }, this.#roles);
    this.#store({ memberships: [renewed] });
    this.#announce({ memberId: membershipIdOf(renewed) });
  }

  setRoles(userId: string, organizationId: string, roles: readonly string[]): void {
    const membership = this.memberships.get(userId)?.get(organizationId);
    if (membership === undefined) {
      const option = `setRoles("${userId}", "${organizationId}")`;
      const suggestion = "Add the membership first.";
      throw configurationError("membership_unknown", option, "names no membership.", suggestion);
    }
    const problems: ConfigurationProblem[] = [];
    reportUnknownRoles(`setRoles("${userId}", "${organizationId}")`, roles, this.#roles, reporter(problems));
    if (problems.length > 0) throw new ConfigurationError(problems);
    this.#store({ memberships: [{ ...membership, roles }] });
    this.#announce({ memberId: membershipIdOf(membership) });
  }

  removeMembership(userId: string, organizationId: string): void {
    const membership = this.memberships.get(userId)?.get(organizationId);
    if (membership === undefined) return;
    this.memberships.get(userId)?.delete(organizationId);
    this.#announce({ memberId: membershipIdOf(membership) });
  }

  removeUser(userId: string): void {
    this.users.delete(userId);
    this.memberships.delete(userId);
    this.#announce({ userId });
  }

  removeOrganization(organizationId: string): void {
    this.organizations.delete(organizationId);
    for (const ofUser of this.memberships.values()) ofUser.delete(organizationId);
    this.#announce({ organizationId });
  }

  #store(input: MemoryDirectoryInput): void {
    const { users = [], organizations = [], memberships = [] } = structuredClone(input);
    for (const user of users) this.users.set(user.id, user);
    for (const organization of organizations) this.organizations.set(organization.id, organization);
    for (const membership of memberships) {
      const ofUser = this.memberships.get(membership.userId) ?? new Map<string, DirectoryMembership>();
      this.memberships.set(membership.userId, ofUser.set(membership.organizationId, membership));
    }
  }

  #all(): Required<{ [Name in List]: NonNullable<MemoryDirectoryInput[Name]> }> {
    return {
      users: [...this.users.values()],
      organizations: [...this.organizations.values()],
      memberships: [...this.memberships.values()].flatMap((ofUser) => [...ofUser.values()]),
    };
  }

  #announce(change: DirectoryChange): void {
    for (const listener of this.listeners) listener(change);
  }
}

type Row = Readonly<Record<string, unknown>>;
type List = keyof MemoryDirectoryInput;

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
type Report = (code: string, option: string, message: string, suggestion: string) => void;

function reporter(problems: ConfigurationProblem[]): Report {
  return (code, option, message, suggestion) => problems.push({ code, option, message, suggestion });
}

/** Throws one `ConfigurationError` with every mistake: names, types, duplicates, and unknown ids. */
function assertValid(input: unknown, roles: ReadonlySet<string> | undefined): void {
  if (!isObject(input)) {
    const message = `was given ${describeValue(input)}.`;
    const suggestion = "Pass { users, organizations, memberships }, or nothing.";
    throw configurationError("option_invalid", "memoryDirectory", message, suggestion);
  }
  const problems: ConfigurationProblem[] = [];
  const report = reporter(problems);
  const lists = Object.keys(REQUIRED_FIELDS);
  for (const name of Object.keys(input).filter((given) => !lists.includes(given))) {
    const suggestion = didYouMean(name, lists, `Known lists: ${lists.join(", ")}.`);
    report("option_unknown", name, "is not a list of a directory.", suggestion);
  }
  const rows: Rows = {
    users: readRows(input, "users", report),
    organizations: readRows(input, "organizations", report),
    memberships: readRows(input, "memberships", report),
  };
  if (problems.length === 0) {
    reportDuplicates(rows, report);
    checkMemberships(rows, roles, report);
  }
  if (problems.length > 0) throw new ConfigurationError(problems);
}

function readRows(input: object, list: List, report: Report): readonly Row[] {
  const given: unknown = Reflect.get(input, list) ?? [];
  if (!Array.isArray(given)) {
    report("option_invalid", list, "must be an array.", "Leave it out for none.");
    return [];
  }
  const rows = given.map((row: unknown): Row => (isObject(row) ? row : {}));
  for (const [index, row] of rows.entries()) {
    for (const field of REQUIRED_FIELDS[list].filter((name) => !isText(row[name]))) {
      report("option_invalid", `${list}[${index}].${field}`, "must be a non-empty string.", "Set it.");
    }
  }
  return rows;
}

function reportDuplicates(rows: Rows, report: Report): void {
  for (const [list, field, valueOf] of UNIQUE_FIELDS) {
    const seen = new Set<unknown>();
    for (const [index, value] of rows[list].map(valueOf).entries()) {
      if (value !== undefined && seen.has(value)) {
        const message = "is already taken by an entry before it.";
        report("directory_duplicate", `${list}[${index}].${field}`, message, "Remove one of them.");
      }
      seen.add(value);
    }
  }
}

function checkMemberships(
  { users, organizations, memberships }: Rows,
  known: ReadonlySet<string> | undefined,
  report: Report,
): void {
  const userIds = new Set(users.map(({ id }) => String(id)));
  const organizationIds = new Set(organizations.map(({ id }) => String(id)));
  const checkId = (option: string, id: string, ids: ReadonlySet<string>): void => {
    if (ids.has(id)) return;
    const suggestion = didYouMean(id, ids, "Add it, or correct the id.");
    report("directory_unknown_id", option, `"${id}" is not in the directory.`, suggestion);
  };
  for (const [index, { userId, organizationId, roles }] of memberships.entries()) {
    const option = `memberships[${index}]`;
    checkId(`${option}.userId`, String(userId), userIds);
    checkId(`${option}.organizationId`, String(organizationId), organizationIds);
    if (!isTextList(roles)) {
      report("option_invalid", `${option}.roles`, "must be an array of role slugs.", "Use [] for none.");
    } else {
      reportUnknownRoles(`${option}.roles`, roles, known, report);
    }
  }
}

function reportUnknownRoles(
  option: string,
  roles: readonly string[],
  known: ReadonlySet<string> | undefined,
  report: Report,
): void {
  for (const role of roles.filter((one) => known?.has(one) === false)) {
    const suggestion = didYouMean(role, known ?? [], "Check the spelling, or add it to the policy's roles.");
    report("role_unknown", option, `${quoteName(role)} is not a role of the policy.`, suggestion);
  }
}
