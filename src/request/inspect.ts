import type { IncomingMessage, ServerResponse } from "node:http";
import { ConfigurationError, OrgateError, StoreUnavailableError, retryHeaders } from "../errors.ts";
import type { AuthState, DetachedState, SignedIn } from "../model.ts";
import { authenticateRequest } from "./authenticate.ts";
import type { Instance } from "./instance.ts";
import { type RequestAuth, requireRequestAuth } from "./request-auth.ts";

/** Returns who is asking, as a union. */
export function stateOfRequest(instance: Instance, request: IncomingMessage): AuthState {
  return requireRequestAuth(instance, request, "state").state;
}

/** Returns the signed-in member, organization and session of a guarded request. */
export function sessionOf(instance: Instance, request: IncomingMessage): SignedIn {
  const { session, passedGuard } = requireRequestAuth(instance, request, "session");
  const organization = session?.organization;
  if (session === undefined || organization === undefined || !passedGuard) {
    const suggestion =
      "Put auth.requireOrganization() or auth.requirePermission(...) in front of the handler.";
    const message = "was called where no guard saw to it that there is a session with an organization.";
    throw new ConfigurationError([{ code: "not_guarded", option: "session", message, suggestion }]);
  }
  const { member, memberSession } = session;
  return { member, organization, memberSession };
}

/** Authenticates a request that no middleware saw. */
export async function authenticateDetached(
  instance: Instance,
  request: IncomingMessage,
  response: ServerResponse | undefined,
): Promise<DetachedState> {
  const auth = await authenticateRequest(instance, request, response);
  auth.markUsed();
  return Object.freeze({ ...auth.state, headers: headersOf(auth) });
}

function headersOf({ cookies, headers }: RequestAuth): DetachedState["headers"] {
  return Object.freeze({
    ...Object.fromEntries(headers ?? []),
    ...(cookies !== undefined && { "Set-Cookie": [...cookies.values()] }),
  });
}

/** Makes the error for a caller that needs a signed-in member: the state's own code, with its status and `Retry-After`. */
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
