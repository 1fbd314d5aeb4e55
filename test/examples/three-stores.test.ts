import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import request from "supertest";
import type { Running } from "../../examples/hosted/serve.ts";
import { start } from "../../examples/three-stores.ts";

type Browser = ReturnType<typeof request.agent>;

/** How somebody signs in there. Answers with where the application sends the browser then. */
const SIGN_INS: Readonly<Record<string, (browser: Browser, name: string) => Promise<string | undefined>>> = {
  async authority(browser, name) {
    const { headers } = await browser
      .post("/sign-in")
      .type("form")
      .send({ user: `user_${name}` })
      .expect(303);
    return headers["location"];
  },
  async workos(browser, name) {
    const begun = await browser.get("/sign-in").expect(303);
    const hosted = await fetch(String(begun.headers["location"]), { redirect: "manual" });
    const form = new URL(String(hosted.headers.get("location")), begun.headers["location"]);
    const body = new URLSearchParams({ user: `user_${name}` });
    const answered = await fetch(form, { method: "POST", body, redirect: "manual" });
    const { pathname, search } = new URL(String(answered.headers.get("location")));
    const { headers } = await browser.get(pathname + search).expect(303);
    return headers["location"];
  },
  async stytch(browser, name) {
    await browser
      .post("/sign-in")
      .type("form")
      .send({ email: `${name}@example.com` })
      .expect(200);
    const mail = said.findLast((line) => line.startsWith("A mail: ")) ?? "";
    const { pathname, search } = new URL(mail.slice("A mail: ".length));
    const { headers } = await browser.get(pathname + search).expect(303);
    return headers["location"];
  },
};

const said: string[] = [];
let running: Running | undefined;

beforeEach(() => {
  jest.spyOn(console, "log").mockImplementation((line: string) => void said.push(line));
  jest.spyOn(console, "warn").mockImplementation(() => undefined);
});
afterEach(() => {
  running?.close();
  running = undefined;
  said.splice(0);
  jest.restoreAllMocks();
});

describe("one application on three stores", () => {
  it.each(Object.entries(SIGN_INS))("behaves the same on %s", async (STORE, signIn) => {
    running = await start({ STORE, PORT: "0", AUTHORITY_PORT: "0" });

    const bob = request.agent(running.url);
    const away = await bob.get("/documents").set("Accept", "text/html").expect(303);
    expect(away.headers["location"]).toBe("/sign-in?return_to=%2Fdocuments");
    expect(await signIn(bob, "bob")).toBe("/");
    const { body } = await bob.get("/documents").expect(200);
    expect(body).toMatchObject({ member: { roles: ["viewer"] }, organization: { id: "org_acme" } });
    expect(body.verdict.authorized).toBe(true);
    await bob.delete("/documents/1").expect(403);

    const ada = request.agent(running.url);
    expect(await signIn(ada, "ada")).toBe("/select-organization");
    await ada.get("/documents").expect(401);
    const { body: choice } = await ada
      .get("/select-organization")
      .set("Accept", "application/json")
      .expect(200);
    expect(choice.organizations).toEqual([
      { id: "org_acme", name: "Acme" },
      { id: "org_globex", name: "Globex" },
    ]);
    await ada.post("/select-organization").type("form").send({ organization_id: "org_acme" }).expect(303);
    await ada.delete("/documents/1").expect(204);
    const switching = ada.post("/switch-organization").type("form").send({ organization_id: "org_globex" });
    await switching.expect(303);
    await ada.get("/documents").expect(200);
    await ada.delete("/documents/1").expect(403);
    await ada.post("/sign-out").set("Accept", "text/html").expect(303);
    await ada.get("/documents").expect(401);
  });

  it("lists the stores", async () => {
    await expect(start({ STORE: "constructor" })).rejects.toThrow("authority, workos, stytch");
  });
});
