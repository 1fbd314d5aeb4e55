import type { EventSink } from "../events.ts";
import type { Clock } from "../lib/clock.ts";
import { TIMED_OUT, createSingleFlight, limitTime } from "../lib/concurrency.ts";
import { isObject } from "../lib/values.ts";
import type { SessionStore } from "../store.ts";
import type { KeySet } from "../tokens/key-set.ts";
import { classifyError } from "./call-store.ts";
import type { Coordination } from "./coordination.ts";
import { reportUnavailable } from "./request-auth.ts";

/** How one part is. `not_checked`: it cannot be asked. `reason` is the word that the event `unavailable` has. */
export type PartHealth =
  | { readonly status: "ok"; readonly milliseconds: number }
  /** It fails, and what is at hand still serves. */
  | { readonly status: "degraded"; readonly reason: string }
  | { readonly status: "unavailable"; readonly reason: string }
  | { readonly status: "not_checked" };

/** What `auth.health()` returns. Plain JSON, without secrets. */
export interface Health {
  /**
   * `ok`: everything that can be asked answers. `degraded`: all requests are served, and changes may reach this process later.
   * `unavailable`: nobody can sign in or renew now; sessions with a fresh token are still served.
   */
  readonly status: "ok" | "degraded" | "unavailable";
  /** The session store; for the authority, its repository. */
  readonly store: PartHealth;
  /** The keys that tokens are verified with. */
  readonly keys: PartHealth;
  readonly coordinator: PartHealth;
}

/** Seconds that one part may take to answer. */
const PART_BUDGET = 2;
/** Seconds for which an answer is repeated, so that a public health route costs the engines nothing. */
const ANSWER_AGE = 1;

/** What is asked. */
export interface HealthSources {
  readonly store: Pick<SessionStore, "ping">;
  readonly keys: Pick<KeySet, "check">;
  readonly coordination: Pick<Coordination, "ping" | "isChannelLost">;
  readonly clock: Clock;
  readonly events: EventSink;
}

/** Makes what asks every part, at most once a second, and never rejects. */
export function createHealthCheck(sources: HealthSources): () => Promise<Health> {
  const { clock } = sources;
  const flights = createSingleFlight<Health>({ clock, budget: PART_BUDGET * 2, grace: ANSWER_AGE });
  return async () => {
    const flight = await flights.run({ key: "health", start: () => checkParts(sources) });
    if (flight.status === "settled") return flight.settled.result;
    const unknown = { status: "unavailable", reason: "timeout" } as const;
    return { status: "unavailable", store: unknown, keys: unknown, coordinator: unknown };
  };
}

const CHANNEL_LOST: PartHealth = { status: "degraded", reason: "coordinator_channel_lost" };

async function checkParts(sources: HealthSources): Promise<Health> {
  const { store: asked, keys: keySet, coordination } = sources;
  const { ping, isChannelLost } = coordination;
  const askCoordinator = async (): Promise<unknown> => {
    await ping?.();
    return isChannelLost ? CHANNEL_LOST : undefined;
  };
  const [store, keys, coordinator] = await Promise.all([
    checkPart(sources, asked.ping && ((signal) => asked.ping?.({ signal }))),
    checkPart(sources, () => keySet.check()),
    checkPart(
      sources,
      ping !== undefined || isChannelLost ? askCoordinator : undefined,
      "coordinator_failed",
    ),
  ]);
  const isDown = store.status === "unavailable" || keys.status === "unavailable";
  const isDegraded = [store, keys, coordinator].some(
    ({ status }) => status === "degraded" || status === "unavailable",
  );
  return { status: isDown ? "unavailable" : isDegraded ? "degraded" : "ok", store, keys, coordinator };
}

async function checkPart(
  { clock, events }: HealthSources,
  ask: ((signal: AbortSignal) => Promise<unknown> | undefined) | undefined,
  reasonOfFailure?: string,
): Promise<PartHealth> {
  if (ask === undefined) return { status: "not_checked" };
  const startedAt = clock();
  const fail = (reason: string, cause?: unknown): PartHealth => {
    reportUnavailable(events, { reason, cause, retryAfter: undefined });
    return { status: "unavailable", reason };
  };
  try {
    const answer = await limitTime(PART_BUDGET, async ({ signal }) => ask(signal));
    if (answer === TIMED_OUT) return fail(reasonOfFailure ?? "timeout");
    // It was reported when it began.
    if (isTroubled(answer)) return answer;
    return { status: "ok", milliseconds: Math.max(0, Math.round((clock() - startedAt) * 1000)) };
  } catch (error) {
    const { reason = "store_failed" } = classifyError(error);
    return fail(reasonOfFailure ?? reason, error);
  }
}

function isTroubled(answer: unknown): answer is Extract<PartHealth, { readonly reason: string }> {
  return isObject(answer) && (answer["status"] === "degraded" || answer["status"] === "unavailable");
}
