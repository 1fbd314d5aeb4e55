import { CONDITIONS, DECISIONS, MOODS } from "../test/http/decision-table.data.ts";
import type { DecisionRow } from "../test/http/decision-table.data.ts";
import { table } from "./markdown.ts";

/** Renders the rows that the HTTP tests run. Rows that differ in one column alone are merged. */
export function renderDecisionTable(): string {
  return table(
    ["credential", "its condition", "the store", "state", "`requireAuth()` answers"],
    mergeLines().map(({ who, condition, store, state, answer }) => [who, condition, store, state, answer]),
  );
}

interface Line {
  readonly who: string;
  readonly condition: string;
  readonly store: string;
  readonly state: string;
  readonly answer: string;
}

function mergeLines(): Line[] {
  const lines = group(DECISIONS, ({ condition, store }) => `${condition} ${store}`).map(toLine);
  const byStore = merge(lines, "condition", "; or ");
  return merge(byStore, "store", ", ");
}

/** One line for all that can be presented in this condition. */
function toLine(rows: readonly [DecisionRow, ...DecisionRow[]]): Line {
  const [row] = rows;
  const fates = unique(rows.map(fateOf).filter((fate) => fate !== undefined));
  return {
    who: rows.map(({ presented }) => presented).join(" or "),
    condition: CONDITIONS[row.condition],
    store: row.asked === 0 ? "**not asked**" : MOODS[row.store],
    state: row.status === 200 && row.cookie === "new" ? `${row.state}, renewed` : row.state,
    answer: [answerOf(row), ...fates, ...(row.alarm ? ["event `misconfigured`"] : [])].join("; "),
  };
}

function merge(lines: readonly Line[], column: "condition" | "store", glue: string): Line[] {
  return group(lines, (line) => JSON.stringify({ ...line, [column]: "" })).map((alike) => ({
    ...alike[0],
    [column]: unique(alike.map((line) => line[column])).join(glue),
  }));
}

function answerOf({ status, code, members, retryAfter }: DecisionRow): string {
  if (status === 200) return "passes";
  const named = Object.keys(members ?? {}).map((name) => `\`${name}\``);
  const retry = retryAfter === undefined ? " + `Retry-After`" : " + the store's own `Retry-After`";
  return `${status} \`${code}\`${named.length === 0 ? "" : ` with ${named.join(", ")}`}${status === 503 ? retry : ""}`;
}

function fateOf({ presented, cookie, status }: DecisionRow): string | undefined {
  if (presented === "bearer") return cookie === "new" ? "a new token in `Session-Jwt`" : undefined;
  if (cookie === "new") return status === 200 ? "a new cookie" : "the rotated pair in a new cookie";
  if (cookie !== "untouched") return `cookie ${cookie}`;
  return presented === "cookie" && status !== 200 ? "cookie kept" : undefined;
}

function group<Item>(items: readonly Item[], keyOf: (item: Item) => string): [Item, ...Item[]][] {
  const groups = new Map<string, [Item, ...Item[]]>();
  for (const item of items) {
    const known = groups.get(keyOf(item));
    if (known === undefined) groups.set(keyOf(item), [item]);
    else known.push(item);
  }
  return [...groups.values()];
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
