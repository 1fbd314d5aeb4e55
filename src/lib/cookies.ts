import { maxHeaderSize } from "node:http";
import { type SetCookie, parseSetCookie, stringifySetCookie } from "cookie";
import type { Clock } from "./clock.ts";
import { type Sealer, isSameSecret, sha256 } from "./crypto.ts";
import { isFiniteNumber, isObject, isString } from "./values.ts";

/** Attributes of a cookie. */
export interface CookieAttributes {
  readonly domain?: string;
  readonly path: string;
  readonly sameSite: "lax" | "strict" | "none";
  readonly secure: boolean;
  readonly httpOnly: boolean;
}

/** Browsers drop larger cookies (RFC 6265 section 6.1). The whole line is counted, which is the strictest reading. */
export const MAX_COOKIE_LINE_LENGTH = 4_096;

/**
 * Characters that orgate's cookies may take of a request's head: half of what Node accepts, because the application has cookies
 * and headers too. A browser with more cannot be answered at all (431).
 */
export const MAX_COOKIES_LENGTH = Math.floor(maxHeaderSize / 2) - 1;

/** The length of cookies in a `Cookie` header (`name=value; `), from their `Set-Cookie` lines. */
export function lengthInRequest(lines: Iterable<string>): number {
  let length = 0;
  for (const line of lines) length += line.split(";", 1).join("").length + "; ".length;
  return length;
}

/** Names one of orgate's own short-lived cookies; bound to the host wherever the site uses https. */
export function ownCookieName(secure: boolean, purpose: string): string {
  return secure ? `__Host-orgate-${purpose}` : `orgate-${purpose}`;
}

/**
 * The attributes of orgate's own short-lived cookies. Unlike the session cookie they are never shared with subdomains, and
 * they come back with a redirect from another site.
 */
export function ownCookieAttributes(secure: boolean): CookieAttributes {
  return { path: "/", sameSite: "lax", secure, httpOnly: true };
}

/** Formats a `Set-Cookie` line. Values are sent as they are: seals and tokens need no encoding. */
export function setCookieLine(
  name: string,
  value: string,
  attributes: CookieAttributes,
  maxAge: number | undefined,
): string {
  return formatLine({ name, value, ...attributes, ...(maxAge !== undefined && { maxAge }) });
}

/** A `Set-Cookie` line that was read. */
export type ReceivedCookie = SetCookie;

/** Reads a `Set-Cookie` line. The value is not decoded. */
export function readSetCookieLine(line: string): ReceivedCookie {
  return parseSetCookie(line, { decode: (value) => value });
}

/** Formats a `Set-Cookie` line that removes a cookie; its attributes must match those it was set with. */
export function clearCookieLine(name: string, attributes: CookieAttributes): string {
  return formatLine({ name, value: "", ...attributes, maxAge: 0, expires: new Date(0) });
}

function formatLine(cookie: SetCookie): string {
  return stringifySetCookie(cookie, { encode: (text) => text });
}

/** Formats the lines that remove a cookie in every form it may have: host-only, and with each of the domains. */
export function clearEveryForm(
  name: string,
  attributes: CookieAttributes,
  domains: readonly string[],
): string[] {
  const { domain: _none, ...hostOnly } = attributes;
  // A `__Host-` cookie has no domain, and browsers ignore a line that gives it one.
  const shared = /^__host-/i.test(name) ? [] : domains;
  return [hostOnly, ...shared.map((domain) => ({ ...hostOnly, domain }))].map((form) =>
    clearCookieLine(name, form),
  );
}

/** Splits a long value into cookies `name.0`, `name.1`, ...; keeps `name` itself where it fits. Returns lines by name. */
export function splitIntoCookies(
  name: string,
  value: string,
  attributes: CookieAttributes,
  maxAge: number | undefined,
): Map<string, string> {
  const whole = setCookieLine(name, value, attributes, maxAge);
  if (whole.length <= MAX_COOKIE_LINE_LENGTH) return new Map([[name, whole]]);
  const overhead = setCookieLine(`${name}.00`, "", attributes, maxAge).length;
  const room = MAX_COOKIE_LINE_LENGTH - overhead;
  const lines = new Map<string, string>();
  for (let index = 0; index * room < value.length; index++) {
    const chunk = `${name}.${index}`;
    lines.set(chunk, setCookieLine(chunk, value.slice(index * room, (index + 1) * room), attributes, maxAge));
  }
  return lines;
}

/** What the `Cookie` header holds under one name, chunks included. */
export type FoundCookie =
  | { readonly status: "absent"; readonly names: readonly string[] }
  | { readonly status: "found"; readonly value: string; readonly names: readonly string[] }
  | { readonly status: "ambiguous"; readonly names: readonly string[] };

const CHUNK_INDEX = /^(?:0|[1-9]\d?)$/;
const SEAL_SUFFIX = /~\d/;

/**
 * Finds a cookie by its exact name, whole or in chunks (`name.0`, `name.1`, ...).
 *
 * Two differing values are ambiguous: a browser sends the longest path first, so "the first" is the one with the
 * longest path (RFC 6265 section 5.4). Names are compared as bytes, values are neither decoded nor unquoted. `names` lists every form
 * present, leftover chunks included, so that they can be cleared.
 */
export function findCookie(header: string | undefined, name: string): FoundCookie {
  if (header === undefined) return ABSENT;
  const at = header.indexOf(name);
  if (at === -1) return ABSENT;
  // A value holds no semicolon, so another pair can only begin behind one.
  const end = header.indexOf(";", at);
  const isOnly = end === -1 || header.indexOf(name, end) === -1;
  if (!isOnly || header[at + name.length] !== "=" || !startsPair(header, at)) return findAny(header, name);
  const value = trimSpace(header.slice(at + name.length + 1, end === -1 ? undefined : end));
  return value === "" ? ABSENT : { status: "found", value, names: [name] };
}

/** Looks at every pair under the name and its chunks; the usual case, one cookie in one piece, needs none of this. */
function findAny(header: string, name: string): FoundCookie {
  const values = collectValues(header, name);
  if (values === undefined) return { status: "ambiguous", names: presentNames(header, name) };
  const names = [...values.keys()];
  const whole = values.get(name);
  const chunked = joinChunks(values, name);
  if (whole !== undefined) {
    return chunked === undefined ? { status: "found", value: whole, names } : { status: "ambiguous", names };
  }
  return chunked === undefined ? { status: "absent", names } : { status: "found", value: chunked, names };
}

const ABSENT: FoundCookie = { status: "absent", names: [] };

/** Values by exact name; `undefined` where one name has two. Empty values are what clearing leaves: they count as absent. */
function collectValues(header: string, name: string): Map<string, string> | undefined {
  const values = new Map<string, string>();
  for (const [key, value] of pairsNamed(header, name)) {
    if (value === "") continue;
    const known = values.get(key);
    if (known !== undefined && known !== value) return undefined;
    values.set(key, value);
  }
  return values;
}

function presentNames(header: string, name: string): string[] {
  return [...new Set(pairsNamed(header, name).map(([key]) => key))];
}

function pairsNamed(header: string, name: string): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = header.indexOf(name); at !== -1; at = header.indexOf(name, at + name.length)) {
    if (!startsPair(header, at)) continue;
    const equals = header.indexOf("=", at);
    if (equals === -1) break;
    const key = header.slice(at, equals);
    if (key !== name && !(key[name.length] === "." && CHUNK_INDEX.test(key.slice(name.length + 1)))) continue;
    const end = header.indexOf(";", equals);
    pairs.push([key, trimSpace(header.slice(equals + 1, end === -1 ? undefined : end))]);
  }
  return pairs;
}

function startsPair(header: string, at: number): boolean {
  let before = at - 1;
  while (before >= 0 && isSpace(header.charCodeAt(before))) before--;
  return before < 0 || header[before] === ";";
}

function trimSpace(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isSpace(value.charCodeAt(start))) start++;
  while (end > start && isSpace(value.charCodeAt(end - 1))) end--;
  return value.slice(start, end);
}

// Only what HTTP calls white space (RFC 9110 section 5.6.3): trimming more would let another name pass for this one.
function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** Joins chunks from 0 on, up to the one that ends in the seal's `~` suffix; later ones are left over from a longer session. */
function joinChunks(values: ReadonlyMap<string, string>, name: string): string | undefined {
  let joined = values.get(`${name}.0`);
  // Search the joined value, because the split may run through the suffix.
  for (let index = 1; joined !== undefined && !SEAL_SUFFIX.test(joined); index++) {
    const chunk = values.get(`${name}.${index}`);
    if (chunk === undefined) break;
    joined += chunk;
  }
  return joined;
}

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
