import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseSync } from "@swc/core";
import { UNPACKED } from "./consumer.ts";

/** A name that an entry exports, and the declaration file that declares it. */
export interface DeclaredName {
  readonly name: string;
  readonly kind: "value" | "type";
  readonly file: string;
}

interface Specifier {
  readonly local: { readonly value: string };
  readonly orig: { readonly value: string };
  readonly exported: { readonly value: string } | null;
}

/** Reads what a rolled-up declaration file exports, through the files that it shares with other entries. */
export function listDeclaredNames(file: string): DeclaredName[] {
  const { body } = parseSync(readFileSync(join(UNPACKED, file), "utf8"), { syntax: "typescript" });
  const imported = new Map(
    body.flatMap((statement) => {
      if (statement.type !== "ImportDeclaration") return [];
      const origin = follow(file, statement.source.value);
      return (statement.specifiers as unknown as Specifier[]).map(
        ({ local }) => [local.value, origin] as const,
      );
    }),
  );
  return body.flatMap((statement): DeclaredName[] => {
    if (statement.type !== "ExportNamedDeclaration") return [];
    const { source, typeOnly } = statement as typeof statement & { readonly typeOnly: boolean };
    return (statement.specifiers as unknown as Specifier[]).map(({ orig, exported }) => {
      const name = (exported ?? orig).value;
      const origin = source ? follow(file, source.value) : imported.get(orig.value);
      if (origin === undefined) return { name, kind: typeOnly ? "type" : "value", file };
      const original = listDeclaredNames(origin).find((each) => each.name === orig.value);
      if (original === undefined) throw new Error(`${origin} does not export ${orig.value}`);
      return { ...original, name };
    });
  });
}

/** Whether the declaration of a name carries documentation. */
export function isDocumented({ name, file }: DeclaredName): boolean {
  const declaration = `(?:declare )?(?:abstract )?(?:function|const|class|interface|type) ${name}\\b`;
  return new RegExp(`\\*/\\n${declaration}`).test(readFileSync(join(UNPACKED, file), "utf8"));
}

function follow(file: string, specifier: string): string {
  return join(dirname(file), specifier.replace(/\.cjs$/, ".d.cts"));
}
