import assert from "node:assert/strict";
import type { Outcome } from "../../store.ts";
import { assertActive, assertRefused, assertUnavailable } from "./assertions.ts";
import { beginSelection } from "./selection-cases.ts";
import {
  type ContractCases,
  type ContractSubject,
  type HeldSession,
  needsHarnessMethod,
  needsStoreMethod,
} from "./subject.ts";

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
