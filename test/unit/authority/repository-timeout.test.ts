import { describe, expect, it } from "@jest/globals";
import { createAuthority, memoryRepository } from "../../../src/authority/index.ts";
import type { Repository } from "../../../src/authority/index.ts";
import { checkedRepository } from "../../../src/authority/checked-repository.ts";
import { makeDirectory, makeWorld, refusedWith } from "./set-up.ts";

const never = (): Promise<never> => new Promise<never>(() => undefined);
const LATER = { expiresAt: 2_000_000_000 };

describe("a repository that does not answer", () => {
  const silent: Repository = {
    read: never,
    insert: never,
    compareAndSet: never,
    consume: never,
    touchIfExists: never,
    find: never,
    ping: never,
    close: never,
  };

  it.each<[string, (repository: ReturnType<typeof checkedRepository>) => Promise<unknown>]>([
    ["read", (repository) => repository.read("sessions", "a")],
    ["insert", (repository) => repository.insert("sessions", "a", {}, LATER)],
    ["compareAndSet", (repository) => repository.compareAndSet("sessions", "a", 1, {}, LATER)],
    ["consume", (repository) => repository.consume("sessions", "a")],
    ["find", (repository) => repository.find("sessions", "user:a")],
    ["ping", (repository) => repository.ping()],
  ])("is unavailable after the time limit: %s", async (method, call) => {
    const answer = call(checkedRepository(silent, 0.01));
    expect(await refusedWith(answer)).toBe("store_unavailable repository_timeout");
    await expect(answer).rejects.toThrow(`repository.${method} did not answer within 0.01 s`);
  });

  it("makes the authority unavailable, which waits for it no longer than repositoryTimeout", async () => {
    const { authority } = makeWorld({
      repository: { ...memoryRepository(), find: never },
      repositoryTimeout: 0.01,
    });
    expect(await refusedWith(authority.listSessions({ userId: "user_ada" }))).toBe(
      "store_unavailable repository_timeout",
    );
  });

  it("may fail after the time limit without ending the process", async () => {
    let fail = (): void => undefined;
    const failing = new Promise<never>((_resolve, reject) => {
      fail = () => reject(new Error("connection reset"));
    });
    const repository = { ...memoryRepository(), read: () => failing };
    const answer = checkedRepository(repository, 0.01).read("sessions", "a");
    expect(await refusedWith(answer)).toBe("store_unavailable repository_timeout");
    fail();
    await expect(failing).rejects.toThrow("connection reset");
  });

  it("is asked what it can answer where it has no ping", async () => {
    const asked: string[] = [];
    const read: Repository["read"] = async (collection) => {
      asked.push(collection);
      return undefined;
    };
    await checkedRepository({ ...memoryRepository(), read }).ping();
    expect(asked).toEqual(["keys"]);
  });

  it.each([0, -1, 61, "1"])("refuses %p as its time limit", (repositoryTimeout) => {
    const create = (): unknown =>
      createAuthority({
        issuer: "https://a.example",
        directory: makeDirectory(),
        repositoryTimeout: repositoryTimeout as number,
      });
    expect(create).toThrow("repositoryTimeout");
  });
});
