import { invalidRequest } from "../../check-input.ts";
import type { Fields } from "../read-fields.ts";
import type { WireAnswer } from "../refusal.ts";

interface Entry {
  readonly id?: unknown;
}

const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 100;

/**
 * Answers with one page of a list by WorkOS's cursors: `limit`, `order`, and `after` or `before` an id.
 *
 * @param newestFirst - the whole list
 */
export function toPage(newestFirst: readonly Entry[], query: Fields): WireAnswer {
  const limit = readLimit(query);
  const after = query.optionalText("after");
  const before = query.optionalText("before");
  const entries = query.optionalText("order") === "asc" ? newestFirst.toReversed() : newestFirst;
  const start = after === undefined ? 0 : indexOf(entries, after) + 1;
  const end = before === undefined ? entries.length : indexOf(entries, before);
  const between = entries.slice(start, end);
  const data = before === undefined ? between.slice(0, limit) : between.slice(-limit);
  const [first, last] = [data[0], data.at(-1)];
  const list_metadata = {
    before: first === undefined || first === entries[0] ? null : first.id,
    after: last === undefined || last === entries.at(-1) ? null : last.id,
  };
  return { status: 200, body: { object: "list", data, list_metadata } };
}

function indexOf(entries: readonly Entry[], id: string): number {
  const index = entries.findIndex((entry) => entry.id === id);
  if (index < 0) throw invalidRequest("after and before must be ids of the list.");
  return index;
}

function readLimit(query: Fields): number {
  const text = query.optionalText("limit") ?? String(DEFAULT_LIMIT);
  const limit = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_LIMIT) throw invalidRequest(`limit must be a number from 1 to ${MAX_LIMIT}.`);
  return limit;
}
