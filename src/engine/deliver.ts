import type { IncomingMessage } from "node:http";
import { clearCookieLine, clearEveryForm, setCookieLine, splitIntoCookies } from "../http/cookies.ts";
import type { RequestRecord } from "../pipeline/attach.ts";
import type { Ending } from "../pipeline/invalidations.ts";
import type { Credential } from "../pipeline/read-credential.ts";
import { MAX_SEAL_LENGTH } from "../pipeline/unseal-session.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import { keyOf } from "./key-of.ts";
import { presentCookies, type Presented } from "./present-cookies.ts";
import type { Successor } from "./store-answer.ts";
import type { Resolution } from "./question.ts";
import type { Engine } from "./engine.ts";

/** Browsers keep a cookie for at most so long (RFC 6265bis section 5.5). */
export const MAX_COOKIE_AGE = 34_560_000;

const NOTHING: Presented = { cookieNames: [] };

/** Takes what came of a request's credential into its record, headers for the client included. */
export function deliver(
  engine: Engine,
  record: RequestRecord,
  resolution: Resolution,
  request: IncomingMessage,
): void {
  if (resolution.status === "authenticated") {
    record.session = resolution.session;
    record.state = undefined;
    record.source = resolution.source;
  } else {
    record.session = undefined;
    record.state = Object.freeze(resolution.state);
    if (resolution.clearsCookie && endingOf(engine, record) !== "supersede")
      clearPresented(engine, record, request, record.credential);
  }
  if (resolution.successor !== undefined && !isOvertaken(engine, record)) {
    sendCredential(engine, { record, request, session: record.session }, resolution.successor);
  }
}

/** Whether a sign-in, a switch or a sign-out came after the credential, so that nothing of its renewal may follow. */
function isOvertaken(engine: Engine, record: RequestRecord): boolean {
  const { closed, session } = record;
  if (closed) return true;
  if (session !== undefined && engine.invalidations.endingOf(session.memberSession.id) !== undefined)
    return true;
  return endingOf(engine, record) !== undefined;
}

function endingOf({ superseded }: Engine, { credential }: RequestRecord): Ending | undefined {
  return credential === undefined ? undefined : superseded.get(keyOf(credential));
}

/** Where a credential goes. */
export interface Delivery {
  readonly record: RequestRecord;
  readonly request: IncomingMessage;
  readonly session: VerifiedSession | undefined;
  /** The way it is read again. @defaultValue the way the presented one came */
  readonly target?: Pick<Credential, "kind" | "cookieName">;
}

/**
 * Puts a credential on the response, the way it will be presented.
 *
 * @returns `false` if it is too large to be sent at all.
 */
export function sendCredential(engine: Engine, delivery: Delivery, successor: Successor): boolean {
  const { record, request, session, target = record.credential } = delivery;
  if (target?.kind === "bearer") {
    setHeader(record, "Session-Jwt", successor.accessToken);
    const { origin } = request.headers;
    if (origin !== undefined && engine.origins.isTrusted(origin)) {
      setHeader(record, "Access-Control-Expose-Headers", "Session-Jwt");
    }
  } else if (target?.kind === "sealed") {
    const { cookieValue } = successor;
    return cookieValue === undefined || writeSessionCookie(engine, record, cookieValue, session);
  } else if (target !== undefined) {
    writeUnsealedCookies(engine, { record, session, target }, successor);
  }
  return true;
}

/** Puts an unsealed JWT on the response, and what lies beside it, where the store's own front ends find them. */
function writeUnsealedCookies(
  engine: Engine,
  { record, session, target }: Pick<Delivery, "record" | "session" | "target">,
  { accessToken, opaqueToken }: Successor,
): void {
  const { cookie, sources } = engine.options;
  const attributes = { ...cookie.attributes, httpOnly: false };
  const nameOf = (kind: Credential["kind"]): string | undefined => {
    const source = target?.kind === kind ? target : sources.find((one) => one.kind === kind);
    return source !== undefined && "cookieName" in source ? source.cookieName : undefined;
  };
  for (const [name, value] of [
    [nameOf("jwt_cookie"), accessToken],
    [nameOf("opaque"), opaqueToken],
  ] as const) {
    if (name === undefined || value === undefined) continue;
    setCookie(record, name, setCookieLine(name, value, attributes, cookieAge(engine, session)));
  }
}

/**
 * Puts a sealed session on the response, in chunks where it is too long for one cookie, and clears what is left of an
 * earlier one.
 *
 * @returns `false` if the session is too large to be sent at all.
 */
export function writeSessionCookie(
  engine: Engine,
  record: RequestRecord,
  value: string,
  session: VerifiedSession | undefined = record.session,
): boolean {
  if (value.length > MAX_SEAL_LENGTH) {
    engine.events.emit({ type: "misconfigured", reason: "session_too_large" });
    return false;
  }
  const { name, attributes } = engine.options.cookie;
  const lines = splitIntoCookies(name, value, attributes, cookieAge(engine, session));
  for (const earlier of [...presentNames(record.credential), ...queuedForms(record, name)]) {
    if (!lines.has(earlier)) setCookie(record, earlier, clearCookieLine(earlier, attributes));
  }
  for (const [cookie, line] of lines) setCookie(record, cookie, line);
  return true;
}

/** Clears the cookies that the request's credential came in; every form of them where it was ambiguous. */
export function clearPresented(
  engine: Engine,
  record: RequestRecord,
  request: IncomingMessage,
  presented: Presented = NOTHING,
): void {
  const { cookie, sources } = engine.options;
  const isAmbiguous = record.state?.status === "rejected" && record.state.code === "ambiguous_credential";
  for (const present of presentCookies(request, presented, sources)) {
    if (isAmbiguous) clearAllForms(engine, record, present);
    else setCookie(record, present, clearCookieLine(present, cookie.attributes));
  }
}

/** Clears a cookie host-only, with the host's own name as its domain, and with the configured domain. */
export function clearAllForms(engine: Engine, record: RequestRecord, name: string): void {
  const { cookie, origin } = engine.options;
  const { domain } = cookie.attributes;
  const domains = new Set([new URL(origin).hostname, ...(domain === undefined ? [] : [domain])]);
  const lines = clearEveryForm(name, cookie.attributes, [...domains]);
  for (const [index, line] of lines.entries())
    setCookie(record, index === 0 ? name : `${name};${index}`, line);
}

/** Queues a `Set-Cookie` line; a later one for the same cookie replaces it. */
export function setCookie(record: RequestRecord, name: string, line: string): void {
  record.cookies ??= new Map();
  record.cookies.set(name, line);
}

function setHeader(record: RequestRecord, name: string, value: string): void {
  record.headers ??= new Map();
  record.headers.set(name, value);
}

/** Forms of a cookie that this very response was about to set. */
function queuedForms({ cookies }: RequestRecord, name: string): string[] {
  return [...(cookies?.keys() ?? [])].filter((key) => key === name || key.startsWith(`${name}.`));
}

function presentNames(credential: Credential | undefined): readonly string[] {
  return credential?.cookieNames ?? [];
}

function cookieAge({ options }: Engine, session: VerifiedSession | undefined): number {
  const { maxAge } = options.cookie;
  if (maxAge !== undefined) return maxAge;
  const end = session?.sessionExpiresAt;
  return end === undefined
    ? MAX_COOKIE_AGE
    : Math.max(1, Math.min(MAX_COOKIE_AGE, Math.ceil(end - options.clock())));
}
