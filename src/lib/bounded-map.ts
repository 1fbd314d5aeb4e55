import { LRUCache } from "lru-cache";

/** A `Map` that holds at most so many entries: one too many, and the entry read or written longest ago goes. */
export interface BoundedMap<Key extends string | symbol, Value extends object | string | number | boolean> {
  readonly size: number;
  /** Counts as a use of the entry. */
  get(key: Key): Value | undefined;
  set(key: Key, value: Value): void;
  /** Whether there was such an entry. */
  delete(key: Key): boolean;
  clear(): void;
}

/**
 * Makes an empty {@link BoundedMap}.
 *
 * @param maxEntries - a whole number above 0; room for all of them is taken at once, about 40 bytes each.
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
