import assert from "node:assert/strict";
import { skipUnless } from "./case-skipped.ts";
import { beginSelection } from "./sign-in-cases.ts";
import {
  type ContractCases,
  type ContractSubject,
  type HeldSession,
  assertActive,
  assertSameIdentity,
  assertSameSession,
  assertUnavailable,
  isUnavailable,
} from "./subject.ts";

const CONCURRENT_RENEWALS = 20;

/** What a store promises of renewals. */
export const RENEWAL_CASES: ContractCases = {
  async "an expired credential renews to a newer token of the same member, organization and session"(
    subject,
  ) {
    const old = await subject.signInExpired();
    const renewed = await subject.renewActive(old, "expired");
    assert.notEqual(renewed.credential.accessToken, old.credential.accessToken, "there must be a new token");
    assert.ok(renewed.claims.exp > subject.harness.clock(), "the new token must not have expired");
    assert.ok(renewed.claims.iat > old.claims.iat, "the new token must be newer");
    assertSameSession(old, renewed);
  },

  async "a credential renews over and over"(subject) {
    const first = await subject.signIn();
    let held = first;
    for (let renewal = 0; renewal < 5; renewal += 1) {
      await subject.expire(held);
      held = await subject.renewActive(held, "expired");
    }
    assertSameSession(first, held);
  },

  async "renewing a token that is too old or asked about confirms the session as of now"(subject) {
    const held = await subject.signIn();
    for (const reason of ["too_old", "asked"] as const) {
      await subject.harness.advance(2);
      const renewal = await subject.renew(held, reason);
      assertActive(renewal);
      const age = subject.harness.clock() - renewal.verifiedAt;
      assert.ok(age > -1 && age <= 1, "verifiedAt must be the time of the answer, in seconds");
      const { member } = held.interpretation;
      assert.equal(renewal.member?.id ?? member.id, member.id);
      assertSameIdentity(held, await subject.hold(renewal.credential ?? held.credential));
    }
  },

  async "an expired bare JWT renews if the capabilities say so and is unrenewable otherwise"(subject) {
    const held = await subject.signInExpired();
    const { sealed: _sealed, ...bare } = subject.stale(held, "expired");
    const renewal = await subject.store.renew(bare, subject.context());
    if (!subject.store.capabilities.renewsBareToken) {
      assert.equal(renewal.status, "unrenewable", "a session that goes on must not be said to have ended");
      return;
    }
    assertActive(renewal);
    assert.ok(renewal.credential, "an expired token must be replaced");
    assertSameIdentity(held, await subject.hold(renewal.credential));
  },

  async "concurrent renewals of one credential do not end the session"(subject) {
    const old = await subject.signInExpired();
    const renewals = Array.from({ length: CONCURRENT_RENEWALS }, () => subject.renewActive(old, "expired"));
    const renewed = await Promise.all(renewals);
    for (const held of renewed) assertSameSession(old, held);
    await assertGoesOn(subject, renewed);
  },

  async "a credential renews again if the reply to its renewal was lost"(subject) {
    const old = await subject.signInExpired();
    const lost = await subject.renewActive(old, "expired");
    const again = await subject.renewActive(old, "expired");
    assertSameSession(old, again);
    await assertGoesOn(subject, [again, lost]);
  },

  async "a renewal extends the session if it is asked to, and never otherwise"(subject) {
    const held = await subject.signIn();
    const end = held.interpretation.sessionExpiresAt;
    skipUnless(end, "Interpretation.sessionExpiresAt");
    await subject.expire(held);
    const renewed = await subject.renewActive(held, "expired");
    assert.equal(renewed.interpretation.sessionExpiresAt, end, "a renewal alone must not move the end");
    await subject.expire(renewed);
    // Whole minutes, because some stores count in them.
    const extendBy = Math.ceil((end - subject.harness.clock()) / 60) * 60 + 3_600;
    const extended = await subject.renewActive(renewed, "expired", extendBy);
    const remaining = (extended.interpretation.sessionExpiresAt ?? 0) - subject.harness.clock();
    assert.ok(Math.abs(remaining - extendBy) <= 2, "the session must last as long from now as was asked for");
  },

  async "renewing a member's token with another member's refresh token never returns the other member"(
    subject,
  ) {
    const mine = await subject.signIn();
    const { first, select } = await beginSelection(subject);
    const { refreshToken } = (await subject.holdOutcome(await select(first))).credential;
    await subject.expire(mine);
    const mixed = { ...mine.credential, ...(refreshToken !== undefined && { refreshToken }) };
    try {
      const renewal = await subject.renew({ ...mine, credential: mixed }, "expired");
      if (renewal.status !== "active") return;
      assertSameIdentity(mine, await subject.hold(renewal.credential ?? mixed));
    } catch (error) {
      if (!isUnavailable(error)) throw error;
    }
  },

  async "renewing is unavailable while the store is down, and works when it is back"(subject) {
    const held = await subject.signInExpired();
    await subject.whileBroken(async () => {
      for (const reason of ["expired", "too_old", "asked"] as const) {
        await assertUnavailable(subject.renew(held, reason), "renew");
      }
    });
    assertSameIdentity(held, await subject.renewActive(held, "expired"));
  },

  async "a renewal that was aborted is unavailable and does not end the session"(subject) {
    const held = await subject.signInExpired();
    const context = { ...subject.context(), signal: AbortSignal.abort() };
    await assertUnavailable(subject.store.renew(subject.stale(held, "expired"), context), "renew");
    assertSameIdentity(held, await subject.renewActive(held, "expired"));
  },
};

/** Asserts that two further renewals succeed, whichever of the replies a browser kept. */
async function assertGoesOn(subject: ContractSubject, replies: readonly HeldSession[]): Promise<void> {
  let kept: HeldSession | undefined;
  for (const reply of replies) kept = await subject.renewActive(reply, "asked");
  assert.ok(kept);
  await subject.expire(kept);
  assertSameIdentity(kept, await subject.renewActive(kept, "expired"));
}
