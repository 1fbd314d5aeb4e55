import { LRUCache } from "lru-cache";
import type { BoundedMap } from "../lib/bounded-map.ts";
import { sha256 } from "../lib/crypto.ts";
import { frozenCopy } from "../lib/values.ts";
import type { Organization } from "../model.ts";
import type { Interpretation, Profile } from "../store.ts";
import { type TokenTimes, canonicalSpelling } from "../tokens/verify-token.ts";
import type { Credential } from "./read-credential.ts";

/**
 * What a verified credential stands for, and its times. Frozen where requests share it.
 *
 * All have one shape, so that reading them is fast; the fields that every request reads come first.
 */
export interface VerifiedSession extends TokenTimes, Pick<Interpretation, "member" | "memberSession"> {
  /** The epoch of invalidations that it was last checked against. Only this and `isUnseen` change. */
  checkedEpoch: number;
  /** Whether it came of a renewal whose credential no client has presented yet. */
  isUnseen: boolean;
  /** The roles of `memberSession`; read them with {@link rolesOf}. */
  readonly roles: readonly string[];
  readonly organizationId?: string | undefined;
  readonly permissions?: readonly string[] | undefined;
  readonly via: "bearer" | "cookie";
  readonly organization?: Organization | undefined;
  readonly authenticatedAt?: number | undefined;
  /** The token's `sub`. */
  readonly subject: string;
}

/** Verified sessions by credential, for requests whose credential was seen before. */
export interface VerifiedCache {
  get(key: string): VerifiedSession | undefined;
  set(key: string, session: VerifiedSession): void;
  delete(key: string): void;
  clear(): void;
  readonly size: number;
}

/**
 * Makes the cache key of a credential from its kind and the SHA-256 of its bytes, so that no token is kept in memory.
 *
 * One credential has one key: only canonical spellings are ever verified, and both spellings of an ES256 signature share one.
 * The kind belongs to the key because a good bearer token is not accepted in a cookie, nor the other way round.
 */
export function credentialKey(kind: Credential["kind"], value: string): string {
  const isToken = kind === "bearer" || kind === "jwt_cookie";
  return `${kind} ${sha256(isToken ? canonicalSpelling(value) : value)}`;
}

/** The cache key of a credential. Made once a request, because hashing is the most expensive step of a cache hit. */
export function keyOf(credential: Credential): string {
  return (credential.key ??= credentialKey(credential.kind, credential.value));
}

/** Makes a cache of verified credentials that drops the least recently used. Bad credentials never enter it, so they cannot flood it. */
export function createVerifiedCache(maxEntries: number): VerifiedCache {
  const entries = new LRUCache<string, VerifiedSession>({ max: maxEntries });
  return {
    get: (key) => entries.get(key),
    set: (key, session) => void entries.set(key, session),
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

/** A store's full answer about a member and an organization, and as of when. */
export interface KeptProfile {
  readonly profile: Profile;
  /** When the store was asked, in seconds since the epoch. */
  readonly askedAt: number;
}

/** A profile belongs to a session and an organization: some stores keep the session's id when the organization is switched. */
function profileKey({ memberSession: { id }, organizationId }: VerifiedSession): string {
  return JSON.stringify([id, organizationId]);
}

/** What profiles are kept in, and what makes them old. */
interface ProfileOwner {
  readonly profiles: BoundedMap<string, KeptProfile>;
  readonly invalidations: { mustAsk(session: VerifiedSession): boolean };
}

/** Keeps a profile for the requests of a session, unless a later answer is kept already. */
export function keepProfile(
  { profiles }: ProfileOwner,
  session: VerifiedSession,
  profile: Profile,
  askedAt: number,
): Profile {
  const kept = frozenCopy(profile);
  const key = profileKey(session);
  if ((profiles.get(key)?.askedAt ?? askedAt) <= askedAt) profiles.set(key, { profile: kept, askedAt });
  return kept;
}

/** The profile kept for a session, if it is not older than the session itself, nor than an invalidation. */
export function keptProfileOf(
  { profiles, invalidations }: ProfileOwner,
  session: VerifiedSession,
): Profile | undefined {
  const kept = profiles.get(profileKey(session));
  if (kept === undefined || kept.profile.member.id !== session.member.id) return undefined;
  const confirmedAt = session.verifiedAt ?? session.iat;
  const { profile, askedAt } = kept;
  return askedAt < confirmedAt || invalidations.mustAsk({ ...session, verifiedAt: askedAt })
    ? undefined
    : profile;
}

/** The roles of a session, which decide what its member may do. */
export function rolesOf({ roles }: VerifiedSession): readonly string[] {
  return roles;
}
