import assert from "node:assert/strict";
import type { Interpretation, VerifiedClaims } from "../../store.ts";
import type { ContractCase } from "../store-contract.ts";

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

/** Promises about tokens and their reading. */
export const TOKEN_CASES: readonly ContractCase[] = [
  {
    name: "the access token verifies by the store's own profile, and is valid now",
    async check(subject) {
      const { claims, credential } = await subject.signIn();
      const now = subject.harness.clock();
      assert.ok(claims.exp > now, "it has not expired");
      assert.ok(claims.iat <= now + 1, "it is not from the future");
      if (credential.user !== undefined)
        assert.equal(credential.user.id, claims.sub, "the seal names its user");
      return undefined;
    },
  },
  {
    name: "the published keys hold no private part",
    async check({ store }) {
      const { keys } = await store.tokens.keys.load(AbortSignal.timeout(5_000));
      assert.ok(keys.length > 0, "there is a key");
      for (const key of keys) {
        for (const parameter of PRIVATE_PARAMETERS) {
          assert.ok(!Object.hasOwn(key, parameter), `a key holds the private parameter "${parameter}"`);
        }
      }
      return undefined;
    },
  },
  {
    name: "reading a token twice gives the same answer, and changes nothing",
    async check(subject) {
      const { claims, credential, interpretation } = await subject.signIn();
      const before = structuredClone({ claims, credential });
      assert.deepEqual(subject.store.interpret(claims, credential), interpretation);
      assert.deepEqual(
        structuredClone({ claims, credential }),
        before,
        "interpret does not write to what it reads",
      );
      return undefined;
    },
  },
  {
    name: "member, organization and session agree with each other",
    async check(subject) {
      const { interpretation } = await subject.signIn();
      assertWellFormed(interpretation);
      assert.ok(interpretation.organization, "the organization is known");
      return undefined;
    },
  },
  {
    name: "claims of another shape are no session, or one that is well formed; they never throw",
    async check(subject) {
      const { claims } = await subject.signIn();
      for (const name of Object.keys(claims)) {
        if (name === "sub" || name === "iat" || name === "exp") continue;
        for (const value of HOSTILE_VALUES)
          readHostile(subject.store.interpret({ ...claims, [name]: value }), name);
      }
      const { sub, iat, exp } = claims;
      const bare: VerifiedClaims = { sub, iat, exp };
      assert.equal(subject.store.interpret(bare), undefined, "a token of another class is no session");
      return undefined;
    },
  },
];

function readHostile(interpretation: Interpretation | undefined, name: string): void {
  if (interpretation === undefined) return;
  try {
    assertWellFormed(interpretation);
  } catch (error) {
    assert.fail(
      `a claim "${name}" of the wrong type is read: ${error instanceof Error ? error.message : ""}`,
    );
  }
}

function assertWellFormed({ memberSession, member, organization, ...rest }: Interpretation): void {
  assertName(memberSession.id, "memberSession.id");
  assertName(member.id, "member.id");
  assert.equal(memberSession.memberId, member.id, "memberSession.memberId is member.id");
  assert.equal(
    memberSession.organizationId,
    organization?.id,
    "memberSession.organizationId is organization.id",
  );
  assert.equal(member.organizationId, organization?.id, "member.organizationId is organization.id");
  assert.equal(
    memberSession.organizationSlug,
    organization?.slug,
    "memberSession.organizationSlug is organization.slug",
  );
  if (organization !== undefined) assertName(organization.id, "organization.id");
  assertNames(memberSession.roles, "memberSession.roles");
  assert.deepEqual(member.roles, memberSession.roles, "the member holds the roles of the session");
  assertNames(rest.permissions ?? [], "permissions");
  for (const text of [
    member.emailAddress,
    member.name,
    member.userId,
    organization?.name,
    organization?.slug,
  ]) {
    assert.ok(text === undefined || typeof text === "string", "names and addresses are strings");
  }
  assert.ok(Array.isArray(memberSession.authenticationFactors), "authenticationFactors is a list");
  for (const factor of memberSession.authenticationFactors) assertName(factor.type, "the type of a factor");
  const custom: unknown = memberSession.customClaims;
  assert.ok(typeof custom === "object" && !Array.isArray(custom), "customClaims is an object, or null");
  for (const time of [memberSession.startedAt, memberSession.lastAccessedAt, memberSession.expiresAt]) {
    assert.ok(time === undefined || !Number.isNaN(Date.parse(time)), "times are RFC 3339");
  }
  for (const time of [rest.sessionExpiresAt, rest.authenticatedAt]) {
    assert.ok(time === undefined || Number.isFinite(time), "times in seconds are finite numbers");
  }
}

function assertName(value: unknown, what: string): void {
  assert.ok(typeof value === "string" && value !== "", `${what} is a string that is not empty`);
}

function assertNames(values: unknown, what: string): void {
  assert.ok(Array.isArray(values), `${what} is a list`);
  for (const value of values as readonly unknown[])
    assert.equal(typeof value, "string", `${what} holds strings`);
}
