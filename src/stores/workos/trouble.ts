import { StoreUnavailableError } from "../../errors.ts";

/** Something between the application and WorkOS that says nothing about anybody's session. */
export function trouble(reason: string): StoreUnavailableError {
  return new StoreUnavailableError({ reason, message: `WorkOS could not be asked (${reason}).` });
}
