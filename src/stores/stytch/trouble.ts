import { StoreUnavailableError } from "../../errors.ts";

/** Something between the application and Stytch that says nothing about anybody's session. */
export function trouble(reason: string, requestId?: string): StoreUnavailableError {
  return new StoreUnavailableError({
    reason,
    message: `Stytch could not be asked (${reason}).`,
    ...(requestId !== undefined && { requestId }),
  });
}

/** Stytch refuses this application, not its user: waiting does not help. */
export function misconfigured(reason: string, requestId?: string): StoreUnavailableError {
  return new StoreUnavailableError({
    reason,
    message: `Stytch refuses this project's own configuration (${reason}).`,
    misconfigured: true,
    ...(requestId !== undefined && { requestId }),
  });
}
