import type { IncomingMessage } from "node:http";
import { ERROR_TABLE, type ErrorCode, StoreUnavailableError, isOrgateError } from "../errors.ts";
import { toRedirectTarget } from "../lib/navigation.ts";
import type { ResolvedOptions } from "../options/options.ts";
import type { RenewContext, Renewal, StaleCredential, StoreContext } from "../store.ts";
import { acceptRenewal } from "./accept-credential.ts";
import type { Admission } from "./breaker.ts";
import { credentialKey } from "./cache.ts";
import { type Instance, STORE_BUDGET } from "./instance.ts";
import { type RenewalResult, unavailable } from "./renew.ts";
import type { VerifiedCredential } from "./verify-credential.ts";

/** Seconds, for whoever only has to wait for somebody else. */
const SHORT_PAUSE = 1;

/** Asks the store about a stale credential, once, and makes sense of the answer. Never rejects. */
export function askStore(
  instance: Instance,
  vouched: VerifiedCredential,
  reason: StaleCredential["reason"],
  context: RenewContext,
): Promise<RenewalResult> {
  const { kind, session, sealed, opaqueToken, accessToken = "" } = vouched;
  const ask = (): Promise<RenewalResult> => askOf(instance, vouched, reason, context);
  if (session !== undefined || sealed !== undefined) return ask();
  return instance.unvouched.ask(credentialKey(kind, opaqueToken ?? accessToken), ask);
}

async function askOf(
  instance: Instance,
  vouched: VerifiedCredential,
  reason: StaleCredential["reason"],
  context: RenewContext,
): Promise<RenewalResult> {
  const admission = instance.breaker.admit();
  if (admission.status === "stop") return unavailable("breaker_open", admission.retryAfter);
  const { clock, store } = instance.options;
  const startedAt = clock();
  const watch = watchBudget(context.signal, admission);
  let answer: RenewalResult;
  try {
    answer = await readRenewal(instance, vouched, await store.renew(toStale(vouched, reason), context));
  } catch (error) {
    const trouble = reasonOf(error, context.signal);
    if (!isAnswered(error)) return unavailable(trouble, watch.failed(retryAfterOf(error)));
    watch.succeeded();
    if (!isMisconfigured(error)) return unavailable(trouble, retryAfterOf(error) ?? SHORT_PAUSE);
    // It is this application that is wrong, and no pause mends that.
    instance.events.emit({ type: "misconfigured", reason: trouble });
    return unavailable(trouble, undefined);
  }
  // The store answered; trouble with its keys is counted where keys are fetched.
  watch.succeeded();
  if (answer.status === "active") {
    instance.events.emit({ type: "renewed", reason, milliseconds: Math.round((clock() - startedAt) * 1000) });
  }
  return answer;
}

/**
 * Counts a call that outlives its budget as failed at that moment, once. It is waited for all the same: the requests have
 * long been answered, but a pair that a late reply brings is rotated already and must not be lost.
 */
export function watchBudget(
  signal: AbortSignal,
  admission: Extract<Admission, { status: "go" }>,
): Pick<Extract<Admission, { status: "go" }>, "succeeded" | "failed"> {
  let pause: number | undefined;
  const failed = (retryAfter?: number): number => (pause ??= admission.failed(retryAfter));
  const expire = (): void => void failed();
  signal.addEventListener("abort", expire, { once: true });
  return {
    succeeded() {
      signal.removeEventListener("abort", expire);
      admission.succeeded();
    },
    failed(retryAfter) {
      signal.removeEventListener("abort", expire);
      return failed(retryAfter);
    },
  };
}

function toStale(
  { accessToken, claims, sealed, opaqueToken }: VerifiedCredential,
  reason: StaleCredential["reason"],
): StaleCredential {
  return {
    reason,
    ...(accessToken !== undefined && { accessToken }),
    ...(claims !== undefined && { claims }),
    ...(sealed !== undefined && { sealed }),
    ...(opaqueToken !== undefined && { opaqueToken }),
  };
}

async function readRenewal(
  instance: Instance,
  vouched: VerifiedCredential,
  renewal: Renewal,
): Promise<RenewalResult> {
  switch (renewal.status) {
    case "active":
      return acceptRenewal(instance, vouched, renewal);
    case "ended":
      return { status: "ended", reason: toLabel(renewal.reason, "ended") };
    case "reauthenticate": {
      const url = toRedirectTarget(renewal.url);
      const reason = toLabel(renewal.reason, "authentication_required");
      const { organizationId } = renewal;
      const place = typeof organizationId === "string" ? { organizationId } : {};
      return { status: "reauthenticate", reason, ...(url !== undefined && { url }), ...place };
    }
    case "unrenewable":
      return { status: "unrenewable" };
    case "rejected":
      return { status: "rejected", reason: renewal.reason };
    default:
      throw new TypeError("the store's answer has no known status");
  }
}

/** A store's word as it may stand in an event or an answer: short and plain, or not at all. */
function toLabel(word: unknown, fallback: string): string {
  return typeof word === "string" && /^[a-z][a-z0-9_]{0,63}$/.test(word) ? word : fallback;
}

/** How long a store that is in trouble asked to be left alone. */
export function retryAfterOf(error: unknown): number | undefined {
  try {
    const retryAfter = (error as { retryAfter?: unknown } | undefined)?.retryAfter;
    return typeof retryAfter === "number" && Number.isFinite(retryAfter) ? retryAfter : undefined;
  } catch {
    // What a store throws may be anything, a getter that throws included.
    return undefined;
  }
}

/** Whether the store refuses this application itself. */
export function isMisconfigured(error: unknown): boolean {
  return isMarked(error, "misconfigured");
}

/** Whether the store did answer, so that others need not leave it alone. */
export function isAnswered(error: unknown): boolean {
  return isMarked(error, "misconfigured") || isMarked(error, "contended");
}

function isMarked(error: unknown, mark: "misconfigured" | "contended"): boolean {
  try {
    return (error as Partial<Record<typeof mark, unknown>> | undefined)?.[mark] === true;
  } catch {
    return false;
  }
}

/** A word for what a store threw, safe as a label. */
export function reasonOf(error: unknown, signal?: AbortSignal): string {
  if (signal?.aborted === true) return "timeout";
  try {
    const reason = (error as { code?: unknown; reason?: unknown } | undefined)?.reason;
    return toLabel(reason, "store_failed");
  } catch {
    return "store_failed";
  }
}

/** What came of a call to the store: its answer, a refusal with a code of ours, or trouble of its own. */
export type StoreReply<Value> =
  | { readonly status: "answered"; readonly value: Value }
  | { readonly status: "refused"; readonly code: ErrorCode; readonly reason?: string }
  | { readonly status: "unavailable"; readonly retryAfter: number | undefined };

/** Calls the store within the time budget, unless it has been failing lately. Never rejects. */
export function callStore<Value>(
  instance: Instance,
  request: IncomingMessage,
  call: (context: StoreContext) => Promise<Value>,
): Promise<StoreReply<Value>> {
  const signal = AbortSignal.timeout(STORE_BUDGET * 1000);
  const context: StoreContext = { ...describeClient(instance.options, request), signal };
  const admitted = (): Promise<Value> => admit(instance, signal, () => call(context));
  return classify(instance, () => untilAborted(signal, admitted()), signal);
}

/**
 * Makes one call count for the breaker.
 *
 * @throws StoreUnavailableError at once while the store is left alone; else whatever the call throws.
 */
export async function admit<Value>(
  instance: Instance,
  signal: AbortSignal,
  call: () => Promise<Value>,
): Promise<Value> {
  const admission = instance.breaker.admit();
  if (admission.status === "stop") {
    throw new StoreUnavailableError({ reason: "breaker_open", retryAfter: admission.retryAfter });
  }
  const watch = watchBudget(signal, admission);
  try {
    const value = await call();
    watch.succeeded();
    return value;
  } catch (error) {
    if (refusalOf(error) !== undefined || isAnswered(error)) watch.succeeded();
    else watch.failed(retryAfterOf(error));
    throw error;
  }
}

/** Tells a refusal from trouble. Whatever a store throws that is no refusal of ours means that it cannot know. */
export async function classify<Value>(
  { events }: Instance,
  work: () => Promise<Value>,
  signal?: AbortSignal,
): Promise<StoreReply<Value>> {
  try {
    return { status: "answered", value: await work() };
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal !== undefined) return refusal;
    const reason = reasonOf(error, signal);
    const isOurs = isMisconfigured(error);
    const retryAfter = isOurs ? undefined : Math.max(1, Math.ceil(retryAfterOf(error) ?? STORE_BUDGET));
    if (isOurs) events.emit({ type: "misconfigured", reason });
    events.emit({
      type: "unavailable",
      code: "store_unavailable",
      reason,
      ...(retryAfter !== undefined && { retryAfter }),
    });
    return { status: "unavailable", retryAfter };
  }
}

/** A refusal that a store or an authority threw; `undefined` for trouble and for other people's errors. */
export function refusalOf(error: unknown): Extract<StoreReply<never>, { status: "refused" }> | undefined {
  try {
    if (!isOrgateError(error) || (ERROR_TABLE[error.code]?.status ?? 500) >= 500) return undefined;
    const { code, reason } = error;
    return { status: "refused", code, ...(reason !== undefined && { reason }) };
  } catch {
    // Other people's errors may be anything, a getter that throws included.
    return undefined;
  }
}

/** A store that ignores its signal is not waited for longer than one that obeys it. */
function untilAborted<Value>(signal: AbortSignal, promise: Promise<Value>): Promise<Value> {
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(new StoreUnavailableError({ reason: "timeout" })), {
      once: true,
    });
  });
  return Promise.race([promise, aborted]);
}

const MAX_ADDRESS_LENGTH = 45;
const MAX_USER_AGENT_LENGTH = 512;
const ADDRESS = /^[\da-f.:]+$/i;

/** What the store is told of the client; sanitised, because both come from outside. */
export function describeClient(
  { ipAddress }: Pick<ResolvedOptions, "ipAddress">,
  request: IncomingMessage,
): Pick<StoreContext, "ipAddress" | "userAgent"> {
  const address = readAddress(ipAddress, request);
  const userAgent = request.headers["user-agent"]?.replaceAll(/\p{Cc}/gu, "").slice(0, MAX_USER_AGENT_LENGTH);
  return {
    ...(address !== undefined && { ipAddress: address }),
    ...(userAgent !== undefined && userAgent !== "" && { userAgent }),
  };
}

function readAddress(ipAddress: ResolvedOptions["ipAddress"], request: IncomingMessage): string | undefined {
  const given = askForAddress(ipAddress, request);
  if (typeof given !== "string" || given.length > MAX_ADDRESS_LENGTH) return undefined;
  const unmapped = given.replace(/^::ffff:(?=\d+\.)/i, "");
  return ADDRESS.test(unmapped) ? unmapped : undefined;
}

function askForAddress(ipAddress: ResolvedOptions["ipAddress"], request: IncomingMessage): unknown {
  try {
    // Express's `req.ip` obeys its "trust proxy" setting.
    return ipAddress === undefined
      ? ((request as { ip?: unknown }).ip ?? request.socket.remoteAddress)
      : ipAddress(request);
  } catch {
    return undefined;
  }
}
