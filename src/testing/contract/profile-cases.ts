import assert from "node:assert/strict";
import { type ContractCases, needsStoreMethod } from "./subject.ts";

/** What a store promises of the profiles and the policy that it knows. */
export const PROFILE_CASES: ContractCases = {
  async "the profile is the same member's, and reading it does not spend the credential"(subject) {
    const { store } = subject;
    needsStoreMethod(store, "profile");
    const held = await subject.signIn();
    const profile = await store.profile(subject.stale(held, "asked"), subject.context());
    assert.equal(profile?.member.id, held.interpretation.member.id);
    assert.equal(profile?.organization?.id, held.interpretation.organization?.id);
    await subject.expire(held);
    await subject.renewActive(held, "expired");
  },

  async "the policy grants nothing on a resource that it does not declare"(subject) {
    const { store } = subject;
    needsStoreMethod(store, "policy");
    const { interpretation } = await subject.signIn();
    const policy = await store.policy(interpretation.organization?.id, subject.context());
    const granting = policy.grantingRoles("a resource that nobody declared", "an action");
    assert.equal(granting.size, 0);
  },
};
