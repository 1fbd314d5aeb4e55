import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import express, { type Express } from "express";
import request from "supertest";
import { definePolicy, orgate, type Orgate } from "../../../src/index.ts";
import { createTestAuthority, signedInAgents, type TestAuthority } from "../../../src/testing/index.ts";

const policy = definePolicy({
  resources: { documents: ["read", "write"] },
  roles: { viewer: { documents: ["read"] }, admin: { documents: "*" } },
});

const people = {
  users: [
    { id: "user_ada", emailAddress: "ada@example.com", name: "Ada Lovelace" },
    { id: "user_bob", emailAddress: "bob@example.com" },
    { id: "user_nora", emailAddress: "nora@example.com" },
  ],
  organizations: [
    { id: "org_acme", name: "Acme" },
    { id: "org_globex", name: "Globex" },
  ],
  memberships: [
    { userId: "user_ada", organizationId: "org_acme", roles: ["admin"] },
    { userId: "user_ada", organizationId: "org_globex", roles: ["viewer"] },
    { userId: "user_bob", organizationId: "org_acme", roles: ["viewer"] },
  ],
};

let authority: TestAuthority;
let auth: Orgate<{ readonly documents: "read" | "write" }>;
let app: Express;

function makeAs() {
  return signedInAgents({ request, app, auth, authority });
}

beforeEach(() => {
  authority = createTestAuthority({ ...people, policy });
  auth = orgate({
    baseUrl: "https://app.example.com",
    store: authority,
    clock: authority.clock,
    cookie: { password: "a password for tests, 32 characters" },
    policy,
  });
  app = express();
  app.use(auth);
  app.get("/state", (req, res) => void res.json(auth.state(req)));
  app.post(
    "/documents",
    auth.requirePermission("documents", "write"),
    (_req, res) => void res.json("written"),
  );
  app.use("/select-organization", auth.organizationSelection());
});

afterEach(async () => {
  await auth.close();
  await authority.close();
});

describe("an agent signed in as a browser", () => {
  it("sends the sealed __Host- cookie over plain http", async () => {
    const ada = await makeAs()("user_ada").in("org_acme");
    expect(ada.cookies.names()).toEqual(["__Host-orgate"]);
    expect(ada.accessToken).toBeUndefined();
    const { body } = await ada.get("/state").expect(200);
    expect(body).toMatchObject({
      status: "authenticated",
      via: "cookie",
      organization: { id: "org_acme" },
      memberSession: { id: ada.memberSession.id, roles: ["admin"], authenticationMethod: "Password" },
    });
    await ada.post("/documents").expect(200, '"written"');
  });

  it("keeps the new cookie of a renewal", async () => {
    const ada = await makeAs()("user_ada").in("org_acme");
    const before = ada.cookies.get("__Host-orgate");
    authority.advance(310);
    await ada.post("/documents").expect(200);
    const after = ada.cookies.get("__Host-orgate");
    expect(after).not.toBe(before);
    const { headers } = await ada.post("/documents").expect(200);
    expect(headers["set-cookie"]).toBeUndefined();
    expect(ada.cookies.get("__Host-orgate")).toBe(after);
  });

  it("loses its cookie when the session has ended", async () => {
    const ada = await makeAs()("user_ada").in("org_acme");
    await authority.revoke({ sessionId: ada.memberSession.id });
    authority.advance(310);
    await ada.post("/documents").expect(401);
    expect(ada.cookies.names()).toEqual([]);
    const { body } = await ada.get("/state");
    expect(body).toEqual({ status: "anonymous" });
  });

  it("keeps its cookie while the store is down", async () => {
    const ada = await makeAs()("user_ada").in("org_acme");
    authority.advance(310);
    authority.takeDown();
    await ada.post("/documents").expect(503);
    authority.bringBack();
    authority.advance(30);
    const { text } = await ada.post("/documents").expect(200);
    expect(text).toBe('"written"');
  });

  it("has a pending authentication until it has chosen one of several organizations", async () => {
    const ada = await makeAs()("user_ada").anywhere();
    await ada.post("/documents").expect(401);
    await ada
      .post("/select-organization")
      .set("Accept", "text/html")
      .type("form")
      .send({ organization_id: "org_globex" })
      .expect(303);
    const { body } = await ada.get("/state");
    expect(body).toMatchObject({ status: "authenticated", organization: { id: "org_globex" } });
  });

  it("is signed in at once with one organization or none", async () => {
    const as = makeAs();
    const [bob, nora] = [await as("user_bob").anywhere(), await as("user_nora").anywhere()];
    const [one, none] = [await bob.get("/state"), await nora.get("/state")];
    expect(one.body).toMatchObject({ status: "authenticated", organization: { id: "org_acme" } });
    expect(none.body).toMatchObject({ status: "authenticated" });
    expect(none.body).not.toHaveProperty("organization");
  });

  it("has the method, factors, claims and impersonator of its sign-in", async () => {
    const ada = makeAs()("user_ada")
      .by("SSO")
      .withClaims({ plan: "gold" })
      .impersonatedBy({ email: "help@example.com", reason: "ticket 7" });
    const totp = { type: "totp", lastAuthenticatedAt: "2027-01-15T08:00:00Z" };
    const [plain, stepped] = [await ada.in("org_acme"), await ada.withFactors(totp).in("org_acme")];
    const { body } = await stepped.get("/state");
    expect(body.memberSession).toMatchObject({
      authenticationMethod: "SSO",
      customClaims: { plan: "gold" },
      impersonator: { email: "help@example.com", reason: "ticket 7" },
      authenticationFactors: [totp],
    });
    expect(plain.memberSession.authenticationFactors).toMatchObject([{ type: "sso" }]);
  });

  it("makes copies that keep the old cookie when the agent gets a new one", async () => {
    const ada = await makeAs()("user_ada").in("org_acme");
    const tab = ada.copy();
    authority.advance(310);
    await ada.post("/documents").expect(200);
    expect(tab.cookies.get("__Host-orgate")).not.toBe(ada.cookies.get("__Host-orgate"));
    expect(tab.memberSession).toBe(ada.memberSession);
  });
});

describe("an agent signed in as an API client", () => {
  it("sends a bearer token, and keeps the new one of a renewal", async () => {
    const ada = await makeAs()("user_ada").withBearer().in("org_acme");
    const { accessToken } = ada;
    const { body } = await ada.get("/state");
    expect(body).toMatchObject({ status: "authenticated", via: "bearer", organization: { id: "org_acme" } });
    authority.advance(310);
    await ada.post("/documents").expect(200);
    expect(ada.accessToken).not.toBe(accessToken);
    expect(ada.cookies.names()).toEqual([]);
    expect(ada.copy().accessToken).toBe(ada.accessToken);
  });

  it("rejects for a user who must choose an organization", async () => {
    const signingIn = makeAs()("user_ada").withBearer().anywhere();
    await expect(signingIn).rejects.toMatchObject({ code: "organization_selection_required" });
  });
});

describe("signing in", () => {
  it("fails as it would in production", async () => {
    const as = makeAs();
    await expect(as("user_bob").in("org_globex")).rejects.toMatchObject({
      code: "organization_not_available",
    });
    await expect(as("user_eve").in("org_acme")).rejects.toMatchObject({ code: "sign_in_failed" });
    await expect(as("user_eve").anywhere()).rejects.toMatchObject({ code: "sign_in_failed" });
  });

  it("makes a browser in which nobody is signed in", async () => {
    const nobody = makeAs().nobody();
    await nobody.post("/documents").expect(401);
    expect(nobody.accessToken).toBeUndefined();
  });

  it("rejects if orgate could not send the session", async () => {
    const failing = Object.assign((...[req, res, next]: Parameters<typeof auth>) => auth(req, res, next), {
      establish: async (_req: unknown, res: { statusCode: number; end: () => void }) => {
        res.statusCode = 500;
        res.end();
      },
    });
    const as = signedInAgents({ request, app, auth: failing, authority });
    await expect(as("user_bob").in("org_acme")).rejects.toThrow("auth.establish answered 500");
  });
});
