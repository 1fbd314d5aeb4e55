import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import request from "supertest";
import { createTestAuthority } from "orgate/testing";
import { createApp } from "../../examples/bearer-api.ts";
import { setEnvironment } from "./environment.ts";

let restore: () => void;
beforeAll(() => {
  restore = setEnvironment({ API_KEY: "key-for-tests" });
});
afterAll(() => restore());

describe("the bearer-only API", () => {
  it("says what is missing without the API key", () => {
    const undo = setEnvironment({ API_KEY: "" });
    expect(() => createApp()).toThrow("Set API_KEY");
    undo();
  });

  it("exchanges only the API key for tokens", async () => {
    const app = createApp();
    await request(app).post("/token").set("X-Api-Key", "wrong").expect(401);
    await request(app).post("/token").expect(401);
    const { body, headers } = await request(app).post("/token").set("X-Api-Key", "key-for-tests").expect(200);
    expect(headers["cache-control"]).toBe("no-store");
    const bearer = `Bearer ${body.access_token}`;
    const read = await request(app).get("/documents").set("Authorization", bearer).expect(200);
    expect(read.body).toEqual({ organization: "org_acme", documents: ["Plan"] });
    const write = await request(app).post("/documents").set("Authorization", bearer).expect(403);
    expect(write.headers["www-authenticate"]).toContain('error="insufficient_scope"');
  });

  it("answers a missing and a forged token with a challenge, and sets no cookie", async () => {
    const app = createApp();
    const missing = await request(app).get("/documents").expect(401);
    expect(missing.headers["www-authenticate"]).toBe('Bearer realm="localhost:3000"');
    const forged = await request(app).get("/documents").set("Authorization", "Bearer a.b.c").expect(401);
    expect(forged.headers["www-authenticate"]).toContain('error="invalid_token"');
    expect(forged.headers["set-cookie"]).toBeUndefined();
  });

  it("renews an expired token during the request, into a response header", async () => {
    const authority = createTestAuthority({
      users: [{ id: "user_robot", emailAddress: "robot@example.com" }],
      organizations: [{ id: "org_acme", name: "Acme" }],
      memberships: [{ userId: "user_robot", organizationId: "org_acme", roles: ["reader"] }],
    });
    const app = createApp(authority, authority.clock);
    const { body } = await request(app).post("/token").set("X-Api-Key", "key-for-tests").expect(200);
    const bearer = `Bearer ${body.access_token}`;
    authority.advance(400);
    const { headers } = await request(app).get("/documents").set("Authorization", bearer).expect(200);
    const renewed = `Bearer ${headers["session-jwt"]}`;
    expect(renewed === bearer).toBe(false);
    await request(app).get("/documents").set("Authorization", renewed).expect(200);
    await authority.close();
  });
});
