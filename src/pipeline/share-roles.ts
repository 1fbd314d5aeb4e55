import { createBoundedMap } from "./bounded-map.ts";

const MOST_LISTS = 10_000;

const lists = createBoundedMap<string, readonly string[]>(MOST_LISTS);

/**
 * The one frozen list that stands for these roles, in this order. What is no name is left out, and no list is an empty one.
 *
 * Sessions by the thousand hold one of a few lists: shared, it costs them no memory, and the processor has it at hand
 * whenever a guard asks.
 */
export function shareRoles(roles: readonly unknown[]): readonly string[] {
  const names = Array.isArray(roles) ? roles.filter((role): role is string => typeof role === "string") : [];
  const key = JSON.stringify(names);
  const known = lists.get(key);
  if (known !== undefined) return known;
  lists.set(key, Object.freeze(names));
  return names;
}
