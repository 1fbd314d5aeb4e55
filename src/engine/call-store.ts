import type { IncomingMessage } from "node:http";
import { ERROR_TABLE, isOrgateError, StoreUnavailableError, type ErrorCode } from "../errors.ts";
import type { StoreContext } from "../stores/session-store.ts";
import { isAnswered, isMisconfigured, reasonOf, retryAfterOf, watchBudget } from "./ask-store.ts";
import { describeClient } from "./client-context.ts";
import { STORE_BUDGET, type Engine } from "./engine.ts";

/** What came of a call to the store: its answer, a refusal with a code of ours, or trouble of its own. */
export type StoreReply<Value> =
  | { readonly status: "answered"; readonly value: Value }
  | { readonly status: "refused"; readonly code: ErrorCode; readonly reason?: string }
  | { readonly status: "unavailable"; readonly retryAfter: number | undefined };

/** Calls the store within the time budget, unless it has been failing lately. Never rejects. */
export function callStore<Value>(
  engine: Engine,
  request: IncomingMessage,
  call: (context: StoreContext) => Promise<Value>,
): Promise<StoreReply<Value>> {
  const signal = AbortSignal.timeout(STORE_BUDGET * 1000);
  const context: StoreContext = { ...describeClient(engine.options, request), signal };
  const admitted = (): Promise<Value> => admit(engine, signal, () => call(context));
  return classify(engine, () => untilAborted(signal, admitted()), signal);
}

/**
 * Makes one call count for the breaker.
 *
 * @throws StoreUnavailableError at once while the store is left alone; else whatever the call throws.
 */
export async function admit<Value>(
  engine: Engine,
  signal: AbortSignal,
  call: () => Promise<Value>,
): Promise<Value> {
  const admission = engine.breaker.admit();
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
  { events }: Engine,
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
