import type { Repository } from "../authority/repository.ts";

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
