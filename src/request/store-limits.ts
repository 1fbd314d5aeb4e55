import { createBoundedMap } from "../lib/bounded-map.ts";
import type { Clock } from "../lib/clock.ts";
import { backOffSeconds } from "../lib/concurrency.ts";
import { isObject } from "../lib/values.ts";
import type { Renewal } from "../store.ts";

const FAILED_MEMBERS_TO_OPEN = 5;
/** Members that the store may be asked about at once before it has answered about any. */
const MEMBERS_AT_ONCE = 8;
/** Members whose outcome is kept. */
const MAX_MEMBERS = 10_000;
const FAILURE_WINDOW_SECONDS = 10;
const MIN_PAUSE = 1;
const MAX_PAUSE = 30;
const DEFAULT_PAUSE = 5;
/** Seconds after which the same refusal counts as lasting. */
const LASTING_REFUSAL_SECONDS = 600;

/** Seconds for which a store is left alone, from what it asked for: 1 to 30. */
export function toPause(seconds: number): number {
  return Math.min(MAX_PAUSE, Math.max(MIN_PAUSE, Math.ceil(seconds)));
}

/** Permission to call, or the seconds to leave the store alone. */
export type Admission = AdmittedCall | { readonly status: "stop"; readonly retryAfter: number };

/** A call that was let through. */
export interface AdmittedCall {
  readonly status: "go";
  succeeded(): void;
  failed(retryAfter?: number): void;
  /** The call got less time than a call may take, and its end says nothing about the store. */
  abandoned(): void;
}

/** Stops calls to a store that fails for many members, and probes it with one call at a time. */
export interface Breaker {
  /** Asks to call about a member, or about whoever is behind a client address. A promise where the call must wait for others. */
  admit(member: string): Admission | Promise<Admission>;
  /** Whether the store has answered about another member in the last ten minutes. */
  hasAnsweredOthers(member: string): boolean;
}

/**
 * Makes a breaker that goes by members: it opens when, within ten seconds, calls about at least five members failed, and these
 * are at least half of those asked about. It stays open for as long as the store asked (`Retry-After`, 1 to 30 s, else 5 s).
 * Then it lets one probe through at a time, whose success closes it.
 *
 * Calls about eight members are let through before the store has answered about any, and one more for each member that it
 * answered about in the last ten seconds. The others wait: a crowd that arrives in an outage costs few calls, and one that
 * arrives at a store that answers is let through twice as fast after each answer.
 *
 * @param onRecovered - called when it closes: the outage is over for everybody
 */
export function createBreaker(clock: Clock, onRecovered: () => void = () => undefined): Breaker {
  return new MemberBreaker(clock, onRecovered);
}

interface WaitingCall {
  readonly member: string;
  readonly resolve: (admission: Admission) => void;
}

class MemberBreaker implements Breaker {
  readonly #clock: Clock;
  readonly #onRecovered: () => void;
  /** The latest outcome of each member, oldest first. */
  readonly #outcomes = new Map<string, { readonly at: number; readonly hasFailed: boolean }>();
  #failedMembers = 0;
  /** Calls under way, by member. */
  readonly #underWay = new Map<string, number>();
  readonly #waiting = new Set<WaitingCall>();
  /** The members that the store answered about last: two, so that one of them is another member. */
  #answers: readonly { readonly member: string; readonly at: number }[] = [];
  #openUntil = 0;
  #isOpen = false;
  #isProbing = false;
  #failedProbe: { readonly member: string; readonly at: number } | undefined;

  constructor(clock: Clock, onRecovered: () => void) {
    this.#clock = clock;
    this.#onRecovered = onRecovered;
  }

  admit(member: string): Admission | Promise<Admission> {
    const admission = this.#tryToAdmit(member);
    if (admission !== undefined) return admission;
    return new Promise((resolve) => {
      this.#waiting.add({ member, resolve });
    });
  }

  hasAnsweredOthers(member: string): boolean {
    const now = this.#clock();
    return this.#answers.some(
      (answer) => answer.member !== member && now - answer.at < LASTING_REFUSAL_SECONDS,
    );
  }

  /** `undefined` where the call must wait until others have ended. */
  #tryToAdmit(member: string): Admission | undefined {
    const now = this.#clock();
    const wait = this.#openUntil - now;
    // A clock that was set back must not lengthen the pause.
    const isPaused = wait > 0 && wait <= MAX_PAUSE;
    // A member in trouble of her own must not be every probe.
    const isInVain = this.#failedProbe?.member === member && Math.abs(now - this.#failedProbe.at) < MAX_PAUSE;
    if (this.#isOpen && (isPaused || this.#isProbing || isInVain)) {
      return { status: "stop", retryAfter: toPause(wait) };
    }
    if (!this.#isOpen && !this.#hasRoomFor(member)) return undefined;
    return this.#start(member);
  }

  /** A member in trouble of her own takes one place, however many sessions she has. */
  #hasRoomFor(member: string): boolean {
    if (this.#underWay.size === 0 || this.#underWay.has(member)) return true;
    this.#forgetOld();
    const hasFailed = this.#outcomes.get(member)?.hasFailed === true;
    const unanswered = this.#underWay.size + this.#failedMembers - (hasFailed ? 1 : 0);
    return unanswered < MEMBERS_AT_ONCE + this.#outcomes.size - this.#failedMembers;
  }

  #start(member: string): AdmittedCall {
    const isProbe = this.#isOpen;
    this.#isProbing = isProbe;
    this.#underWay.set(member, (this.#underWay.get(member) ?? 0) + 1);
    let hasEnded = false;
    const end = (): void => {
      if (hasEnded) return;
      hasEnded = true;
      const others = (this.#underWay.get(member) ?? 1) - 1;
      if (others === 0) this.#underWay.delete(member);
      else this.#underWay.set(member, others);
    };
    return {
      status: "go",
      succeeded: () => {
        end();
        if (this.#isOpen) {
          this.#forgetAll();
          this.#onRecovered();
        }
        this.#note(member, false);
        const earlier = this.#answers.filter((one) => one.member !== member);
        this.#answers = [{ member, at: this.#clock() }, ...earlier].slice(0, 2);
        this.#isOpen = false;
        this.#isProbing = false;
        this.#failedProbe = undefined;
        this.#admitWaiting();
      },
      failed: (retryAfter = DEFAULT_PAUSE) => {
        end();
        this.#note(member, true);
        if (isProbe) {
          this.#isProbing = false;
          this.#failedProbe = { member, at: this.#clock() };
        }
        this.#isOpen ||= isProbe || this.#isFailingForMany();
        if (this.#isOpen) this.#openUntil = this.#clock() + toPause(retryAfter);
        this.#admitWaiting();
      },
      abandoned: () => {
        end();
        if (isProbe) this.#isProbing = false;
        this.#admitWaiting();
      },
    };
  }

  #note(member: string, hasFailed: boolean): void {
    this.#forget(member);
    this.#outcomes.set(member, { at: this.#clock(), hasFailed });
    if (hasFailed) this.#failedMembers += 1;
    this.#forgetOld();
  }

  #forget(member: string): void {
    if (this.#outcomes.get(member)?.hasFailed === true) this.#failedMembers -= 1;
    this.#outcomes.delete(member);
  }

  #forgetOld(): void {
    const now = this.#clock();
    for (const [oldest, { at }] of this.#outcomes) {
      const age = now - at;
      if (age >= 0 && age < FAILURE_WINDOW_SECONDS && this.#outcomes.size <= MAX_MEMBERS) break;
      this.#forget(oldest);
    }
  }

  #forgetAll(): void {
    this.#outcomes.clear();
    this.#failedMembers = 0;
  }

  #isFailingForMany(): boolean {
    return this.#failedMembers >= FAILED_MEMBERS_TO_OPEN && this.#failedMembers * 2 >= this.#outcomes.size;
  }

  /** Lets calls go on that have waited, the first ones first. */
  #admitWaiting(): void {
    for (const call of this.#waiting) {
      const admission = this.#tryToAdmit(call.member);
      if (admission === undefined) break;
      this.#waiting.delete(call);
      call.resolve(admission);
    }
  }
}

/** Why a credential could not be renewed, confirmed or used: the reason, and whether the store refused this credential. */
export interface CredentialFailure {
  /** A short label, safe in events. */
  readonly reason: string;
  /** Whether the store refused it: ten minutes of the same refusal ask for a new sign-in. Never set for trouble of ours. */
  readonly isRefusal: boolean;
  /** Whether the store did not answer at all: then nobody waits any longer than the outage lasts. */
  readonly isOutage?: boolean;
  /** The service's own code: another one is another refusal. */
  readonly upstreamCode?: string | undefined;
  /** Seconds that the store asked for, if it did; at most 30 count. */
  readonly retryAfter?: number | undefined;
  /** The error behind it. */
  readonly cause?: unknown;
}

/** A failure that is not tried again yet. */
export interface BackedOff {
  /** Seconds until the next attempt. */
  readonly retryAfter: number;
  /** The failure that is waited for. */
  readonly failure: CredentialFailure;
  /** Whether the store has given the same refusal for ten minutes. */
  readonly isLasting: boolean;
}

/** Waits between attempts with one credential: 1 s, doubling to 30 s. Other credentials do not wait. */
export interface CredentialBackOff {
  /** What a credential waits for; `undefined` if it may be used now. */
  waitFor(key: string): BackedOff | undefined;
  /** Notes a failed attempt, and returns how long to wait. */
  failed(key: string, failure: CredentialFailure): BackedOff;
  /** Notes an answer: the next failure begins at one second. */
  succeeded(key: string): void;
  /** Notes that an outage is over: what failed because of it may be tried again now. */
  recovered(): void;
}

const MAX_CREDENTIALS_BACKED_OFF = 20_000;
interface BackOffEntry extends BackedOff {
  readonly failedAt: number;
  readonly attempts: number;
  /** How many outages had ended by then. */
  readonly outage: number;
  /** The refusal given last, and since when; an outage in between does not make it another one. */
  readonly refusal?: { readonly name: string; readonly since: number } | undefined;
}

/** Makes a back-off. Keys are cache keys of credentials. */
export function createCredentialBackOff(clock: Clock): CredentialBackOff {
  const entries = createBoundedMap<string, BackOffEntry>(MAX_CREDENTIALS_BACKED_OFF);
  let outage = 0;
  return {
    waitFor(key) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      if (entry.failure.isOutage === true && entry.outage !== outage) return undefined;
      const wait = entry.failedAt + entry.retryAfter - clock();
      // A clock that was set back must not lengthen the wait.
      if (wait <= 0 || wait > MAX_PAUSE) return undefined;
      return { ...entry, retryAfter: toPause(wait) };
    },
    failed(key, failure) {
      const now = clock();
      const before = entries.get(key);
      const attempts = (before?.attempts ?? 0) + 1;
      const { isRefusal } = failure;
      const name = `${failure.reason} ${failure.upstreamCode ?? ""}`;
      const isRepeated = before?.refusal?.name === name;
      const refusal = isRefusal && !isRepeated ? { name, since: now } : before?.refusal;
      const isLasting = isRefusal && refusal !== undefined && now - refusal.since >= LASTING_REFUSAL_SECONDS;
      const retryAfter = toPause(Math.max(backOffSeconds(attempts, MAX_PAUSE), failure.retryAfter ?? 0));
      const entry = { retryAfter, failure, isLasting, failedAt: now, attempts, refusal, outage };
      entries.set(key, entry);
      return entry;
    },
    succeeded(key) {
      entries.delete(key);
    },
    recovered() {
      outage += 1;
    },
  };
}

/** What a store says of a credential that is not, or no longer, one of its own. */
export type StoreRefusal = Extract<Renewal, { status: "ended" | "rejected" }>;

/** What a limited call came to. */
export type LimitedCall<Answer> =
  | { readonly status: "called"; readonly answer: Answer }
  | { readonly status: "refused_before"; readonly refusal: StoreRefusal }
  /** Too many calls or refusals; `retryAfter` in seconds. */
  | { readonly status: "limited"; readonly retryAfter: number };

/** What an answer means to the limit; `undefined` for trouble of the store. A {@link StoreRefusal} is remembered. */
export type LimitVerdict = StoreRefusal | "refused" | "accepted" | undefined;

/**
 * Rate-limits store calls for credentials that cannot be verified locally: opaque tokens, and tokens of an unknown key.
 *
 * Anybody can make those up. What the store refused is remembered, so that each is asked about once.
 */
export interface UnverifiedCredentialLimiter {
  /**
   * Calls the store unless it refused the credential before, or the client address has reached its limit. A credential that the
   * store accepted in the last hour is never limited. Rejects as the call does.
   */
  run<Answer>(
    credential: { readonly key: string; readonly ipAddress: string | undefined },
    call: () => Promise<Answer>,
    verdictOf: (answer: Answer) => LimitVerdict,
  ): Promise<LimitedCall<Answer>>;
  /** Refuses a credential from now on, as it was refused before if it was. */
  refuse(key: string, refusal: StoreRefusal): void;
}

const MAX_REFUSALS_KEPT = 10_000;
const MAX_ACCEPTED_KEPT = 10_000;
const MAX_ADDRESSES = 10_000;
/** Seconds for which a credential that was accepted is not limited. */
const ACCEPTED_SECONDS = 3600;
/** Calls at once of one client address. */
const MAX_CALLS_AT_ONCE = 50;
/** Refusals of one client address within {@link REFUSAL_WINDOW_SECONDS}. */
const MAX_REFUSALS = 30;
const REFUSAL_WINDOW_SECONDS = 60;

interface ClientLimit {
  refusedAt: readonly number[];
  underWay: number;
}

/** Makes a limiter: for each client address (IPv6: each /64), 30 refusals a minute, and 50 calls at once. */
export function createUnverifiedCredentialLimiter(clock: Clock): UnverifiedCredentialLimiter {
  const refusals = createBoundedMap<string, StoreRefusal>(MAX_REFUSALS_KEPT);
  const acceptedAt = createBoundedMap<string, number>(MAX_ACCEPTED_KEPT);
  const clients = createBoundedMap<string, ClientLimit>(MAX_ADDRESSES);

  const secondsToWait = (client: ClientLimit): number => {
    const now = clock();
    // A clock that was set back must not lengthen the wait.
    client.refusedAt = client.refusedAt.filter((at) => now - at >= 0 && now - at < REFUSAL_WINDOW_SECONDS);
    if (client.underWay >= MAX_CALLS_AT_ONCE) return 1;
    const [oldest = now] = client.refusedAt;
    return client.refusedAt.length >= MAX_REFUSALS ? Math.ceil(oldest + REFUSAL_WINDOW_SECONDS - now) : 0;
  };
  const wasAccepted = (key: string): boolean => clock() - (acceptedAt.get(key) ?? 0) < ACCEPTED_SECONDS;

  return {
    async run({ key, ipAddress }, call, verdictOf) {
      const known = refusals.get(key);
      if (known !== undefined) return { status: "refused_before", refusal: known };
      const group = addressGroup(ipAddress);
      const client = clients.get(group) ?? { refusedAt: [], underWay: 0 };
      clients.set(group, client);
      const retryAfter = wasAccepted(key) ? 0 : secondsToWait(client);
      if (retryAfter > 0) return { status: "limited", retryAfter };
      client.underWay += 1;
      try {
        const answer = await call();
        const verdict = verdictOf(answer);
        if (verdict === "accepted") acceptedAt.set(key, clock());
        else if (verdict !== undefined) client.refusedAt = [...client.refusedAt, clock()];
        if (isObject(verdict)) refusals.set(key, verdict);
        return { status: "called", answer };
      } finally {
        client.underWay -= 1;
      }
    },
    refuse(key, refusal) {
      if (refusals.get(key) === undefined) refusals.set(key, refusal);
    },
  };
}

/** The client that an address stands for: itself, or its /64 for IPv6, which one client has whole. */
export function addressGroup(address = ""): string {
  if (!address.includes(":")) return address;
  const [head = [], tail = []] = address.split("::").map((part) => (part === "" ? [] : part.split(":")));
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => "0");
  const groups = address.includes("::") ? [...head, ...zeros, ...tail] : head;
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}
