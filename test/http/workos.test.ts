import { afterEach, describe, expect, it } from "@jest/globals";
import { WorkOS } from "@workos-inc/node";
import type { SealedSession } from "../../src/store.ts";
import { EXPRESSES } from "../support/apps.ts";
import { API_KEY, CLIENT_ID, oauth } from "../support/fake-workos-world.ts";
import { clears } from "../support/servers.ts";
import { JSON_CLIENT, setCookiesOf, type Visitor } from "../support/browser.ts";
import {
  makeWorkosApp,
  WORKOS_COOKIE,
  type WorkosApp,
  type WorkosAppOptions,
} from "../support/workos-app.ts";
import { BASE_URL, bearerOf, PASSWORD } from "../support/world.ts";

const FORM = { Accept: "text/html" };
const apps: WorkosApp[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

async function start(options: WorkosAppOptions = {}): Promise<WorkosApp> {
  const app = await makeWorkosApp(options);
  apps.push(app);
  return app;
}

/** What was asked since, but for keys. */
function callsOf({ harness }: WorkosApp): string[] {
  return harness.fake.calls.filter((call) => !call.includes("/sso/jwks/"));
}

async function sealedOf(app: WorkosApp, visitor: Visitor): Promise<SealedSession> {
  const sealed = await app.sessionOf(visitor);
  if (sealed === undefined) throw new Error("there is no session");
  return sealed;
}

describe.each(EXPRESSES)("WorkOS under %s", (framework) => {
  it("signs in, makes no call while the token is fresh, and renews it on the same response", async () => {
    const app = await start({ framework });
    const browser = await app.signIn("bob");
    app.harness.fake.calls.length = 0;
    const first = await browser.get("/me", { headers: JSON_CLIENT });
    expect([first.status, first.body]).toEqual([
      200,
      { member: "user_bob", organization: "org_acme", session: expect.stringMatching(/^session_/) },
    ]);
    expect(callsOf(app)).toEqual([]);

    const before = await sealedOf(app, browser);
    app.expire();
    const second = await browser.post("/me", { headers: JSON_CLIENT, body: { kept: true } });
    expect([second.status, second.body]).toEqual([200, first.body]);
    expect(setCookiesOf(second)).toEqual([
      expect.stringMatching(
        /^wos-session=Fe26\.2\*1\*[^;]+~2; Max-Age=34560000; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
      ),
    ]);
    expect(second.headers["cache-control"]).toBe("private, no-store");
    expect(callsOf(app)).toEqual(["POST /user_management/authenticate refresh_token"]);
    expect((await sealedOf(app, browser)).refreshToken).not.toBe(before.refreshToken);
    expect(app.reached).toContain("POST /me");
  });

  it("leads a user of several organizations through the choice, to another organization, and out", async () => {
    const app = await start({ framework, store: { logout: { returnTo: "https://www.example.com/bye" } } });
    const browser = await app.signIn("ada");
    expect(browser.cookies.has(WORKOS_COOKIE)).toBe(false);
    const page = await browser.get("/select-organization", { headers: JSON_CLIENT });
    expect(page.body.organizations).toEqual([
      { id: "org_acme", name: "ACME" },
      { id: "org_globex", name: "GLOBEX" },
    ]);
    const chosen = await browser.post("/select-organization", {
      headers: FORM,
      body: "organization_id=org_acme",
    });
    expect([chosen.status, chosen.headers["location"]]).toEqual([303, "/"]);
    expect((await browser.get("/write", { headers: JSON_CLIENT })).status).toBe(200);

    app.expire();
    const old = browser.copy();
    const switched = await browser.post("/switch", {
      headers: JSON_CLIENT,
      body: { organization_id: "org_globex" },
    });
    expect([switched.status, switched.body.organization]).toEqual([200, { id: "org_globex" }]);
    expect((await browser.get("/write", { headers: JSON_CLIENT })).body.code).toBe("permission_denied");
    expect((await browser.get("/read", { headers: JSON_CLIENT })).status).toBe(200);
    // A late answer to the session before must not take the browser back.
    expect(
      setCookiesOf(await old.get("/me", { headers: JSON_CLIENT })).filter((line) => !clears(line)),
    ).toEqual([]);

    app.expire();
    const out = await browser.post("/sign-out", { headers: FORM });
    const location = new URL(String(out.headers["location"]));
    expect([out.status, location.origin, location.pathname]).toEqual([
      303,
      app.harness.fake.url,
      "/user_management/sessions/logout",
    ]);
    expect(browser.cookies.size).toBe(0);
    expect([...app.harness.fake.world.sessions.values()].map(({ status }) => status)).toEqual(["revoked"]);
  });

  it("signs in at AuthKit and returns", async () => {
    const app = await start({ framework });
    const browser = app.open();
    const out = await browser.get("/sign-in?return_to=/read&login_hint=bob@example.com", { headers: FORM });
    expect(out.status).toBe(303);
    const hosted = await fetch(String(out.headers["location"]), { redirect: "manual" });
    const back = String(hosted.headers.get("location")).replace(BASE_URL, "");
    expect(back).toMatch(/^\/callback\?code=/);
    const stranger = await app.open().get(back, { headers: JSON_CLIENT });
    expect([stranger.status, stranger.body.code]).toEqual([401, "invalid_pending_authentication"]);
    const arrived = await browser.get(back, { headers: FORM });
    expect([arrived.status, arrived.headers["location"]]).toEqual([303, "/read"]);
    expect((await browser.get("/read", { headers: JSON_CLIENT })).body.verdict).toMatchObject({
      authorized: true,
      via: "permission",
      source: "local",
    });
    expect(app.errors).toEqual([]);
  });

  it("reports a sign-in that AuthKit rejected", async () => {
    const app = await start({ framework });
    const browser = app.open();
    const out = await browser.get("/sign-in", { headers: FORM });
    const hosted = await fetch(String(out.headers["location"]), { redirect: "manual" });
    const back = String(hosted.headers.get("location")).replace(BASE_URL, "");
    const refused = await browser.get(back, { headers: JSON_CLIENT });

    expect([refused.status, refused.body.code]).toEqual([400, "sign_in_failed"]);
    expect(app.events).toContainEqual({
      type: "rejected",
      code: "sign_in_failed",
      reason: "access_denied",
      upstream: { code: "access_denied" },
    });
    expect(browser.cookies.size).toBe(0);
  });
});

describe("a session shared with WorkOS's SDK", () => {
  const sdkOf = ({ harness }: WorkosApp): WorkOS =>
    new WorkOS(API_KEY, {
      clientId: CLIENT_ID,
      apiHostname: "127.0.0.1",
      port: harness.fake.port,
      https: false,
      maxRetries: 0,
    });

  it("can be sealed by the SDK and read here, and sealed here and read by the SDK", async () => {
    const app = await start();
    const { userManagement } = sdkOf(app);
    const { sealedSession = "" } = await userManagement.authenticateWithPassword({
      email: "bob@example.com",
      password: "pw-bob",
      session: { sealSession: true, cookiePassword: PASSWORD },
    });
    const browser = app.open();
    browser.cookies.set(WORKOS_COOKIE, sealedSession);
    expect((await browser.get("/me", { headers: JSON_CLIENT })).body.member).toBe("user_bob");

    app.expire();
    expect((await browser.get("/me", { headers: JSON_CLIENT })).status).toBe(200);
    const sessionData = browser.cookies.get(WORKOS_COOKIE) ?? "";
    expect(sessionData).not.toBe(sealedSession);
    const theirs = userManagement.loadSealedSession({ sessionData, cookiePassword: PASSWORD });
    expect(await theirs.refresh()).toMatchObject({ authenticated: true, organizationId: "org_acme" });
  });

  it("keeps unknown fields of the seal across a renewal", async () => {
    const app = await start();
    const browser = await app.signIn("bob");
    const sealed = await app.sealer.seal({ ...(await sealedOf(app, browser)), theme: { dark: true } });
    browser.cookies.set(WORKOS_COOKIE, sealed);
    app.expire();
    await browser.get("/me", { headers: JSON_CLIENT });

    expect(await sealedOf(app, browser)).toMatchObject({ theme: { dark: true }, user: { id: "user_bob" } });
  });

  it("is split when it does not fit into one cookie, and joined again", async () => {
    const app = await start();
    app.harness.fake.world.template = {
      permissions: Array.from({ length: 120 }, (_, index) => `resource-${index}:manage`),
    };
    const browser = await app.signIn("bob");
    expect([...browser.cookies.keys()]).toEqual(["wos-session.0", "wos-session.1"]);
    expect((await browser.get("/me", { headers: JSON_CLIENT })).status).toBe(200);

    app.harness.fake.world.template = {};
    app.expire();
    expect((await browser.get("/me", { headers: JSON_CLIENT })).status).toBe(200);
    expect([...browser.cookies.keys()]).toEqual(["wos-session"]);
  });
});

describe("what happens to a session at WorkOS", () => {
  it("the session ended: 401, and the cookie is cleared", async () => {
    const app = await start();
    const browser = await app.signIn("bob");
    for (const session of app.harness.fake.world.sessions.values()) session.status = "revoked";
    expect((await browser.get("/me", { headers: JSON_CLIENT })).status).toBe(200);
    const fresh = await browser.get("/fresh", { headers: JSON_CLIENT });

    expect([fresh.status, fresh.body.code]).toEqual([401, "session_revoked"]);
    expect(browser.cookies.size).toBe(0);
    expect(app.reached).not.toContain("GET /fresh");
  });

  it("another sign-in is required: 401 with the reason and the address, and the cookie stays", async () => {
    const app = await start();
    const browser = await app.signIn("bob");
    const url = "https://auth.example.com/sso";
    app.harness.fake.world.stepUps.set("user_bob", oauth(400, "sso_required", { authkit_redirect_url: url }));
    app.expire();
    const response = await browser.get("/me", { headers: JSON_CLIENT });

    expect([response.status, response.body.code]).toEqual([401, "reauthentication_required"]);
    expect(response.body).toMatchObject({ reason: "sso_required", sign_in_url: url });
    expect(browser.cookies.has(WORKOS_COOKIE)).toBe(true);
  });

  it("another sign-in is required without an address: 401 with the application's sign-in, for that organization", async () => {
    const app = await start({ options: { signIn: { path: "/sign-in" } } });
    const browser = await app.signIn("bob");
    app.harness.fake.world.stepUps.set("user_bob", oauth(400, "sso_required"));
    app.expire();
    const program = await browser.get("/me", { headers: JSON_CLIENT });
    const person = await browser.get("/me", { headers: FORM });
    const hosted = await browser.get(String(person.headers["location"]), { headers: FORM });

    expect([program.status, program.body.sign_in_url]).toEqual([401, "/sign-in?organization_id=org_acme"]);
    expect([person.status, person.headers["location"]]).toEqual([
      303,
      "/sign-in?return_to=%2Fme&organization_id=org_acme",
    ]);
    expect(new URL(String(hosted.headers["location"])).searchParams.get("organization_id")).toBe("org_acme");
  });

  it("another organization requires its own sign-in: the switch links to it", async () => {
    const app = await start({ options: { signIn: { path: "/sign-in" } } });
    const browser = await app.signIn("ada");
    await browser.post("/select-organization", { headers: FORM, body: "organization_id=org_acme" });
    const demand = oauth(400, "sso_required");
    app.harness.fake.fail("refresh_token", ({ answer }) => answer(demand), 2);
    const body = { organization_id: "org_globex" };
    const program = await browser.post("/switch", { headers: JSON_CLIENT, body });
    const form = "organization_id=org_globex&return_to=/read";
    const person = await browser.post("/select-organization", { headers: FORM, body: form });

    expect([program.status, program.body]).toEqual([
      401,
      expect.objectContaining({ reason: "sso_required", sign_in_url: "/sign-in?organization_id=org_globex" }),
    ]);
    expect([person.status, person.text]).toEqual([
      401,
      expect.stringContaining('href="/sign-in?return_to=%2Fread&amp;organization_id=org_globex"'),
    ]);
    expect((await browser.get("/me", { headers: JSON_CLIENT })).body.organization).toBe("org_acme");
  });

  it("the role changed: the next renewal shows it", async () => {
    const app = await start();
    const browser = await app.signIn("bob");
    app.harness.fake.world.memberships.get("user_bob")?.set("org_acme", "admin");
    expect((await browser.get("/write", { headers: JSON_CLIENT })).body.code).toBe("permission_denied");
    app.expire();
    expect((await browser.get("/write", { headers: JSON_CLIENT })).status).toBe(200);
  });

  it("the user is impersonated: guards that deny impersonation deny it", async () => {
    const app = await start();
    const impersonator = { email: "admin@foocorp.com" };
    app.harness.fake.world.users.set("user_bob", {
      id: "user_bob",
      email: "bob@example.com",
      password: "pw-bob",
      impersonator,
    });
    const browser = await app.signIn("bob");

    expect((await browser.get("/no-impersonation", { headers: JSON_CLIENT })).body.code).toBe(
      "impersonation_denied",
    );
  });

  it("the authentication is old: a renewal does not make it recent", async () => {
    const app = await start();
    const browser = await app.signIn("bob");
    expect((await browser.get("/recent", { headers: JSON_CLIENT })).status).toBe(200);
    app.expire();
    expect((await browser.get("/recent", { headers: JSON_CLIENT })).body.code).toBe(
      "reauthentication_required",
    );
  });

  it("the session is signed out everywhere: all of the user's sessions end, and no others", async () => {
    const app = await start();
    const [one, two] = [await app.signIn("bob"), await app.signIn("bob")];
    await one.post("/sign-out-everywhere", { headers: FORM });
    const other = await two.get("/me", { headers: JSON_CLIENT });

    expect([other.status, other.body.code]).toEqual([401, "session_revoked"]);
  });
});

/** What WorkOS hands out for Bob, whether it is a session or not. */
async function handedOut({ harness }: WorkosApp): Promise<SealedSession> {
  const outcome = await harness.signIn({ organizations: 1 });
  if (outcome.status !== "authenticated") throw new Error(outcome.status);
  return outcome.credential;
}

describe("a bearer with a WorkOS token", () => {
  it("is read like a cookie's token, and never renewed", async () => {
    const app = await start();
    const { accessToken } = await sealedOf(app, await app.signIn("bob"));
    app.harness.fake.calls.length = 0;
    const headers = { ...JSON_CLIENT, Authorization: bearerOf(accessToken) };
    expect((await app.open().get("/read", { headers })).status).toBe(200);
    app.expire();
    const expired = await app.open().get("/read", { headers });

    expect([expired.status, expired.body.code]).toEqual([401, "token_expired"]);
    expect(callsOf(app)).toEqual([]);
  });

  it("R-09: is rejected without a session claim, though WorkOS signed it", async () => {
    const app = await start();
    app.harness.fake.world.template = { sid: undefined };
    const { accessToken } = await handedOut(app);
    const headers = { ...JSON_CLIENT, Authorization: bearerOf(accessToken) };
    const response = await app.open().get("/me", { headers });

    expect([response.status, response.body.code]).toEqual([401, "invalid_token"]);
  });

  it("R-09: is rejected without a call for an unknown issuer, and accepted for any known one", async () => {
    const app = await start();
    const { world } = app.harness.fake;
    const statuses: number[] = [];
    for (const issuer of [
      `https://api.workos.com/user_management/${CLIENT_ID}`,
      "https://api.workos.com/",
      "https://evil.example.com",
    ]) {
      world.issuer = issuer;
      // oxlint-disable-next-line no-await-in-loop -- one issuer at a time
      const { accessToken } = await handedOut(app);
      const headers = { ...JSON_CLIENT, Authorization: bearerOf(accessToken) };
      // oxlint-disable-next-line no-await-in-loop -- one issuer at a time
      statuses.push((await app.open().get("/me", { headers })).status);
    }

    expect(statuses).toEqual([200, 200, 401]);
    expect(callsOf(app).filter((call) => call.includes("refresh_token"))).toEqual([]);
  });
});
