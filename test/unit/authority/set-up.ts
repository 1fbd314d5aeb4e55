import { createAuthority, memoryDirectory, memoryRepository } from "../../../src/authority/index.ts";
import type {
  Authority,
  AuthorityOptions,
  MemoryDirectory,
  Repository,
} from "../../../src/authority/index.ts";
import type { Invalidation } from "../../../src/fleet/coordinator.ts";
import { isOrgateError } from "../../../src/errors.ts";
import type { OrgateError } from "../../../src/errors.ts";
import type { OrgateEvent } from "../../../src/events.ts";
import { definePolicy } from "../../../src/policy/policy.ts";

/** A second after which nothing has a fraction, so that expectations can be written down. */
export const START = 1_800_000_000;

export const POLICY = definePolicy({
  resources: { documents: ["read", "write"] },
  roles: {
    viewer: { documents: ["read"] },
    editor: { documents: ["read", "write"] },
    admin: { documents: "*" },
  },
});

/** Ada is in two organizations, Bob in one, Nora in none. */
export function makeDirectory(): MemoryDirectory {
  return memoryDirectory({
    users: [
      { id: "user_ada", emailAddress: "ada@example.com", name: "Ada Lovelace", locale: "en" },
      { id: "user_bob", emailAddress: "Bob@example.com", name: "Bob" },
      { id: "user_nora", emailAddress: "nora@example.com" },
    ],
    organizations: [
      { id: "org_acme", slug: "acme", name: "Acme", plan: "pro" },
      { id: "org_globex", slug: "globex", name: "Globex" },
      { id: "org_closed", name: "Closed" },
    ],
    memberships: [
      { userId: "user_ada", organizationId: "org_acme", roles: ["admin", "viewer"] },
      { userId: "user_ada", organizationId: "org_globex", roles: ["viewer"] },
      { id: "member_bob", userId: "user_bob", organizationId: "org_acme", roles: ["editor"] },
    ],
  });
}

export interface World {
  readonly authority: Authority;
  readonly directory: MemoryDirectory;
  readonly repository: Repository;
  readonly clock: { now: number };
  readonly events: OrgateEvent[];
  readonly invalidated: Invalidation[];
}

/** An authority with a clock that stands still until it is moved. */
export function makeWorld(options: Partial<AuthorityOptions> = {}, clock = { now: START }): World {
  const directory = makeDirectory();
  const events: OrgateEvent[] = [];
  const invalidated: Invalidation[] = [];
  const repository = options.repository ?? memoryRepository({ clock: () => clock.now });
  const authority = createAuthority({
    issuer: "https://app.example.com",
    directory,
    policy: POLICY,
    clock: () => clock.now,
    events: (event) => events.push(event),
    ...options,
    repository,
  });
  authority.onInvalidated((target) => invalidated.push(target));
  return { authority, directory, repository, clock, events, invalidated };
}

export function context(more: { extendBy?: number } = {}): { signal: AbortSignal; extendBy?: number } {
  return { signal: new AbortController().signal, ...more };
}

/** The error that a promise was refused with. */
export async function refusal(promise: Promise<unknown>): Promise<OrgateError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isOrgateError(error)) throw new Error("Expected a refusal by an OrgateError.", { cause: error });
  return error;
}

/** Code and reason, for comparisons. */
export async function refusedWith(promise: Promise<unknown>): Promise<string> {
  const { code, reason } = await refusal(promise);
  return reason === undefined ? code : `${code} ${reason}`;
}

/** A seeded source of choices (mulberry32), so that a failure can be repeated. */
export function makeRandom(seed: number): { below(limit: number): number; pick<T>(from: readonly T[]): T } {
  let state = seed >>> 0;
  const below = (limit: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
  return {
    below,
    pick: <T>(from: readonly T[]) => from[below(from.length)] as T,
  };
}

/** The claims of a token, unverified. */
export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Record<
    string,
    unknown
  >;
}

export function signInAda(world: World, organizationId = "org_acme"): ReturnType<Authority["authenticate"]> {
  return world.authority.authenticate({
    userId: "user_ada",
    authenticationMethod: "Password",
    organizationId,
  });
}
