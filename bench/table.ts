import type { Spread } from "./statistics.ts";

/** One line of the table: a measurement, and its target if there is one. */
export interface Row {
  readonly what: string;
  readonly measured: Spread;
  readonly unit: string;
  readonly digits?: number;
  /** The bound of the median. */
  readonly target?: { readonly atMost: number } | { readonly atLeast: number };
  readonly note?: string;
}

/** Prints a group of rows under a title. */
export function printRows(title: string, rows: readonly Row[]): void {
  printTable(title, ["", "median", "quartiles", "target", "", ""], rows.map(toCells));
}

/** What was printed, for the document. */
export const printed: string[] = [];

/** Prints a line, and keeps it for the document. */
export function print(line: string): void {
  console.log(line);
  printed.push(line);
}

/** Prints a table in Markdown. */
export function printTable(
  title: string,
  header: readonly string[],
  lines: readonly (readonly string[])[],
): void {
  const widths = header.map((name, column) =>
    Math.max(3, name.length, ...lines.map((line) => line[column]?.length ?? 0)),
  );
  const printCells = (cells: readonly string[]): void =>
    print(`| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`);
  print(`\n### ${title}\n`);
  printCells(header);
  printCells(widths.map((width) => "-".repeat(width)));
  for (const line of lines) printCells(line);
}

/** Whether the row's target is met; rows without a target meet it. */
export function isMet({ target, measured: { median } }: Row): boolean {
  if (target === undefined) return true;
  return "atMost" in target ? median <= target.atMost : median >= target.atLeast;
}

function toCells(row: Row): string[] {
  const { what, measured, unit, digits = 2, target, note = "" } = row;
  const write = (value: number): string => value.toFixed(digits);
  const spread = `${write(measured.low)} .. ${write(measured.high)}`;
  const figures = [what, `${write(measured.median)} ${unit}`, spread];
  if (target === undefined) return [...figures, "", "", note];
  const bound = "atMost" in target ? `<= ${write(target.atMost)}` : `>= ${write(target.atLeast)}`;
  return [...figures, `${bound} ${unit}`, isMet(row) ? "ok" : "OVER", note];
}
