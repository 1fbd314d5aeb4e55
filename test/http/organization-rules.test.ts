import { describe, expect, it } from "@jest/globals";
import { memoryDirectory, type Directory } from "../../src/authority/index.ts";
import type { Orgate } from "../../src/orgate.ts";
import { makeTenancy, SELECTION, type Route, type Tenancy } from "../support/apps.ts";
import { JSON_CLIENT, NAVIGATION, type Visitor } from "../support/browser.ts";
import type { World } from "../support/world.ts";

const FORM = { Accept: "text/html" };
const SSO_ONLY = { authMethods: "RESTRICTED", allowedAuthMethods: ["sso"] };
const MFA = { mfaPolicy: "REQUIRED_FOR_ALL" };

type Fields = Readonly<Record<string, unknown>>;

/** An application whose organizations have rules that a test can change. */
interface RuledTenancy extends Tenancy {
  /** Changes the settings of an organization; the members' tokens are asked about from then on. */
  setRules(organizationId: string, fields: Fields): void;
}

/** Ada is in Acme and Globex, Bob in Acme. `/steps` checks a code or comes back from single sign-on, and ends the sign-in. */
function makeRuledTenancy(): RuledTenancy {
  const rules = new Map<string, Fields>();
  const listeners = new Set<Parameters<NonNullable<Directory["onChanged"]>>[0]>();
  const base = memoryDirectory({
    users: ["ada", "bob"].map((id) => ({ id: `user_${id}`, emailAddress: `${id}@example.com` })),
    organizations: ["acme", "globex"].map((id) => ({ id: `org_${id}`, slug: id, name: id })),
    memberships: [
      { userId: "user_ada", organizationId: "org_acme", roles: ["admin"] },
      { userId: "user_ada", organizationId: "org_globex", roles: ["viewer"] },
      { userId: "user_bob", organizationId: "org_acme", roles: ["editor"] },
    ],
  });
  const directory: Directory = {
    ...base,
    async organization(id) {
      const found = await base.organization(id);
      return found && { ...found, ...rules.get(id) };
    },
    onChanged(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const app = makeTenancy({ authority: { directory }, routes: stepRoutes });
  return {
    ...app,
    setRules(organizationId, fields) {
      rules.set(organizationId, fields);
      for (const listener of listeners) listener({ organizationId });
    },
  };
}

function stepRoutes(auth: Orgate, { authority }: World): Route[] {
  return [
    {
      path: "/steps",
      async handler(request, response) {
        const pending = await auth.pendingAuthentication(request);
        const { "x-user": userId = "", "x-method": authenticationMethod = "totp" } = request.headers;
        await auth.establish(
          request,
          response,
          authority.authenticate({
            userId: String(userId),
            authenticationMethod: String(authenticationMethod),
            pendingAuthenticationToken: pending?.pendingAuthenticationToken,
          }),
        );
      },
    },
    {
      path: "/due",
      async handler(request, response) {
        const pending = await auth.pendingAuthentication(request);
        response.setHeader("Content-Type", "application/json");
        response.end(JSON.stringify(pending?.stepUp ?? null));
      },
    },
  ];
}

const step = (browser: Visitor, userId: string, method: string) =>
  browser.post("/steps", { headers: { ...FORM, "X-User": userId, "X-Method": method } });

const due = async (browser: Visitor): Promise<unknown> =>
  (await browser.copy().get("/due", { headers: JSON_CLIENT })).body;

describe("an organization that demands a second factor", () => {
  it("gives a browser no session before the step, and goes on where the sign-in began", async () => {
    const app = makeRuledTenancy();
    app.setRules("org_acme", MFA);
    const browser = await app.signIn("user_bob", "/sign-in?return_to=/documents");
    expect(await app.whoIs(browser)).toMatchObject({ member: null });
    expect(await due(browser)).toMatchObject({
      reason: "mfa_required",
      details: { organizationId: "org_acme", allowedMfaMethods: ["totp", "sms_otp"] },
    });
    const done = await step(browser, "user_bob", "totp");
    expect([done.status, done.headers["location"]]).toEqual([303, "/documents"]);
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_acme" });
    expect(app.errors).toEqual([]);
  });

  it("tells a program what is missing, and neither whom it asks nor how", async () => {
    const app = makeRuledTenancy();
    app.setRules("org_acme", MFA);
    const answer = await app.browser.post("/sign-in", { headers: { ...JSON_CLIENT, "X-User": "user_bob" } });
    expect([answer.status, answer.body.code, answer.body.reason]).toEqual([
      401,
      "reauthentication_required",
      "mfa_required",
    ]);
    expect(answer.text).not.toContain("bob@example.com");
  });

  it("stops a session from before at its next request, and keeps its cookie", async () => {
    const app = makeRuledTenancy();
    const browser = await app.signIn("user_bob");
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_acme" });
    app.setRules("org_acme", MFA);
    const answer = await browser.get("/documents", { headers: JSON_CLIENT });
    expect([answer.status, answer.body.code, answer.body.reason]).toEqual([
      401,
      "reauthentication_required",
      "mfa_required",
    ]);
    expect(answer.headers["set-cookie"]).toBeUndefined();
    expect(app.reached).not.toContain("GET /documents");
    app.setRules("org_acme", { mfaPolicy: "OPTIONAL" });
    expect((await browser.get("/documents", { headers: JSON_CLIENT })).status).toBe(200);
  });

  it("stops it at the renewal too, and leads a person to sign in for the organization", async () => {
    const app = makeRuledTenancy();
    const browser = await app.signIn("user_bob");
    app.setRules("org_acme", MFA);
    app.world.clock.now += 306;
    const page = await browser.get("/documents", { headers: NAVIGATION });
    expect([page.status, page.headers["location"]]).toEqual([
      303,
      "/sign-in?return_to=%2Fdocuments&organization_id=org_acme",
    ]);
    expect(browser.cookies.has("__Host-orgate")).toBe(true);
  });
});

describe("an organization that demands single sign-on", () => {
  it("is not entered by choosing it, and the other one still is", async () => {
    const app = makeRuledTenancy();
    app.setRules("org_globex", SSO_ONLY);
    const browser = await app.signIn("user_ada");
    const chosen = await browser.post(SELECTION, {
      headers: JSON_CLIENT,
      body: { organization_id: "org_globex" },
    });
    expect([chosen.status, chosen.body.code, chosen.body.reason]).toEqual([
      401,
      "reauthentication_required",
      "primary_required",
    ]);
    expect(chosen.body.sign_in_url).toBe("/sign-in?organization_id=org_globex");
    expect(await due(browser)).toMatchObject({ details: { allowedAuthMethods: ["sso"] } });
    expect(await app.whoIs(browser)).toMatchObject({ member: null });
    await step(browser, "user_ada", "SSO");
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_globex" });
  });

  it("leaves the choice of another one", async () => {
    const app = makeRuledTenancy();
    app.setRules("org_globex", SSO_ONLY);
    const browser = await app.signIn("user_ada");
    await browser.post(SELECTION, { headers: FORM, body: "organization_id=org_globex" });
    const other = await browser.post(SELECTION, { headers: FORM, body: "organization_id=org_acme" });
    expect(other.status).toBe(303);
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_acme" });
  });

  it("is not entered by a switch; the member stays signed in where they were", async () => {
    const app = makeRuledTenancy();
    app.setRules("org_globex", SSO_ONLY);
    const browser = await app.signIn("user_ada");
    await browser.post(SELECTION, { headers: FORM, body: "organization_id=org_acme" });
    const body = { organization_id: "org_globex" };
    const switched = await browser.post("/switch", { headers: JSON_CLIENT, body });
    expect([switched.status, switched.body.reason]).toEqual([401, "primary_required"]);
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_acme" });
    const done = await step(browser, "user_ada", "SSO");
    expect(done.status).toBe(303);
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_globex" });
    expect(await app.countSessions("user_ada")).toBe(1);
  });
});
