import type { DifferenceRow, JwtRow, Observation } from "../test/differential/difference.ts";
import { STYTCH_ROWS } from "../test/differential/stytch-rows.ts";
import { WORKOS_ROWS } from "../test/differential/workos-rows.ts";

type Row = DifferenceRow<string> | JwtRow<string>;

const HEAD = `# Where orgate and the official SDKs differ

Generated from \`test/differential\`, which runs every row on both, against one server: do not edit.

*Cost* counts requests: **k**eys and **p**olicy are fetched once and kept for a while (every row starts with neither), **c**alls are paid for each
time. A row without a reason: both decide alike, at the same cost of policies and calls. The SDKs' own retries are switched off.

No row was run against a live service. WorkOS is played by a server of the tests, and Stytch by the authority's own router, both with faults on demand.
`;

const WORKOS_HEAD = `## \`@workos-inc/node\` 11.0.0

The SDK: the recipe of WorkOS's documents, \`loadSealedSession().authenticate()\`, and where that fails \`refresh()\`. orgate: \`requireAuth()\`
with \`workos()\`.
`;

const STYTCH_HEAD = `## \`stytch\` 14.2.0

The SDK: \`sessions.authenticateJwt()\`. The operation: \`authenticateJwt()\` of \`stytch()\`. The middleware: \`requireAuth()\`, or \`requirePermission()\`
where there is a check, with the JWT as a bearer. Not in the table, because it would take as long as it says: a Stytch that never answers. The SDK's \`timeout\`
option does nothing, and it waits; orgate says 503 after 5 seconds at most.
`;

/** The whole document. */
export function renderDifferences(): string {
  return [
    HEAD,
    renderSection(WORKOS_HEAD, ["orgate"], WORKOS_ROWS),
    renderSection(STYTCH_HEAD, ["the operation", "the middleware"], STYTCH_ROWS),
  ].join("\n");
}

function renderSection(head: string, sides: readonly string[], rows: readonly Row[]): string {
  const differing = rows.filter(({ why }) => why !== undefined);
  const alike = rows.filter(({ why }) => why === undefined);
  const columns = ["input", ...["the SDK", ...sides].flatMap((side) => [side, "cost"])];
  return [
    head,
    `${differing.length} of ${rows.length} rows differ.\n`,
    ...lineUp([...columns, "why"]),
    ...differing.map((row) => lineOf([...cellsOf(row), row.why ?? ""])),
    "\nBoth alike:\n",
    ...lineUp(columns),
    ...alike.map((row) => lineOf(cellsOf(row))),
    "",
  ].join("\n");
}

function lineUp(columns: readonly string[]): string[] {
  return [lineOf(columns), lineOf(columns.map(() => "---"))];
}

function lineOf(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function cellsOf(row: Row): string[] {
  const operation = "operation" in row ? [row.operation] : [];
  const observations = [row.sdk, ...operation, row.orgate];
  return [row.input, ...observations.flatMap((one) => [textOf(one), costOf(one)])];
}

function textOf({ decision }: Observation): string {
  return decision.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}

function costOf({ keys, policies = 0, calls }: Observation): string {
  const counts = [
    [keys, "k"],
    [policies === "many" ? "many " : policies, "p"],
    [calls, "c"],
  ] as const;
  const told = counts.filter(([count]) => count !== 0).map(([count, name]) => `${count}${name}`);
  return told.length === 0 ? "-" : told.join(" ");
}
