import type { EventSink } from "../../events.ts";
import { isObject } from "../../lib/values.ts";
import { type FieldProblem, type ObjectKind, findFieldProblems, isOptionalField } from "./field-checks.ts";

/** Fields that are reported, once each; more are not: an application may make them up. */
const MAX_REPORTED = 200;

/** The objects of a user's seat in an organization. */
const SEAT = ["user", "organization", "membership"] as const;

/** Checks the fields of what an application's own directory answers. */
export interface RowChecker {
  /** Returns a row, or each row of a list, without the fields that databases say null for and without those that cannot be used. */
  check(kind: RowKind, answer: unknown): unknown;
}

/** What an answer is made of: objects of one kind, or one of each. */
export type RowKind = ObjectKind | "seat";

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

  function checkRow(kind: ObjectKind, row: unknown): unknown {
    if (!isObject(row)) return row;
    const given = withoutNulls(kind, row);
    const problems = findFieldProblems(kind, given);
    for (const problem of problems) report(kind, problem);
    const unusable = new Set(problems.filter((one) => one.isUnusable).map(({ field }) => field));
    if (unusable.size === 0) return given;
    return Object.fromEntries(Object.entries(given).filter(([name]) => !unusable.has(name)));
  }

  return {
    check(kind, answer) {
      if (kind !== "seat") {
        return Array.isArray(answer)
          ? answer.map((row: unknown) => checkRow(kind, row))
          : checkRow(kind, answer);
      }
      if (!isObject(answer)) return answer;
      return Object.fromEntries(SEAT.map((part) => [part, checkRow(part, answer[part])]));
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
