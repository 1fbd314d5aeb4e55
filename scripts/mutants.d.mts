/** One small change of a file's text. */
export interface Mutant {
  readonly path: string;
  readonly line: number;
  readonly kind: string;
  readonly start: number;
  readonly end: number;
  readonly before: string;
  readonly after: string;
}

export declare function listMutants(path: string, text: string): Mutant[];
export declare function applyMutant(text: string, mutant: Mutant): string;
export declare function drawMutants(
  mutants: readonly Mutant[],
  options: { readonly count: number; readonly seed: number; readonly texts: ReadonlyMap<string, string> },
): Mutant[];
