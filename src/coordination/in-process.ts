import type { Coordinator, Lease } from "./coordinator.ts";

const FREE: Lease = { release: () => Promise.resolve() };

/**
 * The coordinator of an application that runs in one process: every lease is granted, because the process's own
 * single flight has already gathered the requests, and there is nobody to tell.
 */
export function inProcessCoordinator(): Coordinator {
  return {
    acquire: () => Promise.resolve(FREE),
    remember: () => Promise.resolve(),
    recall: () => Promise.resolve(undefined),
    publish: () => Promise.resolve(),
    subscribe: () => () => undefined,
    close: () => Promise.resolve(),
  };
}
