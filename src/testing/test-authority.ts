import { type Authority, createAuthority } from "../authority/authority.ts";
import {
  type MemoryDirectory,
  type MemoryDirectoryInput,
  memoryDirectory,
} from "../authority/memory-directory.ts";
import type { AuthorityOptions } from "../authority/options.ts";
import { memoryRepository } from "../authority/memory-repository.ts";
import type { Repository } from "../authority/repository.ts";
import type { Clock } from "../lib/clock.ts";

/** Options of `createTestAuthority()`: the people, and whatever of an authority's own options a test is about. */
export interface TestAuthorityOptions
  extends MemoryDirectoryInput, Omit<Partial<AuthorityOptions>, "clock" | "directory" | "repository"> {
  /** The time at which the test begins, in seconds since the epoch. @defaultValue 2027-01-15T08:00:00Z */
  readonly startsAt?: number;
}

/** An authority for tests: its people can be changed, its time moved, and what it depends on taken away. */
export interface TestAuthority extends Authority {
  /** Who there is. Change it, and members see the change as they would in production. */
  readonly directory: MemoryDirectory;
  /** The time that stands still until it is moved. Pass it to `orgate({ clock })`: both must live by one clock. */
  readonly clock: Clock;
  /** The time now, in seconds since the epoch. */
  now(): number;
  /** Lets so many seconds pass. */
  advance(seconds: number): void;
  /** Takes away the database behind the authority: whatever needs the store is unavailable (503), nobody is signed out. */
  takeDown(): void;
  /** Gives it back. The middleware asks again when its `Retry-After` is over: `advance` past it. */
  bringBack(): void;
}

const DEFAULT_START = Date.UTC(2027, 0, 15, 8) / 1000;

/**
 * Makes an authority with a directory in memory and a clock of its own, ready for `orgate({ store, clock })`.
 *
 * Tokens, seals and rotation are the real ones: nothing is mocked but the time.
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
 * authority.directory.setRoles("user_ada", "org_acme", ["viewer"]); // and Ada is an administrator no longer
 * ```
 * @throws `ConfigurationError` with every mistake in the options
 */
export function createTestAuthority(options: TestAuthorityOptions = {}): TestAuthority {
  const { users, organizations, memberships, startsAt = DEFAULT_START, ...settings } = options;
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

/** A repository that can be taken away, and given back. */
export interface BreakableRepository {
  readonly repository: Repository;
  readonly takeDown: () => void;
  readonly bringBack: () => void;
}

/** Puts a switch before a repository: while it is off every operation fails, as with a database that cannot be reached. */
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
