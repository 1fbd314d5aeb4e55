import { AsyncLocalStorage } from "node:async_hooks";
import { afterEach, describe, expect, it, jest } from "@jest/globals";
import { endOfTurn, onNextTurn } from "../../../src/lib/event-loop.ts";

const realSetImmediate = setImmediate;
const nextTurn = (): Promise<void> => new Promise((resolve) => void realSetImmediate(resolve));

afterEach(() => {
  jest.useRealTimers();
});

describe("endOfTurn", () => {
  it("comes after all that was going on, for everybody together", async () => {
    const order: string[] = [];
    const waiting = [endOfTurn(), endOfTurn()].map((end, index) =>
      end.then(() => order.push(`end ${index}`)),
    );
    await Promise.resolve();
    queueMicrotask(() => order.push("microtask"));
    waiting.push(endOfTurn().then(() => order.push("end 2")));
    await nextTurn();
    expect(order).toEqual(["microtask", "end 0", "end 1", "end 2"]);
    await Promise.all(waiting);
  });

  it("comes again in the next turn", async () => {
    const first = endOfTurn();
    expect(endOfTurn()).toBe(first);
    await first;
    expect(endOfTurn()).not.toBe(first);
    await endOfTurn();
  });

  it("leaves everybody in a context of their own", async () => {
    const storage = new AsyncLocalStorage<string>();
    const told = async (): Promise<string | undefined> => {
      await endOfTurn();
      return storage.getStore();
    };
    const names = ["one", "two"];
    expect(await Promise.all(names.map((name) => storage.run(name, told)))).toEqual(names);
  });

  it("is not held up by fake timers", async () => {
    jest.useFakeTimers();
    await endOfTurn();
    await new Promise((resolve) => void onNextTurn(resolve));
    expect(jest.getTimerCount()).toBe(0);
  });
});
