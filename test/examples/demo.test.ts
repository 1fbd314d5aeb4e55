import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it, jest } from "@jest/globals";
import request from "supertest";
import { createApp } from "../../examples/demo/app.ts";

jest.setTimeout(30_000);

const ROOT = new URL("../../", import.meta.url);
const baseUrl = "http://localhost:3000";

describe("starting the demo", () => {
  const children = new Set<ChildProcess>();
  afterEach(() => {
    for (const child of children) child.kill();
    children.clear();
  });

  function start(port: string) {
    const parameters = ["--import", "tsx", "examples/demo/main.ts"];
    const started = spawn(process.execPath, parameters, {
      cwd: ROOT,
      env: { ...process.env, PORT: port },
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
    ["/sign-in", { as: "alan" }],
  ])("accepts no form of another site: %s", async (path, body) => {
    const grace = await signIn("grace");
    await grace.post(path).set("Origin", "https://evil.example").type("form").send(body).expect(403);
    const page = await grace.get("/o/acme/documents").set("Accept", "text/html").expect(200);
    expect(page.text).toContain("Documents of Acme Press");
    expect(page.text).not.toContain("Forged");
    expect(page.text).toContain("granted by admin");
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
