import { readFileSync } from "node:fs";
import { ENTRIES } from "../../scripts/entries.mjs";

/** Names that a subpath exports: at run time, and as types alone. */
export interface PublicNames {
  readonly values: readonly string[];
  readonly types: readonly string[];
}

const CONTRACT = new URL("../architecture/public-contract.txt", import.meta.url);

/** Every public name, by the described contract. One more is one more promise to the package's users; one fewer breaks one. */
export const PUBLIC_NAMES: Readonly<Record<string, PublicNames>> = readNames(readFileSync(CONTRACT, "utf8"));

function readNames(contract: string): Record<string, PublicNames> {
  const sections = contract.split(/^# /m).slice(1);
  const named = sections.map((section) => {
    const listOf = (kind: string): string[] =>
      [...section.matchAll(new RegExp(`^${kind} (\\w+)`, "gm"))].map(([, name = ""]) => name);
    const subpath = section.slice(0, section.indexOf("\n"));
    return [subpath, { values: listOf("value"), types: listOf("type") }] as const;
  });
  if (named.length !== Object.keys(ENTRIES).length) throw new Error("The contract lacks an entry.");
  return Object.fromEntries(named);
}
