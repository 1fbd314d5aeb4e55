import assert from "node:assert/strict";
import { abortAfter } from "../../lib/concurrency.ts";
import type { Interpretation } from "../../store.ts";
import { type ContractCases, assertWellFormed, needsStoreMethod } from "./subject.ts";

const PRIVATE_PARAMETERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

const HOSTILE_VALUES: readonly unknown[] = [
  null,
  true,
  42,
  -1,
  NaN,
  "",
  "x",
  [],
  ["x"],
  [null],
  {},
  { id: {} },
];

/** What a store promises of its tokens and of `interpret`. */
export const TOKEN_CASES: ContractCases = {
  async "the access token verifies by the store's own profile and is valid now"(subject) {
    const { claims, credential } = await subject.signIn();
    const now = subject.harness.clock();
    assert.ok(claims.exp > now, "it must not have expired");
    assert.ok(claims.iat <= now + 1, "it must not be from the future");
    assert.equal(credential.user?.id ?? claims.sub, claims.sub, "the seal must name the token's user");
  },

  async "the published keys have no private part"({ store }) {
    const { keys } = await store.tokens.keys.load(abortAfter(5));
    assert.ok(keys.length > 0, "there must be a key");
    for (const key of keys) {
      const found = PRIVATE_PARAMETERS.filter((parameter) => Object.hasOwn(key, parameter));
      assert.deepEqual(found, [], "a key must not have private parameters");
    }
  },

  async "interpret returns the same for the same token and does not change it"(subject) {
    const { claims, credential, interpretation } = await subject.signIn();
    const before = structuredClone({ claims, credential });
    assert.deepEqual(subject.store.interpret(claims, credential), interpretation);
    assert.deepEqual(structuredClone({ claims, credential }), before, "it must not write to its arguments");
  },

  async "member, organization and session agree with each other"(subject) {
    const { interpretation } = await subject.signIn();
    assertWellFormed(interpretation);
    assert.ok(interpretation.organization, "the organization must be known");
  },

  async "interpret returns no session or a well-formed one for malformed claims, and never throws"(subject) {
    const { claims } = await subject.signIn();
    const { sub, iat, exp, ...others } = claims;
    for (const name of Object.keys(others)) {
      for (const value of HOSTILE_VALUES) {
        assertAbsentOrWellFormed(subject.store.interpret({ ...claims, [name]: value }), name);
      }
    }
    const bare = subject.store.interpret({ sub, iat, exp });
    assert.equal(bare, undefined, "a token without the store's claims must be no session");
  },
};

function assertAbsentOrWellFormed(interpretation: Interpretation | undefined, claim: string): void {
  if (interpretation === undefined) return;
  const message = `a claim "${claim}" of the wrong type must not be accepted`;
  assert.doesNotThrow(() => assertWellFormed(interpretation), message);
}

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
