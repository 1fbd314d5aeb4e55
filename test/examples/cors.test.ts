import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import express from "express";
import request from "supertest";
import { orgate, type OrgateEvent } from "orgate";
import { createTestAuthority, type TestAuthority } from "orgate/testing";
import { allowOrigins, createApp } from "../../examples/cors.ts";

const FRONT_END = "http://localhost:5173";
const STRANGER = "https://evil.example";
const PREFLIGHT = {
  Origin: FRONT_END,
  "Access-Control-Request-Method": "GET",
  "Access-Control-Request-Headers": "authorization",
};

let authority: TestAuthority;
let events: OrgateEvent[];
let app: ReturnType<typeof createApp>;

beforeEach(() => {
  authority = createTestAuthority({
    users: [{ id: "user_ada", emailAddress: "ada@example.com", name: "Ada" }],
    organizations: [{ id: "org_acme", name: "Acme" }],
    memberships: [{ userId: "user_ada", organizationId: "org_acme", roles: [] }],
  });
  events = [];
  app = createApp(authority, { clock: authority.clock, events: (event) => events.push(event) });
});
afterEach(() => authority.close());

/** A bearer token that expired a moment ago. */
async function expiredBearer(): Promise<string> {
  const { body } = await request(app).post("/token").set("Origin", FRONT_END).expect(200);
  authority.advance(400);
  return `Bearer ${body.access_token}`;
}

const reasons = (): unknown[] =>
  events.flatMap((event) => (event.type === "misconfigured" ? [event.reason] : []));

describe("an API for a front end of another origin", () => {
  it("answers the preflight of a protected route, which carries no credential", async () => {
    const { headers } = await request(app).options("/me").set(PREFLIGHT).expect(204);
    expect(headers).toMatchObject({
      "access-control-allow-origin": FRONT_END,
      "access-control-allow-credentials": "true",
      "access-control-allow-headers": expect.stringContaining("Authorization"),
      vary: expect.stringContaining("Origin"),
    });
    expect(events).toEqual([]);
  });

  it("lets the front end read the token that a request renewed", async () => {
    const bearer = await expiredBearer();
    const { headers, body } = await request(app)
      .get("/me")
      .set({ Origin: FRONT_END, Authorization: bearer })
      .expect(200);
    expect(body).toEqual({ name: "Ada" });
    expect(headers).toMatchObject({
      "access-control-allow-origin": FRONT_END,
      "access-control-expose-headers": expect.stringContaining("Session-Jwt"),
      vary: expect.stringMatching(/Origin.*Authorization|Authorization.*Origin/),
    });
    const renewed = `Bearer ${headers["session-jwt"]}`;
    expect(renewed).not.toBe(bearer);
    await request(app).get("/me").set({ Origin: FRONT_END, Authorization: renewed }).expect(200);
    expect(reasons()).toEqual([]);
  });

  it("lets the front end read why it was refused", async () => {
    const { headers, body } = await request(app).get("/me").set("Origin", FRONT_END).expect(401);
    expect([headers["access-control-allow-origin"], body.code]).toEqual([FRONT_END, "unauthenticated"]);
  });

  it("accepts writes with the cookie from the front end, and from nobody else", async () => {
    const signedIn = await request(app)
      .post("/sign-in")
      .set({ Origin: FRONT_END, Accept: "application/json" })
      .expect(200);
    const cookie = String(signedIn.headers["set-cookie"]).split(";", 1);
    const write = (origin: string, site: string) =>
      request(app).post("/notes").set({ Origin: origin, "Sec-Fetch-Site": site, Cookie: cookie });
    expect((await write(FRONT_END, "cross-site").expect(201)).body).toEqual({ by: "Ada" });
    const refused = await write(STRANGER, "cross-site").expect(403);
    expect(refused.body.code).toBe("cross_site_request");
    expect(refused.headers["access-control-allow-origin"]).toBeUndefined();
  });

  it("gives other origins no headers, and reports a renewed token that no page may read", async () => {
    const preflight = await request(app)
      .options("/me")
      .set({ ...PREFLIGHT, Origin: STRANGER });
    expect([preflight.status, preflight.headers["access-control-allow-origin"]]).toEqual([401, undefined]);
    const bearer = await expiredBearer();
    const { headers } = await request(app)
      .get("/me")
      .set({ Origin: STRANGER, Authorization: bearer })
      .expect(200);
    expect(headers["access-control-allow-origin"]).toBeUndefined();
    expect(headers["access-control-expose-headers"]).toBeUndefined();
    expect(reasons()).toEqual(["session_jwt_unreadable"]);
  });
});

describe("CORS middleware below a guard", () => {
  it("comes too late: the preflight is refused, and the page cannot read why", async () => {
    const auth = orgate({ baseUrl: "http://localhost:3000", store: authority, credentials: ["bearer"] });
    const late = express();
    late.use(auth, auth.requireAuth(), allowOrigins([FRONT_END]));
    const { status, headers } = await request(late).options("/me").set(PREFLIGHT);
    expect([status, headers["access-control-allow-origin"]]).toEqual([401, undefined]);
    await auth.close();
  });
});
