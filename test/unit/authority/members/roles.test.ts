import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import {
  isRoleAssignment,
  listHeldRoles,
  listRoleAssignments,
  type RoleGrounds,
} from "../../../../src/authority/members/roles.ts";
import type { AuthenticationFactor, RoleAssignment, RoleSource } from "../../../../src/model.ts";

const DIRECT = { type: "direct_assignment" } as const;

function saml(connectionId: string): AuthenticationFactor {
  return { type: "sso", deliveryMethod: "sso_saml", samlSsoFactor: { id: "r", providerId: connectionId } };
}

function grounds(given: {
  readonly user?: Partial<RoleGrounds["user"]>;
  readonly membership?: Partial<NonNullable<RoleGrounds["membership"]>>;
  readonly organization?: RoleGrounds["organization"];
  readonly factors?: readonly AuthenticationFactor[];
  readonly memberRoles?: readonly string[];
}): RoleGrounds {
  return {
    user: { emailAddress: "ada@acme.com", ...given.user },
    membership: { roles: [], ...given.membership },
    ...(given.organization !== undefined && { organization: given.organization }),
    memberRoles: given.memberRoles ?? [],
    factors: given.factors ?? [],
  };
}

const heldBy = (given: RoleGrounds): readonly RoleAssignment[] =>
  listHeldRoles(listRoleAssignments(given), given.factors);

const held = (given: Parameters<typeof grounds>[0]): readonly string[] =>
  heldBy(grounds(given)).map(({ role }) => role);

const assigned = (given: Parameters<typeof grounds>[0]): readonly string[] =>
  listRoleAssignments(grounds(given)).map(({ role }) => role);

describe("the roles of a membership", () => {
  it("are assigned directly where only a slug is given", () => {
    expect(heldBy(grounds({ membership: { roles: ["admin", "viewer"] } }))).toEqual([
      { role: "admin", sources: [DIRECT] },
      { role: "viewer", sources: [DIRECT] },
    ]);
  });

  it("are none without a membership", () => {
    const { membership: _membership, ...others } = grounds({ memberRoles: ["stytch_member"] });
    expect(heldBy(others)).toEqual([]);
  });

  it.each<[string, RoleSource, Parameters<typeof grounds>[0], boolean]>([
    ["a direct assignment", DIRECT, {}, true],
    ["the domain of the address", { type: "email_assignment", emailDomain: "acme.com" }, {}, true],
    [
      "another domain than the address has now",
      { type: "email_assignment", emailDomain: "acme.com" },
      { user: { emailAddress: "ada@globex.com" } },
      false,
    ],
    [
      "the domain of an address that is known not to be verified",
      { type: "email_assignment", emailDomain: "acme.com" },
      { user: { emailVerified: false } },
      false,
    ],
    [
      "the domain of an address that the membership knows to be verified",
      { type: "email_assignment", emailDomain: "acme.com" },
      { user: { emailVerified: false }, membership: { emailAddressVerified: true } },
      true,
    ],
    ["a connection, in another session", { type: "sso_connection", connectionId: "c1" }, {}, false],
    [
      "a connection, in its session",
      { type: "sso_connection", connectionId: "c1" },
      { factors: [saml("c1")] },
      true,
    ],
    [
      "a connection, in a session of another connection",
      { type: "sso_connection", connectionId: "c1" },
      { factors: [saml("c2")] },
      false,
    ],
    [
      "a connection that is gone",
      { type: "sso_connection", connectionId: "c1" },
      { factors: [saml("c1")], organization: { ssoActiveConnections: [] } },
      false,
    ],
    [
      "a connection that is in use",
      { type: "sso_connection", connectionId: "c1" },
      {
        factors: [saml("c1")],
        organization: {
          ssoActiveConnections: [{ connectionId: "c1", displayName: "Okta", identityProvider: "okta" }],
        },
      },
      true,
    ],
    [
      "a group of a connection, in its session",
      { type: "sso_connection_group", connectionId: "c1", group: "Admins" },
      { factors: [saml("c1")] },
      true,
    ],
    [
      "a group of a connection, in another session",
      { type: "sso_connection_group", connectionId: "c1", group: "Admins" },
      {},
      false,
    ],
    [
      "a SCIM group, in any session",
      { type: "scim_connection_group", connectionId: "s1", groupId: "g1" },
      {},
      true,
    ],
    [
      "a SCIM group of a connection that is gone",
      { type: "scim_connection_group", connectionId: "s1", groupId: "g1" },
      { organization: { scimActiveConnection: null } },
      false,
    ],
    [
      "a SCIM group of another connection than the one in use",
      { type: "scim_connection_group", connectionId: "s1", groupId: "g1" },
      { organization: { scimActiveConnection: { connectionId: "s2", displayName: "Entra" } } },
      false,
    ],
  ])("are held for %s, or not", (_case, source, more, isHeld) => {
    const given = {
      ...more,
      membership: { ...more.membership, roles: [{ role: "admin", sources: [source] }] },
    };
    expect(held(given)).toEqual(isHeld ? ["admin"] : []);
  });

  it("are held for the sources that hold, and for no other", () => {
    const sources: readonly RoleSource[] = [
      { type: "email_assignment", emailDomain: "acme.com" },
      { type: "sso_connection", connectionId: "c1" },
    ];
    const membership = { roles: [{ role: "admin", sources }] };
    expect(heldBy(grounds({ membership }))).toEqual([{ role: "admin", sources: [sources[0]] }]);
    expect(heldBy(grounds({ membership, factors: [saml("c1")] }))).toEqual([{ role: "admin", sources }]);
    expect(listRoleAssignments(grounds({ membership }))).toEqual([{ role: "admin", sources }]);
  });
});

describe("the rules of an organization", () => {
  const organization = {
    rbacEmailImplicitRoleAssignments: [{ domain: "ACME.com", roleId: "employee" }],
    samlConnectionImplicitRoleAssignments: [{ connectionId: "c1", roleId: "editor" }],
    samlGroupImplicitRoleAssignments: [{ connectionId: "c1", group: "Admins", roleId: "admin" }],
    scimGroupImplicitRoleAssignments: [{ connectionId: "s1", groupId: "g1", roleId: "auditor" }],
  };
  const registration = { connectionId: "c1", externalId: "e", registrationId: "r" };

  it.each([
    ["ada@acme.com", true],
    ["ada@Acme.COM", true],
    ["ada@eu.acme.com", false],
    ["ada@acme.com.", false],
    ["ada@notacme.com", false],
    ["ada@acme.co", false],
    // The Kelvin sign and a Cyrillic letter look like letters of ASCII.
    ["ada@ac\u043Ce.com", false],
    ["acme.com", false],
  ])("give a role to an address of exactly the domain: %s", (emailAddress, isHeld) => {
    expect(held({ organization, user: { emailAddress } })).toEqual(isHeld ? ["employee"] : []);
  });

  it("never fold a look-alike of a domain to the domain", () => {
    const rules = { rbacEmailImplicitRoleAssignments: [{ domain: "kilo.com", roleId: "employee" }] };
    expect(held({ organization: rules, user: { emailAddress: "ada@\u212Ailo.com" } })).toEqual([]);
    expect(held({ organization: rules, user: { emailAddress: "ada@KILO.com" } })).toEqual(["employee"]);
  });

  it("give a role of a connection in its sessions alone, and list it for its members", () => {
    const membership = { ssoRegistrations: [registration] };
    expect(held({ organization, membership, factors: [saml("c1")] })).toEqual(["employee", "editor"]);
    expect(held({ organization, membership })).toEqual(["employee"]);
    expect(assigned({ organization, membership })).toEqual(["employee", "editor"]);
  });

  it("go by the session's factor where no registrations are kept, and by the registrations where they are", () => {
    expect(held({ organization, factors: [saml("c1")] })).toEqual(["employee", "editor"]);
    const membership = { ssoRegistrations: [] };
    expect(held({ organization, membership, factors: [saml("c1")] })).toEqual(["employee"]);
  });

  it.each([
    ["a name", "Admins", true],
    ["a list of names", ["Users", "Admins"], true],
    ["other names", ["Administrators"], false],
    ["a name in another case", "admins", false],
    ["nothing", undefined, false],
  ])("give a role of a group by the groups of the registration: %s", (_case, groups, isHeld) => {
    const membership = { ssoRegistrations: [{ ...registration, ssoAttributes: { groups } }] };
    const roles = held({ organization, membership, factors: [saml("c1")] });
    expect(roles.includes("admin")).toBe(isHeld);
    expect(held({ organization, membership }).includes("admin")).toBe(false);
  });

  it("give a role of a SCIM group in any session", () => {
    const scimRegistration = {
      connectionId: "s1",
      registrationId: "r",
      scimAttributes: { groups: [{ value: "g1", display: "Audit" }] },
    };
    expect(held({ organization, user: { scimRegistration } })).toEqual(["employee", "auditor"]);
    const elsewhere = { ...scimRegistration, connectionId: "s2" };
    expect(held({ organization, user: { scimRegistration: elsewhere } })).toEqual(["employee"]);
    const removed = { ...organization, scimActiveConnection: null };
    expect(held({ organization: removed, user: { scimRegistration } })).toEqual(["employee"]);
  });

  it("come after the membership's roles, and the roles of every member last", () => {
    const given = { organization, membership: { roles: ["viewer"] }, memberRoles: ["stytch_member"] };
    expect(held(given)).toEqual(["viewer", "employee", "stytch_member"]);
    expect(held({ ...given, membership: { roles: [], status: "inactive" } })).toEqual(["employee"]);
  });
});

describe("a session's connections", () => {
  it.each<[AuthenticationFactor, boolean]>([
    [saml("c1"), true],
    [{ type: "sso", oidcSsoFactor: { providerId: "c1" } }, true],
    [{ type: "sso", oidcSsoFactor: { connectionId: "c1" } }, true],
    [{ type: "password", samlSsoFactor: { providerId: "c1" } }, false],
    [{ type: "sso", emailFactor: { providerId: "c1" } }, false],
    [{ type: "sso" }, false],
    [{ type: "sso", samlSsoFactor: { providerId: 7 } }, false],
  ])("are those of its factors of SSO: %j", (factor, isOne) => {
    const sources = [{ type: "sso_connection", connectionId: "c1" }] as const;
    const membership = { roles: [{ role: "admin", sources }] };
    expect(held({ membership, factors: [factor] })).toEqual(isOne ? ["admin"] : []);
  });
});

describe("what cannot be read", () => {
  const sources = [{ type: "sso_connection", connectionId: "c1" }] as const;
  const membership = { roles: [{ role: "admin", sources }] };

  it.each(["c1", [5, null], {}, 7])("is taken for the strictest: ssoActiveConnections %j", (odd) => {
    const organization = { ssoActiveConnections: odd as never };
    expect(held({ membership, organization, factors: [saml("c1")] })).toEqual([]);
  });

  it.each(["yes", 1, {}])("is taken for the strictest: emailVerified %j", (odd) => {
    const organization = { rbacEmailImplicitRoleAssignments: [{ domain: "acme.com", roleId: "employee" }] };
    expect(held({ organization, user: { emailVerified: odd as never } })).toEqual([]);
  });

  it.each(["c1", [5, null, { connectionId: 5 }], {}])(
    "is taken for the strictest: ssoRegistrations %j",
    (odd) => {
      const organization = {
        samlConnectionImplicitRoleAssignments: [{ connectionId: "c1", roleId: "editor" }],
      };
      const user = { ssoRegistrations: odd as never };
      expect(held({ organization, user, factors: [saml("c1")] })).toEqual([]);
    },
  );

  it.each([5, "s1", { connectionId: 5 }])("is taken for the strictest: scimActiveConnection %j", (odd) => {
    const scim = [{ type: "scim_connection_group", connectionId: "s1", groupId: "g" }] as const;
    const organization = { scimActiveConnection: odd as never };
    expect(held({ organization, membership: { roles: [{ role: "auditor", sources: scim }] } })).toEqual([]);
  });
});

describe("a role with sources", () => {
  it.each<[unknown, boolean]>([
    [{ role: "admin", sources: [DIRECT] }, true],
    [{ role: "admin", sources: [{ type: "sso_connection" }] }, false],
    [{ role: "admin", sources: [{ type: "sso_connection_group", connectionId: "c1" }] }, false],
    [{ role: "admin", sources: [{ type: "constructor" }] }, false],
    [{ role: "", sources: [] }, false],
    ["admin", false],
  ])("is complete, or is none: %j", (value, isOne) => {
    expect(isRoleAssignment(value)).toBe(isOne);
  });

  it("never gives a role of a connection to a session without a factor of it", () => {
    const connection = fc.constantFrom("c1", "c2", "c3");
    const source = fc.oneof(
      connection.map((connectionId): RoleSource => ({ type: "sso_connection", connectionId })),
      connection.map((connectionId): RoleSource => ({
        type: "sso_connection_group",
        connectionId,
        group: "g",
      })),
    );
    const role = fc.record({ role: fc.constantFrom("a", "b"), sources: fc.array(source, { minLength: 1 }) });
    fc.assert(
      fc.property(fc.array(role), fc.array(connection), (roles, used: readonly string[]) => {
        const given = grounds({ membership: { roles }, factors: used.map(saml) });
        for (const { sources } of heldBy(given)) {
          expect(sources.length).toBeGreaterThan(0);
          for (const one of sources) {
            expect("connectionId" in one && used.includes(one.connectionId)).toBe(true);
          }
        }
      }),
    );
  });
});
