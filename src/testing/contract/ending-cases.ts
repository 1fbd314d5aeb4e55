import assert from "node:assert/strict";
import type { Invalidation } from "../../fleet/coordinator.ts";
import { type ContractCase, assertActive, assertEnded, assertUnavailable } from "../store-contract.ts";

/** Promises about the end of sessions, and about what else a store may answer. */
export const ENDING_CASES: readonly ContractCase[] = [
  {
    name: "a revoked session is ended; the member's other sessions go on",
    async check(subject) {
      if (subject.harness.revoke === undefined) return { lacks: "revoke" };
      const [revoked, other] = [await subject.signIn(), await subject.signIn()];
      assert.notEqual(other.interpretation.memberSession.id, revoked.interpretation.memberSession.id);
      await subject.harness.revoke(revoked.interpretation.memberSession.id);
      await assertEnded(subject, revoked);
      assertActive(await subject.renew(other, "asked"));
      return undefined;
    },
  },
  {
    name: "a revoked session stays ended for credentials renewed before",
    async check(subject) {
      if (subject.harness.revoke === undefined) return { lacks: "revoke" };
      const old = await subject.signIn();
      await subject.expire(old);
      const renewed = await subject.renewActive(old, "expired");
      await subject.harness.revoke(renewed.interpretation.memberSession.id);
      await assertEnded(subject, renewed);
      await assertEnded(subject, old);
      return undefined;
    },
  },
  {
    name: "signing out ends the session, and doing it twice is no trouble",
    async check(subject) {
      const { store } = subject;
      if (store.endSession === undefined) return { lacks: "SessionStore.endSession" };
      const [held, other] = [await subject.signIn(), await subject.signIn()];
      const target = { sessionId: held.interpretation.memberSession.id };
      await store.endSession(target, subject.context());
      await assertEnded(subject, held);
      assertActive(await subject.renew(other, "asked"));
      await store.endSession(target, subject.context());
      await assertEnded(subject, held);
      return undefined;
    },
  },
  {
    name: "signing out everywhere ends all of the member's sessions",
    async check(subject) {
      const { store } = subject;
      if (store.endSession === undefined) return { lacks: "SessionStore.endSession" };
      const [one, two] = [await subject.signIn(), await subject.signIn()];
      assert.equal(one.interpretation.member.id, two.interpretation.member.id, "both are the same member's");
      await store.endSession({ memberId: one.interpretation.member.id }, subject.context());
      await assertEnded(subject, one);
      await assertEnded(subject, two);
      assertActive(await subject.renew(await subject.signIn(), "asked"));
      return undefined;
    },
  },
  {
    name: "trouble while signing out is told",
    async check(subject) {
      const { harness, store } = subject;
      if (store.endSession === undefined) return { lacks: "SessionStore.endSession" };
      if (harness.breakStore === undefined || harness.mendStore === undefined) return { lacks: "breakStore" };
      const held = await subject.signIn();
      const target = { sessionId: held.interpretation.memberSession.id };
      await harness.breakStore();
      await assertUnavailable(store.endSession(target, subject.context()), "endSession");
      await harness.mendStore();
      await store.endSession(target, subject.context());
      await assertEnded(subject, held);
      return undefined;
    },
  },
  {
    name: "signing out by a token that the store alone can read ends its session, and nobody's is told apart",
    async check(subject) {
      const { store } = subject;
      if (store.credential?.opaqueCookieName === undefined) return undefined;
      if (store.endPresented === undefined) return { lacks: "SessionStore.endPresented" };
      const [held, other] = [await subject.signIn(), await subject.signIn()];
      const { refreshToken: opaqueToken } = held.credential;
      assert.ok(opaqueToken, "the session comes with its opaque token");
      const end = await store.endPresented({ reason: "asked", opaqueToken }, "session", subject.context());
      assert.equal(end.status, "ended");
      await assertEnded(subject, held);
      assertActive(await subject.renew(other, "asked"));
      const madeUp = { reason: "asked", opaqueToken: "made-up" } as const;
      const nobodys = await store.endPresented(madeUp, "session", subject.context());
      assert.equal(nobodys.status, "unknown");
      return undefined;
    },
  },
  {
    name: "who listens hears of an ended session before endSession is done, until they stop",
    async check(subject) {
      const { store } = subject;
      if (store.onInvalidated === undefined) return { lacks: "SessionStore.onInvalidated" };
      if (store.endSession === undefined) return { lacks: "SessionStore.endSession" };
      const [one, two] = [await subject.signIn(), await subject.signIn()];
      const heard: Invalidation[] = [];
      const stop = store.onInvalidated((target) => heard.push(target));
      const { id: sessionId } = one.interpretation.memberSession;
      await store.endSession({ sessionId }, subject.context());
      assert.ok(heard.some((target) => "sessionId" in target && target.sessionId === sessionId));
      stop();
      const before = heard.length;
      await store.endSession({ sessionId: two.interpretation.memberSession.id }, subject.context());
      assert.equal(heard.length, before, "who stopped listening hears no more");
      return undefined;
    },
  },
  {
    name: "the full profile is the same member's, and does not spend the credential",
    async check(subject) {
      const { store } = subject;
      if (store.profile === undefined) return { lacks: "SessionStore.profile" };
      const held = await subject.signIn();
      const profile = await store.profile(subject.staleOf(held, "asked"), subject.context());
      assert.equal(profile?.member.id, held.interpretation.member.id);
      assert.equal(profile?.organization?.id, held.interpretation.organization?.id);
      await subject.expire(held);
      await subject.renewActive(held, "expired");
      return undefined;
    },
  },
  {
    name: "the policy, where the store keeps one, answers for the organization",
    async check(subject) {
      const { store } = subject;
      if (store.policy === undefined) return { lacks: "SessionStore.policy" };
      const { interpretation } = await subject.signIn();
      const policy = await store.policy(interpretation.organization?.id, subject.context());
      const granting = policy.grantingRoles("a resource that nobody declared", "an action");
      assert.equal(granting.size, 0, "what is not in the policy is granted by no role");
      return undefined;
    },
  },
];
