import { ConfigurationError, type ConfigurationProblem } from "../errors.ts";
import { suggestName } from "../lib/did-you-mean.ts";
import { isObject, isText, isTextList } from "../lib/predicates.ts";
import {
  type Directory,
  type DirectoryChange,
  type DirectoryMembership,
  type DirectoryOrganization,
  type DirectoryUser,
  membershipIdOf,
} from "./directory.ts";

/** What a memory directory begins with. */
export interface MemoryDirectoryInput {
  readonly users?: readonly DirectoryUser[] | undefined;
  readonly organizations?: readonly DirectoryOrganization[] | undefined;
  readonly memberships?: readonly DirectoryMembership[] | undefined;
}

/** A directory in memory that can be changed while it is in use. It announces every change of roles and every removal. */
export interface MemoryDirectory extends Directory {
  addUser(user: DirectoryUser): void;
  addOrganization(organization: DirectoryOrganization): void;
  addMembership(membership: DirectoryMembership): Promise<void>;
  /** Replaces the roles of a member. */
  setRoles(userId: string, organizationId: string, roles: readonly string[]): void;
  removeMembership(userId: string, organizationId: string): void;
  /** Removes the user and all their memberships. */
  removeUser(userId: string): void;
  /** Removes the organization and all memberships in it. */
  removeOrganization(organizationId: string): void;
  onChanged(listener: (change: DirectoryChange) => void): () => void;
}

/**
 * Keeps users, organizations and memberships in memory: for demos, tests and first steps.
 *
 * Copies what it is given. Throws one `ConfigurationError` with all unknown ids and duplicates.
 */
export function memoryDirectory(input: MemoryDirectoryInput = {}): MemoryDirectory {
  const tables = new DirectoryTables(input);
  const { users, organizations, memberships } = tables;
  return {
    user: async (id) => structuredClone(users.get(id)),
    async userByEmailAddress(emailAddress) {
      const wanted = emailAddress.toLowerCase();
      return structuredClone([...users.values()].find((user) => user.emailAddress.toLowerCase() === wanted));
    },
    organization: async (id) => structuredClone(organizations.get(id)),
    membership: async (userId, organizationId) =>
      structuredClone(memberships.get(userId)?.get(organizationId)),
    memberships: async (userId) => structuredClone([...(memberships.get(userId)?.values() ?? [])]),
    addUser: (user) => tables.add({ users: [user] }),
    addOrganization: (organization) => tables.add({ organizations: [organization] }),
    addMembership: async (membership) => tables.add({ memberships: [membership] }),
    setRoles: (userId, organizationId, roles) => tables.setRoles(userId, organizationId, roles),
    removeMembership: (userId, organizationId) => tables.removeMembership(userId, organizationId),
    removeUser: (userId) => tables.removeUser(userId),
    removeOrganization: (organizationId) => tables.removeOrganization(organizationId),
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

  constructor(input: MemoryDirectoryInput) {
    assertValid(input);
    this.#store(input);
  }

  /** Adds all of it, or nothing. */
  add(input: MemoryDirectoryInput): void {
    const { users = [], organizations = [], memberships = [] } = input;
    const known = [...this.memberships.values()].flatMap((ofUser) => [...ofUser.values()]);
    assertValid({
      users: [...this.users.values(), ...users],
      organizations: [...this.organizations.values(), ...organizations],
      memberships: [...known, ...memberships],
    });
    this.#store(input);
  }

  setRoles(userId: string, organizationId: string, roles: readonly string[]): void {
    const membership = this.memberships.get(userId)?.get(organizationId);
    if (membership === undefined) {
      const option = `setRoles("${userId}", "${organizationId}")`;
      const suggestion = "Add the membership first.";
      throw new ConfigurationError([
        { code: "membership_unknown", option, message: "names no membership.", suggestion },
      ]);
    }
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

  #announce(change: DirectoryChange): void {
    for (const listener of this.listeners) listener(change);
  }
}

type Row = Readonly<Record<string, unknown>>;

/** The lists of a directory, and the fields that each row must have. */
const REQUIRED_FIELDS = {
  users: ["id", "emailAddress"],
  organizations: ["id", "name"],
  memberships: ["userId", "organizationId"],
} as const;

const LISTS = Object.keys(REQUIRED_FIELDS);

/** Throws one `ConfigurationError` with every mistake: names, types, duplicates, and unknown ids. */
function assertValid(input: object): void {
  const users = readRows(input, "users");
  const organizations = readRows(input, "organizations");
  const memberships = readRows(input, "memberships");
  const problems = [users, organizations, memberships].flatMap((list) => list.problems);
  const malformed = [...findUnknownLists(input), ...problems];
  if (malformed.length > 0) throw new ConfigurationError(malformed);
  const emailAddress = (row: Row): unknown => String(row["emailAddress"]).toLowerCase();
  const memberId = ({ id, userId, organizationId }: Row): unknown =>
    id ?? `${String(userId)}:${String(organizationId)}`;
  const pair = ({ userId, organizationId }: Row): unknown => JSON.stringify([userId, organizationId]);
  const contradictions = [
    ...findDuplicates("users", "id", users.rows),
    ...findDuplicates("users", "emailAddress", users.rows, emailAddress),
    ...findDuplicates("organizations", "id", organizations.rows),
    ...findDuplicates("organizations", "slug", organizations.rows),
    ...findUnknownIds("userId", memberships.rows, users.rows),
    ...findUnknownIds("organizationId", memberships.rows, organizations.rows),
    ...findInvalidRoles(memberships.rows),
    ...findDuplicates("memberships", "id", memberships.rows, memberId),
    ...findDuplicates("memberships", "userId", memberships.rows, pair),
  ];
  if (contradictions.length > 0) throw new ConfigurationError(contradictions);
}

function findUnknownLists(input: object): ConfigurationProblem[] {
  const unknown = Object.keys(input).filter((name) => !LISTS.includes(name));
  return unknown.map((name) => ({
    code: "option_unknown",
    option: name,
    message: "is not a list of a directory.",
    suggestion: suggest(name, LISTS, `Known lists: ${LISTS.join(", ")}.`),
  }));
}

function readRows(
  input: object,
  name: keyof typeof REQUIRED_FIELDS,
): { readonly rows: readonly Row[]; readonly problems: readonly ConfigurationProblem[] } {
  const list: unknown = Reflect.get(input, name) ?? [];
  if (!Array.isArray(list)) {
    return { rows: [], problems: [invalid(name, "must be an array.", "Leave it out for none.")] };
  }
  const rows = list.map((row: unknown): Row => (isObject(row) ? row : {}));
  const problems = rows.flatMap((row, index) =>
    REQUIRED_FIELDS[name]
      .filter((field) => !isText(row[field]))
      .map((field) => invalid(`${name}[${index}].${field}`, "must be a non-empty string.", "Set it.")),
  );
  return { rows, problems };
}

function findDuplicates(
  list: string,
  field: string,
  rows: readonly Row[],
  keyOf = (row: Row): unknown => row[field],
): ConfigurationProblem[] {
  const seen = new Set<unknown>();
  return rows.flatMap((row, index) => {
    const key = keyOf(row);
    if (key === undefined || !seen.has(key)) {
      seen.add(key);
      return [];
    }
    const option = `${list}[${index}].${field}`;
    const message = "is already taken by an entry before it.";
    return [{ code: "directory_duplicate", option, message, suggestion: "Remove one of them." }];
  });
}

function findUnknownIds(
  field: "userId" | "organizationId",
  memberships: readonly Row[],
  rows: readonly Row[],
): ConfigurationProblem[] {
  const known = new Set(rows.map(({ id }) => String(id)));
  return memberships.flatMap((membership, index) => {
    const id = String(membership[field]);
    if (known.has(id)) return [];
    const option = `memberships[${index}].${field}`;
    const suggestion = suggest(id, known, "Add it, or correct the id.");
    return [
      { code: "directory_unknown_id", option, message: `"${id}" is not in the directory.`, suggestion },
    ];
  });
}

function findInvalidRoles(memberships: readonly Row[]): ConfigurationProblem[] {
  return memberships.flatMap(({ roles }, index) =>
    isTextList(roles)
      ? []
      : [invalid(`memberships[${index}].roles`, "must be an array of role slugs.", "Use [] for none.")],
  );
}

function suggest(given: string, known: Iterable<string>, otherwise: string): string {
  const similar = suggestName(given, known);
  return similar === undefined ? otherwise : `Did you mean "${similar}"?`;
}

function invalid(option: string, message: string, suggestion: string): ConfigurationProblem {
  return { code: "option_invalid", option, message, suggestion };
}
