import type { IncomingMessage } from "node:http";
import { setCookie } from "../engine/deliver.ts";
import type { Engine } from "../engine/engine.ts";
import { OrgateError } from "../errors.ts";
import { clearCookieLine, setCookieLine } from "../http/cookies.ts";
import type { RequestRecord } from "../pipeline/attach.ts";
import { findCookie } from "../pipeline/find-cookie.ts";
import { withoutPassword } from "./issue-session.ts";
import { ownCookieAttributes, ownCookieName } from "./own-cookies.ts";
import {
  makePendingSeal,
  readPendingSeal,
  toPending,
  type NewPending,
  type Pending,
  type PendingSeal,
} from "./pending-seal.ts";

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
const left = new WeakMap<RequestRecord, PendingReading>();

/**
 * Seals a pending token into a cookie that opens only beside another one, made for it at the same moment.
 *
 * @throws OrgateError `session_too_large` for a token that does not fit into a cookie.
 */
export async function writePending(
  { options, sealer }: Engine,
  record: RequestRecord,
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
  { options, sealer }: Engine,
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
export async function presentPending(engine: Engine, request: IncomingMessage): Promise<Pending | undefined> {
  const reading = await readPending(engine, request);
  return reading.status === "found" ? reading.pending : undefined;
}

/** The same for whoever chooses: not what a switch left, for its member chooses by the session that goes on meanwhile. */
export async function readSelectable(engine: Engine, request: IncomingMessage): Promise<PendingReading> {
  const reading = await readPending(engine, request);
  return reading.status === "found" && reading.pending.step?.by === "switch" ? ABSENT : reading;
}

/** The same as {@link readPending}, as it is after what the response sets and clears. */
export async function currentPending(
  engine: Engine,
  request: IncomingMessage,
  record: RequestRecord,
): Promise<PendingReading> {
  return left.get(record) ?? readPending(engine, request);
}

/** Clears what the request brought of a pending authentication, and takes back what the response was about to set. */
export function clearPending({ options }: Engine, request: IncomingMessage, record: RequestRecord): void {
  for (const purpose of ["pending", "browser"] as const) {
    const name = ownCookieName(options, purpose);
    const isPresent = findCookie(request.headers.cookie, name).status !== "absent";
    if (isPresent) setCookie(record, name, clearCookieLine(name, ownCookieAttributes(options)));
    else record.cookies?.delete(name);
  }
  left.set(record, ABSENT);
}
