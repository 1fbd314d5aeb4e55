import { StoreUnavailableError, isOrgateError } from "../errors.ts";

/**
 * Calls a function of the application's own, such as `directory.user`.
 *
 * What it throws means "cannot know", and becomes a `StoreUnavailableError` with the original as its `cause`. An `OrgateError`
 * is passed on unchanged.
 */
export async function callDependency<Value>(name: string, call: () => Promise<Value>): Promise<Value> {
  try {
    return await call();
  } catch (cause) {
    if (isOrgateError(cause)) throw cause;
    // The message of the original may quote a secret, so this one names only its kind.
    const message = `${name} failed (${kindOf(cause)})`;
    throw new StoreUnavailableError({ message, reason: "dependency_failed", cause });
  }
}

/** Makes the error for a value that a function of the application must not return. */
export function malformedAnswer(name: string, cause?: unknown): StoreUnavailableError {
  const message = `${name} returned a value that its interface does not allow`;
  return new StoreUnavailableError({ message, reason: "dependency_malformed", cause });
}

function kindOf(thrown: unknown): string {
  try {
    return thrown instanceof Error && /^[\w.$]{1,64}$/.test(thrown.name) ? thrown.name : typeof thrown;
  } catch {
    // A proxy may throw when it is read; its own error would tell nothing about the one that was thrown.
    return typeof thrown;
  }
}
