import type { Engine } from "../engine/engine.ts";
import { createProblems, type Problems } from "../options/problems.ts";
import type { SessionStore } from "../stores/session-store.ts";

/** Methods that a store may have or not. */
export type OptionalMethod =
  | "organizations"
  | "selectOrganization"
  | "switchOrganization"
  | "beginSignIn"
  | "completeSignIn"
  | "endSession";

/** Notes a handler whose store has none of the methods that it works by. */
export function requireStore(
  { options }: Engine,
  problems: Problems,
  handler: string,
  methods: readonly OptionalMethod[],
): void {
  if (methods.some((method) => options.store[method] !== undefined)) return;
  const message = `needs a store with ${methods.map((method) => `${method}()`).join(" or ")}.`;
  problems.invalid(handler, message, "This store does not offer it: leave the handler out.");
}

/**
 * A method of the store, bound to it.
 *
 * @throws ConfigurationError where the store has none.
 */
export function requireMethod<Method extends OptionalMethod>(
  engine: Engine,
  method: Method,
): NonNullable<SessionStore[Method]> {
  const { store } = engine.options;
  const problems = createProblems();
  requireStore(engine, problems, "store", [method]);
  problems.throwIfAny();
  return store[method]?.bind(store) as NonNullable<SessionStore[Method]>;
}
