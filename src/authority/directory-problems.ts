import { suggestName } from "../did-you-mean.ts";
import type { ConfigurationProblem } from "../errors.ts";

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
