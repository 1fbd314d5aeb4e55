import type { Repository } from "../../../src/authority/index.ts";
import type { makeRandom } from "./set-up.ts";

/** A repository before and after whose every call a test decides who goes on. */
export interface ScheduledRepository {
  readonly repository: Repository;
  /** Lets the operations go on, one step of one of them at a time, until all have ended. */
  run(random: ReturnType<typeof makeRandom>, operations: readonly Promise<unknown>[]): Promise<void>;
}

export function scheduleRepository(repository: Repository): ScheduledRepository {
  const waiting: (() => void)[] = [];
  const gate = (): Promise<void> => new Promise((resolve) => void waiting.push(resolve));
  const gated = async <Answer>(call: () => Promise<Answer>): Promise<Answer> => {
    await gate();
    const answer = await call();
    await gate();
    return answer;
  };
  return {
    repository: {
      read: (...question) => gated(() => repository.read(...question)),
      insert: (...question) => gated(() => repository.insert(...question)),
      compareAndSet: (...question) => gated(() => repository.compareAndSet(...question)),
      consume: (...question) => gated(() => repository.consume(...question)),
      touchIfExists: (...question) => gated(() => repository.touchIfExists(...question)),
      find: (...question) => gated(() => repository.find(...question)),
      close: () => repository.close(),
    },
    async run(random, operations) {
      const running = new Set(operations);
      const leave = (operation: Promise<unknown>): unknown => running.delete(operation);
      const all = Promise.all(
        operations.map((one) =>
          one.then(
            () => leave(one),
            () => leave(one),
          ),
        ),
      );
      while (running.size > 0) {
        await new Promise((resolve) => void setImmediate(resolve));
        const [next] = waiting.splice(random.below(Math.max(waiting.length, 1)), 1);
        next?.();
      }
      await all;
    },
  };
}
