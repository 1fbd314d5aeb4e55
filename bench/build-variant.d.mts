/** A change to the text of one source file, found by its content. */
export interface Edit {
  readonly find: string;
  readonly replace: string;
}

/** Bundles the package's sources with edits, and returns the name of the file in `folder`. */
export function buildVariant(options: {
  readonly root: string;
  readonly folder: string;
  readonly name: string;
  readonly edits: readonly Edit[];
}): Promise<string>;
