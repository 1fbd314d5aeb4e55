import { describe, expect, it } from "@jest/globals";
import { memoryRepository } from "../../../src/authority/index.ts";
import type { Repository } from "../../../src/authority/index.ts";
import type { RepositoryHarness } from "../../../src/testing/contract/repository-cases.ts";
import { repositoryContract } from "../../../src/testing/repository-contract.ts";

const START = 1_800_000_000;

function makeHarness(
  sabotage: (repository: Repository, clock: () => number) => Partial<Repository> = () => ({}),
) {
  return (): RepositoryHarness => {
    let now = START;
    const clock = (): number => now;
    const real = memoryRepository({ clock });
    return {
      repository: { ...real, ...sabotage(real, clock) },
      clock,
      advance: (seconds) => void (now += seconds),
      close: () => real.close(),
    };
  };
}

async function failuresOf(make: () => RepositoryHarness): Promise<readonly string[]> {
  const tests = repositoryContract(make, { onSkipped: () => undefined });
  const outcomes = await Promise.allSettled(tests.map(({ run }) => run()));
  return tests.flatMap(({ name }, index) => (outcomes[index]?.status === "rejected" ? [name] : []));
}

const NEEDS_CORRUPT = "a document that no repository has written is trouble, and never absent";

describe("the memory repository keeps the contract", () => {
  it.each(repositoryContract(makeHarness(), { onSkipped: () => undefined }))(
    "$name",
    async ({ name, run }) => {
      // Nothing but itself writes into this process's memory.
      expect(await run()).toBe(name === NEEDS_CORRUPT ? "skipped" : "passed");
    },
  );
});

type Sabotage = (repository: Repository, clock: () => number) => Partial<Repository>;

/** A repository that keeps something beside the real one, to misbehave with. */
const BROKEN: readonly (readonly [promise: string, what: string, Sabotage])[] = [
  [
    "an inserted document is read, also by another process, and only in its own collection",
    "keeps all collections in one",
    (real) => ({
      insert: (_collection, ...given) => real.insert("sessions", ...given),
      read: (_collection, id) => real.read("sessions", id),
    }),
  ],
  [
    "inserting an id that exists changes nothing",
    "replaces what is there",
    (real) => ({
      async insert(collection, id, ...given) {
        const isNew = (await real.consume(collection, id)) === undefined;
        await real.insert(collection, id, ...given);
        return isNew;
      },
    }),
  ],
  [
    "of concurrent inserts of one id exactly one succeeds",
    "looks before it inserts",
    (real) => ({
      async insert(collection, id, ...given) {
        if ((await real.read(collection, id)) !== undefined) return false;
        await real.insert(collection, id, ...given);
        return true;
      },
    }),
  ],
  [
    "a compare-and-set replaces the version that it names, once",
    "sets without comparing",
    (real) => ({
      async compareAndSet(collection, id, _version, ...given) {
        const found = await real.read(collection, id);
        return found !== undefined && real.compareAndSet(collection, id, found.version, ...given);
      },
    }),
  ],
  [
    "of concurrent compare-and-sets of one version exactly one succeeds",
    "says that each was first",
    (real) => ({
      async compareAndSet(collection, id, version, ...given) {
        const found = await real.read(collection, id);
        await real.compareAndSet(collection, id, version, ...given);
        return found?.version === version;
      },
    }),
  ],
  [
    "a compare-and-set makes no document",
    "writes what is gone",
    (real) => ({
      async compareAndSet(collection, id, version, ...given) {
        const isSet = await real.compareAndSet(collection, id, version, ...given);
        return (
          isSet || ((await real.read(collection, id)) === undefined && real.insert(collection, id, ...given))
        );
      },
    }),
  ],
  [
    "a version is never used again, also when a document is deleted or expires and is made anew",
    "counts the versions of each document from 1",
    (real) => {
      const offsets = new Map<string, number>();
      return {
        async insert(collection, id, ...given) {
          const isNew = await real.insert(collection, id, ...given);
          if (isNew) offsets.set(id, ((await real.read(collection, id))?.version ?? 0) - 1);
          return isNew;
        },
        async read(collection, id) {
          const found = await real.read(collection, id);
          return found && { ...found, version: found.version - (offsets.get(id) ?? 0) };
        },
        compareAndSet: (collection, id, version, ...given) =>
          real.compareAndSet(collection, id, version + (offsets.get(id) ?? 0), ...given),
      };
    },
  ],
  [
    "of concurrent consumers exactly one gets the value",
    "reads, then deletes",
    (real) => ({
      async consume(collection, id) {
        const found = await real.read(collection, id);
        await real.consume(collection, id);
        return found?.value;
      },
    }),
  ],
  [
    "a document that is consumed while others change it stays gone",
    "writes back what was consumed meanwhile",
    (real) => ({
      async compareAndSet(collection, id, version, ...given) {
        const found = await real.read(collection, id);
        if (found?.version !== version) return false;
        await real.consume(collection, id);
        return real.insert(collection, id, ...given);
      },
    }),
  ],
  [
    "a document exists until its expiry, to the fraction of a second",
    "keeps whole seconds: rounds down",
    (real) => ({
      insert: (collection, id, value, write) =>
        real.insert(collection, id, value, { ...write, expiresAt: Math.floor(write.expiresAt) }),
    }),
  ],
  [
    "a document exists until its expiry, to the fraction of a second",
    "keeps whole seconds: rounds up",
    (real) => ({
      insert: (collection, id, value, write) =>
        real.insert(collection, id, value, { ...write, expiresAt: Math.ceil(write.expiresAt) }),
    }),
  ],
  [
    "an expired document cannot be changed, consumed or touched, and its id is free",
    "never expires anything",
    (real) => ({
      insert: (collection, id, value, write) =>
        real.insert(collection, id, value, { ...write, expiresAt: START * 2 }),
    }),
  ],
  [
    "a compare-and-set moves the expiry, to both sides",
    "keeps the expiry of the insert",
    (real) => {
      const first = new Map<string, number>();
      return {
        insert(collection, id, value, write) {
          first.set(id, write.expiresAt);
          return real.insert(collection, id, value, write);
        },
        compareAndSet: (collection, id, version, value, write) =>
          real.compareAndSet(collection, id, version, value, {
            ...write,
            expiresAt: first.get(id) ?? write.expiresAt,
          }),
      };
    },
  ],
  [
    "touching moves the expiry and nothing else, to both sides",
    "restores what expired, and counts a version",
    (real) => ({
      async touchIfExists(collection, id, expiresAt) {
        const found = await real.read(collection, id);
        if (found === undefined) return false;
        return real.compareAndSet(collection, id, found.version, found.value, { expiresAt });
      },
    }),
  ],
  [
    "documents are found by each of their indexes, exactly, and in their collection alone",
    "finds by the beginning of a name",
    (real) => ({
      async find(collection, index) {
        const found = await Promise.all(
          ["", "1", "11", "1:x"].map((rest) => real.find(collection, index + rest)),
        );
        return found.flat();
      },
    }),
  ],
  [
    "a document is found by the indexes of its last write alone",
    "forgets no index",
    (real) => {
      const written = new Map<string, Set<string>>();
      const note = (id: string, indexes: readonly string[] = []): string[] => {
        const all = new Set([...(written.get(id) ?? []), ...indexes]);
        written.set(id, all);
        return [...all];
      };
      return {
        insert: (collection, id, value, write) =>
          real.insert(collection, id, value, { ...write, indexes: note(id, write.indexes) }),
        compareAndSet: (collection, id, version, value, write) =>
          real.compareAndSet(collection, id, version, value, { ...write, indexes: note(id, write.indexes) }),
      };
    },
  ],
  [
    "a document that was refused leaves no index behind",
    "finds ids of documents that are gone",
    (real) => {
      const ids = new Map<string, Set<string>>();
      return {
        insert(collection, id, value, write) {
          for (const index of write.indexes ?? []) ids.set(index, (ids.get(index) ?? new Set()).add(id));
          return real.insert(collection, id, value, write);
        },
        find: async (_collection, index) => [...(ids.get(index) ?? [])].map((id) => ({ id, value: {} })),
      };
    },
  ],
  [
    "many documents are found under one index",
    "finds a page of a hundred",
    (real) => ({ find: async (...asked) => (await real.find(...asked)).slice(0, 100) }),
  ],
  [
    "values come back as the JSON that was written",
    "loses what JSON in a database cannot hold",
    (real) => ({
      insert: (collection, id, value, write) =>
        real.insert(collection, id, JSON.parse(JSON.stringify(value).replaceAll("\\u0000", "")), write),
    }),
  ],
  [
    "a value that is changed after it was written or read changes no document",
    "hands out what it keeps",
    (real) => {
      const kept = new Map<string, unknown>();
      return {
        insert(collection, id, value, write) {
          kept.set(id, value);
          return real.insert(collection, id, value, write);
        },
        async read(collection, id) {
          const found = await real.read(collection, id);
          return found && { ...found, value: kept.get(id) };
        },
      };
    },
  ],
  [
    "any text is an id and an index name, and no two of them are the same",
    "compares ids after normalization",
    (real) => ({
      insert: (collection, id, ...given) => real.insert(collection, id.normalize("NFKC"), ...given),
      read: (collection, id) => real.read(collection, id.normalize("NFKC")),
    }),
  ],
  [
    "it answers a ping, and can be closed twice",
    "cannot be closed twice",
    (real) => {
      let isClosed = false;
      return {
        async close() {
          if (isClosed) throw new Error("closed already");
          isClosed = true;
          await real.close();
        },
      };
    },
  ],
];

describe("the repository contract notices a repository that", () => {
  it.each(BROKEN)("(%s) %s", async (promise, _what, sabotage) => {
    expect(await failuresOf(makeHarness(sabotage))).toContain(promise);
  });

  it.each<[string, Partial<Repository>]>([
    ["reads nothing", { read: async () => undefined }],
    ["inserts again", { insert: async () => true }],
    ["leaves it out", { find: async () => [] }],
    ["consumes nothing", { consume: async () => undefined }],
    ["replaces it", { compareAndSet: async () => true }],
  ])("meets what it has not written, and %s", async (_what, lenient) => {
    const corrupted = (more: Partial<Repository>) => (): RepositoryHarness => {
      const harness = makeHarness()();
      let isCorrupt = false;
      const fail = async (): Promise<never> => {
        throw new Error("not JSON");
      };
      const { repository } = harness;
      const names = ["read", "insert", "compareAndSet", "consume", "find"] as const;
      const methods = Object.fromEntries(
        names.map((name) => [
          name,
          (...given: never[]): unknown =>
            Reflect.apply(isCorrupt ? (more[name] ?? fail) : repository[name], repository, given),
        ]),
      );
      return {
        ...harness,
        repository: { ...repository, ...methods },
        corrupt: () => void (isCorrupt = true),
      };
    };
    expect(await failuresOf(corrupted({}))).toEqual([]);
    expect(await failuresOf(corrupted(lenient))).toEqual([NEEDS_CORRUPT]);
  });

  it("breaks any of its promises", () => {
    const noticed = new Set([...BROKEN.map(([promise]) => promise), NEEDS_CORRUPT]);
    expect(noticed).toEqual(new Set(repositoryContract(makeHarness()).map(({ name }) => name)));
  });
});
