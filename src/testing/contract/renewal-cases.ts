import assert from "node:assert/strict";
import {
  type ContractCase,
  type ContractSubject,
  type HeldSession,
  assertActive,
  assertSameIdentity,
  assertUnavailable,
  unlessUnavailable,
} from "../store-contract.ts";

const AT_ONCE = 20;

/** Promises about renewing. */
export const RENEWAL_CASES: readonly ContractCase[] = [
  {
    name: "an expired credential renews: a newer token of the same member, organization and session",
    async check(subject) {
      const old = await subject.signIn();
      await subject.expire(old);
      const renewed = await subject.renewActive(old, "expired");
      assert.notEqual(renewed.credential.accessToken, old.credential.accessToken, "there is a new token");
      assert.ok(renewed.claims.exp > subject.harness.clock(), "the new token has not expired");
      assert.ok(renewed.claims.iat > old.claims.iat, "the new token is newer");
      assertSameIdentity(old, renewed);
      assertSameSession(old, renewed);
      return undefined;
    },
  },
  {
    name: "a credential renews over and over",
    async check(subject) {
      let held = await subject.signIn();
      const first = held;
      for (let renewal = 0; renewal < 5; renewal += 1) {
        await subject.expire(held);
        held = await subject.renewActive(held, "expired");
      }
      assertSameIdentity(first, held);
      assertSameSession(first, held);
      return undefined;
    },
  },
  {
    name: "a token that is too old, or asked about, is answered for now",
    async check(subject) {
      const held = await subject.signIn();
      for (const reason of ["too_old", "asked"] as const) {
        await subject.harness.advance(2);
        const renewal = await subject.renew(held, reason);
        assertActive(renewal);
        const age = subject.harness.clock() - renewal.verifiedAt;
        assert.ok(age > -1 && age <= 1, "verifiedAt is the time of the answer, in seconds");
        assert.equal(renewal.member?.id ?? held.interpretation.member.id, held.interpretation.member.id);
        if (renewal.credential !== undefined)
          assertSameIdentity(held, await subject.hold(renewal.credential));
      }
      return undefined;
    },
  },
  {
    name: "a bare JWT renews, or is said not to, as the capabilities say",
    async check(subject) {
      const held = await subject.signIn();
      await subject.expire(held);
      const renewal = await subject.store.renew(subject.staleOf(held, "expired", true), subject.context());
      if (!subject.store.capabilities.renewsBareToken) {
        assert.equal(renewal.status, "unrenewable", "what cannot be renewed is not said to have ended");
        return undefined;
      }
      assertActive(renewal);
      assert.ok(renewal.credential, "an expired token is replaced");
      assertSameIdentity(held, await subject.hold(renewal.credential));
      return undefined;
    },
  },
  {
    name: "N renewals of one credential at once do not end the session",
    async check(subject) {
      const old = await subject.signIn();
      await subject.expire(old);
      const renewed = await Promise.all(
        Array.from({ length: AT_ONCE }, () => subject.renewActive(old, "expired")),
      );
      for (const held of renewed) {
        assertSameIdentity(old, held);
        assertSameSession(old, held);
      }
      await assertGoesOn(subject, renewed);
      return undefined;
    },
  },
  {
    name: "a reply that was lost costs nothing: the old credential renews again",
    async check(subject) {
      const old = await subject.signIn();
      await subject.expire(old);
      const lost = await subject.renewActive(old, "expired");
      const again = await subject.renewActive(old, "expired");
      assertSameIdentity(old, again);
      assertSameSession(old, again);
      await assertGoesOn(subject, [again, lost]);
      return undefined;
    },
  },
  {
    name: "a session is extended when that is asked for, and never otherwise",
    async check(subject) {
      const held = await subject.signIn();
      const end = held.interpretation.sessionExpiresAt;
      if (end === undefined) return { lacks: "Interpretation.sessionExpiresAt" };
      await subject.expire(held);
      const renewed = await subject.renewActive(held, "expired");
      assert.equal(renewed.interpretation.sessionExpiresAt, end, "a renewal alone does not move the end");
      await subject.expire(renewed);
      // Whole minutes, because some stores count in them.
      const extendBy = Math.ceil((end - subject.harness.clock()) / 60) * 60 + 3_600;
      const extended = await subject.renewActive(renewed, "expired", extendBy);
      const moved = (extended.interpretation.sessionExpiresAt ?? 0) - subject.harness.clock();
      assert.ok(Math.abs(moved - extendBy) <= 2, "the session lasts as long from now as was asked for");
      return undefined;
    },
  },
  {
    name: "one member's credential is never answered with another member's",
    async check(subject) {
      const [mine, theirs] = [await subject.signIn(), await signInSecondUser(subject)];
      if (theirs === undefined) return { lacks: "SessionStore.selectOrganization" };
      await subject.expire(mine);
      const refreshToken = theirs.credential.refreshToken;
      const mixed = { ...mine.credential, ...(refreshToken !== undefined && { refreshToken }) };
      const renewal = await unlessUnavailable(subject.renew({ ...mine, credential: mixed }, "expired"));
      if (renewal?.status === "active")
        assertSameIdentity(mine, await subject.hold(renewal.credential ?? mixed));
      return undefined;
    },
  },
  {
    name: "trouble is unavailable, not ended: the credential goes on when the store is back",
    async check(subject) {
      const { harness } = subject;
      if (harness.breakStore === undefined || harness.mendStore === undefined) return { lacks: "breakStore" };
      const held = await subject.signIn();
      await subject.expire(held);
      await harness.breakStore();
      for (const reason of ["expired", "too_old", "asked"] as const) {
        await assertUnavailable(subject.renew(held, reason), "renew");
      }
      await harness.mendStore();
      assertSameIdentity(held, await subject.renewActive(held, "expired"));
      return undefined;
    },
  },
  {
    name: "a call whose time is over is unavailable, not ended",
    async check(subject) {
      const held = await subject.signIn();
      await subject.expire(held);
      const context = { ...subject.context(), signal: AbortSignal.abort() };
      await assertUnavailable(subject.store.renew(subject.staleOf(held, "expired"), context), "renew");
      assertSameIdentity(held, await subject.renewActive(held, "expired"));
      return undefined;
    },
  },
];

function assertSameSession(one: HeldSession, other: HeldSession): void {
  const [{ memberSession: before }, { memberSession: after }] = [one.interpretation, other.interpretation];
  assert.equal(after.id, before.id, "a renewal keeps the session's id");
}

/** Whichever of the replies a browser kept, its next renewal finds a live session, and so does the one after that. */
async function assertGoesOn(subject: ContractSubject, replies: readonly HeldSession[]): Promise<void> {
  let kept: HeldSession | undefined;
  for (const reply of replies) kept = await subject.renewActive(reply, "asked");
  assert.ok(kept);
  await subject.expire(kept);
  assertSameIdentity(kept, await subject.renewActive(kept, "expired"));
}

async function signInSecondUser(subject: ContractSubject): Promise<HeldSession | undefined> {
  if (subject.store.selectOrganization === undefined) return undefined;
  const { pending, organizations } = await subject.signInToSelection();
  const outcome = await subject.store.selectOrganization(
    pending,
    organizations[0]?.id ?? "",
    subject.context(),
  );
  assert.equal(outcome.status, "authenticated");
  return subject.hold(outcome.credential);
}
