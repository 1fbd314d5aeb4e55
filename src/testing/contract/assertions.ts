import assert from "node:assert/strict";
import { isOrgateError } from "../../errors.ts";
import type { Interpretation, Outcome, Renewal } from "../../store.ts";

type ActiveRenewal = Extract<Renewal, { readonly status: "active" }>;
type Refusal = Extract<Outcome, { readonly status: "refused" }>;

/** Asserts that the session goes on. */
export function assertActive(renewal: Renewal): asserts renewal is ActiveRenewal {
  const reason = "reason" in renewal ? ` (${renewal.reason})` : "";
  assert.equal(renewal.status, "active", `the session must go on, and is ${renewal.status}${reason}`);
}

/** Asserts that the outcome is a refusal with this code. */
export function assertRefused(outcome: Outcome, code: Refusal["code"]): void {
  assert.equal(outcome.status, "refused");
  assert.equal(outcome.code, code);
}

/** Tells whether an error says that the store cannot know now. */
export function isUnavailable(error: unknown): boolean {
  return isOrgateError(error) && error.code === "store_unavailable";
}

/** Asserts that the store answers "cannot know", and nothing that would sign anybody out. */
export async function assertUnavailable(answer: Promise<unknown>, method: string): Promise<void> {
  await assert.rejects(
    answer,
    isUnavailable,
    `${method} must throw a StoreUnavailableError while the store cannot answer`,
  );
}

interface Interpreted {
  readonly interpretation: Interpretation;
  readonly claims: { readonly sub: string };
}

/** Asserts that both credentials are the same member's, in the same organization. */
export function assertSameIdentity(one: Interpreted, other: Interpreted): void {
  const [before, after] = [one.interpretation, other.interpretation];
  assert.equal(other.claims.sub, one.claims.sub, "the user must stay the same");
  assert.equal(after.member.id, before.member.id, "the member must stay the same");
  assert.equal(after.organization?.id, before.organization?.id, "the organization must stay the same");
}

/** Asserts that both credentials are the same member's, in the same organization and session. */
export function assertSameSession(one: Interpreted, other: Interpreted): void {
  assertSameIdentity(one, other);
  const [before, after] = [one.interpretation.memberSession, other.interpretation.memberSession];
  assert.equal(after.id, before.id, "the session id must stay the same");
}

/** Asserts that model, organization and session are of the types that orgate relies on, and agree with each other. */
export function assertWellFormed({ memberSession, member, organization, ...rest }: Interpretation): void {
  assertName(memberSession.id, "memberSession.id");
  assertName(member.id, "member.id");
  assert.equal(memberSession.memberId, member.id, "memberSession.memberId must be member.id");
  for (const [name, { organizationId }] of Object.entries({ memberSession, member })) {
    assert.equal(organizationId, organization?.id, `${name}.organizationId must be organization.id`);
  }
  const { organizationSlug } = memberSession;
  assert.equal(
    organizationSlug,
    organization?.slug,
    "memberSession.organizationSlug must be the organization's",
  );
  if (organization !== undefined) assertName(organization.id, "organization.id");
  assertStrings(memberSession.roles, "memberSession.roles");
  assert.deepEqual(member.roles, memberSession.roles, "the member must hold the roles of the session");
  assertStrings(rest.permissions ?? [], "permissions");
  const { emailAddress, name, userId } = member;
  for (const text of [emailAddress, name, userId, organization?.name, organization?.slug]) {
    assert.ok(text === undefined || typeof text === "string", "names and addresses must be strings");
  }
  assert.ok(Array.isArray(memberSession.authenticationFactors), "authenticationFactors must be a list");
  for (const { type } of memberSession.authenticationFactors) assertName(type, "the type of a factor");
  const claims: unknown = memberSession.customClaims;
  assert.ok(typeof claims === "object" && !Array.isArray(claims), "customClaims must be an object, or null");
  for (const time of [memberSession.startedAt, memberSession.lastAccessedAt, memberSession.expiresAt]) {
    assert.ok(time === undefined || !Number.isNaN(Date.parse(time)), "times must be RFC 3339");
  }
  for (const time of [rest.sessionExpiresAt, rest.authenticatedAt]) {
    assert.ok(time === undefined || Number.isFinite(time), "times in seconds must be finite numbers");
  }
}

function assertName(value: unknown, what: string): void {
  assert.ok(typeof value === "string" && value !== "", `${what} must be a string that is not empty`);
}

function assertStrings(values: unknown, what: string): void {
  assert.ok(Array.isArray(values), `${what} must be a list`);
  assert.ok(
    values.every((value) => typeof value === "string"),
    `${what} must hold strings`,
  );
}
