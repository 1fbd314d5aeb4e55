import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import request from "supertest";
import { start } from "../../examples/workos.ts";
import type { Running } from "../../examples/hosted/serve.ts";

let running: Running;
const said: string[] = [];

beforeEach(async () => {
  jest.spyOn(console, "log").mockImplementation((line: string) => void said.push(line));
  running = await start({ PORT: "0", AUTHORITY_PORT: "0" });
});
afterEach(() => {
  running.close();
  said.splice(0);
  jest.restoreAllMocks();
});

type Browser = ReturnType<typeof request.agent>;

/** Goes through the hosted page, as the browser would; answers with where the application sends it then. */
async function signIn(browser: Browser, user: string): Promise<string | undefined> {
  const begun = await browser.get("/sign-in?return_to=/documents").expect(303);
  const hosted = await fetch(String(begun.headers["location"]), { redirect: "manual" });
  const form = new URL(String(hosted.headers.get("location")), begun.headers["location"]);
  const body = new URLSearchParams({ user });
  const answered = await fetch(form, { method: "POST", body, redirect: "manual" });
  const back = new URL(String(answered.headers.get("location")));
  expect([back.origin, back.pathname]).toEqual([running.url, "/callback"]);
  const arrived = await browser.get(back.pathname + back.search).expect(303);
  return arrived.headers["location"];
}

describe("the application on WorkOS", () => {
  it("says what replaces WorkOS", () => {
    expect(said.join(" ")).toMatch(/No WORKOS_API_KEY.*stands in.*Open http:\/\/localhost/);
  });

  it("signs in a member of one organization, who may read but not delete", async () => {
    const bob = request.agent(running.url);
    const away = await bob.get("/documents").set("Accept", "text/html").expect(303);
    expect(away.headers["location"]).toBe("/sign-in?return_to=%2Fdocuments");
    expect(await signIn(bob, "user_bob")).toBe("/documents");
    const { body } = await bob.get("/documents").expect(200);
    expect(body).toMatchObject({
      member: { id: "user_bob", emailAddress: "bob@example.com", roles: ["viewer"] },
      organization: { id: "org_acme" },
      verdict: { authorized: true, via: "permission", source: "local" },
    });
    const denied = await bob.delete("/documents/1").expect(403);
    expect(denied.body).toMatchObject({ code: "permission_denied" });
  });

  it("lets a member of two organizations choose, switch and sign out", async () => {
    const ada = request.agent(running.url);
    expect(await signIn(ada, "user_ada")).toBe("/select-organization");
    await ada.get("/documents").expect(401);
    const page = await ada.get("/select-organization").set("Accept", "text/html").expect(200);
    expect(page.text).toContain("Globex");
    const chosen = await ada.post("/select-organization").type("form").send({ organization_id: "org_acme" });
    expect([chosen.status, chosen.headers["location"]]).toEqual([303, "/documents"]);
    await ada.delete("/documents/1").expect(204);
    await ada.post("/switch-organization").type("form").send({ organization_id: "org_globex" }).expect(303);
    const { body } = await ada.get("/documents").expect(200);
    expect(body.organization.id).toBe("org_globex");
    await ada.delete("/documents/1").expect(403);

    const left = await ada.post("/sign-out").set("Accept", "text/html").expect(303);
    const logout = await fetch(String(left.headers["location"]), { redirect: "manual" });
    expect([logout.status, logout.headers.get("location")]).toEqual([302, running.url]);
    await ada.get("/documents").expect(401);
  });

  it("uses the live service when the environment has an API key", async () => {
    const live = await start({
      PORT: "0",
      WORKOS_API_KEY: "sk_live_key",
      WORKOS_CLIENT_ID: "client_live",
      WORKOS_COOKIE_PASSWORD: "a password for tests, 32 characters",
    });
    const { headers } = await request(live.url).get("/sign-in").expect(303);
    live.close();
    expect(headers["location"]).toMatch(/^https:\/\/api\.workos\.com\/user_management\/authorize\?/);
    expect(headers["location"]).not.toContain("sk_live_key");
  });
});
