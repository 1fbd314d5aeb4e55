import { toRedirectTarget } from "../http/redirect-target.ts";
import { credentialKey } from "../pipeline/verified-cache.ts";
import type { Admission } from "../pipeline/breaker.ts";
import type { Renewal, RenewContext, StaleCredential } from "../stores/session-store.ts";
import { adoptSuccessor } from "./adopt-successor.ts";
import type { Engine } from "./engine.ts";
import { unavailable, type StoreAnswer } from "./store-answer.ts";
import type { Vouched } from "./vouch.ts";

/** Seconds, for whoever only has to wait for somebody else. */
const SHORT_PAUSE = 1;

/** Asks the store about a stale credential, once, and makes sense of the answer. Never rejects. */
export function askStore(
  engine: Engine,
  vouched: Vouched,
  reason: StaleCredential["reason"],
  context: RenewContext,
): Promise<StoreAnswer> {
  const { kind, session, sealed, opaqueToken, accessToken = "" } = vouched;
  const ask = (): Promise<StoreAnswer> => askOf(engine, vouched, reason, context);
  if (session !== undefined || sealed !== undefined) return ask();
  return engine.unvouched.ask(credentialKey(kind, opaqueToken ?? accessToken), ask);
}

async function askOf(
  engine: Engine,
  vouched: Vouched,
  reason: StaleCredential["reason"],
  context: RenewContext,
): Promise<StoreAnswer> {
  const admission = engine.breaker.admit();
  if (admission.status === "stop") return unavailable("breaker_open", admission.retryAfter);
  const { clock, store } = engine.options;
  const startedAt = clock();
  const watch = watchBudget(context.signal, admission);
  let answer: StoreAnswer;
  try {
    answer = await readRenewal(engine, vouched, await store.renew(toStale(vouched, reason), context));
  } catch (error) {
    const trouble = reasonOf(error, context.signal);
    if (!isAnswered(error)) return unavailable(trouble, watch.failed(retryAfterOf(error)));
    watch.succeeded();
    if (!isMisconfigured(error)) return unavailable(trouble, retryAfterOf(error) ?? SHORT_PAUSE);
    // It is this application that is wrong, and no pause mends that.
    engine.events.emit({ type: "misconfigured", reason: trouble });
    return unavailable(trouble, undefined);
  }
  // The store answered; trouble with its keys is counted where keys are fetched.
  watch.succeeded();
  if (answer.status === "active") {
    engine.events.emit({ type: "renewed", reason, milliseconds: Math.round((clock() - startedAt) * 1000) });
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
  { accessToken, claims, sealed, opaqueToken }: Vouched,
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

async function readRenewal(engine: Engine, vouched: Vouched, renewal: Renewal): Promise<StoreAnswer> {
  switch (renewal.status) {
    case "active":
      return adoptSuccessor(engine, vouched, renewal);
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
