import { invalidRequest } from "../../check-input.ts";
import { readOptionalText } from "../read-fields.ts";
import type { Fields } from "../read-fields.ts";
import type { WireAnswer } from "../router.ts";

interface Entry {
  readonly id?: unknown;
}

const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 100;

/** One page of a list, newest first, by WorkOS's cursors: `limit`, `order`, and `after` or `before` an id. */
export function toPage(entries: readonly Entry[], query: Fields): WireAnswer {
  const limit = readLimit(query);
  const after = readOptionalText(query, "after");
  const before = readOptionalText(query, "before");
  const order = readOptionalText(query, "order") ?? "desc";
  const ordered = order === "asc" ? entries.toReversed() : entries;
  const start = after === undefined ? 0 : indexOf(ordered, after) + 1;
  const end = before === undefined ? ordered.length : indexOf(ordered, before);
  const within = ordered.slice(start, end);
  const data = before === undefined ? within.slice(0, limit) : within.slice(-limit);
  const first = ordered.indexOf(data[0] ?? {});
  const hasBefore = data.length > 0 && first > 0;
  const hasAfter = data.length > 0 && first + data.length < ordered.length;
  return {
    status: 200,
    body: {
      object: "list",
      data,
      list_metadata: {
        before: hasBefore ? data[0]?.id : null,
        after: hasAfter ? data.at(-1)?.id : null,
      },
    },
  };
}

function indexOf(entries: readonly Entry[], id: string): number {
  const index = entries.findIndex((entry) => entry.id === id);
  if (index < 0) throw invalidRequest("after and before must be ids of the list.");
  return index;
}

function readLimit(query: Fields): number {
  const text = readOptionalText(query, "limit");
  if (text === undefined) return DEFAULT_LIMIT;
  const limit = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_LIMIT) throw invalidRequest(`limit must be a number from 1 to ${MAX_LIMIT}.`);
  return limit;
}
