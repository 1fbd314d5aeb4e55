import { WireRefusal } from "../wire-refusal.ts";

/** A refusal in Stytch's shape; the envelope completes it. */
export function stytchError(status: number, type: string, message: string): WireRefusal {
  return new WireRefusal({ status, body: { error_type: type, error_message: message } });
}

/** The session is over, or never was: the two look alike. */
export function sessionNotFound(): WireRefusal {
  return stytchError(404, "session_not_found", "Session could not be found.");
}

/** No organization of that name is open to the member; whether it exists is not told. */
export function organizationNotFound(): WireRefusal {
  return stytchError(404, "organization_not_found", "Organization could not be found.");
}

/** The intermediate session token is expired, spent, or was never made. */
export function intermediateSessionNotFound(): WireRefusal {
  return stytchError(404, "intermediate_session_not_found", "The intermediate session could not be found.");
}

/** The credentials of the project are wrong. */
export function unauthorizedCredentials(): WireRefusal {
  const body = { error_type: "unauthorized_credentials", error_message: "Unauthorized credentials." };
  return new WireRefusal({ status: 401, body, headers: { "WWW-Authenticate": 'Basic realm="Stytch"' } });
}

/** The roles of the session do not grant it. */
export function notPermitted(): WireRefusal {
  return stytchError(
    403,
    "session_authorization_error",
    "The Member is not authorized to perform the requested action on that resource.",
  );
}

/** The session is another organization's. */
export function wrongTenant(): WireRefusal {
  return stytchError(
    403,
    "session_authorization_tenancy_error",
    "OrganizationID in AuthorizationCheck request does not match session's Organization ID",
  );
}
