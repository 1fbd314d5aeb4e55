import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import request from "supertest";
import { createApp } from "../../examples/quick-start.ts";
import { setEnvironment } from "./environment.ts";

let restore: () => void;
beforeAll(() => {
  restore = setEnvironment({ COOKIE_PASSWORD: "a password for tests, 32 characters" });
});
afterAll(() => restore());

describe("the quick start", () => {
  it("says what is missing without the secret", () => {
    const undo = setEnvironment({ COOKIE_PASSWORD: undefined });
    expect(() => createApp()).toThrow(/cookie\.password.*openssl rand/s);
    undo();
  });

  it("redirects a browser to sign in, and answers an API client with 401", async () => {
    const app = createApp();
    const browser = await request(app).get("/documents").set("Accept", "text/html").expect(303);
    expect(browser.headers["location"]).toBe("/sign-in?return_to=%2Fdocuments");
    const program = await request(app).get("/documents").expect(401);
    expect(program.body).toMatchObject({ code: "unauthenticated" });
  });

  it("signs in a member of one organization, and returns the verdict", async () => {
    const bob = request.agent(createApp());
    await bob.post("/sign-in?return_to=/documents").type("form").send({ user: "user_bob" }).expect(303);
    const { body, headers } = await bob.get("/documents").expect(200);
    expect(body).toMatchObject({
      member: { userId: "user_bob", roles: ["viewer"] },
      organization: { id: "org_acme", slug: "acme", name: "Acme" },
      verdict: { authorized: true, grantingRoles: ["viewer"], source: "local", via: "role" },
    });
    expect(headers["cache-control"]).toBe("private, no-store");
    const denied = await bob.delete("/documents/1").expect(403);
    expect(denied.body).toMatchObject({ code: "permission_denied", resource: "documents", action: "delete" });
  });

  it("lets a member of two organizations choose, switch and sign out", async () => {
    const ada = request.agent(createApp());
    const signedIn = await ada.post("/sign-in?return_to=/documents").type("form").send({ user: "user_ada" });
    expect(signedIn.headers["location"]).toBe("/select-organization");
    await ada.get("/documents").expect(401);
    const page = await ada.get("/select-organization").set("Accept", "text/html").expect(200);
    expect(page.text).toContain("Globex");
    const chosen = await ada.post("/select-organization").type("form").send({ organization_id: "org_acme" });
    expect([chosen.status, chosen.headers["location"]]).toEqual([303, "/documents"]);
    await ada.delete("/documents/1").expect(204);
    await ada.post("/switch-organization").type("form").send({ organization_id: "org_globex" }).expect(303);
    await ada.get("/documents").expect(200);
    await ada.delete("/documents/1").expect(403);
    const left = await ada.post("/sign-out").set("Accept", "text/html").expect(303);
    expect(left.headers["location"]).toBe("/sign-in");
    await ada.get("/documents").expect(401);
  });
});
