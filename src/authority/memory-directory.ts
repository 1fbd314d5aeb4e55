import { ConfigurationError } from "../errors.ts";
import type { ConfigurationProblem } from "../errors.ts";
import type {
  Directory,
  DirectoryChange,
  DirectoryMembership,
  DirectoryOrganization,
  DirectoryUser,
} from "./directory.ts";
import { findDirectoryProblems } from "./directory-problems.ts";
import { idOfMembership } from "./subject.ts";

/** What a memory directory begins with. */
export interface MemoryDirectoryInput {
  readonly users?: readonly DirectoryUser[] | undefined;
  readonly organizations?: readonly DirectoryOrganization[] | undefined;
  readonly memberships?: readonly DirectoryMembership[] | undefined;
}

/** A directory in memory that can be changed while it is in use. Every change of roles, and every removal, is told at once. */
export interface MemoryDirectory extends Directory {
  addUser(user: DirectoryUser): void;
  addOrganization(organization: DirectoryOrganization): void;
  addMembership(membership: DirectoryMembership): Promise<void>;
  /** Gives the member these roles, in place of those before. */
  setRoles(userId: string, organizationId: string, roles: readonly string[]): void;
  removeMembership(userId: string, organizationId: string): void;
  /** Removes the user and all memberships of theirs. */
  removeUser(userId: string): void;
  /** Removes the organization and all memberships in it. */
  removeOrganization(organizationId: string): void;
  onChanged(listener: (change: DirectoryChange) => void): () => void;
}

/**
 * Keeps users, organizations and memberships in memory: for demos, tests and first steps.
 *
 * What it is given is copied. Ids that name nobody and duplicates throw one `ConfigurationError` with all of them.
 */
export function memoryDirectory(input: MemoryDirectoryInput = {}): MemoryDirectory {
  const tables = new DirectoryTables(input);
  return {
    user: async (id) => copyOf(tables.users.get(id)),
    userByEmailAddress: async (emailAddress) => copyOf(tables.findByEmailAddress(emailAddress)),
    organization: async (id) => copyOf(tables.organizations.get(id)),
    membership: async (userId, organizationId) => copyOf(tables.placesOf(userId)?.get(organizationId)),
    memberships: async (userId) => [...(tables.placesOf(userId)?.values() ?? [])].map(copyOf),
    addUser: (user) => tables.add({ users: [user] }),
    addOrganization: (organization) => tables.add({ organizations: [organization] }),
    addMembership: async (membership) => tables.add({ memberships: [membership] }),
    setRoles: (userId, organizationId, roles) => tables.setRoles(userId, organizationId, roles),
    removeMembership: (userId, organizationId) => tables.removeMembership(userId, organizationId),
    removeUser: (userId) => tables.removeUser(userId),
    removeOrganization: (organizationId) => tables.removeOrganization(organizationId),
    onChanged: (listener) => tables.listen(listener),
  };
}

class DirectoryTables {
  readonly users = new Map<string, DirectoryUser>();
  readonly organizations = new Map<string, DirectoryOrganization>();
  /** By user, then by organization, in the order they were made. */
  readonly #places = new Map<string, Map<string, DirectoryMembership>>();
  readonly #listeners = new Set<(change: DirectoryChange) => void>();

  constructor(input: MemoryDirectoryInput) {
    assertSound(input);
    this.#store(input);
  }

  placesOf(userId: string): ReadonlyMap<string, DirectoryMembership> | undefined {
    return this.#places.get(userId);
  }

  findByEmailAddress(emailAddress: string): DirectoryUser | undefined {
    const wanted = emailAddress.toLowerCase();
    return [...this.users.values()].find((user) => user.emailAddress.toLowerCase() === wanted);
  }

  /** Adds all of it, or nothing. */
  add({ users = [], organizations = [], memberships = [] }: MemoryDirectoryInput): void {
    const known = [...this.#places.values()].flatMap((places) => [...places.values()]);
    assertSound({
      users: [...this.users.values(), ...users],
      organizations: [...this.organizations.values(), ...organizations],
      memberships: [...known, ...memberships],
    });
    this.#store({ users, organizations, memberships });
  }

  setRoles(userId: string, organizationId: string, roles: readonly string[]): void {
    const membership = this.#places.get(userId)?.get(organizationId);
    if (membership === undefined) throw new ConfigurationError([unknownMembership(userId, organizationId)]);
    this.#place({ ...membership, roles });
    this.#tell({ memberId: idOfMembership(membership) });
  }

  removeMembership(userId: string, organizationId: string): void {
    const membership = this.#places.get(userId)?.get(organizationId);
    if (membership === undefined) return;
    this.#places.get(userId)?.delete(organizationId);
    this.#tell({ memberId: idOfMembership(membership) });
  }

  removeUser(userId: string): void {
    this.users.delete(userId);
    this.#places.delete(userId);
    this.#tell({ userId });
  }

  removeOrganization(organizationId: string): void {
    this.organizations.delete(organizationId);
    for (const places of this.#places.values()) places.delete(organizationId);
    this.#tell({ organizationId });
  }

  listen(listener: (change: DirectoryChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #store({ users = [], organizations = [], memberships = [] }: MemoryDirectoryInput): void {
    for (const user of users) this.users.set(user.id, copyOf(user));
    for (const organization of organizations) this.organizations.set(organization.id, copyOf(organization));
    for (const membership of memberships) this.#place(membership);
  }

  #place(membership: DirectoryMembership): void {
    const { userId, organizationId, roles } = membership;
    const places = this.#places.get(userId) ?? new Map<string, DirectoryMembership>();
    this.#places.set(userId, places.set(organizationId, { ...membership, roles: [...roles] }));
  }

  #tell(change: DirectoryChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function assertSound(input: MemoryDirectoryInput): void {
  const problems = findDirectoryProblems(input);
  if (problems.length > 0) throw new ConfigurationError(problems);
}

function unknownMembership(userId: string, organizationId: string): ConfigurationProblem {
  return {
    code: "membership_unknown",
    option: `setRoles("${userId}", "${organizationId}")`,
    message: "names no membership.",
    suggestion: "Add the membership first.",
  };
}

/** A copy that can be changed without changing what is kept. */
function copyOf<Value extends object | undefined>(value: Value): Value {
  return structuredClone(value);
}
