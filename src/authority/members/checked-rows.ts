import type { EventSink } from "../../events.ts";
import { isObject } from "../../lib/values.ts";
import { type FieldProblem, type ObjectKind, findFieldProblems, isOptionalField } from "./field-checks.ts";

/** Fields that are reported, once each; more are not: an application may make them up. */
const MAX_REPORTED = 200;

/** The objects of a user's seat in an organization. */
const SEAT = ["user", "organization", "membership"] as const;

/** Checks the fields of what an application's own directory answers. */
export interface RowChecker {
  /**
   * Returns a row, or each row of a list, without the fields that databases say null for and without those that cannot be used.
   *
   * @returns the message for a field that cannot be used and forbids something: without it, more would be permitted
   */
  check(kind: RowKind, answer: unknown): CheckedRows;
}

/** What an answer is made of: objects of one kind, or one of each. */
export type RowKind = ObjectKind | "seat";

type CheckedRows = { readonly rows: unknown } | { readonly broken: string };

/**
 * Makes the checker. It reports each misspelt field and each impossible value once, as `misconfigured` with reason
 * `directory_field_unknown` or `directory_field_invalid` and an error that names the field.
 */
export function createRowChecker(events: EventSink): RowChecker {
  const reported = new Set<string>();

  function report(kind: ObjectKind, { field, kind: fault, message, suggestion }: FieldProblem): void {
    const key = `${kind} ${field} ${fault}`;
    if (reported.has(key) || reported.size >= MAX_REPORTED) return;
    reported.add(key);
    const reason = fault === "near_miss" ? "directory_field_unknown" : "directory_field_invalid";
    const error = new TypeError(`The field ${JSON.stringify(field)} of a ${kind} ${message} ${suggestion}`);
    events.emit({ type: "misconfigured", reason, error });
  }

  function checkSeat(seat: unknown): CheckedRows {
    if (!isObject(seat)) return { rows: seat };
    const checked = SEAT.map((kind) => [kind, checkRow(kind, seat[kind])] as const);
    const broken = checked.map(([, one]) => one).find((one) => "broken" in one);
    if (broken !== undefined) return broken;
    return { rows: Object.fromEntries(checked.map(([kind, one]) => [kind, "rows" in one && one.rows])) };
  }

  function checkRow(kind: ObjectKind, row: unknown): CheckedRows {
    if (!isObject(row)) return { rows: row };
    const given = withoutNulls(kind, row);
    const problems = findFieldProblems(kind, given);
    for (const problem of problems) report(kind, problem);
    const unusable = problems.filter(({ isUnusable }) => isUnusable);
    const broken = unusable.find(({ forbids }) => forbids);
    if (broken !== undefined) return { broken: `The field "${broken.field}" ${broken.message}` };
    if (unusable.length === 0) return { rows: given };
    const names = new Set(unusable.map(({ field }) => field));
    return { rows: Object.fromEntries(Object.entries(given).filter(([name]) => !names.has(name))) };
  }

  return {
    check(kind, answer) {
      if (kind === "seat") return checkSeat(answer);
      if (!Array.isArray(answer)) return checkRow(kind, answer);
      const checked = answer.map((row: unknown) => checkRow(kind, row));
      const broken = checked.find((one) => "broken" in one);
      return broken ?? { rows: checked.map((one) => ("rows" in one ? one.rows : undefined)) };
    },
  };
}

function withoutNulls(
  kind: ObjectKind,
  row: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const entries = Object.entries(row);
  return Object.fromEntries(
    entries.filter(([name, value]) => value !== null || !isOptionalField(kind, name)),
  );
}
