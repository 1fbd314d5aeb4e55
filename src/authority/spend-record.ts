import { StoreUnavailableError } from "../errors.ts";
import { isObject } from "../lib/values.ts";
import type { Versioned, WriteOptions } from "./repository.ts";
import type { RecordsContext } from "./require-record.ts";

/**
 * What a record that was spent says about it. It is kept for a short time, and `expiresAt` is 0: every release takes it for a
 * record that is over.
 */
export interface Spendable {
  readonly expiresAt: number;
  /** Names the caller who spent the record: the session that was opened for it, or one attempt. Absent while it is unspent. */
  readonly spentBy?: string | undefined;
}

/** Seconds that a spent record is kept: longer than a caller whose reply was lost asks who spent it. */
const SPENT_LIFETIME = 60;

/** Failed calls after which a caller gives up. */
const MAX_FAILURES = 3;

/** How often a write is tried anew because another one came first. */
const MAX_SPEND_ATTEMPTS = 512;

/** How one stored record is reached. */
export interface Place<Value> {
  /** Reads the record, also if it is spent. */
  readonly read: () => Promise<Versioned<Value> | undefined>;
  /** A compare-and-set. */
  readonly replace: (version: number, value: Value, options: WriteOptions) => Promise<boolean>;
}

/**
 * Spends an unspent record: of several callers at once exactly one gets `true`.
 *
 * The record is not deleted. A compare-and-set replaces it by a mark that names who spent it. A caller whose reply is lost or late
 * tries again: if the first write was not carried out, the second one is, and the first can then have no effect any more,
 * because the version that it names is gone. If it was carried out, the caller finds its own name in the mark. A record that
 * is gone would not tell the caller who spent it from one who came too late.
 *
 * Without trouble or contention this is one call to the repository.
 *
 * @param by - names this caller alone
 * @throws `store_unavailable` if three calls failed. The record may be spent then, but no caller got `true`.
 */
export async function spendRecord<Value extends Spendable>(
  { clock }: Pick<RecordsContext, "clock">,
  { read, replace }: Place<Value>,
  found: Versioned<Value>,
  by: string,
): Promise<boolean> {
  let { value, version } = found;
  let failures = 0;
  for (let attempt = 0; attempt < MAX_SPEND_ATTEMPTS; attempt += 1) {
    const spent = { ...value, expiresAt: 0, spentBy: by };
    const options = { expiresAt: clock() + SPENT_LIFETIME };
    try {
      if (await replace(version, spent, options)) return true;
      const current = await read();
      if (current === undefined) return false;
      if (current.value.spentBy !== undefined) return current.value.spentBy === by;
      ({ value, version } = current);
    } catch (error) {
      failures += 1;
      if (failures === MAX_FAILURES) throw error;
    }
  }
  throw new StoreUnavailableError({ reason: "contention", retryAfter: 1 });
}

/** Tells whether a document that was deleted was unspent until then. It need not be readable. */
export function isUnspent(deleted: unknown): boolean {
  return deleted !== undefined && !(isObject(deleted) && deleted["spentBy"] !== undefined);
}
