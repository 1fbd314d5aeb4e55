import assert from "node:assert/strict";
import type { Outcome, PendingAuthentication } from "../../store.ts";
import {
  type ContractCases,
  type ContractSubject,
  type HeldSession,
  assertActive,
  assertRefused,
  assertUnavailable,
  needsHarnessMethod,
  needsStoreMethod,
} from "./subject.ts";

const CONCURRENT_CHOICES = 20;

/** What a store promises of organization selection. */
export const SELECTION_CASES: ContractCases = {
  async "a member of two organizations chooses one and is signed in to it"(subject) {
    const { pending, first, second, select } = await beginSelection(subject);
    const offered = await subject.store.organizations?.(pending, subject.context());
    const ids = offered?.map(({ id }) => id) ?? [second, first];
    assert.deepEqual(ids.toSorted(), [first, second].toSorted());
    const { interpretation } = await subject.holdOutcome(await select(second));
    assert.equal(interpretation.organization?.id, second);
  },

  async "exactly one of several concurrent choices makes a session"(subject) {
    const { first, second, select } = await beginSelection(subject);
    const choices = Array.from({ length: CONCURRENT_CHOICES }, (_, index) =>
      select(index % 2 === 0 ? first : second),
    );
    const outcomes = await Promise.all(choices);
    const [winner, ...others] = outcomes.toSorted((one) => (one.status === "authenticated" ? -1 : 1));
    assert.ok(winner);
    await subject.holdOutcome(winner);
    for (const outcome of others) assertRefused(outcome, "invalid_pending_authentication");
    assertRefused(await select(first), "invalid_pending_authentication");
  },

  async "an organization of others is refused and does not spend the choice"(subject) {
    const { first, select } = await beginSelection(subject);
    for (const organizationId of [subject.foreignOrganizationId, "__proto__", "constructor", `${first}x`]) {
      assertRefused(await select(organizationId), "organization_not_available");
    }
    const { interpretation } = await subject.holdOutcome(await select(first));
    assert.equal(interpretation.organization?.id, first);
  },

  async "a forged pending token is refused"(subject) {
    const { pending, first, select } = await beginSelection(subject);
    const { pendingAuthenticationToken: token } = pending;
    for (const forged of ["x", `${token}x`, token.slice(0, -1), "__proto__"]) {
      const outcome = await select(first, { pendingAuthenticationToken: forged });
      assertRefused(outcome, "invalid_pending_authentication");
    }
    assert.equal((await select(first)).status, "authenticated", "the genuine token must still be valid");
  },

  async "the choice expires after ten minutes"(subject) {
    const { first, select } = await beginSelection(subject);
    await subject.harness.advance(601);
    assertRefused(await select(first), "invalid_pending_authentication");
  },

  async "choosing is unavailable while the store is down, which does not spend the choice"(subject) {
    const { pending, first, select } = await beginSelection(subject);
    await subject.whileBroken(async () => {
      await assertUnavailable(select(first), "selectOrganization");
      const offered = subject.store.organizations?.(pending, subject.context());
      if (offered !== undefined) await assertUnavailable(offered, "organizations");
    });
    assert.equal((await select(first)).status, "authenticated");
  },

  async "a user without any organization is signed in without one or refused"(subject) {
    const outcome = await subject.harness.signIn({ organizations: 0 });
    assert.notEqual(outcome.status, "selection_required", "there is nothing to choose from");
    if (outcome.status !== "authenticated") return;
    const { organization, member } = (await subject.hold(outcome.credential)).interpretation;
    assert.equal(organization, undefined);
    assert.deepEqual(member.roles, [], "roles are held in an organization");
  },
};

/** A member of two organizations who must choose one. */
interface Selection {
  readonly pending: PendingAuthentication;
  readonly first: string;
  readonly second: string;
  readonly select: (organizationId: string, pending?: PendingAuthentication) => Promise<Outcome>;
}

/** Signs in a member of two organizations; skips the case if the store has no selection. */
export async function beginSelection(subject: ContractSubject): Promise<Selection> {
  const { store } = subject;
  needsStoreMethod(store, "selectOrganization");
  const selectOrganization = store.selectOrganization.bind(store);
  const outcome = await subject.harness.signIn({ organizations: 2 });
  assert.equal(outcome.status, "selection_required", "a member of two organizations must choose");
  const { pending, organizations } = outcome;
  const [first, second] = organizations;
  assert.ok(first !== undefined && second !== undefined, "both organizations must be offered");
  assert.notEqual(first.id, second.id);
  return {
    pending,
    first: first.id,
    second: second.id,
    select: (organizationId, other = pending) => selectOrganization(other, organizationId, subject.context()),
  };
}

/** What a store promises of switching to another organization. */
export const SWITCHING_CASES: ContractCases = {
  async "switching continues as the same user in the other organization, also after a renewal"(subject) {
    const { held, other, switchTo } = await signInToSwitch(subject);
    const { switchKeepsSubject = true, switchKeepsSessionId = false } = subject.store.capabilities;
    const switched = await subject.holdOutcome(await switchTo(other));
    if (switchKeepsSubject) assert.equal(switched.claims.sub, held.claims.sub);
    assert.equal(switched.interpretation.organization?.id, other);
    const isSameId = switched.interpretation.memberSession.id === held.interpretation.memberSession.id;
    assert.equal(isSameId, switchKeepsSessionId, "the session id must change unless the capabilities say so");
    await subject.expire(switched);
    const renewed = await subject.renewActive(switched, "expired");
    assert.equal(renewed.interpretation.organization?.id, other, "the next renewal must stay there");
  },

  async "switching works from an expired token"(subject) {
    const { held, other, switchTo } = await signInToSwitch(subject);
    await subject.expire(held);
    const { interpretation } = await subject.holdOutcome(await switchTo(other));
    assert.equal(interpretation.organization?.id, other);
  },

  async "switching to an organization of others is refused and does not end the session"(subject) {
    const { held, switchTo } = await signInToSwitch(subject);
    for (const organizationId of [subject.foreignOrganizationId, "__proto__", "constructor"]) {
      assertRefused(await switchTo(organizationId), "organization_not_available");
    }
    const { interpretation } = await subject.renewActive(held, "asked");
    assert.equal(interpretation.organization?.id, held.interpretation.organization?.id);
  },

  async "a session that has ended cannot be switched"(subject) {
    const { harness } = subject;
    const { held, other, switchTo } = await signInToSwitch(subject);
    needsHarnessMethod(harness, "revoke");
    await harness.revoke(held.interpretation.memberSession.id);
    assertRefused(await switchTo(other), "session_revoked");
  },

  async "switching is unavailable while the store is down, and works when it is back"(subject) {
    const { held, other, switchTo } = await signInToSwitch(subject);
    await subject.whileBroken(() => assertUnavailable(switchTo(other), "switchOrganization"));
    assertActive(await subject.renew(held, "asked"));
    assert.equal((await switchTo(other)).status, "authenticated");
  },
};

/** A member of two organizations who is signed in to one of them. */
interface Switching {
  readonly held: HeldSession;
  readonly other: string;
  readonly switchTo: (organizationId: string) => Promise<Outcome>;
}

/** Signs in a member of two organizations to the first; skips the case if the store cannot switch. */
async function signInToSwitch(subject: ContractSubject): Promise<Switching> {
  const { store } = subject;
  const { first, second, select } = await beginSelection(subject);
  needsStoreMethod(store, "switchOrganization");
  const switchOrganization = store.switchOrganization.bind(store);
  const held = await subject.holdOutcome(await select(first));
  return {
    held,
    other: second,
    switchTo: (organizationId) =>
      switchOrganization(subject.stale(held, "asked"), organizationId, subject.context()),
  };
}
