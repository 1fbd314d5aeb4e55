import { StoreUnavailableError, isOrgateError } from "../errors.ts";
import type { Repository } from "./repository.ts";

/** A person, across organizations. */
export interface DirectoryUser {
  readonly id: string;
  readonly emailAddress: string;
  readonly name?: string;
  /** Further fields, carried into the full profile and the sealed session: never a secret. */
  readonly [field: string]: unknown;
}

/** An organization (tenant). */
export interface DirectoryOrganization {
  readonly id: string;
  /** Unique. Chosen by the tenant: never compare it with an id. */
  readonly slug?: string;
  readonly name: string;
  /** Further fields, carried into the full profile: never a secret. */
  readonly [field: string]: unknown;
}

/** A user's place in an organization. */
export interface DirectoryMembership {
  /** Names the member. @defaultValue `${userId}:${organizationId}` */
  readonly id?: string;
  readonly userId: string;
  readonly organizationId: string;
  /** Role slugs, as the policy names them; `[]` for none. */
  readonly roles: readonly string[];
}

/** Whom a change in the directory concerns. */
export type DirectoryChange =
  | { readonly memberId: string }
  | { readonly userId: string }
  | { readonly organizationId: string };

/**
 * Who the users, organizations and memberships are: a few methods over the application's own tables.
 *
 * Trouble is a thrown error, which becomes "unavailable"; `undefined` means that there is no such thing.
 */
export interface Directory {
  /** The user of an id. */
  user(userId: string): Promise<DirectoryUser | undefined>;
  /** The user of an e-mail address, whatever its case: for the password grant of the wire routers. */
  userByEmailAddress(emailAddress: string): Promise<DirectoryUser | undefined>;
  /** The organization of an id. */
  organization(organizationId: string): Promise<DirectoryOrganization | undefined>;
  /** The user's membership in an organization, if it is active now. */
  membership(userId: string, organizationId: string): Promise<DirectoryMembership | undefined>;
  /** All memberships of the user that are active now. */
  memberships(userId: string): Promise<readonly DirectoryMembership[]>;
  /** Makes the membership an invitation was issued for; required for `invite`. */
  addMembership?(membership: DirectoryMembership): Promise<void>;
  /**
   * Tells at once whose roles or memberships changed, so that tokens issued before are asked about instead of believed;
   * returns the way to stop. Without it, a change takes effect at the session's next renewal.
   */
  onChanged?(listener: (change: DirectoryChange) => void): () => void;
  /** Whether the password is the user's; required for the password grant of the wire routers. */
  verifyPassword?(userId: string, password: string): Promise<boolean>;
}

/** The questions that sessions put to the directory. */
export type DependableDirectory = Pick<
  Directory,
  | "user"
  | "userByEmailAddress"
  | "organization"
  | "membership"
  | "memberships"
  | "addMembership"
  | "verifyPassword"
>;

/**
 * The application's directory, with its trouble told from its answers: whatever it throws, and every answer that is no
 * answer, is "cannot know" and never "there is no such user".
 */
export function dependOnDirectory(directory: Directory): DependableDirectory {
  return {
    user: async (id) =>
      checked(
        "directory.user",
        () => directory.user(id),
        (value) => isUser(value) && value.id === id,
      ),
    userByEmailAddress: async (emailAddress) =>
      checked("directory.userByEmailAddress", () => directory.userByEmailAddress(emailAddress), isUser),
    organization: async (id) =>
      checked(
        "directory.organization",
        () => directory.organization(id),
        (value) => isOrganization(value) && value.id === id,
      ),
    membership: async (userId, organizationId) =>
      checked(
        "directory.membership",
        () => directory.membership(userId, organizationId),
        (value) => isMembership(value, userId) && value.organizationId === organizationId,
      ),
    memberships: async (userId) => {
      const found = await attempt("directory.memberships", () => directory.memberships(userId));
      const isAnswer = Array.isArray(found) && found.every((value) => isMembership(value, userId));
      if (!isAnswer) throw nonsense("directory.memberships");
      return toJson("directory.memberships", found);
    },
    ...dependOnOptionalMethods(directory),
  };
}

function dependOnOptionalMethods(
  directory: Directory,
): Pick<DependableDirectory, "addMembership" | "verifyPassword"> {
  return {
    ...(directory.addMembership !== undefined && {
      addMembership: async (membership) =>
        attempt("directory.addMembership", async () => directory.addMembership?.(membership)),
    }),
    ...(directory.verifyPassword !== undefined && {
      verifyPassword: async (userId, password) => {
        const verified = await attempt("directory.verifyPassword", async () =>
          directory.verifyPassword?.(userId, password),
        );
        if (typeof verified !== "boolean") throw nonsense("directory.verifyPassword");
        return verified;
      },
    }),
  };
}

/** The application's repository, with its trouble told from its answers, and nothing found from something. */
export function dependOnRepository(repository: Repository): Repository {
  return {
    // Databases say null where JavaScript says undefined: taken for something, it would spend a token again and again.
    read: async (...question) =>
      (await attempt("repository.read", () => repository.read(...question))) ?? undefined,
    insert: async (...question) => attempt("repository.insert", () => repository.insert(...question)),
    compareAndSet: async (...question) =>
      attempt("repository.compareAndSet", () => repository.compareAndSet(...question)),
    consume: async (...question) =>
      (await attempt("repository.consume", () => repository.consume(...question))) ?? undefined,
    touchIfExists: async (...question) =>
      attempt("repository.touchIfExists", () => repository.touchIfExists(...question)),
    find: async (...question) => attempt("repository.find", () => repository.find(...question)),
    close: async () => attempt("repository.close", () => repository.close()),
  };
}

async function checked<Value>(
  name: string,
  ask: () => Promise<Value | undefined>,
  isAnswer: (value: unknown) => boolean,
): Promise<Value | undefined> {
  const value = await attempt(name, ask);
  // Databases say null where JavaScript says undefined.
  if (value === undefined || value === null) return undefined;
  if (!isAnswer(value)) throw nonsense(name);
  return toJson(name, value);
}

/** Rows of a database hold dates and more; what goes into tokens, seals and answers is what JSON makes of them. */
function toJson<Value>(name: string, value: Value): Value {
  try {
    const copy: Value = JSON.parse(JSON.stringify(value));
    return copy;
  } catch {
    throw nonsense(name);
  }
}

async function attempt<Value>(name: string, ask: () => Promise<Value>): Promise<Value> {
  try {
    return await ask();
  } catch (error) {
    if (isOrgateError(error)) throw error;
    // The error's own text may quote what it was given, so only its kind is told.
    throw new StoreUnavailableError({
      message: `${name} failed (${kindOf(error)})`,
      reason: "dependency_failed",
    });
  }
}

function kindOf(error: unknown): string {
  try {
    return error instanceof Error && /^[\w.$]{1,64}$/.test(error.name) ? error.name : typeof error;
  } catch {
    // What is thrown may be anything, a proxy that throws when it is looked at included.
    return typeof error;
  }
}

function nonsense(name: string): StoreUnavailableError {
  return new StoreUnavailableError({
    message: `${name} answered with something that is not of its interface`,
    reason: "dependency_malformed",
  });
}

function isUser(value: unknown): value is DirectoryUser {
  return hasString(value, "emailAddress") && hasString(value, "id");
}

function isOrganization(value: unknown): value is DirectoryOrganization {
  return hasString(value, "name");
}

function isMembership(value: unknown, userId: string): value is DirectoryMembership {
  return (
    hasString(value, "organizationId") &&
    Reflect.get(value, "userId") === userId &&
    isListOfStrings(Reflect.get(value, "roles"))
  );
}

function hasString(value: unknown, name: string): value is object {
  return typeof value === "object" && value !== null && typeof Reflect.get(value, name) === "string";
}

function isListOfStrings(value: unknown): boolean {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string");
}
