import { afterAll, beforeAll, expect, it } from "@jest/globals";
import request from "supertest";
import { createApp } from "../../examples/postgres.ts";
import { POSTGRES, nameSchema, openPool, serverUrl } from "../support/postgres.ts";
import { describeWith } from "../support/requirements.ts";
import { setEnvironment } from "./environment.ts";

const baseUrl = "https://app.example.com";
const ADA = { email: "Ada@example.com", name: "Ada", password: "correct horse" };
const BOB = { email: "bob@example.com", name: "Bob", password: "battery staple" };

describeWith(POSTGRES, "the example with users, organizations and sessions in Postgres", () => {
  const schema = nameSchema();
  const databaseUrl = serverUrl();
  // The example's own tables go into a schema of this test.
  databaseUrl.searchParams.set("options", `-c search_path=${schema}_tables`);
  const processes: Awaited<ReturnType<typeof createApp>>[] = [];
  let restore: () => void;

  const startProcess = async () => {
    const started = await createApp({ baseUrl, databaseUrl: databaseUrl.href, schema });
    processes.push(started);
    return started.app;
  };

  beforeAll(async () => {
    restore = setEnvironment({
      COOKIE_PASSWORD: "a password for tests, 32 characters",
      KEY_ENCRYPTION: "a secret for tests, with 32 characters",
    });
    const pool = openPool();
    await pool.query(`CREATE SCHEMA ${schema}_tables`);
    await pool.end();
  });

  afterAll(async () => {
    for (const each of processes) await each.close();
    const pool = openPool();
    await pool.query(`DROP SCHEMA ${schema}, ${schema}_tables CASCADE`);
    await pool.end();
    restore();
  });

  it("signs up, invites, changes roles and removes members, on any of two processes", async () => {
    const [one, other] = await Promise.all([startProcess(), startProcess()]);
    const [ada, bob] = [request.agent(one), request.agent(one)];
    const cookieOf = (response: request.Response): string =>
      [response.headers["set-cookie"] ?? []]
        .flat()
        .map((line) => line.split(";")[0])
        .join("; ");

    const signedUp = await ada
      .post("/sign-up")
      .set("Accept", "application/json")
      .send({ ...ADA, organization: "Acme", slug: "acme" })
      .expect(200);
    const adas = cookieOf(signedUp);
    const asAda = (method: "get" | "post" | "put" | "delete", path: string) =>
      request(other)[method](path).set("Cookie", adas).set("Accept", "application/json");
    await asAda("get", "/me").expect(200, { name: "Ada", organization: "Acme", roles: ["admin"] });
    await request(other)
      .post("/sign-up")
      .send({ ...ADA, organization: "Acme 2", slug: "acme-2" })
      .expect(409);

    const { body: invitation } = await asAda("post", "/invitations")
      .send({ email: BOB.email, role: "member" })
      .expect(201);
    await request(one)
      .post("/join")
      .send({ ...BOB, email: "eve@example.com", token: invitation.token })
      .expect(400);
    const joined = await bob
      .post("/join")
      .send({ ...BOB, token: invitation.token })
      .expect(200);
    const bobs = cookieOf(joined);
    const asBob = (path: string, app = other) =>
      request(app).get(path).set("Cookie", bobs).set("Accept", "application/json");
    await asBob("/me").expect(200, { name: "Bob", organization: "Acme", roles: ["member"] });
    await asBob("/me", one).expect(200);
    await request(one)
      .post("/join")
      .send({ ...BOB, token: invitation.token })
      .expect(400);

    const { body: members } = await asBob("/members").expect(200);
    const { userId } = members.find((member: { readonly name: string }) => member.name === "Bob");
    const invite = () =>
      request(one)
        .post("/invitations")
        .set("Cookie", bobs)
        .set("Accept", "application/json")
        .send({ email: "eve@example.com", role: "member" });
    await invite().expect(403);
    await asAda("put", `/members/${userId}/role`).send({ role: "owner" }).expect(400);
    await asAda("put", `/members/${userId}/role`).send({ role: "admin" }).expect(204);
    // The change travels by itself: ask until it has arrived.
    let status = 403;
    while (status === 403) ({ status } = await invite());
    expect(status).toBe(201);

    await asAda("delete", `/members/${userId}`).expect(204);
    for (const app of [one, other]) {
      while (status !== 401) ({ status } = await asBob("/me", app));
      status = 200;
    }
    await request(one).post("/sign-in").send({ email: ADA.email, password: "wrong" }).expect(400);
    const again = await request(one).post("/sign-in").send(ADA).expect(200);
    await request(other).get("/me").set("Cookie", cookieOf(again)).expect(200);
  });

  it("keeps everybody signed in through a restart", async () => {
    const first = await startProcess();
    const signedIn = await request(first).post("/sign-in").send(ADA).expect(200);
    const cookie = String([signedIn.headers["set-cookie"] ?? []].flat()[0]).split(";")[0] ?? "";
    for (const each of processes.splice(0)) await each.close();
    const second = await startProcess();
    const { status, body } = await request(second).get("/me").set("Cookie", cookie);
    expect([status, body]).toEqual([
      200,
      {
        name: "Ada",
        organization: "Acme",
        roles: ["admin"],
      },
    ]);
  });
});
