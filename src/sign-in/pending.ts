import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { OrgateError } from "../errors.ts";
import type { HandlerContext, ReceivedRequest, RequestContext } from "../guards/denial.ts";
import {
  type SealedCookieKind,
  type SealedCookieReading,
  type SealedMembers,
  clearCookieLine,
  findCookie,
  ownCookieAttributes,
  ownCookieName,
  readSealedCookie,
  sealCookie,
  setCookieLine,
} from "../lib/cookies.ts";
import { sha256 } from "../lib/crypto.ts";
import { sanitizeReturnTo } from "../lib/http.ts";
import { isObject, isString } from "../lib/values.ts";
import { type Instance, requireSealer } from "../request/instance.ts";
import { type RequestAuth, requireRequestAuth } from "../request/request-auth.ts";
import type { PendingAuthentication } from "../store.ts";

/** An authentication that was begun in this browser and is not finished. */
export interface Pending {
  readonly authentication: PendingAuthentication;
  /** A path on this origin. */
  readonly returnTo: string;
  /** In seconds since the epoch. */
  readonly expiresAt: number;
  /** Absent while it is an organization that must be chosen. */
  readonly step?: DueStep;
}

/** What is due before there is a session, where it is more than a choice. */
export interface DueStep {
  readonly reason: string;
  readonly details?: object;
  /** Whether a user was signing in, or a member was switching who stays signed in meanwhile. */
  readonly by: "sign_in" | "switch";
}

/** The pending authentication of a request. */
export type PendingReading =
  | { readonly status: "absent" }
  | { readonly status: "found"; readonly pending: Pending }
  /** Expired, not sealed here, or begun in another browser. */
  | { readonly status: "invalid"; readonly reason: PendingReason };

/** Why a pending authentication cannot be continued. */
export type PendingReason =
  | "pending_unreadable"
  | "pending_of_another_browser"
  | "pending_expired"
  | "pending_not_yet_valid"
  | "pending_repeated";

/** A pending authentication to be kept in the browser. */
export interface NewPending extends Pick<Pending, "returnTo" | "step"> {
  readonly pending: PendingAuthentication;
  /** The one it continues; if the token is the same, so is its end. */
  readonly previous?: Pending | undefined;
}

const SEALED = "a pending authentication";
const PENDING_ABSENT: PendingReading = { status: "absent" };

/** The pending token, sealed; opens only together with the secret in a second cookie. */
const PENDING: SealedCookieKind<Pending> = { name: "pending", lifetime: 600, parse: parsePending };

function parsePending({ token, userId, returnTo, step, expiresAt }: SealedMembers): Pending | undefined {
  const isKnown = userId === undefined || isString(userId);
  if (!isString(token) || !isKnown || (step !== undefined && !isDueStep(step))) return undefined;
  return {
    authentication: { pendingAuthenticationToken: token, ...(userId !== undefined && { userId }) },
    returnTo: sanitizeReturnTo(returnTo),
    expiresAt,
    ...(step !== undefined && { step }),
  };
}

function isDueStep(value: unknown): value is DueStep {
  if (!isObject(value)) return false;
  const { reason, details, by } = value;
  const isKnown = by === "sign_in" || by === "switch";
  return isString(reason) && (details === undefined || isObject(details)) && isKnown;
}

/** What responses set or cleared; the request's own cookies are then out of date. */
const afterResponse = new WeakMap<RequestAuth, PendingReading>();

/**
 * Keeps a pending authentication in the browser, in place of the one that it continues.
 *
 * @throws OrgateError `session_too_large` for a token that does not fit into a cookie.
 */
export async function keepPending(
  { instance, auth }: Pick<HandlerContext, "instance" | "auth">,
  { pending, returnTo, step, previous }: NewPending,
): Promise<void> {
  const sealer = requireSealer(instance, SEALED);
  const { clock, secure } = instance.options;
  const { pendingAuthenticationToken: token, userId } = pending;
  const isSame = token === previous?.authentication.pendingAuthenticationToken;
  const now = clock();
  const expiresAt = Math.min(now + PENDING.lifetime, isSame ? previous.expiresAt : Infinity);
  const secret = randomBytes(32).toString("base64url");
  const cookieName = ownCookieName(secure, "pending");
  const seal = (target: string): Promise<string | undefined> => {
    const members = { token, userId, returnTo: target, step };
    return sealCookie(instance.options, PENDING, { sealer, cookieName, members, secret, expiresAt });
  };
  const whole = await seal(returnTo);
  // Where to go on can be forgotten; who is signing in cannot.
  const line = whole ?? (await seal("/"));
  if (line === undefined) throw new OrgateError("session_too_large");
  const browser = ownCookieName(secure, "browser");
  auth.queueCookie(cookieName, line);
  auth.queueCookie(
    browser,
    setCookieLine(browser, secret, ownCookieAttributes(secure), Math.ceil(expiresAt - now)),
  );
  const kept = { authentication: pending, returnTo: whole === undefined ? "/" : returnTo, expiresAt };
  afterResponse.set(auth, { status: "found", pending: { ...kept, ...(step !== undefined && { step }) } });
  if (previous !== undefined && !isSame) {
    const at = instance.nextInSequence();
    instance.superseded.set(keyOf(previous.authentication), { ending: "supersede", at });
  }
}

/** Reads the pending authentication that was begun in this browser. */
export async function readPendingCookie({ instance, request }: ReceivedRequest): Promise<PendingReading> {
  const { secure } = instance.options;
  const sealed = findCookie(request.headers.cookie, ownCookieName(secure, "pending"));
  if (sealed.status === "absent") return PENDING_ABSENT;
  const browser = findCookie(request.headers.cookie, ownCookieName(secure, "browser"));
  if (sealed.status === "ambiguous" || browser.status === "ambiguous") {
    return { status: "invalid", reason: "pending_repeated" };
  }
  const secret = browser.status === "found" ? browser.value : undefined;
  const reading = readSealedCookie(instance, PENDING, { sealed: sealed.value, secret });
  return reading.status === "opened"
    ? { status: "found", pending: reading.value }
    : { status: "invalid", reason: PENDING_REASONS[reading.status] };
}

const PENDING_REASONS: Readonly<
  Record<Exclude<SealedCookieReading<Pending>["status"], "opened">, PendingReason>
> = {
  unreadable: "pending_unreadable",
  foreign: "pending_of_another_browser",
  expired: "pending_expired",
  not_yet_valid: "pending_not_yet_valid",
};

/** Returns what {@link readPendingCookie} finds. */
export async function findPending(received: ReceivedRequest): Promise<Pending | undefined> {
  const reading = await readPendingCookie(received);
  return reading.status === "found" ? reading.pending : undefined;
}

/** Reads the pending authentication for an organization selection; a member whose switch is pending chooses by session. */
export async function readSelectable(received: ReceivedRequest): Promise<PendingReading> {
  const reading = await readPendingCookie(received);
  return reading.status === "found" && reading.pending.step?.by === "switch" ? PENDING_ABSENT : reading;
}

/** Reads the pending authentication as it is after what the response sets and clears. */
export async function currentPending(context: RequestContext): Promise<PendingReading> {
  return afterResponse.get(context.auth) ?? readPendingCookie(context);
}

/** Where a sign-in goes on in which a step is due. A pending choice says nothing about the next sign-in. */
export function returnToOfStep(pending: Pending | undefined): string | undefined {
  return pending?.step && pending.returnTo;
}

/** Clears the pending authentication in the browser, and takes back what the response was about to set. */
export function clearPending({ instance, request, auth }: RequestContext): void {
  const { secure } = instance.options;
  for (const purpose of ["pending", "browser"]) {
    const name = ownCookieName(secure, purpose);
    const isPresent = findCookie(request.headers.cookie, name).status !== "absent";
    if (isPresent) auth.queueCookie(name, clearCookieLine(name, ownCookieAttributes(secure)));
    else auth.dropCookie(name);
  }
  afterResponse.set(auth, PENDING_ABSENT);
}

/** Clears a pending authentication that is spent, unless another took its place: a late refusal must not clear that one. */
export function clearSpent(context: RequestContext, { authentication }: Pending): void {
  if (context.instance.superseded.get(keyOf(authentication)) === undefined) clearPending(context);
}

function keyOf({ pendingAuthenticationToken: token }: PendingAuthentication): string {
  return `pending ${sha256(token)}`;
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
 * Returns what is pending in the browser that sent a request; `undefined` for nothing, and for what has expired or was begun
 * in another browser.
 *
 * @throws ConfigurationError where orgate is not mounted, or has no password to open it with.
 */
export async function pendingAuthenticationOf(
  instance: Instance,
  request: IncomingMessage,
): Promise<UnfinishedAuthentication | undefined> {
  const auth = requireRequestAuth(instance, request, "pendingAuthentication");
  requireSealer(instance, SEALED);
  const reading = await currentPending({ instance, request, auth });
  // The answer is then for this browser alone.
  if (reading.status !== "absent") auth.markPrivate();
  return reading.status === "found" ? toUnfinished(reading.pending) : undefined;
}

function toUnfinished({ authentication, returnTo, step }: Pending): UnfinishedAuthentication {
  const stepUp = step && Object.freeze({ reason: step.reason, details: { ...step.details } });
  const unfinished = { ...authentication, returnTo, ...(stepUp !== undefined && { stepUp }) };
  Object.defineProperty(unfinished, "pendingAuthenticationToken", { enumerable: false });
  return Object.freeze(unfinished);
}
