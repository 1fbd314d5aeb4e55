import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import request from "supertest";
import { createApp } from "../../examples/own-login.ts";
import { setEnvironment } from "./environment.ts";

let restore: () => void;
beforeAll(() => {
  restore = setEnvironment({ COOKIE_PASSWORD: "a password for tests, 32 characters" });
});
afterAll(() => restore());

const right = { email: "Ada@example.com", password: "correct horse" };

describe("the example with its own login handler", () => {
  it.each([
    ["a wrong password", { ...right, password: "wrong" }],
    ["an unknown address", { ...right, email: "eve@example.com" }],
    ["nothing", {}],
    ["a password twice", { ...right, password: ["correct horse", "wrong"] }],
  ])("answers %s in the same way, and signs nobody in", async (_what, form) => {
    const { text, headers } = await request(await createApp())
      .post("/sign-in")
      .type("form")
      .send(form)
      .expect(400);
    expect(text).toContain("This address and password do not go together.");
    expect(headers["set-cookie"]).toBeUndefined();
  });

  it("signs in with the right password, and redirects to the requested page", async () => {
    const ada = request.agent(await createApp());
    const away = await ada.get("/").set("Accept", "text/html").expect(303);
    expect(away.headers["location"]).toBe("/sign-in?return_to=%2F");
    await ada.get(away.headers["location"] ?? "").expect(200);
    const { headers } = await ada.post("/sign-in?return_to=/?tab=2").type("form").send(right).expect(303);
    expect(headers["location"]).toBe("/?tab=2");
    const { body } = await ada.get("/").expect(200);
    expect(body).toEqual({ hello: "Ada Lovelace" });
    await ada.post("/password").expect(200, { changed: true });
    await ada.post("/sign-out").set("Accept", "text/html").expect(303);
    await ada.get("/").expect(401);
  });

  it("R-16: never redirects to another site by return_to", async () => {
    const app = await createApp();
    const { headers } = await request(app)
      .post("/sign-in?return_to=https://evil.example/")
      .type("form")
      .send(right)
      .expect(303);
    expect(headers["location"]).toBe("/");
  });

  it("rejects another site's form", async () => {
    const { body, headers } = await request(await createApp())
      .post("/sign-in")
      .set("Origin", "https://evil.example")
      .type("form")
      .send(right)
      .expect(403);
    expect(body).toMatchObject({ code: "cross_site_request" });
    expect(headers["set-cookie"]).toBeUndefined();
  });
});
