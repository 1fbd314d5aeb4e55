import assert from "node:assert/strict";
import { isOrgateError } from "../../errors.ts";
import type { Clock } from "../../lib/clock.ts";
import { abortAfter } from "../../lib/concurrency.ts";
import { isString } from "../../lib/values.ts";
import type {
  Interpretation,
  Outcome,
  RenewContext,
  Renewal,
  SealedSession,
  SessionStore,
  StaleCredential,
  VerifiedClaims,
} from "../../store.ts";
import { type KeySet, createKeySet } from "../../tokens/key-set.ts";
import { createTokenVerifier } from "../../tokens/verify-token.ts";
import { skipUnless } from "./case-skipped.ts";

/** A store and what a test needs to control it. Every case gets a harness and a store of its own. */
export interface StoreHarness {
  readonly store: SessionStore;
  /** The clock of the store. */
  readonly clock: Clock;
  /**
   * Signs in a member of this many organizations, as an application's sign-in handler would. Use one user for each number,
   * and open a new session each time.
   *
   * @returns `authenticated` for one organization, `selection_required` for two, the store's own answer for none
   */
  signIn(request: { readonly organizations: 0 | 1 | 2 }): Promise<Outcome>;
  /** Lets this many seconds pass. */
  advance(seconds: number): void | Promise<void>;
  /** Ends a session without the store's `endSession`, as an administrator would. @defaultValue cases that need it are skipped */
  revoke?(sessionId: string): Promise<void>;
  /** Makes the database or the service of the store fail. @defaultValue cases that need it are skipped */
  breakStore?(): void | Promise<void>;
  /** Makes it work again. Required with `breakStore`. */
  mendStore?(): void | Promise<void>;
  /** An organization that exists and has none of the members who sign in here. @defaultValue an id that does not exist */
  readonly foreignOrganizationId?: string;
  close(): void | Promise<void>;
}

/** The cases of one subject, by their titles. A case rejects if the store breaks the promise. */
export type ContractCases = Readonly<Record<string, (subject: ContractSubject) => Promise<void>>>;

type With<Owner, Name extends keyof Owner> = Owner & Required<Pick<Owner, Name>>;

/** Skips the case if the store lacks an optional method. */
export function needsStoreMethod<Name extends keyof SessionStore & string>(
  store: SessionStore,
  name: Name,
): asserts store is With<SessionStore, Name> {
  skipUnless(store[name], `SessionStore.${name}`);
}

/** Skips the case if the harness lacks an optional method. */
export function needsHarnessMethod<Name extends keyof StoreHarness>(
  harness: StoreHarness,
  name: Name,
): asserts harness is With<StoreHarness, Name> {
  skipUnless(harness[name], name);
}

/** A credential that was verified and interpreted, as in every request. */
export interface HeldSession {
  readonly credential: SealedSession;
  readonly claims: VerifiedClaims;
  readonly interpretation: Interpretation;
}

/** The store under test, used the way the middleware uses it. */
export class ContractSubject {
  readonly harness: StoreHarness;
  readonly store: SessionStore;
  /** An organization that has none of the members who sign in here. */
  readonly foreignOrganizationId: string;
  readonly #keys: KeySet;

  constructor(harness: StoreHarness) {
    this.harness = harness;
    this.store = harness.store;
    this.foreignOrganizationId = harness.foreignOrganizationId ?? "org_without_members";
    this.#keys = createKeySet(harness.store.tokens.keys, {
      clock: harness.clock,
      events: { wants: () => false, emit: () => undefined },
    });
  }

  /** Signs in a member of one organization. */
  async signIn(): Promise<HeldSession> {
    return this.holdOutcome(await this.harness.signIn({ organizations: 1 }));
  }

  /** Holds the session of an outcome that must be one. */
  async holdOutcome(outcome: Outcome): Promise<HeldSession> {
    assert.equal(outcome.status, "authenticated");
    return this.hold(outcome.credential);
  }

  /** Verifies a credential by the store's own profile, and interprets it. */
  async hold(credential: SealedSession): Promise<HeldSession> {
    const verifier = createTokenVerifier(this.store.tokens, this.#keys);
    const verification = await verifier.verify(credential.accessToken);
    const reason = verification.status === "verified" ? "" : verification.reason;
    assert.equal(verification.status, "verified", `the access token must verify, but: ${reason}`);
    const { claims } = verification;
    const interpretation = this.store.interpret(claims, credential);
    assert.ok(interpretation, "the store must interpret its own token");
    return { credential, claims, interpretation };
  }

  /** The credential as the middleware submits it. */
  stale({ credential, claims }: HeldSession, reason: StaleCredential["reason"]): StaleCredential {
    return { reason, accessToken: credential.accessToken, claims, sealed: credential };
  }

  context(): RenewContext {
    return { ipAddress: "192.0.2.1", userAgent: "orgate store contract", signal: abortAfter(5) };
  }

  renew(held: HeldSession, reason: StaleCredential["reason"], extendBy?: number): Promise<Renewal> {
    const context = { ...this.context(), ...(extendBy !== undefined && { extendBy }) };
    return this.store.renew(this.stale(held, reason), context);
  }

  /** Renews a session that must be active, and holds the credential in use from then on. */
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

  /** Signs in, and lets the access token expire. */
  async signInExpired(): Promise<HeldSession> {
    const held = await this.signIn();
    await this.expire(held);
    return held;
  }

  /** Takes the store's backend away while `act` runs; skips the case if the harness cannot. */
  async whileBroken(act: () => Promise<void>): Promise<void> {
    const { harness } = this;
    needsHarnessMethod(harness, "breakStore");
    needsHarnessMethod(harness, "mendStore");
    await harness.breakStore();
    await act();
    await harness.mendStore();
  }

  async close(): Promise<void> {
    this.#keys.close();
    await this.harness.close();
  }
}

type ActiveRenewal = Extract<Renewal, { readonly status: "active" }>;
type Refusal = Extract<Outcome, { readonly status: "refused" }>;

/** Asserts that the session goes on. */
export function assertActive(renewal: Renewal): asserts renewal is ActiveRenewal {
  const reason = "reason" in renewal ? ` (${renewal.reason})` : "";
  assert.equal(renewal.status, "active", `the session must go on, and is ${renewal.status}${reason}`);
}

/** Asserts that the outcome is a refusal with this code. */
export function assertRefused(outcome: Outcome, code: Refusal["code"]): void {
  assert.equal(outcome.status, "refused");
  assert.equal(outcome.code, code);
}

/** Tells whether an error says that the store cannot know now. */
export function isUnavailable(error: unknown): boolean {
  return isOrgateError(error) && error.code === "store_unavailable";
}

/** Asserts that the store answers "cannot know", and nothing that would sign anybody out. */
export async function assertUnavailable(answer: Promise<unknown>, method: string): Promise<void> {
  await assert.rejects(
    answer,
    isUnavailable,
    `${method} must throw a StoreUnavailableError while the store cannot answer`,
  );
}

interface Interpreted {
  readonly interpretation: Interpretation;
  readonly claims: { readonly sub: string };
}

/** Asserts that both credentials are the same member's, in the same organization. */
export function assertSameIdentity(one: Interpreted, other: Interpreted): void {
  const [before, after] = [one.interpretation, other.interpretation];
  assert.equal(other.claims.sub, one.claims.sub, "the user must stay the same");
  assert.equal(after.member.id, before.member.id, "the member must stay the same");
  assert.equal(after.organization?.id, before.organization?.id, "the organization must stay the same");
}

/** Asserts that both credentials are the same member's, in the same organization and session. */
export function assertSameSession(one: Interpreted, other: Interpreted): void {
  assertSameIdentity(one, other);
  const [before, after] = [one.interpretation.memberSession, other.interpretation.memberSession];
  assert.equal(after.id, before.id, "the session id must stay the same");
}

/** Asserts that model, organization and session are of the types that orgate relies on, and agree with each other. */
export function assertWellFormed({ memberSession, member, organization, ...rest }: Interpretation): void {
  assertName(memberSession.id, "memberSession.id");
  assertName(member.id, "member.id");
  assert.equal(memberSession.memberId, member.id, "memberSession.memberId must be member.id");
  for (const [name, { organizationId }] of Object.entries({ memberSession, member })) {
    assert.equal(organizationId, organization?.id, `${name}.organizationId must be organization.id`);
  }
  const { organizationSlug } = memberSession;
  assert.equal(
    organizationSlug,
    organization?.slug,
    "memberSession.organizationSlug must be the organization's",
  );
  if (organization !== undefined) assertName(organization.id, "organization.id");
  assertStrings(memberSession.roles, "memberSession.roles");
  assert.deepEqual(member.roles, memberSession.roles, "the member must hold the roles of the session");
  assertStrings(rest.permissions ?? [], "permissions");
  const { emailAddress, name, userId } = member;
  for (const text of [emailAddress, name, userId, organization?.name, organization?.slug]) {
    assert.ok(text === undefined || typeof text === "string", "names and addresses must be strings");
  }
  assert.ok(Array.isArray(memberSession.authenticationFactors), "authenticationFactors must be a list");
  for (const { type } of memberSession.authenticationFactors) assertName(type, "the type of a factor");
  const claims: unknown = memberSession.customClaims;
  assert.ok(typeof claims === "object" && !Array.isArray(claims), "customClaims must be an object, or null");
  for (const time of [memberSession.startedAt, memberSession.lastAccessedAt, memberSession.expiresAt]) {
    assert.ok(time === undefined || !Number.isNaN(Date.parse(time)), "times must be RFC 3339");
  }
  for (const time of [rest.sessionExpiresAt, rest.authenticatedAt]) {
    assert.ok(time === undefined || Number.isFinite(time), "times in seconds must be finite numbers");
  }
}

function assertName(value: unknown, what: string): void {
  assert.ok(typeof value === "string" && value !== "", `${what} must be a string that is not empty`);
}

function assertStrings(values: unknown, what: string): void {
  assert.ok(Array.isArray(values), `${what} must be a list`);
  assert.ok(values.every(isString), `${what} must hold strings`);
}
