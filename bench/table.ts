import type { Spread } from "./statistics.ts";

/** One line of the table: a measurement, and its target if there is one. */
export interface Row {
  readonly what: string;
  readonly measured: Spread;
  readonly unit: string;
  readonly digits?: number;
  /** The upper limit of the median. */
  readonly target?: number;
  readonly note?: string;
}

/** Writes a group of rows under a title. */
export function printRows(title: string, rows: readonly Row[]): void {
  console.log(`\n## ${title}\n`);
  const lines = [["", "median", "quartiles", "target", "", ""], ...rows.map(toCells)];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const [head = [], ...body] = lines.map((line) =>
    line.map((cell, column) => cell.padEnd(widths?.[column] ?? 0)),
  );
  console.log(`| ${head.join(" | ")} |`);
  console.log(`| ${head.map((cell) => "-".repeat(Math.max(3, cell.length))).join(" | ")} |`);
  for (const line of body) console.log(`| ${line.join(" | ")} |`);
}

function toCells({ what, measured, unit, digits = 2, target, note = "" }: Row): string[] {
  const write = (value: number): string => value.toFixed(digits);
  const limit = target === undefined ? "" : `<= ${write(target)} ${unit}`;
  const judgement = target === undefined ? "" : measured.median <= target ? "ok" : "OVER";
  const spread = `${write(measured.low)} .. ${write(measured.high)}`;
  return [what, `${write(measured.median)} ${unit}`, spread, limit, judgement, note];
}
