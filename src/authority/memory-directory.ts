import { randomUUID } from "node:crypto";
import { ConfigurationError, type ConfigurationProblem } from "../errors.ts";
import { configurationError, describeValue, didYouMean, quoteName, readGiven } from "../lib/problems.ts";
import { foldEmailAddress } from "../lib/case.ts";
import { isObject, isText } from "../lib/values.ts";
import type { Policy, PolicyShape } from "../policy/policy.ts";
import {
  type Directory,
  type DirectoryChange,
  type DirectoryMembership,
  type DirectoryOrganization,
  type DirectorySeat,
  type DirectoryUser,
  type NewDirectoryUser,
  membershipIdOf,
} from "./directory.ts";
import { type ObjectKind, isOptionalField } from "./members/field-checks.ts";
import type { MembershipFields, OrganizationFields, UserFields } from "./members/objects.ts";
import { retireEmailAddress } from "./members/retired-addresses.ts";
import {
  type List,
  type Row,
  assertValid,
  checkMembershipRoles,
  addTo,
} from "./members/validate-directory.ts";
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

/** New values of some fields; `null` removes an optional field. */
export type FieldChanges<Fields> = { readonly [Name in keyof Fields]?: Fields[Name] | null } & {
  readonly [field: string]: unknown;
};

/** A directory in memory that can be changed while it is in use. It announces every change and every removal. */
export interface MemoryDirectory<Role extends string = string> extends Directory {
  addUser(user: DirectoryUser): void;
  addOrganization(organization: DirectoryOrganization): void;
  /** Adds a membership, or puts one that is not active in force, with the roles given. */
  addMembership(membership: DirectoryMembership<Role>): Promise<void>;
  /**
   * Changes fields of a user. When the address changes, each membership of the user gets the old one in `retiredEmailAddresses`:
   * no other member of its organization can use it, until it is unlinked.
   */
  updateUser(userId: string, changes: FieldChanges<UserFields & { readonly emailAddress: string }>): void;
  /** Changes fields of an organization. */
  updateOrganization(
    organizationId: string,
    changes: FieldChanges<OrganizationFields & { readonly name: string; readonly slug?: string }>,
  ): void;
  /** Changes fields of a member: those of the membership, which win over the user's. */
  updateMembership(
    userId: string,
    organizationId: string,
    changes: FieldChanges<MembershipFields & { readonly roles: DirectoryMembership<Role>["roles"] }>,
  ): void;
  /** Lets other members of the organization use an address that the member used before. */
  unlinkRetiredEmailAddress(userId: string, organizationId: string, emailAddress: string): void;
  createUser(user: NewDirectoryUser): Promise<DirectoryUser>;
  /** Replaces the roles of a member. */
  setRoles(userId: string, organizationId: string, roles: DirectoryMembership<Role>["roles"]): void;
  removeMembership(userId: string, organizationId: string): void;
  /** Removes the user and all their memberships. */
  removeUser(userId: string): void;
  /** Removes the organization and all memberships in it. */
  removeOrganization(organizationId: string): void;
  onChanged(listener: (change: DirectoryChange) => void): () => void;
  seat(userId: string, organizationId: string): Promise<DirectorySeat | undefined>;
  /** Refuses memberships with other roles from now on. Throws for those that are there. */
  acceptRoles(roles: ReadonlySet<string>): void;
}

/**
 * Keeps users, organizations and memberships in memory: for demos, tests and first steps.
 *
 * Copies what it is given. Throws one `ConfigurationError` with all unknown ids, duplicates, misspelt fields, impossible values, and
 * roles that are not in the policy.
 */
export function memoryDirectory<Role extends string = string>(
  input: MemoryDirectoryInput<NoInfer<Role>> = {},
  { policy }: MemoryDirectoryOptions<Role> = {},
): MemoryDirectory<Role> {
  const tables = readGiven("memoryDirectory", () => new DirectoryTables(input, policy?.roles));
  const { users, organizations, memberships } = tables;
  const directory: MemoryDirectory<Role> = {
    user: async (id) => structuredClone(users.get(id)),
    async userByEmailAddress(emailAddress) {
      const wanted = foldEmailAddress(emailAddress);
      return structuredClone(
        [...users.values()].find((user) => foldEmailAddress(user.emailAddress) === wanted),
      );
    },
    organization: async (id) => structuredClone(organizations.get(id)),
    organizationByName: async (name) => structuredClone(tables.findOrganization(name)),
    membership: async (userId, organizationId) =>
      structuredClone(memberships.get(userId)?.get(organizationId)),
    async seat(this: Directory | void, userId, organizationId) {
      // A copy of the directory may have other methods in place of these.
      const asked = this ?? directory;
      const [user, organization, membership] = await Promise.all([
        asked.user(userId),
        asked.organization(organizationId),
        asked.membership(userId, organizationId),
      ]);
      return user && organization && membership && { user, organization, membership };
    },
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
    updateUser: (userId, changes) => readGiven("updateUser", () => tables.updateUser(userId, changes)),
    updateOrganization: (organizationId, changes) =>
      readGiven("updateOrganization", () => tables.updateOrganization(organizationId, changes)),
    updateMembership: (userId, organizationId, changes) =>
      readGiven("updateMembership", () => tables.updateMembership(userId, organizationId, changes)),
    unlinkRetiredEmailAddress: (userId, organizationId, emailAddress) =>
      tables.unlinkRetired(userId, organizationId, emailAddress),
    setRoles: (userId, organizationId, roles) =>
      readGiven("setRoles", () => tables.setRoles(userId, organizationId, roles)),
    removeMembership: (userId, organizationId) => tables.removeMembership(userId, organizationId),
    removeUser: (userId) => tables.removeUser(userId),
    removeOrganization: (organizationId) => tables.removeOrganization(organizationId),
    acceptRoles: (roles) => tables.acceptRoles(roles),
    onChanged(listener) {
      tables.listeners.add(listener);
      return () => tables.listeners.delete(listener);
    },
  };
  return directory;
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

  /** Slugs come before external ids, which may be there twice: a name of several organizations names none. */
  findOrganization(name: string): DirectoryOrganization | undefined {
    const all = [...this.organizations.values()];
    const bySlug = all.filter(({ slug }) => slug === name);
    const found = bySlug.length > 0 ? bySlug : all.filter(({ externalId }) => externalId === name);
    return found.length === 1 ? found[0] : undefined;
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
    const renewed = { ...existing, status: "active" as const, ...membership };
    this.#replace({ memberships: [renewed] });
    this.#announce({ memberId: membershipIdOf(renewed) });
  }

  setRoles(userId: string, organizationId: string, roles: DirectoryMembership["roles"]): void {
    const option = `setRoles("${userId}", "${organizationId}")`;
    const membership = this.#requireMembership(option, userId, organizationId);
    const problems: ConfigurationProblem[] = [];
    checkMembershipRoles(option, roles, this.#roles, addTo(problems));
    if (problems.length > 0) throw new ConfigurationError(problems);
    this.#store({ memberships: [{ ...membership, roles }] });
    this.#announce({ memberId: membershipIdOf(membership) });
  }

  updateUser(userId: string, changes: Row): void {
    const user = this.users.get(userId);
    if (user === undefined) throw unknownId("updateUser", userId, this.users.keys());
    const changed = applyChanges("user", user, changes) as DirectoryUser;
    const memberships = [...(this.memberships.get(userId)?.values() ?? [])];
    const retired =
      isText(changed.emailAddress) && isText(user.emailAddress)
        ? memberships.map((one) => retireEmailAddress(one, user.emailAddress, changed.emailAddress))
        : memberships;
    this.#replace({ users: [changed], memberships: retired });
    this.#announce({ userId });
  }

  updateOrganization(organizationId: string, changes: Row): void {
    const organization = this.organizations.get(organizationId);
    if (organization === undefined) {
      throw unknownId("updateOrganization", organizationId, this.organizations.keys());
    }
    const changed = applyChanges("organization", organization, changes) as DirectoryOrganization;
    this.#replace({ organizations: [changed] });
    this.#announce({ organizationId });
  }

  updateMembership(userId: string, organizationId: string, changes: Row): void {
    const option = `updateMembership("${userId}", "${organizationId}")`;
    const membership = this.#requireMembership(option, userId, organizationId);
    this.#replace({ memberships: [applyChanges("membership", membership, changes) as DirectoryMembership] });
    this.#announce({ memberId: membershipIdOf(membership) });
  }

  unlinkRetired(userId: string, organizationId: string, emailAddress: string): void {
    const option = `unlinkRetiredEmailAddress("${userId}", "${organizationId}")`;
    const membership = this.#requireMembership(option, userId, organizationId);
    const unlinked = foldEmailAddress(emailAddress);
    const retiredEmailAddresses = (membership.retiredEmailAddresses ?? []).filter(
      (retired) => foldEmailAddress(retired.emailAddress) !== unlinked,
    );
    this.#store({ memberships: [{ ...membership, retiredEmailAddresses }] });
    this.#announce({ memberId: membershipIdOf(membership) });
  }

  #requireMembership(option: string, userId: string, organizationId: string): DirectoryMembership {
    const membership = this.memberships.get(userId)?.get(organizationId);
    if (membership !== undefined) return membership;
    throw configurationError(
      "membership_unknown",
      option,
      "names no membership.",
      "Add the membership first.",
    );
  }

  /** Replaces entries that are there by changed ones: all of them, or none. */
  #replace(changed: MemoryDirectoryInput): void {
    const all = this.#all();
    const { users = [], organizations = [], memberships = [] } = changed;
    const whole = {
      users: all.users.map((user) => users.find(({ id }) => id === user.id) ?? user),
      organizations: all.organizations.map((one) => organizations.find(({ id }) => id === one.id) ?? one),
      memberships: all.memberships.map(
        (one) => memberships.find((other) => isSameMembership(one, other)) ?? one,
      ),
    };
    assertValid(whole, this.#roles);
    this.#store(changed);
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

function isSameMembership(one: DirectoryMembership, other: DirectoryMembership): boolean {
  return one.userId === other.userId && one.organizationId === other.organizationId;
}

/** What an object is named by, which never changes. */
const IDS = ["id", "userId", "organizationId"] as const;

/** Copies an object with changes; `null` removes an optional field. */
function applyChanges(kind: ObjectKind, row: Row, changes: Row): Row {
  if (!isObject(changes)) {
    const message = `was given ${describeValue(changes)}.`;
    throw configurationError("option_invalid", "changes", message, "Pass an object of new values.");
  }
  for (const name of IDS.filter((id) => id in changes && changes[id] !== row[id])) {
    throw configurationError("option_invalid", name, "cannot change.", "Remove it, and add a new one.");
  }
  const entries = Object.entries({ ...row, ...changes });
  return Object.fromEntries(
    entries.filter(
      ([name, value]) => value !== undefined && (value !== null || !isOptionalField(kind, name)),
    ),
  );
}

function unknownId(method: string, id: string, ids: Iterable<string>): ConfigurationError {
  const suggestion = didYouMean(id, ids, "Add it first, or correct the id.");
  const message = `${quoteName(id)} is not in the directory.`;
  return configurationError("directory_unknown_id", method, message, suggestion);
}
