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
 * @param maxEntries - a whole number above 0; memory for all of them is allocated at once, about 40 bytes each
 */
export function createBoundedMap<
  Key extends string | symbol,
  Value extends object | string | number | boolean,
>(maxEntries: number): BoundedMap<Key, Value> {
  const entries = new LRUCache<Key, Value>({ max: maxEntries });
  return {
    get size() {
      return entries.size;
    },
    get: (key) => entries.get(key),
    set(key, value) {
      entries.set(key, value);
    },
    delete: (key) => entries.delete(key),
    clear() {
      entries.clear();
    },
  };
}
