import { afterEach, describe, expect, it } from "@jest/globals";
import request from "supertest";
import { EXPRESSES } from "../support/apps.ts";
import { organizationId } from "../support/fake-stytch-world.ts";
import { JSON_CLIENT, setCookiesOf } from "../support/browser.ts";
import { makeStytchApp, type StytchApp, type StytchAppOptions } from "../support/stytch-app.ts";
import { bearerOf, COOKIE } from "../support/world.ts";

const AUTHENTICATE = "POST /v1/b2b/sessions/authenticate";
const FORM = { Accept: "text/html" };
const apps: StytchApp[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

async function start(options: StytchAppOptions = {}): Promise<StytchApp> {
  const app = await makeStytchApp(options);
  apps.push(app);
  return app;
}

function get(app: StytchApp, path: string, jwt: string): request.Test {
  return request(app.listener).get(path).set("Authorization", bearerOf(jwt));
}

describe.each(EXPRESSES)("Stytch under %s", (framework) => {
  it("serves a fresh JWT without a call, and renews a stale one into the Session-Jwt header", async () => {
    const app = await start({ framework });
    const { jwt } = app.session();
    const fresh = await get(app, "/me", jwt);
    expect([fresh.status, fresh.body.member]).toEqual([200, "member-test-bob-acme"]);
    expect(app.harness.fake.asked()).toEqual([]);

    app.expire();
    const renewed = await get(app, "/me", jwt);
    expect([renewed.status, renewed.body]).toEqual([200, fresh.body]);
    expect(app.harness.fake.asked()).toEqual([AUTHENTICATE]);
    expect(app.harness.fake.sent.at(-1)).toEqual({ session_jwt: jwt });
    const next = String(renewed.headers["session-jwt"]);
    expect((await get(app, "/me", next)).status).toBe(200);
    expect(app.harness.fake.asked()).toHaveLength(1);
  });

  it("signs in to a sealed cookie, renews it on the same response, and signs out at Stytch", async () => {
    const app = await start({ framework });
    const { session } = app.session();
    const { world } = app.harness.fake;
    app.nextSignIn = {
      status: 200,
      body: { ...world.issue(session), member_id: session.member.id, member_authenticated: true },
    };
    const browser = app.browser();
    expect((await browser.post("/sign-in", { headers: FORM })).status).toBe(303);
    expect([...browser.cookies.keys()]).toEqual([COOKIE]);
    app.expire();
    const me = await browser.get("/me", { headers: JSON_CLIENT });
    expect(me.status).toBe(200);
    expect(setCookiesOf(me)).toEqual([expect.stringMatching(/^__Host-orgate=Fe26\.2\*.+~2;/)]);
    expect((await browser.get("/me", { headers: JSON_CLIENT })).status).toBe(200);
    expect(app.harness.fake.asked()).toEqual([AUTHENTICATE]);

    const out = await browser.post("/sign-out", { headers: FORM });
    expect(out.status).toBe(303);
    expect(browser.cookies.size).toBe(0);
    expect(session.revoked).toBe(true);
    expect(app.harness.fake.sent.at(-1)).toEqual({ member_session_id: session.id });
  });

  it("leads a discovery through the choice, and to another organization as another member", async () => {
    const app = await start({ framework });
    const { world } = app.harness.fake;
    app.nextSignIn = world.startDiscovery("ada@example.com");
    const browser = app.browser();
    const signIn = await browser.post("/sign-in", { headers: FORM });
    expect(signIn.headers["location"]).toBe("/select-organization");
    const list = await browser.get("/select-organization", { headers: JSON_CLIENT });
    expect(list.body.organizations).toEqual([
      { id: organizationId("acme"), name: "ACME" },
      { id: organizationId("globex"), name: "GLOBEX" },
    ]);
    const choice = `organization_id=${organizationId("acme")}`;
    expect((await browser.post("/select-organization", { headers: FORM, body: choice })).status).toBe(303);
    expect((await browser.get("/write", { headers: JSON_CLIENT })).body).toMatchObject({
      member: "member-test-ada-acme",
      verdict: { authorized: true, grantingRoles: ["admin", "editor"], source: "local" },
    });
    const again = await browser.get("/select-organization", { headers: JSON_CLIENT });
    expect(again.body.organizations).toEqual(list.body.organizations);

    const [before] = [...world.sessions.values()];
    const body = { organization_id: organizationId("globex") };
    const switched = await browser.post("/switch", { headers: JSON_CLIENT, body });
    expect([switched.status, switched.body.organization.id]).toEqual([200, organizationId("globex")]);
    expect((await browser.get("/me", { headers: JSON_CLIENT })).body.member).toBe("member-test-ada-globex");
    expect((await browser.get("/write", { headers: JSON_CLIENT })).body.code).toBe("permission_denied");
    expect(before?.revoked).toBe(true);
  });
});

describe("Stytch and the middleware", () => {
  it("fetches the policy once for all organizations, and denies without another call", async () => {
    const app = await start();
    const bob = app.session("bob");
    const ada = app.session("ada");
    const answers = await Promise.all([
      ...Array.from({ length: 20 }, () => get(app, "/write", bob.jwt)),
      ...Array.from({ length: 20 }, () => get(app, "/write", ada.jwt)),
    ]);
    expect(new Set(answers.slice(0, 20).map(({ status }) => status))).toEqual(new Set([403]));
    expect(new Set(answers.slice(20).map(({ status }) => status))).toEqual(new Set([200]));
    expect(app.harness.fake.asked()).toEqual(["GET /v1/b2b/rbac/policy"]);
    await app.harness.advance(299);
    await get(app, "/write", bob.jwt);
    expect(app.harness.fake.asked()).toEqual(["GET /v1/b2b/rbac/policy"]);
  });

  it("returns the full member and organization, with every setting, from auth.profile()", async () => {
    const app = await start({
      routes: (auth) => [
        {
          path: "/profile",
          handler: async (incoming, response) => {
            response.end(JSON.stringify(await auth.profile(incoming)));
          },
        },
      ],
    });
    const { jwt } = app.session();
    const answer = await get(app, "/profile", jwt);
    expect(JSON.parse(answer.text)).toMatchObject({
      member: {
        id: "member-test-bob-acme",
        emailAddress: "bob@example.com",
        roles: ["stytch_member", "viewer"],
        roleAssignments: [
          { roleId: "stytch_member", sources: [{ type: "direct_assignment", details: {} }] },
          { roleId: "viewer" },
        ],
      },
      organization: { id: organizationId("acme"), name: "ACME", slug: "acme", mfaPolicy: "OPTIONAL" },
    });
  });

  it("renews once for many requests with one expired JWT", async () => {
    const app = await start();
    const { jwt } = app.session();
    app.expire();
    const answers = await Promise.all(Array.from({ length: 50 }, () => get(app, "/me", jwt)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(app.harness.fake.asked()).toEqual([AUTHENTICATE]);
  });

  it("extends the session by orgate's sessionDuration, in whole minutes", async () => {
    const app = await start({ orgate: { sessionDuration: 3_630 } });
    const { jwt, session } = app.session();
    app.expire();
    await get(app, "/me", jwt);
    expect(app.harness.fake.sent.at(-1)).toEqual({ session_jwt: jwt, session_duration_minutes: 61 });
    expect(session.expiresAt).toBe(app.harness.clock() + 61 * 60);
  });

  it("answers session_revoked for a session that has ended", async () => {
    const app = await start();
    const { jwt, session } = app.session();
    session.revoked = true;
    expect((await get(app, "/me", jwt)).status).toBe(200);
    const asked = await get(app, "/fresh", jwt);
    expect([asked.status, asked.body.code]).toEqual([401, "session_revoked"]);
  });

  it("redirects a member with missing factors to sign in, and says what is missing", async () => {
    const app = await start();
    const { world } = app.harness.fake;
    const [, globex] = world.membersOf("ada@example.com");
    world.stepUps.set(globex?.id ?? "", {
      mfa_required: { member_options: { mfa_phone_number: "+15551234567", totp_registration_id: "" } },
      primary_required: null,
    });
    app.nextSignIn = world.startDiscovery("ada@example.com");
    const browser = app.browser();
    await browser.post("/sign-in", { headers: FORM });
    const body = { organization_id: organizationId("globex") };
    const chosen = await browser.post("/select-organization", { headers: JSON_CLIENT, body });
    expect([chosen.status, chosen.body.code, chosen.body.reason]).toEqual([
      401,
      "reauthentication_required",
      "mfa_required",
    ]);
  });
});
