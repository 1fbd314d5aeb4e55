import { StoreUnavailableError } from "../../errors.ts";

/** Something between the application and WorkOS that says nothing about anybody's session. */
export function trouble(reason: string): StoreUnavailableError {
  return new StoreUnavailableError({ reason, message: `WorkOS could not be asked (${reason}).` });
}

/** WorkOS refuses this application, not its user: waiting does not help, and nobody is signed out over it. */
export function clientRejected(): StoreUnavailableError {
  return new StoreUnavailableError({
    reason: "client_rejected",
    message: "WorkOS refuses this application's own client id or API key.",
    misconfigured: true,
  });
}
