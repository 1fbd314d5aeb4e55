import type { EventSink } from "../events.ts";
import { foldEmailAddress } from "../lib/case.ts";
import { type Clock, formatTime } from "../lib/clock.ts";
import { type Predicate, absentOr, arrayOf, isString, isText, objectWith } from "../lib/values.ts";
import type { AuthenticationFactor, MemberSession, RoleAssignment } from "../model.ts";
import type { Policy } from "../policy/policy.ts";
import { type RowChecker, type RowKind, createRowChecker } from "./members/checked-rows.ts";
import type { MembershipFields, OrganizationFields, UserFields } from "./members/objects.ts";
import {
  type AuthorityMember,
  type AuthorityOrganization,
  type AuthorityProfile,
  describeMember,
} from "./members/profile.ts";
import {
  type RoleGrounds,
  isDirect,
  isRoleAssignment,
  listHeldRoles,
  listRoleAssignments,
} from "./members/roles.ts";
import type { SessionRecord } from "./records.ts";
import { callDependency, malformedAnswer } from "./repository.ts";
import { isActiveMember, isActiveMembership } from "./rules/settings.ts";

/** A person, across organizations. What a membership says of the member wins over what the user says. */
export interface DirectoryUser extends UserFields {
  readonly id: string;
  readonly emailAddress: string;
  /** Further fields of the application; they go into the profile, so never keep a secret here. */
  readonly [field: string]: unknown;
}

/** An organization (tenant), with its settings. */
export interface DirectoryOrganization extends OrganizationFields {
  readonly id: string;
  /** Unique: 2 to 128 letters, digits and `-._~`. Chosen by the tenant: never compare it with an id. */
  readonly slug?: string;
  /** 1 to 128 characters. */
  readonly name: string;
  /** Further fields of the application; they go into the profile, so never keep a secret here. */
  readonly [field: string]: unknown;
}

/** A member: a user in one organization. */
export interface DirectoryMembership<Role extends string = string> extends MembershipFields {
  /** Names the member. @defaultValue `${userId}:${organizationId}`, with `:` and `%` inside the two percent-encoded */
  readonly id?: string;
  readonly userId: string;
  readonly organizationId: string;
  /**
   * Roles, as the policy names them; `[]` for none. A slug is assigned directly; a role with sources is held for their reasons.
   * Roles by the rules of the organization come on top.
   */
  readonly roles: readonly (Role | RoleAssignment<Role>)[];
  /** Further fields of the application; they go into the profile, so never keep a secret here. */
  readonly [field: string]: unknown;
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

/** A user, an organization, and the user's membership in it. */
export interface DirectorySeat {
  readonly user: DirectoryUser;
  readonly organization: DirectoryOrganization;
  readonly membership: DirectoryMembership;
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
  /**
   * Returns the organization of a slug or, if none has it as its slug, of an external id (`externalId`). The wire routers call it
   * for a path that names an organization otherwise than by its id.
   */
  organizationByName?(name: string): Promise<DirectoryOrganization | undefined>;
  /** Returns the user's membership in an organization, if it is active now. */
  membership(userId: string, organizationId: string): Promise<DirectoryMembership | undefined>;
  /** Returns all memberships of the user that are active now. */
  memberships(userId: string): Promise<readonly DirectoryMembership[]>;
  /**
   * Returns the user, the organization and the user's active membership in one question, such as one joined query; `undefined` if
   * one of the three is missing. Each renewal asks it. Without it, the three methods above are called at once.
   */
  seat?(userId: string, organizationId: string): Promise<DirectorySeat | undefined>;
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
 * An error, or an answer that the interface does not allow, means "cannot know" and never "there is no such user". Misspelt fields
 * and impossible values are reported once.
 */
export function checkedDirectory(directory: Directory, events: EventSink): CheckedDirectory {
  const rows = createRowChecker(events);
  const ofUsers: Asking = { kind: "user", rows };
  const ofOrganizations: Asking = { kind: "organization", rows };
  const ofMemberships: Asking = { kind: "membership", rows };
  return {
    user: (id) => ask(ofUsers, "user", isNamed(isUser, { id }), () => directory.user(id)),
    userByEmailAddress: (emailAddress) =>
      ask(ofUsers, "userByEmailAddress", isUser, () => directory.userByEmailAddress(emailAddress)),
    organization: (id) =>
      ask(ofOrganizations, "organization", isNamed(isOrganization, { id }), () => directory.organization(id)),
    ...(directory.organizationByName !== undefined && {
      organizationByName: (name) =>
        ask(ofOrganizations, "organizationByName", isOrganizationOf(name), async () =>
          directory.organizationByName?.(name),
        ),
    }),
    membership: (userId, organizationId) =>
      ask(ofMemberships, "membership", isNamed(isMembership, { userId, organizationId }), () =>
        directory.membership(userId, organizationId),
      ),
    async memberships(userId) {
      const isAnswer = arrayOf(isNamed(isMembership, { userId }));
      const memberships = await ask(ofMemberships, "memberships", isAnswer, () =>
        directory.memberships(userId),
      );
      if (memberships === undefined) throw malformedAnswer("directory.memberships");
      return memberships;
    },
    ...(directory.seat !== undefined && {
      async seat(userId, organizationId) {
        const isAnswer = isSeatOf(userId, organizationId);
        return ask({ kind: "seat", rows }, "seat", isAnswer, async () =>
          directory.seat?.(userId, organizationId),
        );
      },
    }),
    ...(directory.addMembership !== undefined && {
      addMembership: (membership) =>
        callDependency("directory.addMembership", async () => directory.addMembership?.(membership)),
    }),
    ...(directory.createUser !== undefined && {
      async createUser(user) {
        const made = await ask(ofUsers, "createUser", isUser, async () => directory.createUser?.(user));
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

/** What a method of the directory returns, and what checks the fields of it. */
interface Asking {
  readonly kind: RowKind;
  readonly rows: RowChecker;
}

async function ask<Value>(
  { kind, rows }: Asking,
  method: string,
  isAnswer: Predicate<Value>,
  call: () => Promise<unknown>,
): Promise<Value | undefined> {
  const name = `directory.${method}`;
  const answer = await callDependency(name, call);
  // Databases say null for "no such row".
  if (answer === undefined || answer === null) return undefined;
  const checked = rows.check(kind, toPlainRows(name, answer));
  if (isAnswer(checked)) return checked;
  throw malformedAnswer(name);
}

/** Rows of a database hold dates and more; tokens, seals and answers carry what JSON makes of them. */
function toPlainRows(name: string, answer: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(answer));
  } catch (cause) {
    throw malformedAnswer(name, cause);
  }
}

/** Checks that an answer is about the ids that were asked for. */
function isNamed<Value extends object>(check: Predicate<Value>, ids: Partial<Value>): Predicate<Value> {
  return (value): value is Value =>
    check(value) && Object.entries(ids).every(([name, id]) => Reflect.get(value, name) === id);
}

// The further fields were checked before: see checked-rows.ts.
const isUser = objectWith<Pick<DirectoryUser, "id" | "emailAddress" | "name">>({
  id: isText,
  emailAddress: isString,
  name: absentOr(isString),
}) as Predicate<DirectoryUser>;

const isOrganization = objectWith<Pick<DirectoryOrganization, "id" | "name" | "slug">>({
  id: isText,
  name: isString,
  slug: absentOr(isString),
}) as Predicate<DirectoryOrganization>;

function isOrganizationOf(name: string): Predicate<DirectoryOrganization> {
  return (value): value is DirectoryOrganization =>
    isOrganization(value) && [value.slug, value["externalId"]].includes(name);
}

const isMembership = objectWith<
  Pick<DirectoryMembership, "id" | "userId" | "organizationId" | "name" | "roles">
>({
  id: absentOr(isText),
  userId: isText,
  organizationId: isText,
  name: absentOr(isString),
  roles: arrayOf(isRole),
}) as Predicate<DirectoryMembership>;

/** Whether a value is a role of a membership; one whose sources nobody knows cannot be judged. */
function isRole(value: unknown): value is string | RoleAssignment {
  return isString(value) || isRoleAssignment(value);
}

function isSeatOf(userId: string, organizationId: string): Predicate<DirectorySeat> {
  return objectWith<DirectorySeat>({
    user: isNamed(isUser, { id: userId }),
    organization: isNamed(isOrganization, { id: organizationId }),
    membership: isNamed(isMembership, { userId, organizationId }),
  });
}

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
  /** The member's roles, with the sources that hold now. */
  readonly assignments: readonly RoleAssignment[];
  /** Those that the session holds; read them with {@link rolesOf}. */
  readonly held: readonly RoleAssignment[];
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

/** What reading a subject needs of the authority. */
export interface SubjectContext {
  readonly directory: CheckedDirectory;
  readonly clock: Clock;
  readonly policy: Policy | undefined;
}

/** What a subject is made of: what the directory said at one time, and how the user authenticated. */
export type SubjectGrounds = Omit<RoleGrounds, "memberRoles"> & Omit<Subject, "assignments" | "held">;

/** Makes a subject, with the roles that follow from what is known of it. */
export function subjectOf(
  { policy }: Pick<SubjectContext, "policy">,
  { factors, ...known }: SubjectGrounds,
): Subject {
  const assignments = listRoleAssignments({ ...known, factors, memberRoles: policy?.memberRoles ?? [] });
  return { ...known, assignments, held: listHeldRoles(assignments, factors) };
}

/** Reads a user who authenticated by these factors and, unless `organizationId` is `undefined`, their membership in the organization. */
export async function loadSubject(
  context: SubjectContext,
  userId: string,
  organizationId: string | undefined,
  factors: readonly AuthenticationFactor[],
): Promise<Subject | SubjectProblem> {
  const { directory, clock } = context;
  const known = { factors, readAt: clock() };
  if (organizationId === undefined) {
    const user = await directory.user(userId);
    return user === undefined ? "user_removed" : subjectOf(context, { ...known, user });
  }
  if (directory.seat !== undefined) {
    const seat = await directory.seat(userId, organizationId);
    if (seat !== undefined) {
      const isActive = isActiveMember(seat.user, seat.membership);
      return isActive ? subjectOf(context, { ...known, ...seat }) : "membership_removed";
    }
    // Something is missing: only the user's absence ends the session whatever the organization.
    return (await directory.user(userId)) === undefined ? "user_removed" : "membership_removed";
  }
  const [user, membership, organization] = await Promise.all([
    directory.user(userId),
    directory.membership(userId, organizationId),
    directory.organization(organizationId),
  ]);
  if (user === undefined) return "user_removed";
  if (membership === undefined || organization === undefined) return "membership_removed";
  if (!isActiveMember(user, membership)) return "membership_removed";
  return subjectOf(context, { ...known, user, membership, organization });
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
export function rolesOf({ held }: Subject): readonly string[] {
  return held.map(({ role }) => role);
}

/** Returns the roles of a subject's session that it has for other reasons than that they were assigned, with these reasons. */
export function implicitRolesOf({ held }: Subject): readonly RoleAssignment[] {
  return held.filter((assignment) => !isDirect(assignment));
}

/** Returns the id of the member: the membership's own or one made of its two ids; the user's id without a membership. */
export function memberIdOf({ user, membership }: Subject): string {
  return membership === undefined ? user.id : membershipIdOf(membership);
}

/** Returns the member and the organization in full. */
export function toProfile(subject: Subject): AuthorityProfile {
  const { organization } = subject;
  const member = toMember(subject);
  // The checked directory made texts of all times.
  return organization === undefined
    ? { member }
    : { member, organization: organization as AuthorityOrganization };
}

/** Returns the session in orgate's model, with the roles that the directory has now. */
export function toMemberSession(record: SessionRecord, subject: Subject): MemberSession {
  const { organization } = subject;
  const roleAssignments = implicitRolesOf(subject);
  return {
    id: record.id,
    memberId: memberIdOf(subject),
    ...(organization !== undefined && { organizationId: organization.id }),
    ...(organization?.slug !== undefined && { organizationSlug: organization.slug }),
    roles: rolesOf(subject),
    ...(roleAssignments.length > 0 && { roleAssignments }),
    startedAt: formatTime(record.startedAt),
    lastAccessedAt: formatTime(record.lastAccessedAt),
    expiresAt: formatTime(record.expiresAt),
    authenticationFactors: record.authenticationFactors,
    customClaims: record.customClaims,
    ...(record.impersonator !== undefined && { impersonator: record.impersonator }),
    authenticationMethod: record.authenticationMethod,
  };
}

/** Returns the member of a subject in full; without an organization, the user. */
export function toMember(subject: Subject): AuthorityMember {
  const { user, membership, organization, assignments } = subject;
  const known = membership === undefined ? user : describeMember(user, membership, assignments);
  return {
    ...known,
    id: memberIdOf(subject),
    userId: user.id,
    ...(organization !== undefined && { organizationId: organization.id }),
    roles: rolesOf(subject),
  };
}
