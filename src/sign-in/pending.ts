import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { OrgateError } from "../errors.ts";
import { type CookieAttributes, clearCookieLine, findCookie, setCookieLine } from "../lib/cookies.ts";
import { sanitizeReturnTo } from "../lib/navigation.ts";
import type { Instance } from "../request/instance.ts";
import { type RequestAuth, requireRequestAuth } from "../request/request-auth.ts";
import { setCookie } from "../request/respond.ts";
import type { PendingAuthentication } from "../store.ts";
import { withoutPassword } from "./conclude.ts";
import type { Visit } from "./handler-context.ts";

const MAX_LINE_LENGTH = 4_096;

/** What a request says of a pending authentication. */
export type PendingReading =
  | { readonly status: "absent" }
  | { readonly status: "found"; readonly pending: Pending }
  /** Expired, not ours, or begun in another browser. */
  | { readonly status: "invalid" };

const INVALID: PendingReading = { status: "invalid" };
const ABSENT: PendingReading = { status: "absent" };

/** What a response leaves with the browser: what its request brought is then no longer pending. */
const left = new WeakMap<RequestAuth, PendingReading>();

/**
 * Seals a pending token into a cookie that opens only beside another one, made for it at the same moment.
 *
 * @throws OrgateError `session_too_large` for a token that does not fit into a cookie.
 */
export async function writePending(
  { options, sealer }: Instance,
  record: RequestAuth,
  given: NewPending,
): Promise<void> {
  if (sealer === undefined) throw withoutPassword("a pending authentication");
  const { seal, secret } = makePendingSeal(given, options.clock());
  const name = ownCookieName(options, "pending");
  const attributes = ownCookieAttributes(options);
  const lifetime = Math.ceil(seal.expiresAt - seal.issuedAt);
  const toLine = async (value: PendingSeal): Promise<string> =>
    setCookieLine(name, await sealer.sealValue(value), attributes, lifetime);
  let sealed = seal;
  let line = await toLine(sealed);
  if (line.length > MAX_LINE_LENGTH) {
    // Where to go on can be forgotten; who is signing in cannot.
    sealed = { ...seal, returnTo: "/" };
    line = await toLine(sealed);
  }
  if (line.length > MAX_LINE_LENGTH) throw new OrgateError("session_too_large");
  const browser = ownCookieName(options, "browser");
  setCookie(record, name, line);
  setCookie(record, browser, setCookieLine(browser, secret, attributes, lifetime));
  left.set(record, { status: "found", pending: toPending(sealed) });
}

/** Reads the pending authentication that this browser began. */
export async function readPending(
  { options, sealer }: Instance,
  request: IncomingMessage,
): Promise<PendingReading> {
  const { cookie } = request.headers;
  const found = findCookie(cookie, ownCookieName(options, "pending"));
  if (found.status === "absent") return ABSENT;
  const browser = findCookie(cookie, ownCookieName(options, "browser"));
  if (found.status !== "found" || browser.status !== "found") return INVALID;
  const { clock, clockTolerance } = options;
  const seal = await sealer?.unsealValue(found.value);
  const pending = readPendingSeal(seal, browser.value, { now: clock(), clockTolerance });
  return pending === undefined ? INVALID : { status: "found", pending };
}

/** What is pending in this browser, if anything. */
export async function presentPending(
  instance: Instance,
  request: IncomingMessage,
): Promise<Pending | undefined> {
  const reading = await readPending(instance, request);
  return reading.status === "found" ? reading.pending : undefined;
}

/** The same for whoever chooses: not what a switch left, for its member chooses by the session that goes on meanwhile. */
export async function readSelectable(instance: Instance, request: IncomingMessage): Promise<PendingReading> {
  const reading = await readPending(instance, request);
  return reading.status === "found" && reading.pending.step?.by === "switch" ? ABSENT : reading;
}

/** The same as {@link readPending}, as it is after what the response sets and clears. */
export async function currentPending(
  instance: Instance,
  request: IncomingMessage,
  record: RequestAuth,
): Promise<PendingReading> {
  return left.get(record) ?? readPending(instance, request);
}

/** Clears what the request brought of a pending authentication, and takes back what the response was about to set. */
export function clearPending({ options }: Instance, request: IncomingMessage, record: RequestAuth): void {
  for (const purpose of ["pending", "browser"] as const) {
    const name = ownCookieName(options, purpose);
    const isPresent = findCookie(request.headers.cookie, name).status !== "absent";
    if (isPresent) setCookie(record, name, clearCookieLine(name, ownCookieAttributes(options)));
    else record.cookies?.delete(name);
  }
  left.set(record, ABSENT);
}

/** Seconds that somebody has to go on. */
export const PENDING_LIFETIME = 600;
const BROWSER_SECRET = /^[\w-]{43}$/;

/** What is due before there is a session, where it is more than a choice. */
export interface DueStep {
  readonly reason: string;
  readonly details?: object;
  /** Whether somebody was signing in, or a member was switching and is signed in meanwhile. */
  readonly by: "sign_in" | "switch";
}

/** Somebody who began to authenticate in this browser, and has not finished. */
export interface Pending {
  readonly authentication: PendingAuthentication;
  /** As it was sealed: make it safe again. */
  readonly returnTo: unknown;
  /** In seconds since the epoch. */
  readonly expiresAt: number;
  /** Absent while it is an organization that must be chosen. */
  readonly step?: DueStep;
}

/** What is left with a browser. */
export interface NewPending {
  readonly pending: PendingAuthentication;
  readonly returnTo: string;
  readonly step?: DueStep;
  /** What it goes on from: the same token, sealed once more, gets no older than it may. */
  readonly before?: Pending | undefined;
}

/** What lies in the sealed cookie. */
export interface PendingSeal {
  readonly kind: "pending";
  readonly token: string;
  readonly userId?: string;
  readonly returnTo: string;
  readonly step?: DueStep;
  /** The hash of what the browser's other cookie holds. */
  readonly binding: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** Makes what is sealed, and the secret of the browser that it is bound to. */
export function makePendingSeal(
  { pending, returnTo, step, before }: NewPending,
  issuedAt: number,
): { readonly seal: PendingSeal; readonly secret: string } {
  const { pendingAuthenticationToken: token, userId } = pending;
  const isSame = token === before?.authentication.pendingAuthenticationToken;
  const expiresAt = issuedAt + PENDING_LIFETIME;
  const secret = randomBytes(32).toString("base64url");
  const seal: PendingSeal = {
    kind: "pending",
    token,
    ...(userId !== undefined && { userId }),
    returnTo,
    ...(step !== undefined && { step }),
    binding: bind(secret),
    issuedAt,
    expiresAt: isSame ? Math.min(expiresAt, before.expiresAt) : expiresAt,
  };
  return { seal, secret };
}

/** What is pending by an opened seal; `undefined` where it is none of ours, too old, or another browser's. */
export function readPendingSeal(
  value: unknown,
  secret: string,
  { now, clockTolerance }: { readonly now: number; readonly clockTolerance: number },
): Pending | undefined {
  if (!isPendingSeal(value) || !isBound(value, secret)) return undefined;
  const { issuedAt, expiresAt } = value;
  const isAlive = issuedAt <= now + clockTolerance && now < Math.min(expiresAt, issuedAt + PENDING_LIFETIME);
  return isAlive ? toPending(value) : undefined;
}

/** What is pending by a seal. */
export function toPending({ token, userId, returnTo, expiresAt, step }: PendingSeal): Pending {
  return {
    authentication: { pendingAuthenticationToken: token, ...(userId !== undefined && { userId }) },
    returnTo,
    expiresAt,
    ...(step !== undefined && { step }),
  };
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
  const { kind, token, userId, step, binding, issuedAt, expiresAt } = value as Partial<
    Record<keyof PendingSeal, unknown>
  >;
  return (
    kind === "pending" &&
    typeof token === "string" &&
    (userId === undefined || typeof userId === "string") &&
    (step === undefined || isDueStep(step)) &&
    typeof binding === "string" &&
    typeof issuedAt === "number" &&
    typeof expiresAt === "number"
  );
}

function isDueStep(value: unknown): value is DueStep {
  if (typeof value !== "object" || value === null) return false;
  const { reason, details, by } = value as Partial<Record<keyof DueStep, unknown>>;
  return (
    typeof reason === "string" &&
    (details === undefined || (typeof details === "object" && details !== null)) &&
    (by === "sign_in" || by === "switch")
  );
}

/** The step that is due before there is a session. */
export interface StepUp {
  /** The store's: `mfa_required`, `email_verification_required`, ... */
  readonly reason: string;
  /** What the step needs, as the store said it: `StytchStepUp` of `orgate/stytch`, `StepUpDetails` of `orgate/workos`. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** An authentication that was begun in this browser and is not finished. No `inspect` and no JSON shows its token. */
export interface UnfinishedAuthentication extends PendingAuthentication {
  /** Where the browser goes on once it is finished, on this origin. */
  readonly returnTo: string;
  /** Absent while it is an organization that must be chosen. */
  readonly stepUp?: StepUp;
}

/**
 * What is pending in the browser that sent a request; `undefined` for nothing, and for what has expired or is another
 * browser's.
 *
 * @throws ConfigurationError where orgate is not mounted, or has no password to open it with.
 */
export async function pendingAuthenticationOf(
  instance: Instance,
  request: IncomingMessage,
): Promise<UnfinishedAuthentication | undefined> {
  const record = requireRequestAuth(instance, request, "pendingAuthentication");
  if (instance.sealer === undefined) throw withoutPassword("a pending authentication");
  const reading = await currentPending(instance, request, record);
  // Whatever is told of it is for this browser alone.
  if (reading.status !== "absent") record.hasCredential = true;
  return reading.status === "found" ? toUnfinished(reading.pending) : undefined;
}

function toUnfinished({ authentication, returnTo, step }: Pending): UnfinishedAuthentication {
  const { pendingAuthenticationToken: value, userId } = authentication;
  const unfinished = {
    ...(userId !== undefined && { userId }),
    returnTo: sanitizeReturnTo(returnTo),
    ...(step !== undefined && {
      stepUp: Object.freeze({ reason: step.reason, details: { ...step.details } }),
    }),
  };
  Object.defineProperty(unfinished, "pendingAuthenticationToken", { value });
  return Object.freeze(unfinished) as UnfinishedAuthentication;
}

/** Leaves a pending authentication with the browser, in place of the one that it went on from. */
export async function leavePending(instance: Instance, { record }: Visit, given: NewPending): Promise<void> {
  await writePending(instance, record, given);
  const { before, pending } = given;
  if (before === undefined) return;
  const isSame = before.authentication.pendingAuthenticationToken === pending.pendingAuthenticationToken;
  if (!isSame) instance.superseded.set(keyOf(before.authentication), "supersede");
}

/** Clears a pending authentication that is spent, unless another took its place: a late refusal must not clear that one. */
export function clearSpent(
  instance: Instance,
  { record, request }: Visit,
  { authentication }: Pending,
): void {
  if (instance.superseded.get(keyOf(authentication)) === undefined) clearPending(instance, request, record);
}

function keyOf({ pendingAuthenticationToken: token }: PendingAuthentication): string {
  return `pending ${createHash("sha256").update(token).digest("base64url")}`;
}

/** What our short-lived cookies are for. */
export type CookiePurpose = "pending" | "browser" | `sign-in-${string}`;

/** The name of a short-lived cookie of ours: bound to the host wherever browsers can hold us to it. */
export function ownCookieName(
  { secure }: Pick<Instance["options"], "secure">,
  purpose: CookiePurpose,
): string {
  return secure ? `__Host-orgate-${purpose}` : `orgate-${purpose}`;
}

/** Its attributes. Never the session cookie's: it is not shared with subdomains, and it must come back from another site's redirect. */
export function ownCookieAttributes({ secure }: Pick<Instance["options"], "secure">): CookieAttributes {
  return { path: "/", sameSite: "lax", secure, httpOnly: true };
}
