import assert from "node:assert/strict";
import type { Outcome } from "../../stores/session-store.ts";
import type { ContractCase, Lack } from "./contract-case.ts";
import {
  assertActive,
  assertUnavailable,
  type ContractSubject,
  type HeldSession,
} from "./contract-subject.ts";
import { assertRefused, choosing, holdOutcome } from "./selection-cases.ts";

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
