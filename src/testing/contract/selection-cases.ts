import assert from "node:assert/strict";
import type { Outcome, PendingAuthentication, SessionStore } from "../../stores/session-store.ts";
import type { ContractCase, Lack } from "./contract-case.ts";
import { assertUnavailable, type ContractSubject, type HeldSession } from "./contract-subject.ts";

const AT_ONCE = 20;
const NOBODYS_ORGANIZATION = "org_that_nobody_is_in";

/** A member of two organizations who must choose, at a store that lets them. */
interface Choosing {
  readonly pending: PendingAuthentication;
  readonly first: string;
  readonly second: string;
  readonly select: (organizationId: string, pending?: PendingAuthentication) => Promise<Outcome>;
}

/** Promises about organization selection. */
export const SELECTION_CASES: readonly ContractCase[] = [
  {
    name: "a member of two organizations chooses one, and is signed in to that one",
    check: choosing(async (subject, { pending, first, second, select }) => {
      const list = await subject.store.organizations?.(pending, subject.context());
      if (list !== undefined)
        assert.deepEqual(list.map(({ id }) => id).toSorted(), [first, second].toSorted());
      const held = await holdOutcome(subject, await select(second));
      assert.equal(held.interpretation.organization?.id, second);
      return undefined;
    }),
  },
  {
    name: "of N choices at once exactly one makes a session",
    check: choosing(async (subject, { first, second, select }) => {
      const choices = Array.from({ length: AT_ONCE }, (_, index) => select(index % 2 === 0 ? first : second));
      const outcomes = await Promise.all(choices);
      const [winner, ...others] = outcomes.toSorted((one) => (one.status === "authenticated" ? -1 : 1));
      assert.ok(winner);
      await holdOutcome(subject, winner);
      for (const outcome of others) assertRefused(outcome, "invalid_pending_authentication");
      assertRefused(await select(first), "invalid_pending_authentication");
      return undefined;
    }),
  },
  {
    name: "an organization that is not theirs is refused, and does not spend the choice",
    check: choosing(async (subject, { first, select }) => {
      const foreign = subject.harness.foreignOrganizationId ?? NOBODYS_ORGANIZATION;
      for (const organizationId of [foreign, "__proto__", "constructor", `${first}x`]) {
        assertRefused(await select(organizationId), "organization_not_available");
      }
      const held = await holdOutcome(subject, await select(first));
      assert.equal(held.interpretation.organization?.id, first);
      return undefined;
    }),
  },
  {
    name: "a pending token that is not one is refused",
    check: choosing(async (_, { pending, first, select }) => {
      const { pendingAuthenticationToken: token } = pending;
      for (const forged of ["x", `${token}x`, token.slice(0, -1), "__proto__"]) {
        const outcome = await select(first, { pendingAuthenticationToken: forged });
        assertRefused(outcome, "invalid_pending_authentication");
      }
      assert.equal((await select(first)).status, "authenticated", "the true one is still good");
      return undefined;
    }),
  },
  {
    name: "the choice lapses after ten minutes",
    check: choosing(async (subject, { first, select }) => {
      await subject.harness.advance(601);
      assertRefused(await select(first), "invalid_pending_authentication");
      return undefined;
    }),
  },
  {
    name: "trouble does not spend the choice",
    check: choosing(async (subject, { pending, first, select }) => {
      const { harness, store } = subject;
      if (harness.breakStore === undefined || harness.mendStore === undefined) return { lacks: "breakStore" };
      await harness.breakStore();
      await assertUnavailable(select(first), "selectOrganization");
      if (store.organizations !== undefined) {
        await assertUnavailable(store.organizations(pending, subject.context()), "organizations");
      }
      await harness.mendStore();
      assert.equal((await select(first)).status, "authenticated");
      return undefined;
    }),
  },
  {
    name: "a user without any organization is signed in without one, or refused",
    async check(subject) {
      const outcome = await subject.harness.signIn({ organizations: 0 });
      if (outcome.status !== "authenticated") {
        assert.notEqual(outcome.status, "selection_required", "there is nothing to choose from");
        return undefined;
      }
      const { organization, member } = (await subject.hold(outcome.credential)).interpretation;
      assert.equal(organization, undefined);
      assert.deepEqual(member.roles, [], "roles are held in an organization");
      return undefined;
    },
  },
];

/** Says that an outcome is a refusal with this code. */
export function assertRefused(outcome: Outcome, code: Extract<Outcome, { status: "refused" }>["code"]): void {
  assert.equal(outcome.status, "refused");
  assert.equal(outcome.code, code);
}

/** Says that an outcome is a session, and holds it. */
export async function holdOutcome(subject: ContractSubject, outcome: Outcome): Promise<HeldSession> {
  assert.equal(outcome.status, "authenticated");
  return subject.hold(outcome.credential);
}

/** Leads a case to the choice. */
export function choosing(
  check: (subject: ContractSubject, choice: Choosing) => Promise<Lack | undefined>,
): ContractCase["check"] {
  return async (subject) => {
    const { store } = subject;
    const selectOrganization: SessionStore["selectOrganization"] = store.selectOrganization?.bind(store);
    if (selectOrganization === undefined) return { lacks: "SessionStore.selectOrganization" };
    const { pending, organizations } = await subject.signInToSelection();
    const [first, second] = organizations;
    assert.ok(first !== undefined && second !== undefined, "both organizations are on offer");
    assert.notEqual(first.id, second.id);
    return check(subject, {
      pending,
      first: first.id,
      second: second.id,
      select: (organizationId, other = pending) =>
        selectOrganization(other, organizationId, subject.context()),
    });
  };
}
