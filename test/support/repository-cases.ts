import { expect } from "@jest/globals";
import type { Repository, WriteOptions } from "../../src/authority/index.ts";

/** A repository under test, empty, with a clock that the test moves. */
export interface RepositoryUnderTest {
  readonly repository: Repository;
  /** The same documents through another connection, as another process has them. */
  readonly other: Repository;
  readonly clock: { now: number };
}

const LATER: WriteOptions = { expiresAt: 2000 };

async function versionOf(repository: Repository, id: string): Promise<number> {
  const found = await repository.read("sessions", id);
  if (found === undefined) throw new Error(`There is no document ${id}.`);
  return found.version;
}

/** Ids and index names that could be taken for other keys, or that not every encoding can hold. */
export const ODD_NAMES: readonly string[] = [
  "",
  " ",
  "%",
  "%;",
  "%25;",
  "a:b",
  "a%3a;b",
  "{a}",
  "{}",
  "sessions-by:user:a",
  "__proto__",
  "constructor",
  "*",
  "a\nb",
  "a b",
  "\u0000",
  "\ud800",
  "\udfff",
  "\ufffd",
  "\u00e9",
  "e\u0301",
  "\u{1d4b3}",
  "x".repeat(500),
];

/** JSON whose reading by another parser could change it. */
const EXACT_VALUES: readonly unknown[] = [
  0.1,
  -1e-7,
  1e21,
  5e-324,
  1.7976931348623157e308,
  Number.MAX_SAFE_INTEGER,
  2 ** 70,
  "",
  '\u2028\u0000\ud800\u00e9\u{1d4b3}"\\/',
  [],
  {},
  [[], {}],
  false,
  null,
  { a: null, b: [1, [2, [3]]], "": { "a.b": "{}" } },
];

/** What the authority relies on in every repository. */
export const REPOSITORY_CASES: Readonly<Record<string, (subject: RepositoryUnderTest) => Promise<void>>> = {
  "inserts once, and reads the value that was written": async ({ repository, other }) => {
    expect(await repository.read("sessions", "a")).toBeUndefined();
    expect(await repository.insert("sessions", "a", { n: 1 }, LATER)).toBe(true);
    expect(await other.insert("sessions", "a", { n: 2 }, LATER)).toBe(false);
    expect(await other.read("sessions", "a")).toEqual({ value: { n: 1 }, version: expect.any(Number) });
    expect(await repository.read("pending", "a")).toBeUndefined();
  },
  "lets exactly one of many concurrent inserts succeed": async ({ repository, other }) => {
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? repository : other).insert("keys", "a", index, LATER),
      ),
    );
    expect(outcomes.filter(Boolean)).toHaveLength(1);
    expect((await repository.read("keys", "a"))?.value).toBe(outcomes.indexOf(true));
  },
  "replaces a document only if no other write came first": async ({ repository, other }) => {
    await repository.insert("sessions", "a", 1, LATER);
    const version = await versionOf(repository, "a");
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? repository : other).compareAndSet("sessions", "a", version, index, LATER),
      ),
    );
    expect(outcomes.filter(Boolean)).toHaveLength(1);
    expect((await other.read("sessions", "a"))?.value).toBe(outcomes.indexOf(true));
    expect(await repository.compareAndSet("sessions", "absent", version, 1, LATER)).toBe(false);
    expect(await repository.read("sessions", "absent")).toBeUndefined();
  },
  "does not mistake a new document for the old one of the same id": async ({ repository }) => {
    await repository.insert("sessions", "a", 1, LATER);
    const version = await versionOf(repository, "a");
    await repository.consume("sessions", "a");
    await repository.insert("sessions", "a", 1, LATER);
    expect(await repository.compareAndSet("sessions", "a", version, 3, LATER)).toBe(false);
    expect((await repository.read("sessions", "a"))?.value).toBe(1);
  },
  "gives a document to exactly one of many concurrent consumers": async ({ repository, other }) => {
    await repository.insert("pending", "a", { once: true }, LATER);
    const values = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? repository : other).consume("pending", "a"),
      ),
    );
    expect(values.filter((value) => value !== undefined)).toEqual([{ once: true }]);
    expect(await repository.read("pending", "a")).toBeUndefined();
    expect(await repository.touchIfExists("pending", "a", 9000)).toBe(false);
    expect(await repository.insert("pending", "a", 2, LATER)).toBe(true);
    expect(await repository.consume("pending", "a")).toBe(2);
  },
  "R-37: ends a document at a fraction of a second, and touching it does not restore it": async ({
    repository,
    clock,
  }) => {
    await repository.insert("sessions", "a", 1, { expiresAt: 1000.25, indexes: ["user:a"] });
    clock.now = 1000.249;
    const version = await versionOf(repository, "a");
    expect(await repository.touchIfExists("sessions", "a", 3000.125)).toBe(true);
    expect(await versionOf(repository, "a")).toBe(version);
    clock.now = 3000.124;
    expect(await repository.find("sessions", "user:a")).toEqual([{ id: "a", value: 1 }]);
    clock.now = 3000.125;
    expect(await repository.touchIfExists("sessions", "a", 9000)).toBe(false);
    expect(await repository.read("sessions", "a")).toBeUndefined();
    expect(await repository.find("sessions", "user:a")).toEqual([]);
    expect(await repository.compareAndSet("sessions", "a", version, 2, { expiresAt: 9000 })).toBe(false);
    expect(await repository.consume("sessions", "a")).toBeUndefined();
    expect(await repository.insert("sessions", "a", 2, { expiresAt: 4000.5 })).toBe(true);
    clock.now = 4000.499;
    expect(await repository.consume("sessions", "a")).toBe(2);
  },
  "finds a document by the indexes of its last write": async ({ repository, other }) => {
    await repository.insert("sessions", "a", 1, { ...LATER, indexes: ["user:a", "member:m", "user:a"] });
    await repository.insert("sessions", "b", 2, { ...LATER, indexes: ["user:a"] });
    await repository.insert("pending", "c", 3, { ...LATER, indexes: ["user:a"] });
    const found = await other.find("sessions", "user:a");
    expect(found.toSorted((one, two) => (one.id < two.id ? -1 : 1))).toEqual([
      { id: "a", value: 1 },
      { id: "b", value: 2 },
    ]);
    const change = { ...LATER, indexes: ["member:n"] };
    expect(await other.compareAndSet("sessions", "a", await versionOf(repository, "a"), 3, change)).toBe(
      true,
    );
    expect(await repository.find("sessions", "user:a")).toEqual([{ id: "b", value: 2 }]);
    expect(await repository.find("sessions", "member:m")).toEqual([]);
    expect(await repository.find("sessions", "member:n")).toEqual([{ id: "a", value: 3 }]);
    await repository.consume("sessions", "a");
    expect(await repository.find("sessions", "member:n")).toEqual([]);
    await repository.insert("sessions", "a", 4, LATER);
    expect(await repository.find("sessions", "member:n")).toEqual([]);
  },
  "finds a document for as long as it exists, also after its life was prolonged": async ({
    repository,
    clock,
  }) => {
    const indexes = ["user:a"];
    await repository.insert("sessions", "touched", 1, { ...LATER, indexes });
    await repository.insert("sessions", "replaced", 2, { ...LATER, indexes });
    await repository.touchIfExists("sessions", "touched", 5000);
    const version = await versionOf(repository, "replaced");
    await repository.compareAndSet("sessions", "replaced", version, 3, { expiresAt: 5000, indexes });
    clock.now = 4000;
    await repository.insert("sessions", "new", 4, { expiresAt: 5000, indexes });
    const found = await repository.find("sessions", "user:a");
    expect(found.map(({ id }) => id).toSorted()).toEqual(["new", "replaced", "touched"]);
  },
  "keeps odd ids and index names apart": async ({ repository, other }) => {
    for (const name of ODD_NAMES) {
      expect(await repository.read("sessions", name)).toBeUndefined();
      expect(await repository.insert("sessions", name, { name }, { ...LATER, indexes: [name] })).toBe(true);
    }
    for (const name of ODD_NAMES) {
      expect((await other.read("sessions", name))?.value).toEqual({ name });
      expect(await other.find("sessions", name)).toEqual([{ id: name, value: { name } }]);
    }
    for (const name of ODD_NAMES) expect(await other.consume("sessions", name)).toEqual({ name });
  },
  "returns every JSON value exactly": async ({ repository, other }) => {
    for (const [index, value] of EXACT_VALUES.entries()) {
      const id = String(index);
      await repository.insert("sessions", id, value, LATER);
      expect((await other.read("sessions", id))?.value).toEqual(value);
      const version = await versionOf(repository, id);
      await repository.compareAndSet("sessions", id, version, [value], { ...LATER, indexes: [id] });
      expect(await repository.find("sessions", id)).toEqual([{ id, value: [value] }]);
      await repository.touchIfExists("sessions", id, 3000);
      expect(await other.consume("sessions", id)).toEqual([value]);
    }
  },
  "answers a ping": async ({ repository }) => {
    if (!("ping" in repository)) throw new Error("There is no ping().");
    await repository.ping?.();
  },
};
