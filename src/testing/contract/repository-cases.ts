import assert from "node:assert/strict";
import type { CollectionName, Repository, WriteOptions } from "../../authority/repository.ts";
import type { Clock } from "../../lib/clock.ts";
import { CaseSkipped } from "./case-skipped.ts";

/** A repository and what a test needs to control it. Every case gets a harness, and a repository without documents. */
export interface RepositoryHarness {
  readonly repository: Repository;
  /** The clock by which documents expire. */
  readonly clock: Clock;
  /** Lets this many seconds pass by that clock, fractions included. */
  advance(seconds: number): void | Promise<void>;
  /** Makes another repository over the same documents, as another process has it. @defaultValue the cases use one */
  join?(): Repository | Promise<Repository>;
  /**
   * Replaces what the engine holds of a document by something that no repository has written. @defaultValue cases that need it are
   * skipped
   */
  corrupt?(collection: CollectionName, id: string): void | Promise<void>;
  close(): void | Promise<void>;
}

/** The repository under test, from the view of two processes. */
export class RepositorySubject {
  readonly harness: RepositoryHarness;
  readonly repository: Repository;
  /** The same documents as another process has them. */
  readonly other: Repository;

  private constructor(harness: RepositoryHarness, other: Repository) {
    this.harness = harness;
    this.repository = harness.repository;
    this.other = other;
  }

  static async open(harness: RepositoryHarness): Promise<RepositorySubject> {
    return new RepositorySubject(harness, (await harness.join?.()) ?? harness.repository);
  }

  /** How to write a document that lives for so many seconds. */
  lasting(seconds: number, ...indexes: readonly string[]): WriteOptions {
    return { expiresAt: this.harness.clock() + seconds, indexes };
  }

  insert(id: string, value: unknown = {}, ...indexes: readonly string[]): Promise<boolean> {
    return this.repository.insert("sessions", id, value, this.lasting(LONG, ...indexes));
  }

  /** Inserts a document, which must be new, and returns its version. */
  async insertNew(id: string, value: unknown = {}, ...indexes: readonly string[]): Promise<number> {
    assert.equal(await this.insert(id, value, ...indexes), true, "a new document must be stored");
    return this.versionOf(id);
  }

  async versionOf(id: string): Promise<number> {
    const found = await this.repository.read("sessions", id);
    assert.ok(found, `"${id}" must be there`);
    return found.version;
  }

  async valueOf(id: string): Promise<unknown> {
    return (await this.repository.read("sessions", id))?.value;
  }

  /** Lists the ids under an index, in order, as both processes find them. */
  async idsUnder(index: string): Promise<readonly string[]> {
    const [here, there] = await Promise.all(
      [this.repository, this.other].map(async (repository) => {
        const found = await repository.find("sessions", index);
        return found.map(({ id }) => id).toSorted();
      }),
    );
    assert.deepEqual(there, here, "both processes must find the same documents");
    return here ?? [];
  }

  /** The repositories in turn, for calls that come from both processes at once. */
  inTurn(call: number): Repository {
    return call % 2 === 0 ? this.repository : this.other;
  }

  async close(): Promise<void> {
    await this.harness.close();
  }
}

/** Seconds that documents live which must not expire during a case. */
const LONG = 3600;
const CONCURRENT_CALLS = 20;

async function atOnce<Value>(call: (number: number) => Promise<Value>): Promise<readonly Value[]> {
  return Promise.all(Array.from({ length: CONCURRENT_CALLS }, (_, number) => call(number)));
}

function count(outcomes: readonly boolean[]): number {
  return outcomes.filter(Boolean).length;
}

function assertNothing(value: unknown, message: string): void {
  assert.ok(value === undefined || value === null, message);
}

type RepositoryCases = Readonly<Record<string, (subject: RepositorySubject) => Promise<void>>>;

const WRITING: RepositoryCases = {
  async "an inserted document is read, also by another process, and only in its own collection"(subject) {
    await subject.insertNew("a", { n: 1 });
    for (const repository of [subject.repository, subject.other]) {
      const found = await repository.read("sessions", "a");
      assert.deepEqual(found?.value, { n: 1 });
      assert.ok(Number.isFinite(found?.version), "a version must be a finite number");
      assertNothing(await repository.read("pending", "a"), "another collection must not have it");
      assertNothing(await repository.read("sessions", "b"), "another id must not have it");
    }
  },

  async "inserting an id that exists changes nothing"(subject) {
    const version = await subject.insertNew("a", { n: 1 }, "user:1");
    assert.equal(await subject.insert("a", { n: 2 }, "user:2"), false);
    assert.deepEqual(await subject.valueOf("a"), { n: 1 });
    assert.equal(await subject.versionOf("a"), version);
    assert.deepEqual(await subject.idsUnder("user:2"), []);
  },

  async "of concurrent inserts of one id exactly one succeeds"(subject) {
    const outcomes = await atOnce((number) =>
      subject.inTurn(number).insert("sessions", "a", { number }, subject.lasting(LONG)),
    );
    assert.equal(count(outcomes), 1);
    assert.deepEqual(await subject.valueOf("a"), { number: outcomes.indexOf(true) });
  },

  async "a compare-and-set replaces the version that it names, once"(subject) {
    const first = await subject.insertNew("a", { n: 1 });
    const replace = (version: number, n: number): Promise<boolean> =>
      subject.repository.compareAndSet("sessions", "a", version, { n }, subject.lasting(LONG));
    assert.equal(await replace(first, 2), true);
    assert.deepEqual(await subject.valueOf("a"), { n: 2 });
    assert.notEqual(await subject.versionOf("a"), first, "each write must make a new version");
    assert.equal(await replace(first, 3), false);
    assert.deepEqual(await subject.valueOf("a"), { n: 2 });
  },

  async "of concurrent compare-and-sets of one version exactly one succeeds"(subject) {
    const version = await subject.insertNew("a", { n: -1 });
    const outcomes = await atOnce((n) =>
      subject.inTurn(n).compareAndSet("sessions", "a", version, { n }, subject.lasting(LONG)),
    );
    assert.equal(count(outcomes), 1);
    assert.deepEqual(await subject.valueOf("a"), { n: outcomes.indexOf(true) });
  },

  async "a compare-and-set makes no document"(subject) {
    const version = await subject.insertNew("a");
    await subject.repository.consume("sessions", "a");
    for (const id of ["a", "b"]) {
      const options = subject.lasting(LONG, "user:1");
      assert.equal(await subject.repository.compareAndSet("sessions", id, version, {}, options), false);
      assertNothing(await subject.repository.read("sessions", id), `"${id}" must not exist`);
    }
    assert.deepEqual(await subject.idsUnder("user:1"), []);
  },

  async "a version is never used again, also when a document is deleted or expires and is made anew"(
    subject,
  ) {
    const deleted = await subject.insertNew("a", { n: 1 });
    await subject.repository.consume("sessions", "a");
    await subject.insertNew("a", { n: 2 });
    const options = subject.lasting(LONG);
    assert.equal(await subject.repository.compareAndSet("sessions", "a", deleted, {}, options), false);

    await subject.repository.insert("sessions", "b", { n: 1 }, subject.lasting(0.5));
    const expired = await subject.versionOf("b");
    await subject.harness.advance(0.75);
    await subject.insertNew("b", { n: 2 });
    assert.equal(await subject.repository.compareAndSet("sessions", "b", expired, {}, options), false);
    assert.deepEqual(await subject.valueOf("a"), { n: 2 });
    assert.deepEqual(await subject.valueOf("b"), { n: 2 });
  },

  async "of concurrent consumers exactly one gets the value"(subject) {
    await subject.insertNew("a", { once: true });
    const values = await atOnce((number) => subject.inTurn(number).consume("sessions", "a"));
    const given = values.filter((value) => value !== undefined && value !== null);
    assert.deepEqual(given, [{ once: true }]);
    assertNothing(await subject.repository.read("sessions", "a"), "it must be gone");
  },

  async "a document that is consumed while others change it stays gone"(subject) {
    for (let round = 0; round < CONCURRENT_CALLS; round += 1) {
      const id = `a${round}`;
      // oxlint-disable-next-line no-await-in-loop -- each round is a race of its own
      const version = await subject.insertNew(id, { n: 1 }, "user:1");
      const change = (): Promise<boolean> =>
        subject.other.compareAndSet("sessions", id, version, { n: 2 }, subject.lasting(LONG, "user:1"));
      const consume = (): Promise<unknown> => subject.repository.consume("sessions", id);
      // oxlint-disable-next-line no-await-in-loop -- as above
      const [changed, consumed] = await Promise.all([change(), consume()]);
      assert.deepEqual(consumed, { n: changed ? 2 : 1 }, "what is consumed must be the last value");
      // oxlint-disable-next-line no-await-in-loop -- as above
      assertNothing(await subject.repository.read("sessions", id), "it must be gone");
    }
    assert.deepEqual(await subject.idsUnder("user:1"), []);
  },
};

const EXPIRING: RepositoryCases = {
  async "a document exists until its expiry, to the fraction of a second"(subject) {
    const { repository, harness } = subject;
    await repository.insert("sessions", "a", { n: 1 }, subject.lasting(0.75, "user:1"));
    await harness.advance(0.625);
    assert.deepEqual(await subject.valueOf("a"), { n: 1 });
    assert.deepEqual(await subject.idsUnder("user:1"), ["a"]);
    await harness.advance(0.25);
    assertNothing(await repository.read("sessions", "a"), "it must be gone");
    assert.deepEqual(await subject.idsUnder("user:1"), []);
  },

  async "an expired document cannot be changed, consumed or touched, and its id is free"(subject) {
    const { repository, harness } = subject;
    await repository.insert("sessions", "a", { n: 1 }, subject.lasting(0.5));
    const version = await subject.versionOf("a");
    await harness.advance(0.75);
    const later = harness.clock() + LONG;
    assert.equal(await repository.touchIfExists("sessions", "a", later), false);
    const options = subject.lasting(LONG);
    assert.equal(await repository.compareAndSet("sessions", "a", version, { n: 2 }, options), false);
    assertNothing(await repository.consume("sessions", "a"), "nothing must be consumed");
    assertNothing(await repository.read("sessions", "a"), "nothing must have restored it");
    await subject.insertNew("a", { n: 3 });
    assert.deepEqual(await subject.valueOf("a"), { n: 3 });
  },

  async "a compare-and-set moves the expiry, to both sides"(subject) {
    const { repository, harness } = subject;
    await repository.insert("sessions", "longer", {}, subject.lasting(0.5));
    await repository.insert("sessions", "shorter", {}, subject.lasting(LONG));
    for (const [id, seconds] of [
      ["longer", LONG],
      ["shorter", 0.5],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other, so that times are known
      const version = await subject.versionOf(id);
      // oxlint-disable-next-line no-await-in-loop -- as above
      await repository.compareAndSet("sessions", id, version, { id }, subject.lasting(seconds));
    }
    await harness.advance(0.75);
    assert.deepEqual(await subject.valueOf("longer"), { id: "longer" });
    assertNothing(await repository.read("sessions", "shorter"), "it must be gone");
  },

  async "touching moves the expiry and nothing else, to both sides"(subject) {
    const { repository, harness } = subject;
    await repository.insert("sessions", "longer", { n: 1 }, subject.lasting(0.5, "user:1"));
    await repository.insert("sessions", "shorter", { n: 1 }, subject.lasting(LONG, "user:1"));
    const version = await subject.versionOf("longer");
    const now = harness.clock();
    assert.equal(await repository.touchIfExists("sessions", "longer", now + LONG), true);
    assert.equal(await repository.touchIfExists("sessions", "shorter", now + 0.5), true);
    assert.equal(await repository.touchIfExists("sessions", "absent", now + LONG), false);
    await harness.advance(0.75);
    assert.deepEqual(await subject.idsUnder("user:1"), ["longer"]);
    assert.deepEqual(await subject.valueOf("longer"), { n: 1 });
    assert.equal(await subject.versionOf("longer"), version, "touching must keep the version");
    assertNothing(await repository.read("sessions", "absent"), "touching must make no document");
  },
};

const FINDING: RepositoryCases = {
  async "documents are found by each of their indexes, exactly, and in their collection alone"(subject) {
    await subject.insertNew("a", { n: 1 }, "user:1", "member:1");
    await subject.insertNew("b", { n: 2 }, "user:1", "user:1");
    await subject.insertNew("c", { n: 3 }, "user:11", "user", "user:1:x");
    assert.deepEqual(await subject.idsUnder("user:1"), ["a", "b"]);
    assert.deepEqual(await subject.idsUnder("member:1"), ["a"]);
    assert.deepEqual(await subject.idsUnder("user:11"), ["c"]);
    for (const absent of ["user:*", "user:", "user:%", "user:_", "USER:1", "a"]) {
      assert.deepEqual(await subject.idsUnder(absent), [], `nothing is under "${absent}"`);
    }
    assert.deepEqual(await subject.repository.find("pending", "user:1"), []);
    const found = await subject.repository.find("sessions", "member:1");
    assert.deepEqual(
      found.map(({ id, value }) => ({ id, value })),
      [{ id: "a", value: { n: 1 } }],
    );
  },

  async "a document is found by the indexes of its last write alone"(subject) {
    const { repository } = subject;
    const first = await subject.insertNew("a", { n: 1 }, "user:1", "member:1");
    await repository.compareAndSet(
      "sessions",
      "a",
      first,
      { n: 2 },
      subject.lasting(LONG, "user:1", "member:2"),
    );
    assert.deepEqual(await subject.idsUnder("member:1"), []);
    assert.deepEqual(await subject.idsUnder("member:2"), ["a"]);
    assert.deepEqual(await subject.idsUnder("user:1"), ["a"]);
    await repository.compareAndSet(
      "sessions",
      "a",
      await subject.versionOf("a"),
      {},
      {
        expiresAt: subject.harness.clock() + LONG,
      },
    );
    assert.deepEqual(await subject.idsUnder("user:1"), [], "a write without indexes has none");
    await subject.repository.consume("sessions", "a");
    await subject.insertNew("a", { n: 3 }, "member:3");
    assert.deepEqual(await subject.idsUnder("member:2"), []);
    assert.deepEqual(await subject.idsUnder("member:3"), ["a"]);
  },

  async "a document that was refused leaves no index behind"(subject) {
    const version = await subject.insertNew("a", {}, "user:1");
    const { repository } = subject;
    assert.equal(await subject.insert("a", {}, "user:2"), false);
    const options = subject.lasting(LONG, "user:3");
    assert.equal(await repository.compareAndSet("sessions", "a", version + 1, {}, options), false);
    await repository.consume("sessions", "a");
    for (const index of ["user:1", "user:2", "user:3"]) {
      // oxlint-disable-next-line no-await-in-loop -- a failure names its index
      assert.deepEqual(await subject.idsUnder(index), [], `nothing is under "${index}"`);
    }
  },

  async "many documents are found under one index"(subject) {
    const ids = Array.from({ length: 250 }, (_, number) => `a${String(number).padStart(3, "0")}`);
    await Promise.all(ids.map((id) => subject.insert(id, { id }, "organization:1")));
    assert.deepEqual(await subject.idsUnder("organization:1"), ids);
  },
};

/** Ids and index names come from applications: any text may be in them. */
const ODD_NAMES = [
  " ",
  "a:b",
  "a",
  "b",
  ":",
  "a b",
  "*",
  "a*",
  "?",
  "[ab]",
  "%",
  "a%3Ab",
  "_",
  "{a}",
  "{b}a",
  "}{",
  "'; DROP TABLE sessions; --",
  '"',
  "\\",
  "a\\",
  "\n",
  "a\r\nb",
  "\u0000",
  "a\u0000b",
  "\u00e9",
  "e\u0301",
  "\u00c9",
  "K",
  "\u212a",
  "\u{1f511}",
  "__proto__",
  "constructor",
  "A",
  "a ",
  "sessions",
  "x".repeat(512),
  `${"x".repeat(511)}y`,
];

const VALUES = {
  numbers: [
    0,
    1,
    -1,
    0.1 + 0.2,
    1e21,
    5e-324,
    1.797_693_134_862_315_7e308,
    9_007_199_254_740_991,
    1_800_000_000.123,
  ],
  texts: [
    "",
    " ",
    "null",
    "\u00e9 e\u0301",
    "\u{1f511}",
    "\u0000",
    "\ud800",
    '"\\\n\u2028',
    "x".repeat(20_000),
  ],
  others: [null, true, false, [], {}, [[]], [null], { "": "" }, { a: { b: { c: [1, { d: null }] } } }],
  names: JSON.parse('{"__proto__": {"x": 1}, "constructor": 1, "toString": null, "\\u0000": 2}') as unknown,
};

const KEEPING: RepositoryCases = {
  async "values come back as the JSON that was written"(subject) {
    const expected: unknown = JSON.parse(JSON.stringify(VALUES));
    const version = await subject.insertNew("a", VALUES, "user:1");
    assert.deepEqual(await subject.valueOf("a"), expected);
    const [found] = await subject.repository.find("sessions", "user:1");
    assert.deepEqual(found?.value, expected);
    const changed = { ...VALUES, changed: true };
    await subject.repository.compareAndSet("sessions", "a", version, changed, subject.lasting(LONG));
    assert.deepEqual(
      await subject.repository.consume("sessions", "a"),
      JSON.parse(JSON.stringify(changed)) as unknown,
    );
  },

  async "a value that is changed after it was written or read changes no document"(subject) {
    const value = { list: [1] };
    await subject.insertNew("a", value);
    value.list.push(2);
    const read = await subject.valueOf("a");
    assert.deepEqual(read, { list: [1] });
    Object.assign(read as object, { list: [] });
    assert.deepEqual(await subject.valueOf("a"), { list: [1] });
  },

  async "any text is an id and an index name, and no two of them are the same"(subject) {
    const { repository } = subject;
    const outcomes = await Promise.all(
      ODD_NAMES.map((name) => repository.insert("sessions", name, { name }, subject.lasting(LONG, name))),
    );
    assert.equal(count(outcomes), ODD_NAMES.length);
    for (const name of ODD_NAMES) {
      // oxlint-disable-next-line no-await-in-loop -- a failure names its text
      assert.deepEqual(await subject.valueOf(name), { name }, `the document ${JSON.stringify(name)}`);
      // oxlint-disable-next-line no-await-in-loop -- as above
      assert.deepEqual(await subject.idsUnder(name), [name], `the index ${JSON.stringify(name)}`);
    }
    const consumed = await Promise.all(ODD_NAMES.map((name) => repository.consume("sessions", name)));
    assert.deepEqual(
      consumed,
      ODD_NAMES.map((name) => ({ name })),
    );
  },
};

const TROUBLE: RepositoryCases = {
  async "a document that no repository has written is trouble, and never absent"(subject) {
    const { repository, harness } = subject;
    if (harness.corrupt === undefined) throw new CaseSkipped("RepositoryHarness.corrupt");
    const version = await subject.insertNew("a", { n: 1 }, "user:1");
    await harness.corrupt("sessions", "a");
    const failed = Symbol("failed");
    const outcomeOf = async (answer: Promise<unknown>): Promise<unknown> => {
      const [outcome] = await Promise.allSettled([answer]);
      return outcome.status === "fulfilled" ? outcome.value : failed;
    };
    assert.equal(await outcomeOf(repository.read("sessions", "a")), failed, "read must throw");
    assert.notEqual(await outcomeOf(subject.insert("a", {})), true, "insert must not replace it");
    const options = subject.lasting(LONG);
    const set = await outcomeOf(repository.compareAndSet("sessions", "a", version, {}, options));
    assert.notEqual(set, true, "compareAndSet must not replace it");
    const found = await outcomeOf(repository.find("sessions", "user:1"));
    assert.notDeepEqual(found, [], "find must not leave it out");
    const consumed = await outcomeOf(repository.consume("sessions", "a"));
    assert.ok(consumed !== undefined && consumed !== null, "consume must not call it absent");
  },

  async "it answers a ping, and can be closed twice"(subject) {
    await subject.repository.ping?.();
    await subject.other.close();
    await subject.other.close();
  },
};

/** What the authority relies on in a repository. */
export const REPOSITORY_CASES: RepositoryCases = {
  ...WRITING,
  ...EXPIRING,
  ...FINDING,
  ...KEEPING,
  ...TROUBLE,
};
