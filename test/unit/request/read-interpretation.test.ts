import { describe, expect, it } from "@jest/globals";
import { readInterpretation } from "../../../src/request/verify-credential.ts";
import type { Interpretation } from "../../../src/store.ts";

const SESSION = {
  id: "session_1",
  memberId: "member_1",
  organizationId: "org_1",
  authenticationFactors: [{ type: "password" }],
  roles: ["viewer"],
  customClaims: null,
};
const MEMBER = { id: "member_1", organizationId: "org_1", roles: ["viewer"] };
const WHOLE = { memberSession: SESSION, member: MEMBER, organization: { id: "org_1", name: "Acme" } };

/** What a store wrote in JavaScript may answer: `undefined` leaves a member out. */
function read(answer: object): Interpretation {
  const plain = structuredClone({ ...WHOLE, ...answer });
  return readInterpretation(plain);
}

function readSession(session: object): Interpretation["memberSession"] {
  return read({ memberSession: { ...SESSION, ...session } }).memberSession;
}

describe("readInterpretation", () => {
  it("leaves what is whole as it is, and freezes it", () => {
    const whole = read({ permissions: ["documents:read"], sessionExpiresAt: 7, authenticatedAt: 5 });
    expect(whole).toEqual({
      ...WHOLE,
      permissions: ["documents:read"],
      sessionExpiresAt: 7,
      authenticatedAt: 5,
    });
    for (const part of [whole.memberSession, whole.member, whole.organization, whole.permissions])
      expect(Object.isFrozen(part)).toBe(true);
  });

  it("shares what is no plain data, and believes a store that says it is frozen", () => {
    class Person {
      readonly id = "member_1";
      readonly roles = ["viewer"];
      get name(): string {
        return "Ada";
      }
    }
    const member = new Person();
    const given = { ...WHOLE, member };
    expect(readInterpretation(given).member).toBe(member);
    const frozen = { ...given, isFrozen: true as const };
    expect(readInterpretation(frozen)).toBe(frozen);
  });

  it.each([
    ["no session id", { memberSession: { ...SESSION, id: undefined } }],
    ["an empty session id", { memberSession: { ...SESSION, id: "" } }],
    ["R-09: an object for a session id", { memberSession: { ...SESSION, id: {} } }],
    ["no member", { member: undefined }],
    ["no member's id", { member: { roles: [] } }],
    ["a number for a member's id", { member: { ...MEMBER, id: 7 } }],
    ["no session", { memberSession: undefined }],
    [
      "R-09: a list for an organization's id",
      { memberSession: { ...SESSION, organizationId: ["org_1"] }, organization: undefined },
    ],
    ["R-09: a number for an organization's id", { organization: { id: 7 } }],
    ["two organizations", { organization: { id: "org_2" } }],
    ["a text for the session's end", { sessionExpiresAt: "2027-01-15T08:00:00Z" }],
    ["no number for the session's end", { sessionExpiresAt: Number.NaN }],
    ["null for the session's end", { sessionExpiresAt: null }],
  ])("throws for %s", (_, answer) => {
    expect(() => read(answer)).toThrow(TypeError);
  });

  it.each([
    ["no list of roles", { roles: undefined }, []],
    ["R-09: a text for the roles", { roles: "admin" }, []],
    ["null for the roles", { roles: null }, []],
    ["roles that are no names", { roles: ["viewer", 1, {}] }, ["viewer"]],
  ])("takes %s for those that are names", (_, session, roles) => {
    expect(readSession(session).roles).toEqual(roles);
    expect(read({ memberSession: { ...SESSION, ...session }, member: { id: "member_1" } }).member).toEqual({
      id: "member_1",
      roles,
    });
  });

  it("puts an empty list, null and the member's id where the session lacks them", () => {
    const lacking = { authenticationFactors: undefined, customClaims: undefined, memberId: undefined };
    expect(readSession(lacking)).toEqual({ ...SESSION, authenticationFactors: [], customClaims: null });
    expect(readSession({ authenticationFactors: "password" }).authenticationFactors).toEqual([]);
  });

  it.each([
    ["the session alone", SESSION, undefined, { id: "org_1" }],
    ["the organization alone", { ...SESSION, organizationId: undefined }, { id: "org_1" }, { id: "org_1" }],
    ["both", SESSION, { id: "org_1", slug: "acme" }, { id: "org_1", slug: "acme" }],
    ["one without its id", SESSION, { name: "Acme" }, { id: "org_1", name: "Acme" }],
  ])("has the organization in both places where it is named in %s", (_, memberSession, given, expected) => {
    const { organization, memberSession: session } = read({ memberSession, organization: given });
    expect(organization).toEqual(expected);
    expect(session.organizationId).toBe("org_1");
  });

  it.each([[undefined], [null], [""]])("takes %j for no organization", (organizationId) => {
    const none = read({
      memberSession: { ...SESSION, organizationId },
      organization: organizationId === "" ? { id: "" } : organizationId,
    });
    expect(none.organization).toBeUndefined();
    expect(none.memberSession.organizationId).toBeUndefined();
  });
});
