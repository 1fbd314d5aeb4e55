import { describe, expect, it } from "@jest/globals";
import { memoryRepository } from "../../../src/authority/index.ts";
import type { Repository } from "../../../src/authority/index.ts";

function make(): { repository: Repository; clock: { now: number } } {
  const clock = { now: 1000 };
  return { repository: memoryRepository({ clock: () => clock.now }), clock };
}

const LATER = { expiresAt: 2000 };

describe("the memory repository", () => {
  it("inserts once, and reads the value that was written", async () => {
    const { repository } = make();
    expect(await repository.read("sessions", "a")).toBeUndefined();
    expect(await repository.insert("sessions", "a", { n: 1 }, LATER)).toBe(true);
    expect(await repository.insert("sessions", "a", { n: 2 }, LATER)).toBe(false);
    expect(await repository.read("sessions", "a")).toEqual({ value: { n: 1 }, version: expect.any(Number) });
    expect(await repository.read("pending", "a")).toBeUndefined();
  });

  it("replaces a document only if no other write came first", async () => {
    const { repository } = make();
    await repository.insert("sessions", "a", 1, LATER);
    const { version = 0 } = (await repository.read("sessions", "a")) ?? {};
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, value) =>
        repository.compareAndSet("sessions", "a", version, value, LATER),
      ),
    );
    expect(outcomes.filter(Boolean)).toHaveLength(1);
    expect(await repository.compareAndSet("sessions", "absent", version, 1, LATER)).toBe(false);
  });

  it("does not mistake a new document for the old one of the same id", async () => {
    const { repository } = make();
    await repository.insert("sessions", "a", 1, LATER);
    const { version = 0 } = (await repository.read("sessions", "a")) ?? {};
    await repository.consume("sessions", "a");
    await repository.insert("sessions", "a", 2, LATER);
    expect(await repository.compareAndSet("sessions", "a", version, 3, LATER)).toBe(false);
  });

  it("gives a document to exactly one of many concurrent consumers", async () => {
    const { repository } = make();
    await repository.insert("pending", "a", { once: true }, LATER);
    const values = await Promise.all(Array.from({ length: 20 }, () => repository.consume("pending", "a")));
    expect(values.filter((value) => value !== undefined)).toEqual([{ once: true }]);
  });

  it("R-37: forgets a document when it expires, and touching it does not restore it", async () => {
    const { repository, clock } = make();
    await repository.insert("sessions", "a", 1, { ...LATER, indexes: ["user:a"] });
    expect(await repository.touchIfExists("sessions", "a", 3000)).toBe(true);
    clock.now = 2999.999;
    expect(await repository.find("sessions", "user:a")).toEqual([{ id: "a", value: 1 }]);
    clock.now = 3000;
    expect(await repository.touchIfExists("sessions", "a", 9000)).toBe(false);
    expect(await repository.read("sessions", "a")).toBeUndefined();
    expect(await repository.find("sessions", "user:a")).toEqual([]);
    expect(await repository.consume("sessions", "a")).toBeUndefined();
    expect(await repository.insert("sessions", "a", 2, { expiresAt: 4000 })).toBe(true);
  });

  it("finds a document by the indexes of its last write", async () => {
    const { repository } = make();
    await repository.insert("sessions", "a", 1, { ...LATER, indexes: ["user:a", "member:m"] });
    await repository.insert("sessions", "b", 2, { ...LATER, indexes: ["user:a"] });
    expect(await repository.find("sessions", "user:a")).toHaveLength(2);
    const { version = 0 } = (await repository.read("sessions", "a")) ?? {};
    await repository.compareAndSet("sessions", "a", version, 3, { ...LATER, indexes: ["member:n"] });
    expect(await repository.find("sessions", "user:a")).toEqual([{ id: "b", value: 2 }]);
    expect(await repository.find("sessions", "member:m")).toEqual([]);
    expect(await repository.find("sessions", "member:n")).toEqual([{ id: "a", value: 3 }]);
    expect(await repository.find("sessions", "__proto__")).toEqual([]);
  });

  it("keeps copies of its values", async () => {
    const { repository } = make();
    const value = { list: [1] };
    await repository.insert("sessions", "a", value, LATER);
    value.list.push(2);
    const read = (await repository.read("sessions", "a"))?.value as typeof value;
    read.list.push(3);
    expect((await repository.read("sessions", "a"))?.value).toEqual({ list: [1] });
  });

  it("R-39: treats names of Object.prototype like any other name", async () => {
    const { repository } = make();
    for (const name of ["__proto__", "constructor", "toString"]) {
      expect(await repository.read("sessions", name)).toBeUndefined();
      expect(await repository.insert("sessions", name, name, { ...LATER, indexes: [name] })).toBe(true);
      expect(await repository.find("sessions", name)).toEqual([{ id: name, value: name }]);
    }
  });

  it("frees expired documents while others are written", async () => {
    const clock = { now: 0 };
    const reads: number[] = [];
    const repository = memoryRepository({
      clock: () => {
        reads.push(clock.now);
        return clock.now;
      },
    });
    for (let index = 0; index < 500; index += 1) {
      await repository.insert("sessions", `old ${index}`, index, { expiresAt: 10, indexes: ["all"] });
    }
    clock.now = 10;
    for (let index = 0; index < 300; index += 1) {
      await repository.insert("sessions", `new ${index}`, index, { expiresAt: 99, indexes: ["all"] });
    }
    reads.length = 0;
    // One look at the clock for each document that is still kept under the index.
    expect(await repository.find("sessions", "all")).toHaveLength(300);
    expect(reads).toHaveLength(300);
  });

  it("is empty after it was closed", async () => {
    const { repository } = make();
    await repository.insert("sessions", "a", 1, LATER);
    await repository.close();
    expect(await repository.read("sessions", "a")).toBeUndefined();
  });
});
