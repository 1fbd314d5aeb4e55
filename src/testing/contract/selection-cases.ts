import assert from "node:assert/strict";
import type { Outcome, PendingAuthentication } from "../../store.ts";
import { assertRefused, assertUnavailable } from "./assertions.ts";
import { type ContractCases, type ContractSubject, needsStoreMethod } from "./subject.ts";

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
