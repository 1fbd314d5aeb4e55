import { ConfigurationError } from "../errors.ts";
import { type EventSink, createEventSink } from "../events.ts";
import { type BoundedMap, createBoundedMap } from "../lib/bounded-map.ts";
import { type SingleFlight, createSingleFlight, once } from "../lib/concurrency.ts";
import { type Sealer, createSealer } from "../lib/crypto.ts";
import { type Challenger, createChallenger } from "../lib/http.ts";
import { createWarner } from "../lib/warnings.ts";
import type { ResolvedOptions } from "../options/options.ts";
import { type PolicySource, createPolicySource } from "../policy/policy-source.ts";
import { type KeySet, createKeySet } from "../tokens/key-set.ts";
import { type TokenVerifier, createTokenVerifier } from "../tokens/verify-token.ts";
import { type KeptProfile, NO_CACHE, type VerifiedCache, createVerifiedCache } from "./cache.ts";
import { type Coordination, createCoordination } from "./coordination.ts";
import { type Invalidations, createInvalidations } from "./invalidations.ts";
import { type OriginCheck, createOriginCheck } from "./read-credential.ts";
import { type LostReplies, createLostReplies } from "./lost-replies.ts";
import type { SharedRenewal } from "./request-auth.ts";
import type { Superseded } from "./supersede.ts";
import {
  type Breaker,
  type CredentialBackOff,
  type UnverifiedCredentialLimiter,
  createBreaker,
  createCredentialBackOff,
  createUnverifiedCredentialLimiter,
} from "./store-limits.ts";

/** Seconds that one call to the store may take. */
export const STORE_BUDGET = 5;
/** Seconds for which late requests with a renewed credential get the result of its renewal. */
export const GRACE = 30;
const MAX_SUPERSEDED = 10_000;

/** The parts of one instance of orgate, connected. */
export interface Instance {
  readonly options: ResolvedOptions;
  readonly events: EventSink;
  readonly origins: OriginCheck;
  readonly keys: KeySet;
  readonly verifier: TokenVerifier;
  /** Absent where no sealed cookie is read. */
  readonly sealer: Sealer | undefined;
  readonly cache: VerifiedCache;
  readonly invalidations: Invalidations;
  /** The other processes. */
  readonly coordination: Coordination;
  /** Renewals by the key of the credential that they renew. */
  readonly renewals: SingleFlight<SharedRenewal>;
  /** Successors that no client has presented yet, for longer than `renewals` keeps their results. */
  readonly lostReplies: LostReplies;
  readonly breaker: Breaker;
  /** Failed renewals, by the key of the credential. */
  readonly backOff: CredentialBackOff;
  readonly unverified: UnverifiedCredentialLimiter;
  readonly policies: PolicySource;
  /** Writes `WWW-Authenticate`. */
  readonly challenge: Challenger;
  /** Numbers requests and store calls in their order, because a clock may show one time for two of them. */
  readonly nextInSequence: () => number;
  /** The last full answers of the store about members and organizations, by session and organization. */
  readonly profiles: BoundedMap<string, KeptProfile>;
  /** Credentials that a sign-in, switch or sign-out replaced, by key: their late renewals set and clear no cookie. */
  readonly superseded: BoundedMap<string, Superseded>;
  /** When browsers were last signed in, by a hash of their address and user agent: numbers of {@link nextInSequence}. */
  readonly signIns: BoundedMap<string, number>;
  /** Names of the handlers that the application made: pages link to no other. */
  readonly handlers: Set<string>;
  /** Begins to listen to the store and the other processes. Throws what their own code throws. */
  start(): void;
  /** Waits for the renewals under way, at most for the store's budget, and then stops everything. */
  close(): Promise<void>;
}

/** Makes an instance. Listens to nothing before it is started; fetches nothing and starts no timer until a request needs it. */
export function createInstance(options: ResolvedOptions): Instance {
  const { cacheEntries, clock, coordinator, cookie, store } = options;
  const events = createEventSink(options.events, options.warnings ? createWarner() : undefined);
  const cache = cacheEntries === 0 ? NO_CACHE : createVerifiedCache(cacheEntries);
  const keys = createKeySet(store.tokens.keys, { clock, events, onWithdrawn: () => cache.clear() });
  const profiles = createBoundedMap<string, KeptProfile>(Math.max(1, cacheEntries));
  const backOff = createCredentialBackOff(clock);
  const coordination = createCoordination(coordinator, { clock, events });
  const invalidations = createInvalidations({ ...options, events, channel: coordination });
  let stopEvents: (() => void) | undefined;
  const { passwords } = cookie;
  let latestInSequence = 0;
  const renewals = createSingleFlight<SharedRenewal>({
    clock,
    budget: STORE_BUDGET,
    grace: GRACE,
    // Trouble is not worth keeping, but a rotated refresh token must reach late requests with the old one.
    keeps: (result) => result.status !== "unavailable" || result.successor !== undefined,
    onShared: (shared) => events.emit({ type: "coalesced", with: shared }),
  });
  return {
    options,
    events,
    origins: createOriginCheck(options),
    keys,
    verifier: createTokenVerifier(store.tokens, keys),
    sealer: passwords === undefined ? undefined : createSealer(passwords, store.credential?.passwordId),
    cache,
    invalidations,
    coordination,
    renewals,
    lostReplies: createLostReplies(clock),
    breaker: createBreaker(clock, () => backOff.recovered()),
    backOff,
    unverified: createUnverifiedCredentialLimiter(clock),
    policies: createPolicies(options, events),
    challenge: createChallenger(new URL(options.origin).host),
    nextInSequence: () => ++latestInSequence,
    profiles,
    superseded: createBoundedMap(MAX_SUPERSEDED),
    handlers: new Set(),
    signIns: createBoundedMap(MAX_SUPERSEDED),
    start() {
      stopEvents = options.events && store.onEvent?.(options.events);
      invalidations.start();
    },
    close: once(async () => {
      // What a renewal spends must reach its client, and its successor the other processes.
      await renewals.whenIdle();
      stopEvents?.();
      invalidations.close();
      keys.close();
      await coordination.close();
    }),
  };
}

function createPolicies({ clock, policy, store }: ResolvedOptions, events: EventSink): PolicySource {
  return createPolicySource({
    clock,
    events,
    ...(policy !== undefined && { policy }),
    ...(store.policy !== undefined && { storePolicy: store.policy.bind(store) }),
    byOrganization: store.capabilities.policyByOrganization,
  });
}

/**
 * Returns what seals cookies.
 *
 * @throws ConfigurationError where the application gave no password.
 */
export function requireSealer({ sealer }: Instance, what: string): Sealer {
  if (sealer !== undefined) return sealer;
  throw new ConfigurationError([
    {
      code: "option_missing",
      option: "cookie.password",
      message: `is required to seal ${what}.`,
      suggestion: "Make one with: openssl rand -base64 32.",
    },
  ]);
}
