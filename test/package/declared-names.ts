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
  readonly isTypeOnly?: boolean;
  readonly orig: { readonly value: string };
  readonly exported: { readonly value: string } | null;
}

/** Reads what an entry's declarations export, through its `export *`. */
export function listDeclaredNames(file: string): DeclaredName[] {
  const { body } = parseSync(readFileSync(join(UNPACKED, file), "utf8"), { syntax: "typescript" });
  return body.flatMap((statement): DeclaredName[] => {
    if (statement.type === "ExportAllDeclaration")
      return listDeclaredNames(follow(file, statement.source.value));
    if (statement.type === "ExportDeclaration") return [declaredHere(file, statement.declaration)];
    if (statement.type !== "ExportNamedDeclaration") return [];
    const { source, typeOnly } = statement as typeof statement & { readonly typeOnly: boolean };
    const origin = source === null || source === undefined ? file : follow(file, source.value);
    return (statement.specifiers as unknown as Specifier[]).map(({ orig, exported, isTypeOnly }) => ({
      name: (exported ?? orig).value,
      kind: typeOnly || isTypeOnly === true ? "type" : "value",
      file: origin,
    }));
  });
}

/** Whether the declaration of a name carries documentation. */
export function isDocumented({ name, file }: DeclaredName): boolean {
  const declaration = `export (?:declare )?(?:abstract )?(?:function|const|class|interface|type) ${name}\\b`;
  return new RegExp(`\\*/\\n${declaration}`).test(readFileSync(join(UNPACKED, file), "utf8"));
}

function follow(file: string, specifier: string): string {
  return join(dirname(file), specifier.replace(/\.js$/, ".d.ts"));
}

function declaredHere(file: string, declaration: { readonly type: string }): DeclaredName {
  const { id, identifier } = declaration as { id?: { value: string }; identifier?: { value: string } };
  const kind = declaration.type.startsWith("Ts") ? "type" : "value";
  return { name: (id ?? identifier)?.value ?? "", kind, file };
}
