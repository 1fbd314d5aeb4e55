import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import request from "supertest";
import { createApp } from "../../examples/tenant-routes.ts";
import { setEnvironment } from "./environment.ts";

let restore: () => void;
beforeAll(() => {
  restore = setEnvironment({ COOKIE_PASSWORD: "a password for tests, 32 characters" });
});
afterAll(() => restore());

/** The cookies of somebody signed in to an organization. */
async function signIn(app: ReturnType<typeof createApp>, organizationId: string): Promise<string> {
  const pending = await request(app).post("/sign-in").expect(303);
  const chosen = await request(app)
    .post("/select-organization")
    .set("Cookie", cookiesOf(pending))
    .type("form")
    .send({ organization_id: organizationId })
    .expect(303);
  return cookiesOf(chosen);
}

function cookiesOf({ headers }: request.Response): string {
  const lines = [headers["set-cookie"] ?? []].flat();
  return lines.map((line) => line.split(";", 1)[0]).join("; ");
}

describe("tenant routes", () => {
  it("permits a session on its own organization's path, and on no other", async () => {
    const app = createApp();
    const cookie = await signIn(app, "org_acme");
    const own = await request(app).get("/o/org_acme/documents").set("Cookie", cookie).expect(200);
    expect(own.body).toMatchObject({ organization: { id: "org_acme" }, by: "path" });
    for (const other of ["org_globex", "acme", "ORG_ACME", "__proto__"]) {
      const { body } = await request(app).get(`/o/${other}/documents`).set("Cookie", cookie).expect(403);
      expect(body).toMatchObject({ code: "organization_mismatch" });
    }
  });

  it("permits a session on its own organization's host, and on no other", async () => {
    const app = createApp();
    const cookie = await signIn(app, "org_globex");
    const at = (host: string) => request(app).get("/documents").set({ Host: host, Cookie: cookie });
    const own = await at("globex.localhost:3000").expect(200);
    expect(own.body).toMatchObject({ organization: { slug: "globex" }, by: "host" });
    for (const host of ["acme.localhost:3000", "org_globex.localhost:3000", "localhost:3000", "globex"]) {
      const { status } = await at(host);
      expect([host, status]).toEqual([host, host === "globex" ? 200 : 403]);
    }
  });

  it("shares the cookie among the hosts, and accepts only their forms", async () => {
    const app = createApp();
    const from = (origin: string) => request(app).post("/sign-in").set("Origin", origin);
    const { headers } = await from("http://acme.localhost:3000").expect(303);
    expect(headers["set-cookie"]?.[0]).toContain("orgate");
    await from("http://localhost:3000").expect(303);
    await from("http://acme.localhost:4000").expect(403);
    await from("http://a.acme.localhost:3000").expect(403);
    const cookie = await signIn(app, "org_acme");
    expect(cookie).toContain("orgate=");
  });
});
