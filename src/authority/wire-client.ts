import { isBoolean, isString, objectWith } from "../lib/values.ts";

/** A client of a wire protocol, as it is recorded with the credentials that it was given. */
export interface WireClient {
  readonly id: string;
  /** It authenticated without a secret (RFC 6749 section 2.1). */
  readonly isPublic: boolean;
}

/**
 * Tells whether a client may use a credential that was given to `bound`.
 *
 * Without an acting client the application itself asks, and may. A public client may use only what it was given itself: it
 * has no secret, so a stolen credential would be all that it takes (RFC 9700 section 4.14.2).
 */
export function mayUse(bound: WireClient | undefined, acting: WireClient | undefined): boolean {
  if (acting === undefined) return true;
  if (bound === undefined) return !acting.isPublic;
  return bound.id === acting.id && (bound.isPublic || !acting.isPublic);
}

/** Checks that a stored value is a client. */
export const isWireClient = objectWith<WireClient>({ id: isString, isPublic: isBoolean });
