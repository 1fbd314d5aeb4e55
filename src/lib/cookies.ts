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

/** The length of cookies in a `Cookie` header (`name=value; `), from their `Set-Cookie` lines. */
export function lengthInRequest(lines: Iterable<string>): number {
  let length = 0;
  for (const line of lines) length += line.split(";", 1).join("").length + "; ".length;
  return length;
}

/** The default names of the session cookie: bound to the host, shared with subdomains or below a path, and without https. */
export const DEFAULT_SESSION_COOKIES = {
  host: "__Host-orgate",
  shared: "__Secure-orgate",
  plain: "orgate",
} as const;

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

/** Where a cookie may lie in a browser: its name, the host or domain, and the path. */
export type CookiePlace = Pick<CookieAttributes, "domain" | "path">;

/** The places that the attributes name: host-only, and on the domain if there is one. A `__Host-` cookie has no domain. */
export function configuredPlaces(name: string, { domain, path }: CookieAttributes): CookiePlace[] {
  if (isHostCookie(name)) return [{ path: "/" }];
  return domain === undefined ? [{ path }] : [{ path }, { path, domain }];
}

/**
 * The other places from which a browser may send a cookie to this host and path: the host's own domain, the domains above it,
 * and the paths above. The likeliest come first.
 */
export function surroundingPlaces(
  name: string,
  attributes: CookieAttributes,
  { hostname, pathname }: { readonly hostname: string; readonly pathname: string },
): CookiePlace[] {
  if (isHostCookie(name)) return [];
  const paths = [attributes.path, ...new Set([...pathsAbove(pathname), ...pathsAbove(attributes.path)])];
  const domains = [undefined, ...domainsAbove(hostname)];
  const known = new Set(configuredPlaces(name, attributes).map(keyOfPlace));
  const places: CookiePlace[] = [];
  for (const path of paths) {
    for (const domain of domains) {
      const place = { path, ...(domain !== undefined && { domain }) };
      if (known.has(keyOfPlace(place))) continue;
      known.add(keyOfPlace(place));
      places.push(place);
    }
  }
  return places;
}

/** Formats the `Set-Cookie` line that removes a cookie from a place. */
export function clearPlaceLine(name: string, attributes: CookieAttributes, place: CookiePlace): string {
  const { domain: _none, ...rest } = attributes;
  return clearCookieLine(name, { ...rest, ...place });
}

function keyOfPlace({ domain = "", path }: CookiePlace): string {
  return `${domain.toLowerCase()} ${path}`;
}

function isHostCookie(name: string): boolean {
  return /^__host-/i.test(name);
}

const MAX_PATHS = 8;
const COOKIE_PATH = /^\/[\u0020-\u003a\u003c-\u007e]*$/;

/** A path and those above it: of `/a/b`, `/`, `/a` and `/a/b`. */
function pathsAbove(path: string): string[] {
  if (!COOKIE_PATH.test(path)) return ["/"];
  const paths = ["/"];
  for (let at = path.indexOf("/", 1); at !== -1 && paths.length < MAX_PATHS; at = path.indexOf("/", at + 1)) {
    paths.push(path.slice(0, at));
  }
  return paths.length < MAX_PATHS && path.length > 1 && !path.endsWith("/") ? [...paths, path] : paths;
}

/** A host and the domains above it, but for the last label, which browsers accept no cookie for. */
function domainsAbove(hostname: string): string[] {
  const labels = hostname.split(".");
  // An IP address has no domains: its last label is a number, or it is in brackets.
  if (/^\d*$/.test(labels.at(-1) ?? "") || hostname.startsWith("[")) return [];
  return labels.slice(0, -1).map((_label, index) => labels.slice(index).join("."));
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
  /** Two or more values that differ, in the header's order. */
  | { readonly status: "ambiguous"; readonly values: readonly string[]; readonly names: readonly string[] };

const CHUNK_INDEX = /^(?:0|[1-9]\d?)$/;
/** Characters that may follow the name: `.99=`. */
const MAX_CHUNK_SUFFIX = 4;
const SEAL_SUFFIX = /~\d/;

/**
 * Finds a cookie by its exact name, whole or in chunks (`name.0`, `name.1`, ...).
 *
 * Two differing values are ambiguous: a browser sends the longest path first, so "the first" is the one with the
 * longest path (RFC 6265 section 5.4). Chunks are joined with those that were set together. Names are compared as bytes;
 * values are neither decoded nor unquoted. `names` lists every form present, leftover chunks included, so that they can be
 * cleared.
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

/** Lists the cookies of a name and its chunks that a request carries, every copy of them, in the header's order. */
export function listCookies(header: string | undefined, name: string): readonly CookiePair[] {
  return header === undefined ? [] : pairsNamed(header, name).filter(([, value]) => value !== "");
}

/** Name and value of a cookie. */
export type CookiePair = readonly [name: string, value: string];

/** Looks at every pair under the name and its chunks; the usual case, one cookie in one piece, needs none of this. */
function findAny(header: string, name: string): FoundCookie {
  // Empty values are what clearing leaves: they count as absent.
  const pairs = listCookies(header, name);
  const names = [...new Set(pairs.map(([key]) => key))];
  const whole = pairs.filter(([key]) => key === name).map(([, value]) => value);
  const values = [...new Set([...whole, ...joinChunks(pairs, name)])];
  const [value] = values;
  if (value === undefined) return { status: "absent", names };
  return values.length === 1 ? { status: "found", value, names } : { status: "ambiguous", values, names };
}

const ABSENT: FoundCookie = { status: "absent", names: [] };

function pairsNamed(header: string, name: string): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = header.indexOf(name); at !== -1; at = header.indexOf(name, at + name.length)) {
    if (!startsPair(header, at)) continue;
    // Names have a few characters: a search for "=" from each of them to the end of the header would be quadratic.
    const equals = header.slice(at, at + name.length + MAX_CHUNK_SUFFIX).indexOf("=", name.length) + at;
    if (equals < at) continue;
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

/** A header lists more first chunks only if somebody made it up. */
const MAX_GROUPS = 16;

interface Chunk {
  readonly index: number;
  readonly value: string;
  readonly position: number;
}

/**
 * Joins chunks from 0 on, up to the one that ends in the seal's `~` suffix; later ones are left over from a longer session.
 *
 * Where two writers set chunks, browsers send those of one writer one after the other. A header that lists them by name instead
 * has them in the same order under each name. Both readings are returned where they differ; only one of them opens.
 */
function joinChunks(pairs: readonly CookiePair[], name: string): string[] {
  const byIndex = new Map<number, Chunk[]>();
  const seen = new Set<string>();
  for (const [position, [key, value]] of pairs.entries()) {
    if (key === name || seen.has(`${key}=${value}`)) continue;
    seen.add(`${key}=${value}`);
    const index = Number(key.slice(name.length + 1));
    const chunks = byIndex.get(index) ?? [];
    chunks.push({ index, value, position });
    byIndex.set(index, chunks);
  }
  const starts = (byIndex.get(0) ?? []).slice(0, MAX_GROUPS);
  const chunksOf = (index: number): readonly Chunk[] => byIndex.get(index) ?? [];
  const nth = (chunks: readonly Chunk[], at: number): Chunk | undefined => chunks[at] ?? chunks.at(-1);
  const together = starts.map((start, at) =>
    joinFrom(start, (index, before) => {
      const chunks = chunksOf(index);
      return chunks.find(({ position }) => position === before.position + 1) ?? nth(chunks, at);
    }),
  );
  const inOrder = starts.map((start, at) =>
    joinFrom(start, (index) => (starts.length === 1 ? chunksOf(index).at(-1) : nth(chunksOf(index), at))),
  );
  return [...together, ...inOrder];
}

function joinFrom(start: Chunk, next: (index: number, before: Chunk) => Chunk | undefined): string {
  let joined = start.value;
  let last: Chunk | undefined = start;
  // The split may run through the suffix, so the end of the chunk before is searched too.
  for (let index = 1, tail = joined; last !== undefined && !SEAL_SUFFIX.test(tail); index++) {
    last = next(index, last);
    if (last === undefined) break;
    tail = joined.slice(-1) + last.value;
    joined += last.value;
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

/** What opening a cookie's seal came to. */
export type SealedCookieReading<Value> =
  | { readonly status: "opened"; readonly value: Value }
  /** `unreadable`: not a good seal, or of another kind. `foreign`: bound to another secret. */
  | { readonly status: "unreadable" | "foreign" | "expired" | "not_yet_valid" };

interface SealedCookieOpener {
  /** Without one, nothing is sealed at all. */
  readonly sealer: Sealer | undefined;
  readonly options: SealedCookieOptions;
}

/** Opens a cookie's seal. Without a secret, no seal is good. */
export function readSealedCookie<Value>(
  { sealer, options }: SealedCookieOpener,
  { name, lifetime, parse }: SealedCookieKind<Value>,
  { sealed, secret }: { readonly sealed: string; readonly secret: string | undefined },
): SealedCookieReading<Value> {
  const members = sealer?.unsealValue(sealed);
  if (!isSealedMembers(members) || members.kind !== name) return { status: "unreadable" };
  const { binding, issuedAt, expiresAt } = members;
  if (secret === undefined || !isSameSecret(sha256(secret), binding)) return { status: "foreign" };
  const now = options.clock();
  if (issuedAt > now + options.clockTolerance) return { status: "not_yet_valid" };
  if (now >= Math.min(expiresAt, issuedAt + lifetime)) return { status: "expired" };
  const value = parse(members);
  return value === undefined ? { status: "unreadable" } : { status: "opened", value };
}

/** Returns what {@link readSealedCookie} opens; `undefined` for everything that is not good. */
export async function openCookie<Value>(
  opener: SealedCookieOpener,
  kind: SealedCookieKind<Value>,
  given: { readonly sealed: string; readonly secret: string },
): Promise<Value | undefined> {
  const reading = readSealedCookie(opener, kind, given);
  return reading.status === "opened" ? reading.value : undefined;
}

function isSealedMembers(value: unknown): value is SealedMembers {
  if (!isObject(value)) return false;
  const { kind, binding, issuedAt, expiresAt } = value;
  return isString(kind) && isString(binding) && isFiniteNumber(issuedAt) && isFiniteNumber(expiresAt);
}
