import { isOrgateError } from "../../../errors.ts";
import { checkCustomClaims } from "../../check-input.ts";
import type { Fields } from "../read-fields.ts";
import { readOptionalObject } from "../read-fields.ts";
import { stytchError } from "./errors.ts";

type CustomClaims = Readonly<Record<string, unknown>> | null;

const RESERVED: ReadonlySet<string> = new Set(["iss", "sub", "aud", "exp", "nbf", "iat", "jti"]);
const STYTCH_CLAIMS = "https://stytch.com/";

/** The claims that go to the top level of a JWT: never one that would pass for a registered claim or for Stytch's own. */
export function listOwnClaims(claims: CustomClaims): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(claims ?? {}).filter(([name]) => !RESERVED.has(name) && !name.startsWith(STYTCH_CLAIMS)),
  );
}

/**
 * Reads `session_custom_claims` as a change: names that are there are set, or deleted where they are `null`; reserved
 * names are passed over; 4 KB in all.
 */
export function readClaimsChange(fields: Fields): ((before: CustomClaims) => CustomClaims) | undefined {
  const change = readOptionalObject(fields, "session_custom_claims");
  if (change === undefined) return undefined;
  if ([...change.keys()].some((name) => name.startsWith(STYTCH_CLAIMS))) {
    throw stytchError(400, "stytch_claims_in_custom_claims", "Custom claims must not be Stytch's own.");
  }
  const changes = [...change].filter(([name]) => !RESERVED.has(name));
  // Refused before anything is written, whatever the session holds.
  check(Object.fromEntries(changes.filter(([, value]) => value !== null)));
  if (changes.length === 0) return undefined;
  return (before) => {
    const claims = new Map(Object.entries(before ?? {}));
    for (const [name, value] of changes) {
      if (value === null) claims.delete(name);
      else claims.set(name, value);
    }
    const after = check(Object.fromEntries(claims));
    // The same object where nothing changed, so that nothing is written.
    return JSON.stringify(after) === JSON.stringify(before) ? before : after;
  };
}

function check(claims: Record<string, unknown>): CustomClaims {
  try {
    return checkCustomClaims(claims);
  } catch (error) {
    if (!isOrgateError(error)) throw error;
    throw stytchError(400, "invalid_session_custom_claims", error.message);
  }
}
