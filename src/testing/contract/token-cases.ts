import assert from "node:assert/strict";
import { abortAfter } from "../../lib/time-limit.ts";
import type { Interpretation } from "../../store.ts";
import { assertWellFormed } from "./assertions.ts";
import type { ContractCases } from "./subject.ts";

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
