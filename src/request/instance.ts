import { type EventSink, createEventSink } from "../events.ts";
import { type Challenger, createChallenger } from "../lib/challenge.ts";
import { type BoundedMap, createBoundedMap } from "../lib/bounded-map.ts";
import { type Sealer, createSealer } from "../lib/seal.ts";
import { type SingleFlight, createSingleFlight } from "../lib/single-flight.ts";
import type { ResolvedOptions } from "../options/options.ts";
import { type PolicySource, createPolicySource } from "../policy/policy-source.ts";
import type { Profile } from "../store.ts";
import { type KeySet, createKeySet } from "../tokens/key-set.ts";
import { type TokenVerifier, createTokenVerifier } from "../tokens/verify-token.ts";
import { type Breaker, createBreaker } from "./breaker.ts";
import { NO_CACHE, type VerifiedCache, createVerifiedCache } from "./cache.ts";
import { type OriginCheck, createOriginCheck } from "./cross-site.ts";
import { type Ending, type Invalidations, createInvalidations } from "./invalidations.ts";
import type { NumberedResult, RenewalResult } from "./renew.ts";
import { type UnverifiedCredentialLimiter, createUnverifiedCredentialLimiter } from "./unverified-limit.ts";

/** Seconds that one call to the store may take. */
export const STORE_BUDGET = 5;
/** Seconds for which a settled renewal answers late requests with the old credential. */
export const GRACE = 30;
const MAX_SUPERSEDED = 10_000;

/** Everything one instance of orgate is made of; its stages, wired. */
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
  readonly renewals: SingleFlight<NumberedResult>;
  readonly breaker: Breaker;
  readonly policies: PolicySource;
  /** Writes `WWW-Authenticate`. */
  readonly challenge: Challenger;
  readonly unvouched: UnverifiedCredentialLimiter;
  /** Numbers arrivals and calls: a clock may show one time for both, and whether a call began after a request came decides. */
  readonly nextInSequence: () => number;
  /** What the store last said of a session in full, by session id. */
  readonly profiles: BoundedMap<string, Profile>;
  /**
   * Credentials after which another was set, or none, in the same browser, by key: a late renewal of theirs sets no cookie,
   * and clears none that took their place.
   */
  readonly superseded: BoundedMap<string, Ending>;
  close(): Promise<void>;
}

/** Wires the stages. Nothing is fetched and no timer runs until the first request needs it. */
export function createInstance(options: ResolvedOptions): Instance {
  const { clock, store, coordinator } = options;
  const events = createEventSink(options.events);
  const keys = createKeySet(store.tokens.keys, { clock, events });
  const invalidations = createInvalidations();
  const unsubscribe = [
    store.onInvalidated?.((target) => invalidations.ask(target, clock())),
    options.events && store.onEvent?.(options.events),
    coordinator.subscribe(({ target, at, effect }) => {
      if (effect !== "ask" && "sessionId" in target) invalidations.refuse(target.sessionId, effect);
      else invalidations.ask(target, at);
    }),
  ];
  const { passwords } = options.cookie;
  return {
    options,
    events,
    origins: createOriginCheck(options),
    keys,
    verifier: createTokenVerifier(store.tokens, keys),
    sealer: passwords === undefined ? undefined : createSealer(passwords, store.credential?.passwordId),
    cache: options.cacheEntries === 0 ? NO_CACHE : createVerifiedCache(options.cacheEntries),
    invalidations,
    renewals: createSingleFlight<NumberedResult>({
      clock,
      ...RENEWAL,
      onShared: (shared) => events.emit({ type: "coalesced", with: shared }),
    }),
    breaker: createBreaker(clock),
    nextInSequence: createSequence(),
    policies: createPolicies(options, events),
    challenge: createChallenger(new URL(options.origin).host),
    unvouched: createUnverifiedCredentialLimiter(clock),
    profiles: createBoundedMap(Math.max(1, options.cacheEntries)),
    superseded: createBoundedMap(MAX_SUPERSEDED),
    async close() {
      for (const stop of unsubscribe) stop?.();
      keys.close();
      await coordinator.close();
    },
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

const RENEWAL = {
  budget: STORE_BUDGET,
  grace: GRACE,
  // Trouble is not an answer; but a pair that was already rotated must reach whoever still holds the old one.
  keeps: (answer: RenewalResult) => answer.status !== "unavailable" || answer.successor !== undefined,
};

function createSequence(): () => number {
  let latest = 0;
  return () => ++latest;
}
