import { foldEmailAddress } from "../lib/case.ts";
import { type Clock, formatTime } from "../lib/clock.ts";
import { type Predicate, absentOr, arrayOf, isObject, isString, isText, objectWith } from "../lib/values.ts";
import type { Member, MemberSession } from "../model.ts";
import type { Profile } from "../store.ts";
import type { SessionRecord } from "./records.ts";
import { callDependency, malformedAnswer } from "./repository.ts";
import { isActiveMembership } from "./rules/settings.ts";

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
export interface DirectoryMembership<Role extends string = string> {
  /** Names the member. @defaultValue `${userId}:${organizationId}`, with `:` and `%` inside the two percent-encoded */
  readonly id?: string;
  readonly userId: string;
  readonly organizationId: string;
  /** Role slugs, as the policy names them; `[]` for none. */
  readonly roles: readonly Role[];
}

/** A user to be made. The directory chooses the id. */
export interface NewDirectoryUser {
  readonly emailAddress: string;
  readonly name?: string;
  readonly [field: string]: unknown;
}

/** Returns the id of a membership: its own, or one made of its two ids. No two pairs of ids make the same one. */
export function membershipIdOf({
  id,
  userId,
  organizationId,
}: Pick<DirectoryMembership, "id" | "userId" | "organizationId">): string {
  return id ?? `${escapeSeparator(userId)}:${escapeSeparator(organizationId)}`;
}

function escapeSeparator(id: string): string {
  return id.replaceAll("%", "%25").replaceAll(":", "%3A");
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
  /**
   * Makes the membership that an invitation was issued for, or that an organization provisions; puts one that is not active in force.
   * Required for `invite`; without it, no member is provisioned.
   */
  addMembership?(membership: DirectoryMembership): Promise<void>;
  /**
   * Makes the user who accepts an invitation, and returns them; called only once the token is known to be good. Required to accept
   * an invitation for an address that no user has.
   */
  createUser?(user: NewDirectoryUser): Promise<DirectoryUser>;
  /**
   * Adds a listener that is called once a change is made, so that the store is asked about older tokens; returns the way to stop.
   * Call it for changed roles, for memberships, users and organizations that are removed, and for an organization whose slug
   * changes: guards with `by: "slug"` compare the slug in the token. Without it, a change takes effect at the session's next
   * renewal.
   */
  onChanged?(listener: (change: DirectoryChange) => void): () => void;
  /**
   * Gets the roles of the authority's policy when the authority is made: from then on it may refuse memberships with others.
   * Without it, roles that the policy does not know grant nothing.
   */
  acceptRoles?(roles: ReadonlySet<string>): void;
  /** Tells whether the password is the user's; required for the password grant of the wire routers. */
  verifyPassword?(userId: string, password: string): Promise<boolean>;
}

/** A directory whose answers were checked. What it throws is a `StoreUnavailableError`, or the application's `OrgateError`. */
export type CheckedDirectory = Omit<Directory, "acceptRoles" | "onChanged">;

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
    ...(directory.createUser !== undefined && {
      async createUser(user) {
        const made = await ask("createUser", isUser, async () => directory.createUser?.(user));
        if (made === undefined) throw malformedAnswer("directory.createUser");
        return made;
      },
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

/** Finds the user of an e-mail address. A database may compare addresses more loosely than an invitation may. */
export async function findUserByAddress(
  directory: CheckedDirectory,
  emailAddress: string,
): Promise<DirectoryUser | undefined> {
  const user = await directory.userByEmailAddress(emailAddress);
  if (user === undefined) return undefined;
  return foldEmailAddress(user.emailAddress) === foldEmailAddress(emailAddress) ? user : undefined;
}

/** A user and, unless they act in no organization, their membership, as the directory has them now. */
export interface Subject extends Partial<OrganizationMembership> {
  readonly user: DirectoryUser;
  /** When the directory was asked, in seconds since the epoch: what is said of the subject is as old as that. */
  readonly readAt: number;
}

/** A membership and its organization. */
export interface OrganizationMembership {
  readonly membership: DirectoryMembership;
  readonly organization: DirectoryOrganization;
}

/** Why there is no such subject. */
export type SubjectProblem = "user_removed" | "membership_removed";

/** Reads a user and, unless `organizationId` is `undefined`, their membership in the organization. */
export async function loadSubject(
  { directory, clock }: { readonly directory: CheckedDirectory; readonly clock: Clock },
  userId: string,
  organizationId: string | undefined,
): Promise<Subject | SubjectProblem> {
  const readAt = clock();
  if (organizationId === undefined) {
    const user = await directory.user(userId);
    return user === undefined ? "user_removed" : { user, readAt };
  }
  const [user, membership, organization] = await Promise.all([
    directory.user(userId),
    directory.membership(userId, organizationId),
    directory.organization(organizationId),
  ]);
  if (user === undefined) return "user_removed";
  if (membership === undefined || organization === undefined) return "membership_removed";
  if (!isActiveMembership(membership)) return "membership_removed";
  return { user, membership, organization, readAt };
}

/** Lists the memberships of a user, with their organizations. */
export async function listMemberships(
  directory: CheckedDirectory,
  userId: string,
): Promise<readonly OrganizationMembership[]> {
  const memberships = await directory.memberships(userId);
  const found = await Promise.all(
    memberships.filter(isActiveMembership).map(async (membership) => {
      const organization = await directory.organization(membership.organizationId);
      return organization === undefined ? [] : [{ membership, organization }];
    }),
  );
  return found.flat();
}

/** Returns the roles that a subject has in the session; every use of roles goes through this function. */
export function rolesOf({ membership }: Pick<Subject, "membership">): readonly string[] {
  return membership?.roles ?? [];
}

/** Returns the id of the member: the membership's own or one made of its two ids; the user's id without a membership. */
export function memberIdOf({ user, membership }: Subject): string {
  return membership === undefined ? user.id : membershipIdOf(membership);
}

/** Returns the member and the organization in orgate's model, with the further fields that the directory keeps. */
export function toProfile(subject: Subject): Profile {
  const { organization } = subject;
  return { member: toMember(subject), ...(organization !== undefined && { organization }) };
}

/** Returns the session in orgate's model, with the roles that the directory has now. */
export function toMemberSession(record: SessionRecord, subject: Subject): MemberSession {
  const { organization } = subject;
  return {
    id: record.id,
    memberId: memberIdOf(subject),
    ...(organization !== undefined && { organizationId: organization.id }),
    ...(organization?.slug !== undefined && { organizationSlug: organization.slug }),
    roles: rolesOf(subject),
    startedAt: formatTime(record.startedAt),
    lastAccessedAt: formatTime(record.lastAccessedAt),
    expiresAt: formatTime(record.expiresAt),
    authenticationFactors: record.authenticationFactors,
    customClaims: record.customClaims,
    ...(record.impersonator !== undefined && { impersonator: record.impersonator }),
    authenticationMethod: record.authenticationMethod,
  };
}

function toMember(subject: Subject): Member {
  const { user, organization } = subject;
  return {
    ...user,
    id: memberIdOf(subject),
    userId: user.id,
    ...(organization !== undefined && { organizationId: organization.id }),
    roles: rolesOf(subject),
  };
}
