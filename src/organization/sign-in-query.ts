import type { BeginSignInOptions } from "../stores/begin-sign-in.ts";

const MAX_LENGTH = 512;
// oxlint-disable-next-line no-control-regex -- control characters are what it refuses
const FIT = /^[^\u0000-\u001f\u007f]+$/;
const MAX_AGE = /^\d{1,9}$/;

/** What a link to the sign-in may ask for. What is not understood is left out. */
export function readSignInQuery(query: URLSearchParams): BeginSignInOptions {
  const organizationId = textOf(query, "organization_id");
  const loginHint = textOf(query, "login_hint");
  const invitationToken = textOf(query, "invitation_token");
  const screenHint = query.get("screen_hint");
  const maxAge = query.get("max_age");
  return {
    ...(organizationId !== undefined && { organizationId }),
    ...(loginHint !== undefined && { loginHint }),
    ...(invitationToken !== undefined && { invitationToken }),
    ...((screenHint === "sign-in" || screenHint === "sign-up") && { screenHint }),
    ...(maxAge !== null && MAX_AGE.test(maxAge) && { maxAge: Number(maxAge) }),
  };
}

function textOf(query: URLSearchParams, name: string): string | undefined {
  const value = query.get(name);
  return value !== null && value.length <= MAX_LENGTH && FIT.test(value) ? value : undefined;
}
