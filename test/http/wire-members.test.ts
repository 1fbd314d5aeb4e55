/** Members over Stytch's wire: what a membership says wins over the user, and roles have their sources. */
import { afterEach, expect, it } from "@jest/globals";
import { createAuthority, memoryDirectory, type Authority } from "../../src/authority/index.ts";
import { stytchRouter } from "../../src/authority/wire/stytch/index.ts";
import { definePolicy } from "../../src/policy/policy.ts";
import type { TestServer } from "../support/servers.ts";
import { bodyOf, json, makeRsaKey, serveRouter } from "../support/wire-world.ts";

const PROJECT = { projectId: "project-test-1", secret: "secret-test-0123456789abcdef" };
const BASIC = { authorization: `Basic ${btoa(`${PROJECT.projectId}:${PROJECT.secret}`)}` };

const policy = definePolicy(
  { roles: [{ role_id: "viewer", permissions: [{ resource_id: "documents", actions: ["read"] }] }] },
  { predefinedRoles: true },
);

const running: { authority: Authority; server: TestServer }[] = [];

afterEach(async () => {
  for (const { authority, server } of running.splice(0)) {
    await server.close();
    await authority.close();
  }
});

interface Wire {
  readonly signIn: (organizationId: string, more?: object) => Promise<string>;
  readonly post: (path: string, body: object) => Promise<Record<string, unknown>>;
  readonly authority: Authority;
}

async function start(): Promise<Wire> {
  const directory = memoryDirectory({
    users: [
      {
        id: "dan",
        emailAddress: "dan@acme.com",
        name: "Dan",
        isAdmin: true,
        externalId: "of the person",
        trustedMetadata: { of: "the person" },
        mfaPhoneNumber: "+15555550100",
      },
    ],
    organizations: [
      {
        id: "acme",
        name: "Acme",
        rbacEmailImplicitRoleAssignments: [{ domain: "acme.com", roleId: "viewer" }],
      },
      { id: "globex", name: "Globex" },
    ],
    memberships: [
      {
        userId: "dan",
        organizationId: "acme",
        roles: [
          {
            role: "stytch_admin",
            sources: [{ type: "sso_connection_group", connectionId: "saml-1", group: "Admins" }],
          },
        ],
        isAdmin: false,
      },
      {
        userId: "dan",
        organizationId: "globex",
        roles: ["viewer"],
        status: "active",
        externalId: "of the member",
        trustedMetadata: { of: "the member" },
        mfaPhoneNumber: "",
      },
    ],
  });
  const authority = createAuthority({
    issuer: "https://app.example.com",
    directory,
    policy,
    keys: [makeRsaKey()],
  });
  const router = stytchRouter(authority, PROJECT);
  const server = await serveRouter(router);
  running.push({ authority, server });
  return {
    authority,
    signIn: async (organizationId, more = {}) =>
      (
        await router.authenticate({
          userId: "dan",
          organizationId,
          authenticationMethod: "password",
          ...more,
        })
      ).sessionJwt,
    post: async (path, body) => bodyOf(await server.send({ path: `/v1/b2b/${path}`, ...json(body, BASIC) })),
  };
}

const BY_SAML = {
  authenticationMethod: "SSO",
  authenticationFactors: [
    { type: "sso", deliveryMethod: "sso_saml", samlSsoFactor: { providerId: "saml-1" } },
  ],
};

it("lists every assignment with its sources, and gives the session those that count in it", async () => {
  const { signIn, post } = await start();
  const assignments = [
    {
      role_id: "stytch_admin",
      sources: [{ type: "sso_connection_group", details: { connection_id: "saml-1", group: "Admins" } }],
    },
    { role_id: "viewer", sources: [{ type: "email_assignment", details: { email_domain: "acme.com" } }] },
    { role_id: "stytch_member", sources: [{ type: "direct_assignment", details: {} }] },
  ];
  const byPassword = await post("sessions/authenticate", { session_jwt: await signIn("acme") });
  expect(byPassword).toMatchObject({
    member: { is_admin: true, roles: assignments },
    member_session: { roles: ["viewer", "stytch_member"] },
  });
  const bySaml = await post("sessions/authenticate", { session_jwt: await signIn("acme", BY_SAML) });
  expect(bySaml).toMatchObject({
    member: { is_admin: true, roles: assignments },
    member_session: { roles: ["stytch_admin", "viewer", "stytch_member"] },
  });
});

it("grants by the roles that count in the session alone", async () => {
  const { signIn, post } = await start();
  const authorization_check = { organization_id: "acme", resource_id: "stytch.member", action: "create" };
  const ask = async (more?: object): Promise<Record<string, unknown>> =>
    post("sessions/authenticate", { session_jwt: await signIn("acme", more), authorization_check });
  expect(await ask()).toMatchObject({ status_code: 403, error_type: "session_authorization_error" });
  expect(await ask(BY_SAML)).toMatchObject({
    status_code: 200,
    verdict: { authorized: true, granting_roles: ["stytch_admin"] },
  });
});

it("says of a member what the membership says, and of the person the rest", async () => {
  const { signIn, post } = await start();
  const { member } = await post("sessions/authenticate", { session_jwt: await signIn("globex") });
  expect(member).toMatchObject({
    name: "Dan",
    is_admin: false,
    external_id: "of the member",
    trusted_metadata: { of: "the member" },
    mfa_phone_number: "",
  });
  const { member: inAcme } = await post("sessions/authenticate", { session_jwt: await signIn("acme") });
  expect(inAcme).toMatchObject({
    external_id: "of the person",
    trusted_metadata: { of: "the person" },
    mfa_phone_number: "+15555550100",
  });
});

it("makes nobody an administrator in the list of organizations who is none", async () => {
  const { authority, post } = await start();
  const pending: unknown = await authority
    .authenticate({ userId: "dan", authenticationMethod: "password" })
    .catch((error: unknown) => error);
  const body = await post("discovery/organizations", {
    intermediate_session_token: Reflect.get(pending as object, "pendingAuthenticationToken"),
  });
  expect(body["discovered_organizations"]).toMatchObject([
    { organization: { organization_id: "acme" }, membership: { member: { is_admin: true } } },
    {
      organization: { organization_id: "globex" },
      membership: { member: { is_admin: false, external_id: "of the member" } },
    },
  ]);
});
