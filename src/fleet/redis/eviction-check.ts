import type { EventSink } from "../../events.ts";
import { isString } from "../../lib/values.ts";
import type { RedisConnection } from "./connection.ts";
import { redisError } from "./redis-error.ts";
import { NODE_SCRIPTS } from "./scripts.ts";

/** Looks once whether Redis may evict keys, which would end sessions. */
export class EvictionCheck {
  readonly #connection: RedisConnection;
  readonly #prefix: string;
  readonly #events: EventSink;
  #isStarted = false;

  constructor(connection: RedisConnection, prefix: string, events: EventSink) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.#events = events;
  }

  /** Starts in the background after the first answer, when the client is known to be connected. */
  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#check().catch((thrown: unknown) => {
      const error = redisError(thrown);
      // Other trouble passes: the next operation tries again.
      if (error.reason !== "redis_permission_denied" && error.reason !== "redis_failed")
        this.#isStarted = false;
      else this.#events.emit({ type: "misconfigured", reason: "redis_eviction_unknown", error });
    });
  }

  async #check(): Promise<void> {
    const answer = await this.#connection.run(NODE_SCRIPTS.memory, [`${this.#prefix}:probe`]);
    const [, policy] = /^maxmemory_policy:([\w-]+)/m.exec(isString(answer) ? answer : "") ?? [];
    if (policy === undefined) throw redisError(new TypeError("INFO has no maxmemory_policy."));
    // Also without a limit: whoever sets one later does not think of it.
    if (policy !== "noeviction") this.#events.emit({ type: "misconfigured", reason: "redis_may_evict" });
  }
}
