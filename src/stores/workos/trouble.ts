import { StoreUnavailableError } from "../../errors.ts";
import { MALFORMED } from "./error-codes.ts";

/** Seconds, where WorkOS does not say how many. */
const CONTENTION_PAUSE = 1;

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

/** WorkOS refuses a request, and says nothing about anybody's session by it. */
export function rejected(code: string): StoreUnavailableError {
  return code === MALFORMED ? clientRejected() : trouble("request_rejected");
}

/** Another process presents the same refresh token right now. */
export function contended(retryAfter = CONTENTION_PAUSE): StoreUnavailableError {
  return new StoreUnavailableError({
    reason: "refresh_contended",
    message: "The refresh token is being exchanged by another process.",
    retryAfter,
    contended: true,
  });
}
