import { StoreUnavailableError } from "../errors.ts";
import { TIMED_OUT, limitTime } from "../lib/concurrency.ts";
import {
  type Predicate,
  arrayOf,
  isBoolean,
  isFiniteNumber,
  isOptional,
  isString,
  objectWith,
} from "../lib/values.ts";
import { type Repository, type Versioned, callDependency, malformedAnswer } from "./repository.ts";

/** What the authority calls of a repository. */
export type CheckedRepository = Omit<Required<Repository>, "touchIfExists" | "close" | "durability">;

/** Seconds that one call to a repository may take. */
export const REPOSITORY_TIMEOUT = 0.8;

/**
 * Checks every answer of a repository, and waits for it at most `timeout` seconds. What it throws, must not return, or does not
 * return in time, is a `StoreUnavailableError`.
 */
export function checkedRepository(repository: Repository, timeout = REPOSITORY_TIMEOUT): CheckedRepository {
  // Those of Redis and Postgres give up by themselves, and say why: they get the time for that.
  const patience = repository.durability === "shared" ? timeout + 0.1 : timeout;
  const ask = async <Answer>(
    method: string,
    isAnswer: Predicate<Answer>,
    call: () => Promise<unknown>,
  ): Promise<Answer> => {
    const name = `repository.${method}`;
    const answer = await callDependency(name, () => limitTime(patience, call));
    if (answer === TIMED_OUT) {
      const message = `${name} did not answer within ${timeout} s`;
      throw new StoreUnavailableError({ message, reason: "repository_timeout" });
    }
    if (isAnswer(answer)) return answer;
    throw malformedAnswer(name);
  };
  return {
    // Databases say null for "no such row": taken for a record, it would be spent again and again.
    read: async (...args) => (await ask("read", isRead, () => repository.read(...args))) ?? undefined,
    consume: async (...args) =>
      (await ask("consume", isAnything, () => repository.consume(...args))) ?? undefined,
    insert: (...args) => ask("insert", isBoolean, () => repository.insert(...args)),
    compareAndSet: (...args) => ask("compareAndSet", isBoolean, () => repository.compareAndSet(...args)),
    find: (...args) => ask("find", isFound, () => repository.find(...args)),
    async ping() {
      // Without a method of its own, any question shows whether it answers.
      await ask("ping", isAnything, async () => repository.ping?.() ?? repository.read("keys", "ping"));
    },
  };
}

const isAnything = (_value: unknown): _value is unknown => true;

const isVersioned = objectWith<Versioned<unknown>>({ value: isAnything, version: isFiniteNumber });
const isRead = (value: unknown): value is Versioned<unknown> | undefined | null =>
  isOptional(value, isVersioned);
const isFound = arrayOf(
  objectWith<{ readonly id: string; readonly value: unknown }>({ id: isString, value: isAnything }),
);
