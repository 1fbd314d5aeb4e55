/** Members and their roles over HTTP: a role of an SSO connection counts only in a session of this connection, wherever it is asked. */
import { describe, expect, it } from "@jest/globals";
import { memoryDirectory, type AuthenticateInput, type MemoryDirectory } from "../../src/authority/index.ts";
import type { AuthenticationFactor } from "../../src/model.ts";
import type { Orgate } from "../../src/orgate.ts";
import {
  closeAfterEach,
  start,
  withBearer,
  withCookie,
  type Handler,
  type Harness,
} from "../support/apps.ts";
import { createSealer } from "../../src/lib/crypto.ts";
import { makeWorld, PASSWORD, POLICY, type World } from "../support/world.ts";

closeAfterEach();

const OKTA = { connectionId: "saml-okta", displayName: "Okta", identityProvider: "okta" };
const FACTOR: AuthenticationFactor = {
  type: "sso",
  deliveryMethod: "sso_saml",
  samlSsoFactor: { id: "registration-1", providerId: "saml-okta", externalId: "ada" },
};
const BY_OKTA: Partial<AuthenticateInput> = { authenticationMethod: "SSO", authenticationFactors: [FACTOR] };
const SOURCE = { type: "sso_connection", connectionId: "saml-okta" } as const;

/** Ada is a viewer in Acme, and its administrator in sessions by Okta; in Globex she is an editor by her address. */
function makeDirectory(): MemoryDirectory {
  return memoryDirectory({
    users: [{ id: "user_ada", emailAddress: "ada@globex.com", name: "Ada", externalId: "of the person" }],
    organizations: [
      { id: "org_acme", name: "Acme", slug: "acme", ssoActiveConnections: [OKTA], mfaPolicy: "OPTIONAL" },
      {
        id: "org_globex",
        name: "Globex",
        rbacEmailImplicitRoleAssignments: [{ domain: "globex.com", roleId: "editor" }],
      },
    ],
    memberships: [
      {
        userId: "user_ada",
        organizationId: "org_acme",
        roles: ["viewer", { role: "admin", sources: [SOURCE] }],
        externalId: "of the member",
        name: "Ada of Acme",
      },
      { userId: "user_ada", organizationId: "org_globex", roles: [] },
    ],
  });
}

interface Started extends Harness {
  readonly directory: MemoryDirectory;
  /** Sends a request to `/delete`, which needs the role that comes from the connection. */
  readonly tryDelete: (headers: Record<string, string>) => Promise<number>;
}

async function startApp(tell: (auth: Orgate) => Handler = () => () => undefined): Promise<Started> {
  const directory = makeDirectory();
  const world = makeWorld({ directory });
  const harness = await start({
    world,
    routes: (auth) => [
      { path: "/delete", guards: [auth.requirePermission("documents", "delete")] },
      { path: "/write", guards: [auth.requirePermission("documents", "write")] },
      { path: "/tell", guards: [auth.requireAuth()], handler: tell(auth) },
    ],
  });
  const tryDelete = async (headers: Record<string, string>): Promise<number> =>
    (await harness.send({ path: "/delete", headers })).status;
  return { ...harness, directory, tryDelete };
}

describe("a role that comes from an SSO connection", () => {
  it("counts in a session of the connection, and in no other", async () => {
    const { world, tryDelete, reached } = await startApp();
    const byPassword = await world.signIn();
    const byOkta = await world.signIn(BY_OKTA);
    const byEntra = await world.signIn({
      ...BY_OKTA,
      authenticationFactors: [{ ...FACTOR, samlSsoFactor: { providerId: "saml-entra" } }],
    });
    expect(await tryDelete(withCookie(byPassword.seal))).toBe(403);
    expect(await tryDelete(withCookie(byEntra.seal))).toBe(403);
    expect(reached).toEqual([]);
    expect(await tryDelete(withCookie(byOkta.seal))).toBe(200);
    expect(await tryDelete(withBearer(byOkta.accessToken))).toBe(200);
    expect([byPassword.memberSession.roles, byOkta.memberSession.roles]).toEqual([
      ["viewer"],
      ["viewer", "admin"],
    ]);
  });

  it("counts once a step-up adds the factor", async () => {
    const { world, tryDelete } = await startApp();
    const { memberSession } = await world.signIn();
    const stepped = await world.authority.stepUp({
      sessionId: memberSession.id,
      factor: FACTOR,
      session: { sealSession: true, cookiePassword: PASSWORD },
    });
    expect(stepped.memberSession.roles).toEqual(["viewer", "admin"]);
    expect(await tryDelete(withCookie(stepped.sealedSession ?? ""))).toBe(200);
  });

  it("is left behind in another organization, and comes back with the switch back", async () => {
    const { world } = await startApp();
    const first = await world.signIn(BY_OKTA);
    const there = await world.authority.exchange({
      sessionId: first.memberSession.id,
      organizationId: "org_globex",
    });
    expect(there.memberSession.roles).toEqual(["editor"]);
    const back = await world.authority.exchange({
      sessionId: there.memberSession.id,
      organizationId: "org_acme",
    });
    expect(back.memberSession.roles).toEqual(["viewer", "admin"]);
  });

  it("is gained by no switch and no refresh of a session without the factor", async () => {
    const { world, tryDelete } = await startApp();
    const first = await world.signIn({ organizationId: "org_globex" });
    const switched = await world.authority.exchange({
      sessionId: first.memberSession.id,
      organizationId: "org_acme",
      session: { sealSession: true, cookiePassword: PASSWORD },
    });
    expect(await tryDelete(withCookie(switched.sealedSession ?? ""))).toBe(403);
    const refreshed = await world.authority.authenticateWithRefreshToken({
      refreshToken: switched.refreshToken,
      organizationId: "org_acme",
    });
    expect(refreshed.memberSession.roles).toEqual(["viewer"]);
    world.clock.now += 306;
    expect(await tryDelete(withCookie(await world.seal({ ...refreshed })))).toBe(403);
  });

  it("is gone with the next request once the connection is gone", async () => {
    const { world, tryDelete, directory, reached } = await startApp();
    const { seal: cookie } = await world.signIn(BY_OKTA);
    expect(await tryDelete(withCookie(cookie))).toBe(200);
    directory.updateOrganization("org_acme", { ssoActiveConnections: [] });
    world.clock.now += 1;
    expect(await tryDelete(withCookie(cookie))).toBe(403);
    expect(reached).toEqual(["GET /delete"]);
    directory.updateOrganization("org_acme", { ssoActiveConnections: [OKTA] });
    world.clock.now += 1;
    expect(await tryDelete(withCookie(cookie))).toBe(200);
  });

  it("is gone with the renewal after the membership lost it, and kept while it is there", async () => {
    const { world, tryDelete, directory } = await startApp();
    const { seal: cookie } = await world.signIn(BY_OKTA);
    world.clock.now += 306;
    expect(await tryDelete(withCookie(cookie))).toBe(200);
    directory.updateMembership("user_ada", "org_acme", { roles: ["viewer"] });
    world.clock.now += 306;
    expect(await tryDelete(withCookie(cookie))).toBe(403);
  });
});

describe("a role by the domain of the address", () => {
  it("is gone with the next request once the address is of another domain", async () => {
    const { world, send, directory } = await startApp();
    const { seal: cookie } = await world.signIn({ organizationId: "org_globex" });
    const tryWrite = async (): Promise<number> =>
      (await send({ path: "/write", headers: withCookie(cookie) })).status;
    expect(await tryWrite()).toBe(200);
    directory.updateUser("user_ada", { emailAddress: "ada@globex.com.example" });
    world.clock.now += 1;
    expect(await tryWrite()).toBe(403);
  });
});

describe("the verdict", () => {
  it("names the sources of the granting roles, and the explanation says them in words", async () => {
    const answers: unknown[] = [];
    const { world, send } = await startApp((auth) => async (request, response) => {
      answers.push(await auth.check(request, "documents", "delete"));
      response.end();
    });
    const byOkta = await world.signIn(BY_OKTA);
    const inGlobex = await world.signIn({ organizationId: "org_globex" });
    const byPassword = await world.signIn();
    for (const { seal: cookie } of [byOkta, inGlobex, byPassword]) {
      await send({ path: "/tell", headers: withCookie(cookie) });
    }
    expect(answers).toMatchObject([
      {
        authorized: true,
        grantingRoles: ["admin"],
        grantingAssignments: [{ role: "admin", sources: [SOURCE] }],
        explanation: {
          held: ["viewer", "admin"],
          sources: ["admin, by the SSO connection saml-okta"],
        },
      },
      { authorized: false, explanation: { sources: ["editor, by the e-mail domain globex.com"] } },
      { authorized: false, explanation: { held: ["viewer"], wouldGrant: ["admin"] } },
    ]);
    expect(answers[1]).not.toHaveProperty("grantingAssignments");
    expect(Reflect.get(answers[2] as object, "explanation")).not.toHaveProperty("sources");
  });

  it("of authenticateJwt names them too, locally and by the store", async () => {
    const { authority, signIn } = makeWorld({ directory: makeDirectory(), policy: POLICY });
    const { accessToken: sessionJwt } = await signIn(BY_OKTA);
    const authorizationCheck = { organizationId: "org_acme", resource: "documents", action: "delete" };
    for (const maxTokenAgeSeconds of [undefined, 0]) {
      const input = { sessionJwt, authorizationCheck, maxTokenAgeSeconds };
      const { verdict } = await authority.authenticateJwt(input);
      expect(verdict).toMatchObject({ grantingAssignments: [{ role: "admin", sources: [SOURCE] }] });
    }
  });
});

describe("auth.profile", () => {
  it("has the member and the organization in full, the membership's fields over the user's", async () => {
    const answers: unknown[] = [];
    const { world, send } = await startApp((auth) => async (request, response) => {
      answers.push(await auth.profile(request));
      response.end();
    });
    const { seal: cookie } = await world.signIn(BY_OKTA);
    await send({ path: "/tell", headers: withCookie(cookie) });
    expect(answers).toEqual([
      {
        member: {
          id: "user_ada:org_acme",
          userId: "user_ada",
          organizationId: "org_acme",
          emailAddress: "ada@globex.com",
          name: "Ada of Acme",
          externalId: "of the member",
          status: "active",
          isAdmin: false,
          roles: ["viewer", "admin"],
          roleAssignments: [
            { role: "viewer", sources: [{ type: "direct_assignment" }] },
            { role: "admin", sources: [SOURCE] },
          ],
        },
        organization: {
          id: "org_acme",
          name: "Acme",
          slug: "acme",
          mfaPolicy: "OPTIONAL",
          ssoActiveConnections: [OKTA],
        },
      },
    ]);
  });
});

describe("what the session cookie says of the user", () => {
  const open = (cookie: string): unknown => createSealer({ 1: PASSWORD }).unseal(cookie)?.user;
  const user = { id: "user_ada", emailAddress: "ada@example.com", name: "Ada", locale: "en", plan: "pro" };

  function makeWorldWith(more: object, seal?: readonly string[]): World {
    const directory = memoryDirectory({ users: [{ ...user, ...more }] });
    return makeWorld({ directory, ...(seal !== undefined && { seal }) });
  }

  it("is the id, the address and the name", async () => {
    const world = makeWorldWith({ trustedMetadata: { of: "x".repeat(10_000) } });
    const { seal: cookie } = await world.signIn({ organizationId: undefined });
    expect(open(cookie)).toEqual({ id: user.id, emailAddress: user.emailAddress, name: "Ada" });
    expect(world.events).toEqual([]);
  });

  it("is what the option seal names", async () => {
    const world = makeWorldWith({}, ["locale", "plan", "id", "absent"]);
    const { seal: cookie } = await world.signIn({ organizationId: undefined });
    expect(open(cookie)).toEqual({ id: user.id, emailAddress: user.emailAddress, locale: "en", plan: "pro" });
  });

  it("never grows beyond its bound, which is reported at sign-in", async () => {
    const world = makeWorldWith({ trustedMetadata: { of: "x".repeat(1_100) } }, ["trustedMetadata", "name"]);
    const { seal: cookie } = await world.signIn({ organizationId: undefined });
    expect(open(cookie)).toEqual({ id: user.id, emailAddress: user.emailAddress, name: "Ada" });
    expect(world.events).toEqual([
      { type: "misconfigured", reason: "sealed_fields_too_large", error: expect.any(RangeError) },
    ]);
    expect(String(Reflect.get(world.events[0] ?? {}, "error"))).toContain('"trustedMetadata"');
  });

  it("does not change with a renewal", async () => {
    const world = makeWorldWith({ trustedMetadata: { of: "x".repeat(10_000) } });
    const { send } = await start({ world });
    const { seal: cookie } = await world.signIn({ organizationId: undefined });
    world.clock.now += 306;
    const { status, headers } = await send({ headers: withCookie(cookie) });
    expect(status).toBe(200);
    const [set = ""] = [headers["set-cookie"] ?? []].flat();
    expect(open(set.slice(set.indexOf("=") + 1, set.indexOf(";")))).toEqual(open(cookie));
  });
});
