import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import request from "supertest";
import { createApp as createConnectApp } from "../../examples/connect.ts";
import { createApp as createNodeServer } from "../../examples/node-http.ts";
import { setEnvironment } from "./environment.ts";

let restore: () => void;
beforeAll(() => {
  restore = setEnvironment({ COOKIE_PASSWORD: "a password for tests, 32 characters" });
});
afterAll(() => restore());

describe.each([
  ["Connect", createConnectApp, "/trash"],
  ["node:http", createNodeServer, "/documents"],
])("orgate under %s", (_name, createApp, deletable) => {
  it("signs in, permits, denies and signs out", async () => {
    const bob = request.agent(createApp());
    const refused = await bob.get("/documents").expect(401);
    expect(refused.headers["content-type"]).toContain("application/problem+json");
    const { headers } = await bob.post("/sign-in").expect(303);
    expect(headers["location"]).toBe("/documents");
    const read = await bob.get("/documents").expect(200);
    expect(read.body).toMatchObject({ documents: ["Plan"], member: "Bob Babbage" });
    const denied = await bob.delete(deletable).expect(403);
    expect(denied.body).toMatchObject({ code: "permission_denied", resource: "documents", action: "delete" });
    await bob.post("/sign-out").expect(303);
    await bob.get("/documents").expect(401);
  });

  it("rejects a sign-out from another site", async () => {
    const bob = request.agent(createApp());
    await bob.post("/sign-in").expect(303);
    await bob.post("/sign-out").set("Origin", "https://evil.example").expect(403);
    const { status } = await bob.get("/documents");
    expect(status).toBe(200);
  });
});
