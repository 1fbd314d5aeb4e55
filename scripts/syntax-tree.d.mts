/** A node of swc's syntax tree. */
export interface SyntaxNode {
  readonly type: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- swc's tree, read field by field
  readonly [field: string]: any;
}

export interface SourceText {
  readonly path: string;
  readonly text: string;
}

export declare const FUNCTIONS: readonly string[];
export declare const ROOT: string;
export declare function readSources(): SourceText[];
export declare function compareText(left: string, right: string): number;
export declare function parseSource(text: string): { readonly body: readonly SyntaxNode[] };
export declare function descend(
  value: unknown,
  ancestors?: readonly SyntaxNode[],
): Generator<{ readonly node: SyntaxNode; readonly ancestors: readonly SyntaxNode[] }>;
export declare function rangeOf(node: SyntaxNode): { readonly start: number; readonly end: number };
export declare function textOf(text: string, node: SyntaxNode): string;
export declare function lineAt(text: string, offset: number): number;
export declare function isFunction(node: SyntaxNode): boolean;
export declare function listFunctions(
  text: string,
): { readonly name: string; readonly line: number; readonly lines: number }[];
export declare function countCodeLines(text: string): number;
