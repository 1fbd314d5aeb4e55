import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import request from "supertest";
import { start } from "../../examples/stytch.ts";
import type { Running } from "../../examples/hosted/serve.ts";

let running: Running;
const said: string[] = [];
const mails: string[] = [];

beforeEach(async () => {
  jest.spyOn(console, "log").mockImplementation((line: string) => void said.push(line));
  // The SDK warns of an address that is not Stytch's.
  jest.spyOn(console, "warn").mockImplementation(() => undefined);
  running = await start({ PORT: "0", AUTHORITY_PORT: "0" }, (link) => void mails.push(link));
});
afterEach(() => {
  running.close();
  said.splice(0);
  mails.splice(0);
  jest.restoreAllMocks();
});

type Browser = ReturnType<typeof request.agent>;

/** Asks for a link and follows it; answers with where the application sends the browser then. */
async function signIn(browser: Browser, email: string): Promise<string | undefined> {
  await browser.post("/sign-in").type("form").send({ email }).expect(200);
  const link = new URL(mails.pop() ?? "");
  expect([link.origin, link.pathname]).toEqual([running.url, "/authenticate"]);
  const arrived = await browser.get(link.pathname + link.search).expect(303);
  return arrived.headers["location"];
}

describe("the application on Stytch", () => {
  it("says what replaces Stytch", () => {
    expect(said.join(" ")).toMatch(/No STYTCH_SECRET.*stands in.*Open http:\/\/localhost/);
  });

  it("signs in a member of one organization, who may read but not delete", async () => {
    const bob = request.agent(running.url);
    const away = await bob.get("/documents").set("Accept", "text/html").expect(303);
    expect(away.headers["location"]).toBe("/sign-in?return_to=%2Fdocuments");
    expect(await signIn(bob, "bob@example.com")).toBe("/");
    const { body } = await bob.get("/documents").expect(200);
    expect(body).toMatchObject({
      member: { id: "user_bob:org_acme", roles: ["viewer"] },
      organization: { id: "org_acme", slug: "acme" },
      verdict: { authorized: true, grantingRoles: ["viewer"], via: "role", source: "local" },
    });
    const denied = await bob.delete("/documents/1").expect(403);
    expect(denied.body).toMatchObject({ code: "permission_denied" });
  });

  it("lets a member of two organizations choose, switch and sign out", async () => {
    const ada = request.agent(running.url);
    expect(await signIn(ada, "ada@example.com")).toBe("/select-organization");
    await ada.get("/documents").expect(401);
    const page = await ada.get("/select-organization").set("Accept", "text/html").expect(200);
    expect(page.text).toContain("Globex");
    const chosen = await ada.post("/select-organization").type("form").send({ organization_id: "org_acme" });
    expect(chosen.status).toBe(303);
    await ada.delete("/documents/1").expect(204);
    await ada.post("/switch-organization").type("form").send({ organization_id: "org_globex" }).expect(303);
    const { body } = await ada.get("/documents").expect(200);
    expect(body.organization.id).toBe("org_globex");
    await ada.delete("/documents/1").expect(403);
    await ada.post("/sign-out").set("Accept", "text/html").expect(303);
    await ada.get("/documents").expect(401);
  });

  it("rejects a sign-in link that was used before", async () => {
    const bob = request.agent(running.url);
    await bob.post("/sign-in").type("form").send({ email: "bob@example.com" }).expect(200);
    const { pathname, search } = new URL(mails.pop() ?? "");
    await bob.get(pathname + search).expect(303);
    const again = await request(running.url)
      .get(pathname + search)
      .expect(400);
    expect(again.body).toMatchObject({ code: "sign_in_failed" });
    expect(again.headers["set-cookie"]).toBeUndefined();
  });

  it("does not reveal which addresses are known", async () => {
    const ask = (email: string) =>
      request(running.url).post("/sign-in").type("form").send({ email }).expect(200);
    expect((await ask("eve@example.com")).text).toBe((await ask("bob@example.com")).text);
    expect(mails).toHaveLength(1);
  });
});
