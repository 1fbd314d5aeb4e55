import { isOrgateError } from "../../../errors.ts";
import { checkCustomClaims } from "../../check-input.ts";
import type { Fields } from "../read-fields.ts";
import { stytchError } from "./errors.ts";

type CustomClaims = Readonly<Record<string, unknown>> | null;

const RESERVED_CLAIMS: ReadonlySet<string> = new Set(["iss", "sub", "aud", "exp", "nbf", "iat", "jti"]);
const STYTCH_PREFIX = "https://stytch.com/";

/** Lists the claims that may stand at the top level of a JWT: none that a registered claim or one of Stytch's could be taken for. */
export function listOwnClaims(claims: CustomClaims): Record<string, unknown> {
  const own = Object.entries(claims ?? {}).filter(
    ([name]) => !RESERVED_CLAIMS.has(name) && !name.startsWith(STYTCH_PREFIX),
  );
  return Object.fromEntries(own);
}

/**
 * Reads `session_custom_claims` as a change: a value sets a claim, `null` deletes it. Reserved names are ignored; 4 KB in all.
 *
 * @returns what makes the claims after the change from those before; `undefined` if nothing is to change
 */
export function readClaimsChange(fields: Fields): ((before: CustomClaims) => CustomClaims) | undefined {
  const given = fields.optionalObject("session_custom_claims")?.entries() ?? [];
  if (given.some(([name]) => name.startsWith(STYTCH_PREFIX))) {
    throw stytchError(400, "stytch_claims_in_custom_claims", "Custom claims must not be Stytch's own.");
  }
  const changes = given.filter(([name]) => !RESERVED_CLAIMS.has(name));
  if (changes.length === 0) return undefined;
  const apply = (before: CustomClaims): CustomClaims => {
    const claims = new Map(Object.entries(before ?? {}));
    for (const [name, value] of changes) {
      if (value === null) claims.delete(name);
      else claims.set(name, value);
    }
    return checkSize(Object.fromEntries(claims));
  };
  // Checked before anything is written, whatever the session holds.
  apply(null);
  return (before) => {
    const after = apply(before);
    // The same object if nothing changed, so that nothing is written.
    return JSON.stringify(after) === JSON.stringify(before) ? before : after;
  };
}

function checkSize(claims: Record<string, unknown>): CustomClaims {
  try {
    return checkCustomClaims("customClaims", claims);
  } catch (error) {
    if (!isOrgateError(error)) throw error;
    const refusal = stytchError(400, "invalid_session_custom_claims", error.message);
    throw Object.assign(refusal, { cause: error });
  }
}
