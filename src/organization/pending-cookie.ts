import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { setCookie } from "../engine/deliver.ts";
import type { Engine } from "../engine/engine.ts";
import { OrgateError } from "../errors.ts";
import { clearCookieLine, setCookieLine } from "../http/cookies.ts";
import type { RequestRecord } from "../pipeline/attach.ts";
import { findCookie } from "../pipeline/find-cookie.ts";
import type { PendingAuthentication } from "../stores/session-store.ts";
import { withoutPassword } from "./issue-session.ts";
import { ownCookieAttributes, ownCookieName } from "./own-cookies.ts";

/** Seconds that somebody has to choose. */
export const PENDING_LIFETIME = 600;
const MAX_LINE_LENGTH = 4_096;
const BROWSER_SECRET = /^[\w-]{43}$/;

/** Somebody who authenticated in this browser and must still choose an organization. */
export interface Pending {
  readonly authentication: PendingAuthentication;
  /** As it was sealed: make it safe again. */
  readonly returnTo: unknown;
}

/** What a request says of a pending authentication. */
export type PendingReading =
  | { readonly status: "absent" }
  | { readonly status: "found"; readonly pending: Pending }
  /** Expired, not ours, or begun in another browser. */
  | { readonly status: "invalid" };

interface PendingSeal {
  readonly kind: "pending";
  readonly token: string;
  readonly userId?: string;
  readonly returnTo: string;
  /** The hash of what the browser's other cookie holds. */
  readonly binding: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

const INVALID: PendingReading = { status: "invalid" };
const ABSENT: PendingReading = { status: "absent" };

/**
 * Seals a pending token into a cookie that opens only beside another one, made for it at the same moment.
 *
 * @throws OrgateError `session_too_large` for a token that does not fit into a cookie.
 */
export async function writePending(
  { options, sealer }: Engine,
  record: RequestRecord,
  { pending, returnTo }: { readonly pending: PendingAuthentication; readonly returnTo: string },
): Promise<void> {
  if (sealer === undefined) throw withoutPassword("a pending authentication");
  const secret = randomBytes(32).toString("base64url");
  const issuedAt = options.clock();
  const expiresAt = issuedAt + PENDING_LIFETIME;
  const { pendingAuthenticationToken: token, userId } = pending;
  const seal: PendingSeal = {
    kind: "pending",
    token,
    ...(userId !== undefined && { userId }),
    returnTo,
    binding: bind(secret),
    issuedAt,
    expiresAt,
  };
  const name = ownCookieName(options, "pending");
  const attributes = ownCookieAttributes(options);
  const toLine = async (value: PendingSeal): Promise<string> =>
    setCookieLine(name, await sealer.sealValue(value), attributes, PENDING_LIFETIME);
  let line = await toLine(seal);
  // Where to go on can be forgotten; who is signing in cannot.
  if (line.length > MAX_LINE_LENGTH) line = await toLine({ ...seal, returnTo: "/" });
  if (line.length > MAX_LINE_LENGTH) throw new OrgateError("session_too_large");
  const browser = ownCookieName(options, "browser");
  setCookie(record, name, line);
  setCookie(record, browser, setCookieLine(browser, secret, attributes, PENDING_LIFETIME));
}

/** Reads the pending authentication that this browser began. */
export async function readPending(
  { options, sealer }: Engine,
  request: IncomingMessage,
): Promise<PendingReading> {
  const { cookie } = request.headers;
  const found = findCookie(cookie, ownCookieName(options, "pending"));
  if (found.status === "absent") return ABSENT;
  const browser = findCookie(cookie, ownCookieName(options, "browser"));
  if (found.status !== "found" || browser.status !== "found") return INVALID;
  const seal = await sealer?.unsealValue(found.value);
  if (!isPendingSeal(seal) || !isAlive(options, seal) || !isBound(seal, browser.value)) return INVALID;
  const { token, userId, returnTo } = seal;
  const authentication = { pendingAuthenticationToken: token, ...(userId !== undefined && { userId }) };
  return { status: "found", pending: { authentication, returnTo } };
}

/** Clears what the request brought of a pending authentication, and takes back what the response was about to set. */
export function clearPending({ options }: Engine, request: IncomingMessage, record: RequestRecord): void {
  for (const purpose of ["pending", "browser"] as const) {
    const name = ownCookieName(options, purpose);
    const isPresent = findCookie(request.headers.cookie, name).status !== "absent";
    if (isPresent) setCookie(record, name, clearCookieLine(name, ownCookieAttributes(options)));
    else record.cookies?.delete(name);
  }
}

function isAlive(
  { clock, clockTolerance }: Engine["options"],
  { issuedAt, expiresAt }: PendingSeal,
): boolean {
  const now = clock();
  return issuedAt <= now + clockTolerance && now < Math.min(expiresAt, issuedAt + PENDING_LIFETIME);
}

function isBound({ binding }: PendingSeal, secret: string): boolean {
  if (!BROWSER_SECRET.test(secret)) return false;
  const expected = Buffer.from(binding);
  const actual = Buffer.from(bind(secret));
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

function bind(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}

function isPendingSeal(value: unknown): value is PendingSeal {
  if (typeof value !== "object" || value === null) return false;
  const { kind, token, userId, binding, issuedAt, expiresAt } = value as Partial<
    Record<keyof PendingSeal, unknown>
  >;
  return (
    kind === "pending" &&
    typeof token === "string" &&
    (userId === undefined || typeof userId === "string") &&
    typeof binding === "string" &&
    typeof issuedAt === "number" &&
    typeof expiresAt === "number"
  );
}
