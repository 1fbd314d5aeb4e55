/** What structures keys and headers, hash tags, and lone surrogates, which UTF-8 cannot hold. */
const STRUCTURAL = /[\p{Cc}\p{Surrogate} %:{}]/gu;
const ESCAPED = /%([\da-f]*);/g;

/** Writes a name so that it is one part of a key, whatever it holds: no name can reach another name's key. */
export function escapeName(name: string): string {
  if (name === "") return "%;";
  return name.replaceAll(STRUCTURAL, (character) => `%${(character.codePointAt(0) ?? 0).toString(16)};`);
}

/** Reads a name back. */
export function unescapeName(escaped: string): string {
  return escaped.replaceAll(ESCAPED, (_escape, code: string) =>
    code === "" ? "" : String.fromCodePoint(Number.parseInt(code, 16)),
  );
}

/** The keys of one collection. A document's key carries its own id, so that a cluster spreads them over all slots. */
export class CollectionKeys {
  /** What comes before a document's escaped id, after the prefix. */
  readonly documentStart: string;
  /** What comes before an index's escaped name, after the prefix. */
  readonly indexStart: string;
  readonly #prefix: string;

  constructor(prefix: string, collection: string) {
    this.#prefix = `${prefix}:`;
    this.documentStart = `${escapeName(collection)}:`;
    this.indexStart = `${escapeName(collection)}-by:`;
  }

  document(escapedId: string): string {
    return this.#prefix + this.documentStart + escapedId;
  }

  index(escapedName: string): string {
    return this.#prefix + this.indexStart + escapedName;
  }
}
