import { expect } from "@jest/globals";
import type { Repository } from "../../src/authority/repository.ts";

/** A repository that shares its documents with others, and the clock that all of them follow. */
export interface RepositorySubject {
  readonly repository: Repository;
  /** Another one over the same documents, as another process has it. */
  readonly other: Repository;
  readonly clock: { now: number };
}

type Case = (subject: RepositorySubject) => Promise<void>;

/** Names with what databases, patterns and encodings trip over. */
const ODD_NAMES = [
  "a:b|c%d/e\\f",
  "o'brien\"; DROP TABLE documents; --",
  "{a,b}",
  "line\nbreak\ttab",
  "\0nul",
  "\ud800 lone",
  "\udfff lone",
  "\u00e9 composed",
  "e\u0301 decomposed",
  "NULL",
  " space ",
  "\ud83d\ude00",
  `long ${"x".repeat(4_000)}`,
  `long ${"x".repeat(4_000)}y`,
  "\\#digest",
];

const ODD_VALUES: readonly unknown[] = [
  null,
  false,
  0,
  -0.5,
  0.1,
  9_007_199_254_740_991,
  1e-7,
  1.797_693_134_862_315_7e308,
  "",
  "text",
  "\0\ud800\u2028",
  [],
  {},
  { b: 1, a: 2 },
  { "": null, __proto__a: [[[]]] },
  { at: 1_800_000_000.125 },
];

/** What every repository promises, by the title of a test. */
export const REPOSITORY_CASES: Readonly<Record<string, Case>> = {
  async "reads what was inserted, and nothing under other ids and collections"({ repository, other, clock }) {
    const write = { expiresAt: clock.now + 60 };
    expect(await repository.insert("sessions", "s", { a: 1 }, write)).toBe(true);
    expect(await other.read("sessions", "s")).toMatchObject({ value: { a: 1 } });
    expect(await other.read("sessions", "t")).toBeUndefined();
    expect(await other.read("pending", "s")).toBeUndefined();
  },

  async "inserts an id once, and again after it has expired"({ repository, other, clock }) {
    const write = { expiresAt: clock.now + 0.25 };
    expect(await repository.insert("sessions", "s", 1, write)).toBe(true);
    expect(await other.insert("sessions", "s", 2, write)).toBe(false);
    clock.now += 0.25;
    const before = await repository.read("sessions", "s");
    expect(await other.insert("sessions", "s", 3, { expiresAt: clock.now + 1 })).toBe(true);
    expect([before, (await repository.read("sessions", "s"))?.value]).toEqual([undefined, 3]);
  },

  async "lets one of many inserts at once win"({ repository, other, clock }) {
    const write = { expiresAt: clock.now + 60 };
    const inserted = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? repository : other).insert("keys", "current", index, write),
      ),
    );
    expect(inserted.filter(Boolean)).toHaveLength(1);
    expect((await other.read("keys", "current"))?.value).toBe(inserted.indexOf(true));
  },

  async "lets one of many changes at once win, and no change of an old version"({
    repository,
    other,
    clock,
  }) {
    const write = { expiresAt: clock.now + 60 };
    await repository.insert("sessions", "s", "first", write);
    const version = (await repository.read("sessions", "s"))?.version ?? Number.NaN;
    const changed = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? repository : other).compareAndSet("sessions", "s", version, index, write),
      ),
    );
    expect(changed.filter(Boolean)).toHaveLength(1);
    expect((await other.read("sessions", "s"))?.value).toBe(changed.indexOf(true));
    expect(await repository.compareAndSet("sessions", "s", version, "late", write)).toBe(false);
    expect(await repository.compareAndSet("sessions", "absent", version, "new", write)).toBe(false);
    expect(await repository.read("sessions", "absent")).toBeUndefined();
  },

  async "never uses a version twice, also for an id that was deleted and made anew"({ repository, clock }) {
    const write = { expiresAt: clock.now + 60 };
    const versions: (number | undefined)[] = [];
    for (const round of [1, 2, 3]) {
      await repository.insert("sessions", "s", round, write);
      const version = (await repository.read("sessions", "s"))?.version ?? Number.NaN;
      await repository.compareAndSet("sessions", "s", version, round + 0.5, write);
      versions.push(version, (await repository.read("sessions", "s"))?.version);
      await repository.consume("sessions", "s");
    }
    expect(new Set(versions).size).toBe(6);
    await repository.insert("sessions", "s", "new", write);
    const changed = await Promise.all(
      versions.map((version = Number.NaN) =>
        repository.compareAndSet("sessions", "s", version, "old", write),
      ),
    );
    expect(changed).toEqual(versions.map(() => false));
  },

  async "gives a document to one of many who consume it"({ repository, other, clock }) {
    await repository.insert("pending", "token", { user: "ada" }, { expiresAt: clock.now + 60 });
    const taken = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? repository : other).consume("pending", "token"),
      ),
    );
    expect(taken.filter((value) => value !== undefined)).toEqual([{ user: "ada" }]);
    expect(await other.read("pending", "token")).toBeUndefined();
  },

  async "ends a document at its time, to the fraction"({ repository, clock }) {
    const expiresAt = clock.now + 1.0625;
    await repository.insert("sessions", "s", 1, { expiresAt, indexes: ["user:u"] });
    const version = (await repository.read("sessions", "s"))?.version ?? Number.NaN;
    clock.now = expiresAt - 0.0001;
    expect(await repository.read("sessions", "s")).toBeDefined();
    expect(await repository.find("sessions", "user:u")).toHaveLength(1);
    clock.now = expiresAt;
    expect(await repository.read("sessions", "s")).toBeUndefined();
    expect(await repository.find("sessions", "user:u")).toEqual([]);
    expect(await repository.consume("sessions", "s")).toBeUndefined();
    expect(await repository.compareAndSet("sessions", "s", version, 2, { expiresAt: clock.now + 9 })).toBe(
      false,
    );
  },

  async "moves the end of a document that exists, and restores none"({ repository, other, clock }) {
    const { now } = clock;
    await repository.insert("sessions", "s", 1, { expiresAt: now + 1, indexes: ["user:u"] });
    const version = (await repository.read("sessions", "s"))?.version;
    expect(await other.touchIfExists("sessions", "s", now + 2.5)).toBe(true);
    clock.now = now + 2.25;
    expect(await repository.read("sessions", "s")).toEqual({ value: 1, version });
    expect(await repository.find("sessions", "user:u")).toHaveLength(1);
    clock.now = now + 2.5;
    expect(await repository.touchIfExists("sessions", "s", now + 60)).toBe(false);
    expect(await repository.read("sessions", "s")).toBeUndefined();
    expect(await repository.touchIfExists("sessions", "absent", now + 60)).toBe(false);
    expect(await repository.read("sessions", "absent")).toBeUndefined();
  },

  async "finds by the indexes that a document has now"({ repository, other, clock }) {
    const write = (...indexes: string[]) => ({ expiresAt: clock.now + 60, indexes });
    await repository.insert("sessions", "a", 1, write("user:u", "member:m"));
    await repository.insert("sessions", "b", 2, write("user:u"));
    await repository.insert("invitations", "c", 3, write("user:u"));
    expect(await other.find("sessions", "user:u")).toEqual([
      { id: "a", value: 1 },
      { id: "b", value: 2 },
    ]);
    const version = (await repository.read("sessions", "a"))?.version ?? Number.NaN;
    await repository.compareAndSet("sessions", "a", version, 4, write("member:m", "member:n"));
    expect(await other.find("sessions", "user:u")).toEqual([{ id: "b", value: 2 }]);
    expect(await other.find("sessions", "member:n")).toEqual([{ id: "a", value: 4 }]);
    await repository.consume("sessions", "a");
    expect(await other.find("sessions", "member:m")).toEqual([]);
    expect(await other.find("sessions", "user:")).toEqual([]);
  },

  async "keeps ids and index names of any characters apart"({ repository, other, clock }) {
    for (const [index, name] of ODD_NAMES.entries()) {
      const write = { expiresAt: clock.now + 60, indexes: [`user:${name}`] };
      expect(await repository.insert("sessions", name, index, write)).toBe(true);
    }
    for (const [index, name] of ODD_NAMES.entries()) {
      expect((await other.read("sessions", name))?.value).toBe(index);
      expect(await other.find("sessions", `user:${name}`)).toEqual([{ id: name, value: index }]);
    }
  },

  async "returns each JSON value exactly"({ repository, other, clock }) {
    for (const [index, value] of ODD_VALUES.entries()) {
      await repository.insert("sessions", `s${index}`, value, { expiresAt: clock.now + 60 });
      const read = await other.read("sessions", `s${index}`);
      expect(JSON.stringify(read?.value)).toBe(JSON.stringify(value));
      const taken = await repository.consume("sessions", `s${index}`);
      expect(JSON.stringify(taken)).toBe(JSON.stringify(value));
    }
  },

  async "keeps a document of a megabyte"({ repository, other, clock }) {
    const value = { text: "0123456789".repeat(100_000) };
    await repository.insert("sessions", "large", value, { expiresAt: clock.now + 60 });
    expect((await other.read("sessions", "large"))?.value).toEqual(value);
  },

  async "does not change what it was given, and does not follow later changes"({ repository, clock }) {
    const value = { list: [1] };
    const indexes = ["user:u"];
    await repository.insert("sessions", "s", value, { expiresAt: clock.now + 60, indexes });
    value.list.push(2);
    indexes.push("user:v");
    expect((await repository.read("sessions", "s"))?.value).toEqual({ list: [1] });
    expect(await repository.find("sessions", "user:v")).toEqual([]);
  },

  async "answers a ping, and says that other processes see the documents"({ repository }) {
    await expect(repository.ping?.()).resolves.toBeUndefined();
    expect(repository.durability).toBe("shared");
  },
};
