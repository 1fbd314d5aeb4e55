import assert from "node:assert/strict";
import type { Invalidation } from "../../fleet/coordinator.ts";
import {
  type ContractCases,
  type ContractSubject,
  type HeldSession,
  assertActive,
  assertUnavailable,
  needsHarnessMethod,
  needsStoreMethod,
} from "./subject.ts";

/** What a store promises of revoking sessions and signing out. */
export const ENDING_CASES: ContractCases = {
  async "revoking a session ends it and no other session of the member"(subject) {
    const { harness } = subject;
    needsHarnessMethod(harness, "revoke");
    const [revoked, other] = [await subject.signIn(), await subject.signIn()];
    assert.notEqual(sessionIdOf(other), sessionIdOf(revoked));
    await harness.revoke(sessionIdOf(revoked));
    await assertEnded(subject, revoked);
    assertActive(await subject.renew(other, "asked"));
  },

  async "revoking a session ends it for the credentials from before its renewal too"(subject) {
    const { harness } = subject;
    needsHarnessMethod(harness, "revoke");
    const old = await subject.signInExpired();
    const renewed = await subject.renewActive(old, "expired");
    await harness.revoke(sessionIdOf(renewed));
    await assertEnded(subject, renewed);
    await assertEnded(subject, old);
  },

  async "signing out ends the session, and signing out again is no error"(subject) {
    const { store } = subject;
    needsStoreMethod(store, "endSession");
    const [held, other] = [await subject.signIn(), await subject.signIn()];
    const target = { sessionId: sessionIdOf(held) };
    await store.endSession(target, subject.context());
    await assertEnded(subject, held);
    assertActive(await subject.renew(other, "asked"));
    await store.endSession(target, subject.context());
    await assertEnded(subject, held);
  },

  async "signing out everywhere ends all sessions of the member"(subject) {
    const { store } = subject;
    needsStoreMethod(store, "endSession");
    const [one, two] = [await subject.signIn(), await subject.signIn()];
    const { id: memberId } = one.interpretation.member;
    assert.equal(two.interpretation.member.id, memberId, "both must be the same member's");
    await store.endSession({ memberId }, subject.context());
    await assertEnded(subject, one);
    await assertEnded(subject, two);
    assertActive(await subject.renew(await subject.signIn(), "asked"));
  },

  async "signing out is unavailable while the store is down, and works when it is back"(subject) {
    const { store } = subject;
    needsStoreMethod(store, "endSession");
    const held = await subject.signIn();
    const target = { sessionId: sessionIdOf(held) };
    const signOut = store.endSession.bind(store, target);
    await subject.whileBroken(() => assertUnavailable(signOut(subject.context()), "endSession"));
    await signOut(subject.context());
    await assertEnded(subject, held);
  },

  async "signing out by an opaque token ends its session, and an unknown token ends none"(subject) {
    const { store } = subject;
    if (store.credential?.opaqueCookieName === undefined) return;
    needsStoreMethod(store, "endPresented");
    const [held, other] = [await subject.signIn(), await subject.signIn()];
    const { refreshToken: opaqueToken } = held.credential;
    assert.ok(opaqueToken, "the session must come with its opaque token");
    const end = await store.endPresented({ reason: "asked", opaqueToken }, "session", subject.context());
    assert.equal(end.status, "ended");
    await assertEnded(subject, held);
    assertActive(await subject.renew(other, "asked"));
    const forged = { reason: "asked", opaqueToken: "forged" } as const;
    const { status } = await store.endPresented(forged, "session", subject.context());
    assert.equal(status, "unknown");
  },

  async "listeners hear of an ended session before endSession resolves, until they stop listening"(subject) {
    const { store } = subject;
    needsStoreMethod(store, "onInvalidated");
    needsStoreMethod(store, "endSession");
    const [one, two] = [await subject.signIn(), await subject.signIn()];
    const heard: Invalidation[] = [];
    const stop = store.onInvalidated((target) => heard.push(target));
    const sessionId = sessionIdOf(one);
    await store.endSession({ sessionId }, subject.context());
    assert.ok(heard.some((target) => "sessionId" in target && target.sessionId === sessionId));
    stop();
    const { length } = heard;
    await store.endSession({ sessionId: sessionIdOf(two) }, subject.context());
    assert.equal(heard.length, length, "a listener that stopped must hear no more");
  },
};

function sessionIdOf({ interpretation }: HeldSession): string {
  return interpretation.memberSession.id;
}

/** Asserts that the session is over, for whatever reason the store is asked. */
async function assertEnded(subject: ContractSubject, held: HeldSession): Promise<void> {
  for (const reason of ["asked", "too_old", "expired"] as const) {
    const { status } = await subject.renew(held, reason);
    assert.equal(status, "ended", `the session must have ended when its token is ${reason}`);
  }
}
