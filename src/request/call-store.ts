import type { IncomingMessage } from "node:http";
import { ERROR_TABLE, type ErrorCode, StoreUnavailableError, isOrgateError } from "../errors.ts";
import { upstreamOf } from "../events.ts";
import { TIMED_OUT, limitTime } from "../lib/concurrency.ts";
import { isFiniteNumber, isObject, isString } from "../lib/values.ts";
import type { ResolvedOptions } from "../options/options.ts";
import type { StoreContext } from "../store.ts";
import { type Instance, STORE_BUDGET } from "./instance.ts";
import { type Unavailable, reportMisconfigured, reportUnavailable } from "./request-auth.ts";
import { type BackedOff, type StoreRefusal, addressGroup, toPause } from "./store-limits.ts";

/** What a call to the store came to: its answer, a refusal with one of our codes, or trouble. */
export type StoreReply<Value> =
  | {
      readonly status: "answered";
      readonly value: Value;
      /** When the store was asked, in seconds since the epoch: what it answered is as old as that. */
      readonly calledAt: number;
    }
  | { readonly status: "refused"; readonly code: ErrorCode; readonly reason?: string }
  | Unavailable;

/** A call about a credential that cannot be verified locally: it is limited, and what the store refuses is remembered. */
export interface UnverifiedCall<Value> {
  /** The cache key of the credential. */
  readonly key: string;
  /** The refusal that an answer contains, if any. */
  readonly refusalIn: (value: Value) => StoreRefusal | undefined;
  /** The answer that a remembered refusal stands for. */
  readonly repeat: (refusal: StoreRefusal) => Value;
}

/** Whom a call concerns. */
export interface CallSubject<Value> {
  /** The id of the member or user. @defaultValue whoever is behind the client's address */
  readonly member?: string | undefined;
  /** The cache key of the credential that backs off after a failure. The caller notes the success. */
  readonly backOffKey?: string;
  readonly unverified?: UnverifiedCall<Value> | undefined;
}

/** Calls the store, waits at most for the time budget, and reports trouble. Never rejects. */
export async function callStore<Value>(
  instance: Instance,
  request: IncomingMessage,
  call: (context: StoreContext) => Promise<Value>,
  subject: CallSubject<Value> = {},
): Promise<StoreReply<Value>> {
  const client = describeClient(instance, request);
  if (subject.unverified !== undefined) reportUntrustedProxy(instance, request);
  const result = await limitTime(STORE_BUDGET, ({ signal }) =>
    callStoreWithin(instance, { ...client, signal }, call, subject),
  );
  const reply = result === TIMED_OUT ? STORE_TIMEOUT : result;
  if (reply.status === "unavailable") reportUnavailable(instance.events, reply);
  return reply;
}

/** The reply of a store that did not answer within the time budget. */
export const STORE_TIMEOUT: Unavailable = {
  status: "unavailable",
  reason: "timeout",
  retryAfter: STORE_BUDGET,
};

/**
 * Calls the store inside a single flight, which limits the waiting. Never rejects. Reports nothing: each request that gets the
 * reply does, with {@link reportUnavailable}.
 *
 * The call goes on after its signal, because a late reply may bring a rotated refresh token.
 */
export async function callStoreWithin<Value>(
  instance: Instance,
  context: StoreContext,
  call: (context: StoreContext) => Promise<Value>,
  subject: CallSubject<Value> = {},
): Promise<StoreReply<Value>> {
  const ask = (): Promise<StoreReply<Value>> => callUnlessBackedOff(instance, context, call, subject);
  if (subject.unverified === undefined) return ask();
  const { key, refusalIn, repeat } = subject.unverified;
  const { ipAddress } = context;
  const limited = await instance.unverified.run({ key, ipAddress }, ask, (reply) => {
    if (reply.status === "answered") return refusalIn(reply.value) ?? "accepted";
    return reply.status === "unavailable" && reply.refusal === undefined ? undefined : "refused";
  });
  switch (limited.status) {
    case "called":
      return limited.answer;
    case "refused_before":
      return { status: "answered", value: repeat(limited.refusal), calledAt: instance.options.clock() };
    default:
      return { status: "unavailable", reason: "unvouched_flood", retryAfter: limited.retryAfter };
  }
}

async function callUnlessBackedOff<Value>(
  { breaker, backOff, events, options }: Instance,
  context: StoreContext,
  call: (context: StoreContext) => Promise<Value>,
  { member: knownMember, backOffKey }: CallSubject<Value>,
): Promise<StoreReply<Value>> {
  const backedOff = backOffKey === undefined ? undefined : backOff.waitFor(backOffKey);
  if (backedOff !== undefined) return toUnavailable(backedOff);
  // Anybody can make up a credential, so what was not verified counts for the address that it came from.
  const member =
    knownMember === undefined ? `address ${addressGroup(context.ipAddress)}` : `id ${knownMember}`;
  const { signal } = context;
  const waiting = breaker.admit(member);
  const admission = waiting instanceof Promise ? await waiting : waiting;
  if (admission.status === "stop") {
    return { status: "unavailable", reason: "breaker_open", retryAfter: admission.retryAfter };
  }
  // The time ran out while this call waited for the breaker or for a lease.
  if (signal.aborted) {
    admission.abandoned();
    return STORE_TIMEOUT;
  }
  const calledAt = options.clock();
  let hadItsTime = false;
  const half = setTimeout(() => {
    hadItsTime = true;
  }, STORE_BUDGET * 500).unref();
  // A call that outlives its budget counts at that moment, once, whatever it comes to.
  let isCounted = false;
  const count = (outcome: () => void): void => {
    if (!isCounted) outcome();
    isCounted = true;
  };
  const expire = (): void => {
    // One that was sent late, because others were waited for, says nothing about the store.
    count(() => (hadItsTime ? admission.failed() : admission.abandoned()));
    if (backOffKey !== undefined)
      backOff.failed(backOffKey, { reason: "timeout", isRefusal: false, isOutage: true });
  };
  signal.addEventListener("abort", expire, { once: true });
  try {
    const value = await call(context);
    count(() => admission.succeeded());
    return { status: "answered", value, calledAt };
  } catch (error) {
    const reply = classifyError(error, signal);
    const concern = concernOf(error, signal);
    const isTrouble = reply.status !== "refused" && (concern === "service" || concern === "unknown");
    const isLate = isCounted;
    count(() => (isTrouble ? admission.failed(askedWait(error)) : admission.succeeded()));
    if (reply.status === "refused") return reply;
    if (fieldOf(error, "misconfigured") === true) reportMisconfigured(events, reply);
    // Waiting ends neither contention nor a mistake in the configuration.
    if (concern === "nobody") return reply;
    // The application's own code failed: for this member, if it answers about others.
    const isRefusal =
      concern === "credential" || (concern === "unknown" && breaker.hasAnsweredOthers(member));
    if (backOffKey === undefined || isLate) return isRefusal ? { ...reply, refusal: "recent" } : reply;
    const { reason, cause } = reply;
    const upstreamCode = upstreamOf(error).upstream?.code;
    const isOutage = isTrouble && !isRefusal;
    const failure = { reason, upstreamCode, isRefusal, isOutage, retryAfter: askedWait(error), cause };
    return toUnavailable(backOff.failed(backOffKey, failure));
  } finally {
    clearTimeout(half);
    signal.removeEventListener("abort", expire);
  }
}

/** What a request gets while its credential backs off. */
export function toUnavailable({ failure, retryAfter, isLasting }: BackedOff): Unavailable {
  const { reason, cause, isRefusal } = failure;
  const refusal = isRefusal ? ({ refusal: isLasting ? "lasting" : "recent" } as const) : {};
  return { status: "unavailable", reason, retryAfter, cause, ...refusal };
}

/**
 * Whom the trouble behind a thrown value concerns: the service is down, a credential is refused, `unknown` which of both;
 * or the store works, and orgate could not use its answer (`ours`). Nobody is to blame for contention and configuration.
 */
function concernOf(
  error: unknown,
  signal: AbortSignal,
): "service" | "credential" | "unknown" | "ours" | "nobody" {
  if (fieldOf(error, "misconfigured") === true || isContention(error)) return "nobody";
  if (signal.aborted) return "service";
  if (!isOrgateError(error)) return "unknown";
  if (fieldOf(error, "code") !== "store_unavailable") return "ours";
  const concerns = fieldOf(error, "concerns");
  return concerns === "credential" || concerns === "unknown" ? concerns : "service";
}

function askedWait(error: unknown): number | undefined {
  const wait = fieldOf(error, "retryAfter");
  return isFiniteNumber(wait) ? wait : undefined;
}

/** Whether a thrown value says that another process is using the same credential. */
export function isContention(error: unknown): boolean {
  return fieldOf(error, "contended") === true;
}

/** Seconds to wait while other requests use the same credential. */
const CONTENDED_WAIT = 1;

/** Tells a refusal from trouble. Whatever a store throws that is no refusal of ours means that it cannot know. */
export function classifyError(
  error: unknown,
  signal?: AbortSignal,
): Exclude<StoreReply<never>, { status: "answered" }> {
  const reason = fieldOf(error, "reason");
  const code = isOrgateError(error) ? fieldOf(error, "code") : undefined;
  if (isRefusalCode(code)) return { status: "refused", code, ...(isString(reason) && { reason }) };
  const defaultWait = isContention(error) ? CONTENDED_WAIT : STORE_BUDGET;
  return {
    status: "unavailable",
    reason: signal?.aborted === true ? "timeout" : toLabel(reason, "store_failed"),
    // A mistake in the configuration does not go away by waiting.
    retryAfter:
      fieldOf(error, "misconfigured") === true ? undefined : toPause(askedWait(error) ?? defaultWait),
    cause: error,
  };
}

function isRefusalCode(code: unknown): code is ErrorCode {
  return Object.entries(ERROR_TABLE).some(([known, { status }]) => known === code && status < 500);
}

/** Reads a field of a thrown value, which may be anything, a getter that throws included. */
function fieldOf(
  error: unknown,
  name: "code" | "reason" | "retryAfter" | "misconfigured" | "contended" | "concerns",
): unknown {
  try {
    return isObject(error) ? error[name] : undefined;
  } catch {
    return undefined;
  }
}

/** Returns a store's word if it may stand in an event or a response: short and plain. Else returns the fallback. */
export function toLabel(word: unknown, fallback: string): string {
  return typeof word === "string" && /^[a-z][a-z0-9_]{0,63}$/.test(word) ? word : fallback;
}

/**
 * Checks the form of what a store answered.
 *
 * @throws StoreUnavailableError for a malformed answer: that is a defect of the store and says nothing about the member.
 */
export function checkAnswer<Value>(given: unknown, isValue: (given: unknown) => given is Value): Value {
  if (isValue(given)) return given;
  throw new StoreUnavailableError({ reason: "nonsense", concerns: "unknown" });
}

const PRIVATE_ADDRESS =
  /^(?:::ffff:)?(?:10\.|127\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.)|^(?:::1$|f[cd]|fe80:)/i;
const reported = new WeakSet<Instance>();

/** Reports once that every client seems to have the address of a proxy, which the limits by address then go by. */
export function reportUntrustedProxy(instance: Instance, request: IncomingMessage): void {
  if (reported.has(instance) || request.headers["x-forwarded-for"] === undefined) return;
  const { remoteAddress = "" } = request.socket;
  if (!PRIVATE_ADDRESS.test(remoteAddress)) return;
  const client = readAddress(instance, request);
  if (client !== undefined && client !== unmap(remoteAddress)) return;
  reported.add(instance);
  reportMisconfigured(instance.events, { reason: "proxy_not_trusted" });
}

const MAX_ADDRESS_LENGTH = 45;
const MAX_USER_AGENT_LENGTH = 512;
const ADDRESS = /^[\da-f.:]+$/i;

/** What the client's address is found by, and where trouble with that is reported. */
type AddressSource = Pick<Instance, "events"> & { readonly options: Pick<ResolvedOptions, "ipAddress"> };

/** Tells the store who the client is. Sanitised, because both values come from outside. */
export function describeClient(
  source: AddressSource,
  request: IncomingMessage,
): Omit<StoreContext, "signal"> {
  const address = readAddress(source, request);
  const userAgent = request.headers["user-agent"]?.replaceAll(/\p{Cc}/gu, "").slice(0, MAX_USER_AGENT_LENGTH);
  return {
    ...(address !== undefined && { ipAddress: address }),
    ...(userAgent !== undefined && userAgent !== "" && { userAgent }),
  };
}

function readAddress(source: AddressSource, request: IncomingMessage): string | undefined {
  const given = askForAddress(source, request);
  if (typeof given !== "string" || given.length > MAX_ADDRESS_LENGTH) return undefined;
  const unmapped = unmap(given);
  return ADDRESS.test(unmapped) ? unmapped : undefined;
}

/** An IPv4 address as itself, where a socket for both families writes it as IPv6. */
function unmap(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "");
}

function askForAddress({ options: { ipAddress }, events }: AddressSource, request: IncomingMessage): unknown {
  try {
    // Express's `req.ip` obeys its "trust proxy" setting.
    return ipAddress === undefined
      ? ((request as { ip?: unknown }).ip ?? request.socket.remoteAddress)
      : ipAddress(request);
  } catch (cause) {
    reportMisconfigured(events, { reason: "ip_address_failed", cause });
    return undefined;
  }
}
