import type { Clock } from "./clock.ts";
import { MAX_COOKIE_LINE_LENGTH, ownCookieAttributes, setCookieLine } from "./cookies.ts";
import { isSameSecret, sha256 } from "./digest.ts";
import { isFiniteNumber, isObject, isString } from "./predicates.ts";
import type { Sealer } from "./seal.ts";

/** One kind of short-lived cookie whose value is sealed and bound to a secret. */
export interface SealedCookieKind<Value> {
  /** Sealed with the value, so that a cookie of one kind never opens as another. */
  readonly name: string;
  /** Seconds that a cookie is good for. */
  readonly lifetime: number;
  /** Checks every sealed member that is used; `undefined` rejects the cookie. */
  readonly parse: (members: SealedMembers) => Value | undefined;
}

/** What lies in the seal: members of the kind's own, and these. */
export interface SealedMembers extends Readonly<Record<string, unknown>> {
  readonly kind: string;
  /** SHA-256 of the secret that the cookie is bound to. */
  readonly binding: string;
  /** In seconds since the epoch, as is `expiresAt`. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** What decides how cookies are sealed and opened. */
export interface SealedCookieOptions {
  readonly clock: Clock;
  /** Seconds by which another process's clock may be ahead. */
  readonly clockTolerance: number;
  readonly secure: boolean;
}

/** A cookie to be sealed. */
export interface NewSealedCookie {
  readonly sealer: Sealer;
  readonly cookieName: string;
  readonly members: object;
  /** The cookie opens only together with this secret. */
  readonly secret: string;
  /** At most the kind's lifetime from now. */
  readonly expiresAt: number;
  /** Stands in front of the seal, readable for everybody. */
  readonly prefix?: string;
}

/** Seals a cookie and formats its `Set-Cookie` line; `undefined` if it is too long for browsers. */
export async function sealCookie(
  { clock, secure }: SealedCookieOptions,
  { name: kind }: SealedCookieKind<unknown>,
  { sealer, cookieName, members, secret, expiresAt, prefix = "" }: NewSealedCookie,
): Promise<string | undefined> {
  const issuedAt = clock();
  const sealed = await sealer.sealValue({ ...members, kind, binding: sha256(secret), issuedAt, expiresAt });
  const maxAge = Math.ceil(expiresAt - issuedAt);
  const line = setCookieLine(cookieName, `${prefix}${sealed}`, ownCookieAttributes(secure), maxAge);
  return line.length > MAX_COOKIE_LINE_LENGTH ? undefined : line;
}

/**
 * Opens a cookie's seal; `undefined` if it is not a good seal, of another kind, expired, or bound to another secret, and where
 * nothing is sealed at all.
 */
export async function openCookie<Value>(
  { sealer, options }: { readonly sealer: Sealer | undefined; readonly options: SealedCookieOptions },
  { name, lifetime, parse }: SealedCookieKind<Value>,
  { sealed, secret }: { readonly sealed: string; readonly secret: string },
): Promise<Value | undefined> {
  const members = await sealer?.unsealValue(sealed);
  if (!isSealedMembers(members) || members.kind !== name) return undefined;
  const { binding, issuedAt, expiresAt } = members;
  const now = options.clock();
  const isAlive = issuedAt <= now + options.clockTolerance && now < Math.min(expiresAt, issuedAt + lifetime);
  return isAlive && isSameSecret(sha256(secret), binding) ? parse(members) : undefined;
}

function isSealedMembers(value: unknown): value is SealedMembers {
  if (!isObject(value)) return false;
  const { kind, binding, issuedAt, expiresAt } = value;
  return isString(kind) && isString(binding) && isFiniteNumber(issuedAt) && isFiniteNumber(expiresAt);
}
