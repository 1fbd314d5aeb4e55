import {
  type Predicate,
  absentOr,
  isObject,
  isString,
  isText,
  arrayOf,
  objectWith,
} from "../lib/predicates.ts";
import { callDependency, malformedAnswer } from "./dependency.ts";

/** A person, across organizations. */
export interface DirectoryUser {
  readonly id: string;
  readonly emailAddress: string;
  readonly name?: string;
  /** Further fields; they go into the profile and the sealed session, so never keep a secret here. */
  readonly [field: string]: unknown;
}

/** An organization (tenant). */
export interface DirectoryOrganization {
  readonly id: string;
  /** Unique. Chosen by the tenant: never compare it with an id. */
  readonly slug?: string;
  readonly name: string;
  /** Further fields; they go into the profile, so never keep a secret here. */
  readonly [field: string]: unknown;
}

/** A user's membership in an organization. */
export interface DirectoryMembership {
  /** Names the member. @defaultValue `${userId}:${organizationId}` */
  readonly id?: string;
  readonly userId: string;
  readonly organizationId: string;
  /** Role slugs, as the policy names them; `[]` for none. */
  readonly roles: readonly string[];
}

/** Returns the id of a membership: its own, or one made of its two ids. */
export function membershipIdOf({ id, userId, organizationId }: DirectoryMembership): string {
  return id ?? `${userId}:${organizationId}`;
}

/** The member, user or organization that a change in the directory concerns. */
export type DirectoryChange =
  | { readonly memberId: string }
  | { readonly userId: string }
  | { readonly organizationId: string };

/**
 * Tells who the users, organizations and memberships are: a few methods over the application's own tables.
 *
 * `undefined` means that there is no such user, organization or membership. A method that cannot know throws; the authority is
 * then unavailable.
 */
export interface Directory {
  /** Returns the user of an id. */
  user(userId: string): Promise<DirectoryUser | undefined>;
  /** Returns the user of an e-mail address, ignoring case; for the password grant of the wire routers. */
  userByEmailAddress(emailAddress: string): Promise<DirectoryUser | undefined>;
  /** Returns the organization of an id. */
  organization(organizationId: string): Promise<DirectoryOrganization | undefined>;
  /** Returns the user's membership in an organization, if it is active now. */
  membership(userId: string, organizationId: string): Promise<DirectoryMembership | undefined>;
  /** Returns all memberships of the user that are active now. */
  memberships(userId: string): Promise<readonly DirectoryMembership[]>;
  /** Makes the membership an invitation was issued for; required for `invite`. */
  addMembership?(membership: DirectoryMembership): Promise<void>;
  /**
   * Adds a listener that is called when roles or memberships change, so that the store is asked about older tokens; returns the
   * way to stop. Without it, a change takes effect at the session's next renewal.
   */
  onChanged?(listener: (change: DirectoryChange) => void): () => void;
  /** Tells whether the password is the user's; required for the password grant of the wire routers. */
  verifyPassword?(userId: string, password: string): Promise<boolean>;
}

/** A directory whose answers were checked. What it throws is a `StoreUnavailableError`, or the application's `OrgateError`. */
export type CheckedDirectory = Omit<Directory, "onChanged">;

/**
 * Checks every answer of the application's directory.
 *
 * An error, or an answer that the interface does not allow, means "cannot know" and never "there is no such user".
 */
export function checkedDirectory(directory: Directory): CheckedDirectory {
  return {
    user: (id) => ask("user", isNamed(isUser, { id }), () => directory.user(id)),
    userByEmailAddress: (emailAddress) =>
      ask("userByEmailAddress", isUser, () => directory.userByEmailAddress(emailAddress)),
    organization: (id) =>
      ask("organization", isNamed(isOrganization, { id }), () => directory.organization(id)),
    membership: (userId, organizationId) =>
      ask("membership", isNamed(isMembership, { userId, organizationId }), () =>
        directory.membership(userId, organizationId),
      ),
    async memberships(userId) {
      const isAnswer = arrayOf(isNamed(isMembership, { userId }));
      const memberships = await ask("memberships", isAnswer, () => directory.memberships(userId));
      if (memberships === undefined) throw malformedAnswer("directory.memberships");
      return memberships;
    },
    ...(directory.addMembership !== undefined && {
      addMembership: (membership) =>
        callDependency("directory.addMembership", async () => directory.addMembership?.(membership)),
    }),
    ...(directory.verifyPassword !== undefined && {
      async verifyPassword(userId, password) {
        const call = async (): Promise<unknown> => directory.verifyPassword?.(userId, password);
        const isRight = await callDependency("directory.verifyPassword", call);
        if (typeof isRight !== "boolean") throw malformedAnswer("directory.verifyPassword");
        return isRight;
      },
    }),
  };
}

async function ask<Value>(
  method: string,
  isAnswer: Predicate<Value>,
  call: () => Promise<unknown>,
): Promise<Value | undefined> {
  const name = `directory.${method}`;
  const answer = await callDependency(name, call);
  // Databases say null for "no such row".
  if (answer === undefined || answer === null) return undefined;
  const copy = toPlainRows(name, answer);
  if (isAnswer(copy)) return copy;
  throw malformedAnswer(name);
}

/** Optional fields, which databases say null for. */
const OPTIONAL_FIELDS: ReadonlySet<string> = new Set(["id", "name", "slug"]);

/** Rows of a database hold dates and more; tokens, seals and answers carry what JSON makes of them. */
function toPlainRows(name: string, answer: unknown): unknown {
  try {
    const copy: unknown = JSON.parse(JSON.stringify(answer));
    return Array.isArray(copy) ? copy.map(withoutNulls) : withoutNulls(copy);
  } catch (cause) {
    throw malformedAnswer(name, cause);
  }
}

function withoutNulls(row: unknown): unknown {
  if (!isObject(row)) return row;
  const entries = Object.entries(row);
  return Object.fromEntries(entries.filter(([name, value]) => value !== null || !OPTIONAL_FIELDS.has(name)));
}

/** Checks that an answer is about the ids that were asked for. */
function isNamed<Value extends object>(check: Predicate<Value>, ids: Partial<Value>): Predicate<Value> {
  return (value): value is Value =>
    check(value) && Object.entries(ids).every(([name, id]) => Reflect.get(value, name) === id);
}

const isUser = objectWith<DirectoryUser>({ id: isText, emailAddress: isString, name: absentOr(isString) });

const isOrganization = objectWith<DirectoryOrganization>({
  id: isText,
  name: isString,
  slug: absentOr(isString),
});

const isMembership = objectWith<DirectoryMembership>({
  id: absentOr(isText),
  userId: isText,
  organizationId: isText,
  roles: arrayOf(isString),
});
