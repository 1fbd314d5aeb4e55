import { type Authority, createAuthority } from "../authority/authority.ts";
import {
  type MemoryDirectory,
  type MemoryDirectoryInput,
  memoryDirectory,
} from "../authority/memory-directory.ts";
import type { AuthorityOptions } from "../authority/options.ts";
import { type Repository, memoryRepository } from "../authority/repository.ts";
import type { Clock } from "../lib/clock.ts";
import { createProblems, describeValue, readGiven } from "../lib/problems.ts";
import { isObject, isSeconds } from "../lib/values.ts";

/** Options of `createTestAuthority()`: the contents of the directory, and the options of `createAuthority()`. */
export interface TestAuthorityOptions
  extends MemoryDirectoryInput, Omit<Partial<AuthorityOptions>, "clock" | "directory" | "repository"> {
  /** The time at which the test begins, in seconds since the epoch. @defaultValue 2027-01-15T08:00:00Z */
  readonly startsAt?: number;
}

/** An authority for tests, whose directory, time and database a test can change. */
export interface TestAuthority extends Authority {
  /** The users, organizations and memberships. Members see changes as they would in production. */
  readonly directory: MemoryDirectory;
  /** A clock that stands still until it is advanced. Pass it to `orgate({ clock })` too: both must use the same clock. */
  readonly clock: Clock;
  /** Returns the time, in seconds since the epoch. */
  now(): number;
  /** Lets this many seconds pass. */
  advance(seconds: number): void;
  /** Makes the database fail: requests that need the store are answered 503, and nobody is signed out. */
  takeDown(): void;
  /** Makes the database work again. The middleware asks again after its `Retry-After`: `advance` past it. */
  bringBack(): void;
}

const DEFAULT_START = Date.UTC(2027, 0, 15, 8) / 1000;

/**
 * Makes an authority with a directory in memory and a clock of its own, ready for `orgate({ store, clock })`.
 *
 * Only the time is simulated: tokens, seals and rotation are real.
 *
 * @example
 * ```ts
 * const authority = createTestAuthority({
 *   users: [{ id: "user_ada", emailAddress: "ada@example.com" }],
 *   organizations: [{ id: "org_acme", name: "Acme" }],
 *   memberships: [{ userId: "user_ada", organizationId: "org_acme", roles: ["admin"] }],
 * });
 * const auth = orgate({
 *   baseUrl: "https://app.example.com",
 *   store: authority,
 *   clock: authority.clock,
 *   cookie: { password: "a password for tests, 32 characters" },
 *   policy,
 * });
 *
 * authority.advance(306); //                                          the access tokens expire
 * authority.directory.setRoles("user_ada", "org_acme", ["viewer"]); // Ada is no longer an administrator
 * ```
 * @throws `ConfigurationError` with every problem in the options
 */
export function createTestAuthority(options: TestAuthorityOptions = {}): TestAuthority {
  const { users, organizations, memberships, startsAt, ...settings } = readTestOptions(options);
  let now = startsAt;
  const clock: Clock = () => now;
  const directory = memoryDirectory({ users, organizations, memberships });
  const { repository, takeDown, bringBack } = breakable(memoryRepository({ clock }));
  const authority = createAuthority({
    issuer: "https://app.example.com",
    ...settings,
    directory,
    repository,
    clock,
  });
  return {
    ...authority,
    directory,
    clock,
    now: clock,
    advance(seconds) {
      if (!(seconds >= 0)) throw new RangeError("advance() takes a number of seconds, 0 or more");
      now += seconds;
    },
    takeDown,
    bringBack,
    async close() {
      await authority.close();
      await repository.close();
    },
  };
}

/** Copies the options: a value of another type is not an empty object. */
function readTestOptions(options: TestAuthorityOptions) {
  return readGiven("createTestAuthority", () => {
    const given: unknown = options;
    const startsAt: unknown = options?.startsAt ?? DEFAULT_START;
    const problems = createProblems();
    if (!isObject(given)) {
      const message = `was given ${describeValue(given)}.`;
      problems.invalid("createTestAuthority", message, "Pass { users, organizations, memberships }.");
    }
    if (!isSeconds(startsAt)) {
      problems.invalid("startsAt", `must be a number, but is ${describeValue(startsAt)}.`, "Pass seconds.");
    }
    problems.throwIfAny();
    return { ...options, startsAt: isSeconds(startsAt) ? startsAt : DEFAULT_START };
  });
}

/** A repository that a test can make fail. */
export interface BreakableRepository {
  readonly repository: Repository;
  readonly takeDown: () => void;
  readonly bringBack: () => void;
}

/** Wraps a repository: while it is down every operation fails, as with a database that cannot be reached. */
export function breakable(inner: Repository): BreakableRepository {
  let isDown = false;
  const assertUp = async (): Promise<void> => {
    if (isDown) throw new Error("the test took the repository down");
  };
  return {
    repository: {
      read: (...asked) => assertUp().then(() => inner.read(...asked)),
      insert: (...asked) => assertUp().then(() => inner.insert(...asked)),
      compareAndSet: (...asked) => assertUp().then(() => inner.compareAndSet(...asked)),
      consume: (...asked) => assertUp().then(() => inner.consume(...asked)),
      touchIfExists: (...asked) => assertUp().then(() => inner.touchIfExists(...asked)),
      find: (...asked) => assertUp().then(() => inner.find(...asked)),
      ping: () => assertUp().then(() => inner.ping?.()),
      ...(inner.durability !== undefined && { durability: inner.durability }),
      close: () => inner.close(),
    },
    takeDown() {
      isDown = true;
    },
    bringBack() {
      isDown = false;
    },
  };
}
