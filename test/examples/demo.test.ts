import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it, jest } from "@jest/globals";
import request from "supertest";
import { createApp, createDemo } from "../../examples/demo/app.ts";
import { createAuthenticator, makeCode } from "../../examples/demo/authenticator.ts";
import { folderStorage } from "../../examples/demo/storage.ts";
import { copyEmptyDatabase } from "../support/postgres.ts";

jest.setTimeout(30_000);

const ROOT = new URL("../../", import.meta.url);
const baseUrl = "http://localhost:3000";

describe("starting the demo", () => {
  const children = new Set<ChildProcess>();
  afterEach(() => {
    for (const child of children) child.kill();
    children.clear();
  });

  function start(port: string, environment: Readonly<Record<string, string>> = {}) {
    const parameters = ["--import", "tsx", "examples/demo/main.ts"];
    const started = spawn(process.execPath, parameters, {
      cwd: ROOT,
      env: { ...process.env, PORT: port, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.add(started);
    return { stdout: started.stdout, said: text(started.stderr), exit: once(started, "exit") };
  }

  it("prints the page to open, and serves it", async () => {
    const port = await freePort();
    const { stdout } = start(port);
    const [welcome] = (await once(stdout, "data")) as [Buffer];
    expect(welcome.toString()).toContain(`http://localhost:${port}`);
    expect(welcome.toString()).toContain("Sign in as Ada");
    const page = await fetch(`http://localhost:${port}/sign-in`);
    expect(await page.text()).toContain("Who are you today?");
  });

  it("says which secrets it needs with DATABASE_URL", async () => {
    const { said, exit } = start(await freePort(), { DATABASE_URL: "postgres://127.0.0.1:1/none" });
    expect(await said).toMatch(/^With DATABASE_URL, set COOKIE_PASSWORD and KEY_ENCRYPTION too, .*\n$/);
    expect(await exit).toEqual([1, null]);
  });

  it("says in one line that the port is taken, or not a number", async () => {
    const taken = createServer().listen(0, "localhost");
    await once(taken, "listening");
    const port = String((taken.address() as AddressInfo).port);
    const [first, second] = [start(port), start("http")];
    expect(await first.said).toBe(`Port ${port} is taken. Choose another: PORT=3001 npm run demo\n`);
    expect(await second.said).toBe('PORT must be a number from 1 to 65535, and is "http".\n');
    expect([await first.exit, await second.exit]).toEqual([
      [1, null],
      [1, null],
    ]);
    taken.close();
  });
});

async function freePort(): Promise<string> {
  const server = createServer().listen(0, "localhost");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}

describe("the demo", () => {
  async function signIn(as: string) {
    const agent = request.agent(createApp({ baseUrl }));
    await agent.post("/sign-in").type("form").send({ as }).expect(303);
    return agent;
  }

  it("answers API clients with problem details, and browsers with a page that explains the denial", async () => {
    const alan = await signIn("alan");
    const program = await alan.post("/o/globex/documents").expect(403);
    expect(program.body).toMatchObject({ code: "permission_denied", resource: "documents", action: "write" });
    const browser = await alan.post("/o/globex/documents").set("Accept", "text/html").expect(403);
    expect(browser.headers["www-authenticate"]).toContain("insufficient_scope");
    expect(browser.text).toContain("It would take");
  });

  it("keeps everybody signed in through a restart with a folder for its data", async () => {
    const folder = await mkdtemp(join(tmpdir(), "orgate-demo-"));
    await copyEmptyDatabase(join(folder, "database"));
    const first = await folderStorage(folder);
    const { app, authority } = createDemo({ baseUrl, storage: first });
    const signedIn = await request(app).post("/sign-in").type("form").send({ as: "grace" }).expect(303);
    const cookie = String([signedIn.headers["set-cookie"] ?? []].flat()[0]).split(";")[0] ?? "";
    const away = await request(app).get("/o/acme/documents").set("Cookie", cookie);
    expect(away.status).toBe(200);
    await request(app)
      .post("/o/acme/role")
      .set("Cookie", cookie)
      .type("form")
      .send({ role: "viewer" })
      .expect(303);
    await first.directory.updateMembership("user_ada", "org_acme", { isLocked: true });
    await authority.close();
    await first.close();

    const second = await folderStorage(folder);
    let now = Date.now() / 1000;
    const restarted = createDemo({ baseUrl, storage: second, clock: () => now });
    const open = () =>
      request(restarted.app).get("/o/acme/documents").set("Cookie", cookie).set("Accept", "text/html");
    expect((await open()).status).toBe(200);
    // The role that was changed before the restart counts at the next renewal.
    now += 60;
    const renewed = await open();
    expect([renewed.status, renewed.text.includes("granted by viewer")]).toEqual([200, true]);
    // The organizations' rules and the lock come from the tables.
    const signInAs = (as: string, path = "/sign-in") =>
      request(restarted.app).post(path).set("Accept", "text/html").type("form").send({ as });
    const margaret = await signInAs("margaret").expect(303);
    expect(margaret.headers["location"]).toBe("/sign-in/step");
    const dorothy = await signInAs("dorothy", "/sign-in?organization_id=org_meridian").expect(303);
    expect(dorothy.headers["location"]).toBe("/sign-in/step");
    await signInAs("ada", "/sign-in?organization_id=org_acme").expect(403);
    await restarted.authority.close();
    await second.close();
    await rm(folder, { recursive: true });
  }, 180_000);

  it("escapes what users write", async () => {
    const grace = await signIn("grace");
    const title = `<script>alert("1")</script>`;
    await grace.post("/o/acme/documents").type("form").send({ title }).expect(303);
    const { text: page } = await grace.get("/o/acme/documents").set("Accept", "text/html").expect(200);
    expect(page).toContain("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;");
    expect(page).not.toContain(title);
  });

  it.each([
    ["/o/acme/documents", { title: "Forged" }],
    ["/o/acme/role", { role: "none" }],
    ["/switch-organization", { organization_id: "org_globex" }],
    ["/sign-out", {}],
    ["/sign-out-everywhere", {}],
    ["/join", {}],
    ["/mail/invite-me", {}],
    ["/o/acme/members/user_ada/role", { role: "admin" }],
    ["/o/acme/members/user_ada/lock", { locked: "yes" }],
    ["/o/acme/invitations", { email_address: "alan@example.com" }],
    ["/sign-in", { as: "alan" }],
  ])("accepts no form of another site: %s", async (path, body) => {
    const grace = await signIn("grace");
    await grace.post(path).set("Origin", "https://evil.example").type("form").send(body).expect(403);
    const page = await grace.get("/o/acme/documents").set("Accept", "text/html").expect(200);
    expect(page.text).toContain("Documents of Acme Press");
    expect(page.text).not.toContain("Forged");
    expect(page.text).toContain("granted by admin");
  });

  it.each([
    ["margaret", "org_apogee", "/sign-in/code"],
    ["dorothy", "org_meridian", "/sign-in/sso"],
  ])("finishes no sign-in of %s by a form of another site", async (as, organization, path) => {
    const { app, authority } = createDemo({ baseUrl });
    const agent = request.agent(app);
    const begin = agent.post(`/sign-in?organization_id=${organization}`).set("Accept", "text/html");
    await begin.type("form").send({ as }).expect(303);
    const { text: page } = await agent.get("/sign-in/step").expect(200);
    const [, code] = /<code>([\d ]+)</.exec(page) ?? [];
    const forged = await agent.post(path).set("Origin", "https://evil.example").type("form").send({ code });
    expect([forged.status, forged.headers["set-cookie"]]).toEqual([403, undefined]);
    const home = await agent.get("/").set("Accept", "text/html").expect(303);
    expect(home.headers["location"]).toContain("/sign-in");
    await authority.close();
  });

  it("lets an administrator manage the members of one organization alone", async () => {
    const { app, authority } = createDemo({ baseUrl });
    const [ada, grace] = [request.agent(app), request.agent(app)];
    await ada.post("/sign-in?organization_id=org_globex").type("form").send({ as: "ada" }).expect(303);
    await grace.post("/sign-in").type("form").send({ as: "grace" }).expect(303);
    const [elsewhere] = await authority.listSessions({ userId: "user_ada" });
    const other = await authority.invite({
      emailAddress: "nora@example.com",
      organizationId: "org_globex",
      roles: ["viewer"],
    });
    const post = (path: string, body: object = {}) => grace.post(path).type("form").send(body);

    await post(`/o/acme/members/user_ada/sessions/${elsewhere?.id ?? ""}/end`).expect(303);
    expect(await authority.listSessions({ userId: "user_ada" })).toHaveLength(1);
    await post(`/o/acme/invitations/${other.id}/revoke`).expect(303);
    expect(await authority.readInvitation(other.token)).toBeDefined();
    await post("/o/acme/members/user_alan/lock", { locked: "yes" }).expect(303);
    await post("/o/acme/members/user_alan/role", { role: "admin" }).expect(303);
    await post("/o/globex/members/user_alan/lock", { locked: "yes" }).expect(403);
    const alan = request.agent(app);
    await alan.post("/sign-in").type("form").send({ as: "alan" }).expect(303);
    const { text: page } = await alan.get("/o/globex/documents").set("Accept", "text/html").expect(200);
    expect(page).toContain("granted by viewer");
    await authority.close();
  });

  it("shows the mail of a user to nobody else, an impersonator included", async () => {
    const nora = await signIn("nora");
    await nora.post("/mail/invite-me").expect(303, "See Other. Redirecting to /mail");
    const { text: page } = await nora.get("/mail").set("Accept", "text/html").expect(200);
    expect(page).toContain("/join?invitation_token=");
    const sam = await signIn("sam");
    await sam.get("/mail").set("Accept", "application/json").expect(403);
  });

  it.each([{}, { as: "__proto__" }, { as: ["ada", "grace"] }])("signs nobody in for %j", async (body) => {
    const { text: page, headers } = await request(createApp({ baseUrl }))
      .post("/sign-in")
      .type("form")
      .send(body)
      .expect(400);
    expect(page).toContain("Nobody here goes by that name.");
    expect(headers["set-cookie"]).toBeUndefined();
  });

  it("keeps helmet's headers on every page, including orgate's own", async () => {
    const ada = await signIn("ada");
    for (const path of ["/sign-in", "/select-organization"]) {
      const { headers } = await ada.get(path).set("Accept", "text/html").expect(200);
      expect(headers["content-security-policy"]).toContain("script-src 'self'");
      expect(headers["x-content-type-options"]).toBe("nosniff");
      expect(headers["x-powered-by"]).toBeUndefined();
    }
  });
});

describe("the demo's authenticator", () => {
  // RFC 6238 appendix B, whose codes have two digits more.
  it.each([
    [59, "287082"],
    [1_111_111_109, "081804"],
    [20_000_000_000, "353130"],
  ])("makes the code of %d seconds", (time, code) => {
    expect(makeCode(Buffer.from("12345678901234567890"), time)).toBe(code);
  });

  it("accepts the code of its user, now and for 30 seconds more", () => {
    let now = 3000;
    const authenticator = createAuthenticator("a secret", () => now);
    const code = authenticator.codeOf("user_ada");
    expect(authenticator.accepts("user_ada", `${code.slice(0, 3)} ${code.slice(3)}`)).toBe(true);
    expect(authenticator.accepts("user_alan", code)).toBe(false);
    expect(authenticator.accepts("user_ada", undefined)).toBe(false);
    now += 59;
    expect(authenticator.accepts("user_ada", code)).toBe(true);
    now += 1;
    expect(authenticator.accepts("user_ada", code)).toBe(false);
  });
});
