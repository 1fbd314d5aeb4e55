import { LRUCache } from "lru-cache";

/** A `Map` with a maximum number of entries. Above it, the least recently used entry is removed. */
export interface BoundedMap<Key extends string | symbol, Value extends object | string | number | boolean> {
  readonly size: number;
  /** Gets a value; counts as a use of the entry. */
  get(key: Key): Value | undefined;
  set(key: Key, value: Value): void;
  /** Removes an entry; returns whether it existed. */
  delete(key: Key): boolean;
  clear(): void;
}

/**
 * Makes an empty {@link BoundedMap}.
 *
 * @param maxEntries - a whole number above 0; the first entry allocates memory for all of them, about 40 bytes each
 */
export function createBoundedMap<
  Key extends string | symbol,
  Value extends object | string | number | boolean,
>(maxEntries: number): BoundedMap<Key, Value> {
  // Made with the first entry: an instance has many maps that most applications never write to.
  let entries: LRUCache<Key, Value> | undefined;
  return {
    get size() {
      return entries?.size ?? 0;
    },
    get: (key) => entries?.get(key),
    set(key, value) {
      entries ??= new LRUCache<Key, Value>({ max: maxEntries });
      entries.set(key, value);
    },
    delete: (key) => entries?.delete(key) ?? false,
    clear() {
      entries?.clear();
    },
  };
}
