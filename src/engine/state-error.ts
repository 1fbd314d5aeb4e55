import type { AuthState } from "../auth-state.ts";
import { OrgateError, retryHeaders, StoreUnavailableError } from "../errors.ts";

/** What is thrown to whoever needs a signed-in member and finds none: the state's own code, with its status and `Retry-After`. */
export function errorOf(state: AuthState): OrgateError {
  switch (state.status) {
    case "unavailable":
      return state.code === "clock_skew"
        ? new OrgateError(state.code, { headers: retryHeaders(state.retryAfter) })
        : new StoreUnavailableError({ retryAfter: state.retryAfter });
    case "rejected":
      return new OrgateError(state.code);
    default:
      return new OrgateError("unauthenticated");
  }
}
