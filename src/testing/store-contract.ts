import assert from "node:assert/strict";
import process from "node:process";
import { isOrgateError } from "../errors.ts";
import type { Clock } from "../lib/clock.ts";
import type {
  Interpretation,
  Outcome,
  RenewContext,
  Renewal,
  SealedSession,
  SessionStore,
  StaleCredential,
  VerifiedClaims,
} from "../store.ts";
import { type KeySet, createKeySet } from "../tokens/key-set.ts";
import { createTokenVerifier } from "../tokens/verify-token.ts";
import { ENDING_CASES } from "./contract/ending-cases.ts";
import { RENEWAL_CASES } from "./contract/renewal-cases.ts";
import { SELECTION_CASES, SWITCHING_CASES } from "./contract/sign-in-cases.ts";
import { TOKEN_CASES } from "./contract/token-cases.ts";

/** One case of the contract, for any test runner. */
export interface StoreContractTest {
  readonly name: string;
  /**
   * Makes a harness, puts the promise to the test and closes the harness.
   *
   * Rejects with an `AssertionError` where the store breaks its promise.
   *
   * @returns `skipped` where the store, or the harness, lacks what the case is about; `onSkipped` is told why.
   */
  readonly run: () => Promise<"passed" | "skipped">;
}

/** How the contract is run. */
export interface StoreContractOptions {
  /** Hears of every case that is skipped, and what it lacks. @defaultValue a process warning */
  readonly onSkipped?: (name: string, lacks: string) => void;
}

const CASES: readonly ContractCase[] = [
  ...TOKEN_CASES,
  ...RENEWAL_CASES,
  ...SELECTION_CASES,
  ...SWITCHING_CASES,
  ...ENDING_CASES,
];

/**
 * What orgate relies on in every `SessionStore`, as a list of tests for any runner.
 *
 * @example
 * ```ts
 * describe("my store keeps the contract", () => {
 *   for (const { name, run } of sessionStoreContract(makeHarness)) it(name, run);
 * });
 * ```
 * @param makeHarness - makes a fresh store, and what moves it, for each case.
 */
export function sessionStoreContract(
  makeHarness: () => StoreHarness | Promise<StoreHarness>,
  options: StoreContractOptions = {},
): readonly StoreContractTest[] {
  const { onSkipped = warnOfSkipped } = options;
  return CASES.map(({ name, check }) => ({
    name,
    async run() {
      const harness = await makeHarness();
      const subject = new ContractSubject(harness);
      try {
        const lack = await check(subject);
        if (lack !== undefined) onSkipped(name, lack.lacks);
        return lack === undefined ? "passed" : "skipped";
      } finally {
        subject.close();
        await harness.close();
      }
    },
  }));
}

function warnOfSkipped(name: string, lacks: string): void {
  process.emitWarning(`skipped "${name}": there is no ${lacks}`, "OrgateStoreContract");
}

/** A store with what a test needs beside it. Every case gets a harness, and a store, of its own. */
export interface StoreHarness {
  readonly store: SessionStore;
  /** The time that the store lives by. */
  readonly clock: Clock;
  /**
   * Signs in a member of so many organizations, as an application's sign-in handler would: another user for each
   * number, the same user for the same number, a new session each time.
   *
   * Of one organization: `authenticated`. Of two: `selection_required`. Of none: whatever the store answers.
   */
  signIn(request: { readonly organizations: 0 | 1 | 2 }): Promise<Outcome>;
  /** Lets so many seconds pass. */
  advance(seconds: number): void | Promise<void>;
  /** Ends a session behind the store's back, as an administrator would. @defaultValue cases that need it are skipped */
  revoke?(sessionId: string): Promise<void>;
  /** Takes away what the store depends on (its database, its service). @defaultValue cases that need it are skipped */
  breakStore?(): void | Promise<void>;
  /** Brings it back. Required with `breakStore`. */
  mendStore?(): void | Promise<void>;
  /** An organization that exists and that no member signed in here belongs to. @defaultValue an id that nobody has */
  readonly foreignOrganizationId?: string;
  close(): void | Promise<void>;
}

/** Says what a harness or a store lacks for a case: the case is skipped. */
export interface Lack {
  readonly lacks: string;
}

/** One promise that every session store makes. */
export interface ContractCase {
  readonly name: string;
  /** Rejects where the store breaks the promise. */
  readonly check: (subject: ContractSubject) => Promise<Lack | undefined>;
}

/** A credential after the way of every request: verified and interpreted. */
export interface HeldSession {
  readonly credential: SealedSession;
  readonly claims: VerifiedClaims;
  readonly interpretation: Interpretation;
}

/** A member of several organizations before the choice. */
export type PendingSelection = Extract<Outcome, { readonly status: "selection_required" }>;

type ActiveRenewal = Extract<Renewal, { readonly status: "active" }>;

/** The store under test, used the way the middleware uses it. */
export class ContractSubject {
  readonly harness: StoreHarness;
  readonly store: SessionStore;
  readonly #keys: KeySet;

  constructor(harness: StoreHarness) {
    this.harness = harness;
    this.store = harness.store;
    this.#keys = createKeySet(harness.store.tokens.keys, {
      clock: harness.clock,
      events: { wants: () => false, emit: () => undefined },
    });
  }

  async signIn(): Promise<HeldSession> {
    const outcome = await this.harness.signIn({ organizations: 1 });
    assert.equal(outcome.status, "authenticated", "a member of one organization is signed in at once");
    return this.hold(outcome.credential);
  }

  async signInToSelection(): Promise<PendingSelection> {
    const outcome = await this.harness.signIn({ organizations: 2 });
    assert.equal(outcome.status, "selection_required", "a member of two organizations has to choose");
    return outcome;
  }

  /** Verifies a credential by the store's own profile. */
  async hold(credential: SealedSession): Promise<HeldSession> {
    const { tokens } = this.store;
    const verification = await createTokenVerifier(tokens, this.#keys).verify(credential.accessToken);
    const reason =
      verification.status === "verified" ? "" : `: ${verification.status}, ${verification.reason}`;
    assert.equal(
      verification.status,
      "verified",
      `the access token verifies by the store's own profile${reason}`,
    );
    const { claims } = verification;
    const interpretation = this.store.interpret(claims, credential);
    assert.ok(interpretation, "the store knows its own session");
    return { credential, claims, interpretation };
  }

  /** A credential as the middleware presents it; a bearer where `isBare`. */
  staleOf(held: HeldSession, reason: StaleCredential["reason"], isBare = false): StaleCredential {
    const { credential, claims } = held;
    return {
      reason,
      accessToken: credential.accessToken,
      claims,
      ...(!isBare && { sealed: credential }),
    };
  }

  context(): RenewContext {
    return { ipAddress: "192.0.2.1", userAgent: "orgate store contract", signal: AbortSignal.timeout(5_000) };
  }

  renew(held: HeldSession, reason: StaleCredential["reason"], extendBy?: number): Promise<Renewal> {
    const context = { ...this.context(), ...(extendBy !== undefined && { extendBy }) };
    return this.store.renew(this.staleOf(held, reason), context);
  }

  /** Renews, and holds what goes on being used. */
  async renewActive(
    held: HeldSession,
    reason: StaleCredential["reason"],
    extendBy?: number,
  ): Promise<HeldSession> {
    const renewal = await this.renew(held, reason, extendBy);
    assertActive(renewal);
    return this.hold(renewal.credential ?? held.credential);
  }

  /** Lets time pass until the access token has expired. */
  async expire({ claims }: HeldSession): Promise<void> {
    await this.harness.advance(Math.max(0, Math.ceil(claims.exp - this.harness.clock())) + 1);
  }

  close(): void {
    this.#keys.close();
  }
}

/** Says that a renewal was answered with a session that goes on. */
export function assertActive(renewal: Renewal): asserts renewal is ActiveRenewal {
  const reason = "reason" in renewal ? ` (${renewal.reason})` : "";
  assert.equal(renewal.status, "active", `the session goes on, and is not ${renewal.status}${reason}`);
}

/** Says that the store answered "cannot know", and nothing that would sign anybody out. */
export async function assertUnavailable(answer: Promise<unknown>, what: string): Promise<void> {
  await assert.rejects(
    answer,
    (error) => isOrgateError(error) && error.code === "store_unavailable",
    `${what} throws a StoreUnavailableError while the store cannot answer`,
  );
}

/** An answer; `undefined` where the store says that it cannot know. */
export async function unlessUnavailable<Answer>(answer: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isOrgateError(error) && error.code === "store_unavailable") return undefined;
    throw error;
  }
}

/** Says that both sessions are the same member's, in the same organization. */
export function assertSameIdentity(one: HeldSession, other: HeldSession): void {
  assert.equal(other.claims.sub, one.claims.sub, "the user stays the same");
  assert.equal(other.interpretation.member.id, one.interpretation.member.id, "the member stays the same");
  assert.equal(
    other.interpretation.organization?.id,
    one.interpretation.organization?.id,
    "the organization stays the same",
  );
}

/** Says that a credential's session is over, for good. */
export async function assertEnded(subject: ContractSubject, held: HeldSession): Promise<void> {
  for (const reason of ["asked", "too_old", "expired"] as const) {
    const { status } = await subject.renew(held, reason);
    assert.equal(status, "ended", `a session that was ended is answered so when its token is ${reason}`);
  }
}
