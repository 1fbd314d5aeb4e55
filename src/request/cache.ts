import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { createBoundedMap } from "../lib/bounded-map.ts";
import type { Organization } from "../model.ts";
import type { Interpretation } from "../store.ts";
import type { TokenTimes } from "../tokens/freshness.ts";
import type { Credential } from "./read-credential.ts";

/**
 * A credential that was verified: its times, and what it stands for. Frozen where it is shared between requests.
 *
 * All have one shape, with what every request looks at side by side at the beginning.
 */
export interface VerifiedSession extends TokenTimes, Pick<Interpretation, "member" | "memberSession"> {
  /** The epoch of invalidations it was last checked against. This and the next are the only members that change. */
  checkedEpoch: number;
  /** How many sessions the cache had taken in when it last moved this one to the front. */
  usedAt: number;
  /** The roles and the organization of `memberSession`, where guards find them without a detour. */
  readonly roles: readonly string[];
  readonly organizationId?: string | undefined;
  readonly permissions?: readonly string[] | undefined;
  readonly via: "bearer" | "cookie";
  readonly organization?: Organization | undefined;
  readonly authenticatedAt?: number | undefined;
  /** The token's `sub`. */
  readonly subject: string;
}

/** The short way from a credential seen before to what it stands for. */
export interface VerifiedCache {
  get(key: string): VerifiedSession | undefined;
  set(key: string, session: VerifiedSession): void;
  delete(key: string): void;
  clear(): void;
  readonly size: number;
}

// The lengths differ, so that no two kinds share a key; a prefix would cost as much as the look-up.
const DIGEST_ENCODINGS = {
  bearer: "base64",
  sealed: "base64url",
  jwt_cookie: "hex",
  opaque: "binary",
} as const;

/**
 * Names a credential by its kind and the SHA-256 of its bytes, so that no token is kept in memory.
 *
 * Only canonical credentials are ever verified, so one session has one key. The kind is part of it because what is good as
 * a bearer token is not thereby good inside a cookie, nor the other way round.
 */
export function credentialKey(kind: keyof typeof DIGEST_ENCODINGS, value: string): string {
  return hash("sha256", value, DIGEST_ENCODINGS[kind]);
}

/**
 * A cache of verified credentials, least recently used out first. Bad credentials never enter it, so they cannot flood it.
 *
 * The order matters only when something enters, and moving an entry costs more than finding it: one is moved when a quarter
 * as many entries as the cache holds came after it was. What was used is safe from the next three quarters.
 */
export function createVerifiedCache(maxEntries: number): VerifiedCache {
  const entries = new LRUCache<string, VerifiedSession>({ max: maxEntries });
  const patience = Math.floor(maxEntries / 4);
  let taken = 0;
  return {
    get(key) {
      const session = entries.peek(key);
      if (session !== undefined && taken - session.usedAt > patience) {
        session.usedAt = taken;
        entries.get(key);
      }
      return session;
    },
    set(key, session) {
      taken += 1;
      session.usedAt = taken;
      entries.set(key, session);
    },
    delete: (key) => void entries.delete(key),
    clear: () => entries.clear(),
    get size() {
      return entries.size;
    },
  };
}

/** Stands in where caching is switched off. */
export const NO_CACHE: VerifiedCache = {
  get: () => undefined,
  set: () => undefined,
  delete: () => undefined,
  clear: () => undefined,
  size: 0,
};

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

/** What caches call a credential: made once, because hashing it is what costs most on the short way. */
export function keyOf(credential: Credential): string {
  return (credential.key ??= credentialKey(credential.kind, credential.value));
}
