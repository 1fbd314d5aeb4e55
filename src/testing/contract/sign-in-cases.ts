import assert from "node:assert/strict";
import type { Outcome, PendingAuthentication, SessionStore } from "../../store.ts";
import {
  type ContractCase,
  type ContractSubject,
  type HeldSession,
  type Lack,
  assertActive,
  assertUnavailable,
} from "../store-contract.ts";

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

/** A member of two organizations who is signed in to the first, at a store that lets them switch. */
interface Switching {
  readonly held: HeldSession;
  readonly other: string;
  readonly switchTo: (organizationId: string) => Promise<Outcome>;
}

/** Promises about switching organizations. */
export const SWITCHING_CASES: readonly ContractCase[] = [
  {
    name: "switching goes on as the same user in the other organization, under a new session id",
    check: switching(async (subject, { held, other, switchTo }) => {
      const switched = await holdOutcome(subject, await switchTo(other));
      if (subject.store.capabilities.switchKeepsSubject ?? true) {
        assert.equal(switched.claims.sub, held.claims.sub);
      }
      assert.equal(switched.interpretation.organization?.id, other);
      const isSameId = switched.interpretation.memberSession.id === held.interpretation.memberSession.id;
      assert.equal(isSameId, subject.store.capabilities.switchKeepsSessionId === true, "the session's id");
      await subject.expire(switched);
      const renewed = await subject.renewActive(switched, "expired");
      assert.equal(renewed.interpretation.organization?.id, other, "the next renewal stays there");
      return undefined;
    }),
  },
  {
    name: "switching works from an expired token",
    check: switching(async (subject, { held, other, switchTo }) => {
      await subject.expire(held);
      const switched = await holdOutcome(subject, await switchTo(other));
      assert.equal(switched.interpretation.organization?.id, other);
      return undefined;
    }),
  },
  {
    name: "switching never leads to an organization that is not theirs, and a refusal costs nothing",
    check: switching(async (subject, { held, switchTo }) => {
      const foreign = subject.harness.foreignOrganizationId ?? "org_that_nobody_is_in";
      for (const organizationId of [foreign, "__proto__", "constructor"]) {
        assertRefused(await switchTo(organizationId), "organization_not_available");
      }
      const renewal = await subject.renew(held, "asked");
      assertActive(renewal);
      const { interpretation } = await subject.hold(renewal.credential ?? held.credential);
      assert.equal(interpretation.organization?.id, held.interpretation.organization?.id);
      return undefined;
    }),
  },
  {
    name: "a session that was ended switches nowhere",
    check: switching(async (subject, { held, other, switchTo }) => {
      if (subject.harness.revoke === undefined) return { lacks: "revoke" };
      await subject.harness.revoke(held.interpretation.memberSession.id);
      assertRefused(await switchTo(other), "session_revoked");
      return undefined;
    }),
  },
  {
    name: "trouble while switching costs nothing",
    check: switching(async (subject, { held, other, switchTo }) => {
      const { harness } = subject;
      if (harness.breakStore === undefined || harness.mendStore === undefined) return { lacks: "breakStore" };
      await harness.breakStore();
      await assertUnavailable(switchTo(other), "switchOrganization");
      await harness.mendStore();
      assertActive(await subject.renew(held, "asked"));
      assert.equal((await switchTo(other)).status, "authenticated");
      return undefined;
    }),
  },
];

function switching(
  check: (subject: ContractSubject, start: Switching) => Promise<Lack | undefined>,
): ContractCase["check"] {
  return choosing(async (subject, { first, second, select }) => {
    const { store } = subject;
    if (store.switchOrganization === undefined) return { lacks: "SessionStore.switchOrganization" };
    const switchOrganization = store.switchOrganization.bind(store);
    const held = await holdOutcome(subject, await select(first));
    return check(subject, {
      held,
      other: second,
      switchTo: (organizationId) =>
        switchOrganization(subject.staleOf(held, "asked"), organizationId, subject.context()),
    });
  });
}
