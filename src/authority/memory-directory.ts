import { ConfigurationError, type ConfigurationProblem } from "../errors.ts";
import { suggestName } from "../lib/did-you-mean.ts";
import type {
  Directory,
  DirectoryChange,
  DirectoryMembership,
  DirectoryOrganization,
  DirectoryUser,
} from "./directory.ts";
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

/** What is looked at; anything may be in it. */
interface DirectoryInput {
  readonly users?: unknown;
  readonly organizations?: unknown;
  readonly memberships?: unknown;
}

const LISTS: ReadonlySet<string> = new Set<keyof DirectoryInput>(["users", "organizations", "memberships"]);

/** Every mistake in what a directory begins with: names, kinds, duplicates, and ids that name nobody. */
export function findDirectoryProblems(input: DirectoryInput): ConfigurationProblem[] {
  const users = listOf("users", input.users, ["id", "emailAddress"]);
  const organizations = listOf("organizations", input.organizations, ["id", "name"]);
  const memberships = listOf("memberships", input.memberships, ["userId", "organizationId"]);
  const lists = [users, organizations, memberships];
  const problems = [...findUnknownLists(input), ...lists.flatMap((list) => list.problems)];
  if (problems.length > 0) return problems;
  const userIds = users.entries.map(({ id }) => String(id));
  const organizationIds = organizations.entries.map(({ id }) => String(id));
  return [
    ...findDuplicates("users", "id", userIds),
    ...findDuplicates(
      "users",
      "emailAddress",
      users.entries.map(({ emailAddress }) => String(emailAddress).toLowerCase()),
    ),
    ...findDuplicates("organizations", "id", organizationIds),
    ...findDuplicates(
      "organizations",
      "slug",
      organizations.entries.map(({ slug }) => slug),
    ),
    ...findMembershipProblems(memberships.entries, new Set(userIds), new Set(organizationIds)),
  ];
}

type Entry = Readonly<Record<string, unknown>>;

function findMembershipProblems(
  memberships: readonly Entry[],
  userIds: ReadonlySet<string>,
  organizationIds: ReadonlySet<string>,
): ConfigurationProblem[] {
  const unknown = memberships.flatMap(({ userId, organizationId, roles }, index) => {
    const at = `memberships[${index}]`;
    const problems: ConfigurationProblem[] = [];
    if (!userIds.has(String(userId))) problems.push(unknownId(`${at}.userId`, String(userId), userIds));
    if (!organizationIds.has(String(organizationId))) {
      problems.push(unknownId(`${at}.organizationId`, String(organizationId), organizationIds));
    }
    if (!Array.isArray(roles) || !roles.every((role) => typeof role === "string" && role !== "")) {
      problems.push(invalid(`${at}.roles`, "must be an array of role slugs.", "Use [] for none."));
    }
    return problems;
  });
  const members = memberships.map(
    ({ id, userId, organizationId }) => id ?? `${String(userId)}:${String(organizationId)}`,
  );
  const places = memberships.map(({ userId, organizationId }) => JSON.stringify([userId, organizationId]));
  return [
    ...unknown,
    ...findDuplicates("memberships", "id", members),
    ...findDuplicates("memberships", "userId", places),
  ];
}

function listOf(
  name: string,
  value: unknown,
  required: readonly string[],
): { entries: readonly Entry[]; problems: ConfigurationProblem[] } {
  if (value === undefined) return { entries: [], problems: [] };
  if (!Array.isArray(value)) {
    return { entries: [], problems: [invalid(name, "must be an array.", "Leave it out for none.")] };
  }
  const problems = value.flatMap((entry: unknown, index) =>
    required
      .filter(
        (field) =>
          !isText(typeof entry === "object" && entry !== null ? Reflect.get(entry, field) : undefined),
      )
      .map((field) => invalid(`${name}[${index}].${field}`, "must be a non-empty string.", "Set it.")),
  );
  return { entries: value, problems };
}

function findUnknownLists(input: object): ConfigurationProblem[] {
  const names = Object.keys(input).filter((name) => !LISTS.has(name));
  return names.map((name) => {
    const suggested = suggestName(name, LISTS);
    const suggestion =
      suggested === undefined ? `Known lists: ${[...LISTS].join(", ")}.` : `Did you mean "${suggested}"?`;
    return { code: "option_unknown", option: name, message: "is not a list of a directory.", suggestion };
  });
}

function findDuplicates(list: string, field: string, values: readonly unknown[]): ConfigurationProblem[] {
  const seen = new Set<unknown>();
  return values.flatMap((value, index) => {
    if (value === undefined || !seen.has(value)) {
      seen.add(value);
      return [];
    }
    return [
      {
        code: "directory_duplicate",
        option: `${list}[${index}].${field}`,
        message: "is already taken by an entry before it.",
        suggestion: "Remove one of them.",
      },
    ];
  });
}

function unknownId(option: string, id: string, known: ReadonlySet<string>): ConfigurationProblem {
  const suggested = suggestName(id, known);
  return {
    code: "directory_unknown_id",
    option,
    message: `"${id}" names nobody in the directory.`,
    suggestion: suggested === undefined ? "Add it, or correct the id." : `Did you mean "${suggested}"?`,
  };
}

function invalid(option: string, message: string, suggestion: string): ConfigurationProblem {
  return { code: "option_invalid", option, message, suggestion };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
