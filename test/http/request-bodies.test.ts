import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import express from "express";
import { createAuthority } from "../../src/authority/authority.ts";
import { memoryDirectory } from "../../src/authority/memory-directory.ts";
import { stytchRouter } from "../../src/authority/wire/stytch/index.ts";
import { workosRouter } from "../../src/authority/wire/workos/index.ts";
import { EXPRESSES, makeTenancy, SELECTION } from "../support/apps.ts";
import { JSON_CLIENT, openBrowser } from "../support/browser.ts";
import { serve, type TestServer } from "../support/servers.ts";
import { controlTimers } from "../support/timers.ts";
import { COOKIE } from "../support/world.ts";

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.close();
});

async function start(listener: Parameters<typeof serve>[0]): Promise<TestServer> {
  const server = await serve(listener);
  open.push(server);
  return server;
}

/** Sends the head of a POST and the beginning of a body whose rest never comes. */
function postPart(port: number, path: string, lines: readonly string[], type = "application/json"): Socket {
  const socket = connect(port, "127.0.0.1");
  open.push({ close: () => socket.destroy() });
  const head = [`POST ${path} HTTP/1.1`, "Host: h", `Content-Type: ${type}`, "Content-Length: 100", ...lines];
  socket.write(`${head.join("\r\n")}\r\n\r\n{`);
  return socket;
}

async function readAll(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  await once(socket, "close");
  return text;
}

describe.each(EXPRESSES)("a body that never comes, on %s", (framework) => {
  it.each([
    ["/switch", "a made-up cookie", `Cookie: ${COOKIE}=x`, 401],
    [SELECTION, "a made-up cookie", `Cookie: ${COOKIE}=x`, 401],
    ["/switch", "a made-up bearer", "Authorization: Bearer garbage", 401],
    [SELECTION, "a made-up bearer", "Authorization: Bearer garbage", 401],
    ["/switch", "no credential", "X-Nothing: 1", 401],
    [SELECTION, "no credential", "X-Nothing: 1", 401],
    [
      SELECTION,
      "a made-up pending authentication",
      "Cookie: __Host-orgate-pending=x; __Host-orgate-browser=y",
      401,
    ],
  ])("is not waited for at %s with %s, and the connection closes", async (path, _what, line, status) => {
    const app = makeTenancy({ framework });
    const { port } = await start(app.listener);
    const answer = await readAll(postPart(port, path, [line]));
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).toMatch(/\r\nConnection: close\r\n/);
    expect(app.errors).toEqual([]);
  });

  it.each(["/switch", SELECTION])("is answered with 408 after ten seconds at %s", async (path) => {
    const app = makeTenancy({ framework });
    const browser = await app.signIn("user_bob");
    const { port } = await start(app.listener);
    const timers = controlTimers();
    try {
      const socket = postPart(port, path, [`Cookie: ${COOKIE}=${browser.cookies.get(COOKIE)}`]);
      const answered = readAll(socket);
      let isAnswered = false;
      void answered.then(() => (isAnswered = true));
      while (app.reached.length === 0) await new Promise((resolve) => void setImmediate(resolve));
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
      await timers.pass(9);
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
      expect(isAnswered).toBe(false);
      await timers.pass(1.1);
      const answer = await answered;
      expect(answer).toMatch(/^HTTP\/1\.1 408 /);
      expect(answer).toContain('"code":"request_timeout"');
      expect(answer).toMatch(/\r\nConnection: close\r\n/);
      expect(app.errors).toEqual([]);
    } finally {
      timers.restore();
    }
  });
});

describe("the wire protocols", () => {
  it.each([
    ["/user_management/authenticate", "request_timeout"],
    ["/v1/b2b/sessions/authenticate", "request_timeout"],
  ])("answer a body that never comes with 408 at %s", async (path, word) => {
    const authority = createAuthority({ issuer: "https://app.example.com", directory: memoryDirectory() });
    const secret = "sk_test_0123456789abcdef";
    const app = express();
    app.use(workosRouter(authority, { clientId: "client_1", apiKey: secret }));
    app.use(stytchRouter(authority, { projectId: "project-test-1", secret }));
    const seen: string[] = [];
    const { port } = await start((request, response) => {
      seen.push(request.url ?? "");
      app(request, response);
    });
    const timers = controlTimers();
    try {
      const basic = Buffer.from(`project-test-1:${secret}`).toString("base64");
      const answered = readAll(postPart(port, path, [`Authorization: Basic ${basic}`]));
      while (seen.length === 0) await new Promise((resolve) => void setImmediate(resolve));
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
      await timers.pass(10.1);
      const answer = await answered;
      expect(answer).toMatch(/^HTTP\/1\.1 408 /);
      expect(answer).toContain(word);
      expect(answer).toMatch(/\r\nConnection: close\r\n/);
    } finally {
      timers.restore();
    }
  });
});

describe("a member's body", () => {
  it("is read, also of a second click whose cookie the first has replaced", async () => {
    const app = makeTenancy();
    const { seal } = await app.world.signIn({ userId: "user_ada", organizationId: "org_acme" });
    const toGlobex = { headers: JSON_CLIENT, body: { organization_id: "org_globex" } };
    for (const click of [1, 2]) {
      const browser = openBrowser(app.listener, new Map([[COOKIE, seal]]));
      const response = await browser.post("/switch", toGlobex);
      expect([click, response.status]).toEqual([click, 200]);
    }
  });

  it("keeps the connection open when it was read whole", async () => {
    const app = makeTenancy();
    const { seal } = await app.world.signIn({ userId: "user_ada", organizationId: "org_acme" });
    const server = await start(app.listener);
    const headers = { ...JSON_CLIENT, "Content-Type": "application/json", Cookie: `${COOKIE}=${seal}` };
    const received = await server.send({ method: "POST", path: "/switch", headers, body: "{}" });
    expect([received.status, received.headers["connection"]]).toEqual([400, "keep-alive"]);
  });
});

describe("a form of many fields", () => {
  it.each([
    ["one field, again and again", "a&"],
    ["fields with values", "a=1&"],
    ["fields that differ", ""],
  ])("takes linear time: %s", async (_what, field) => {
    const authority = createAuthority({ issuer: "https://app.example.com", directory: memoryDirectory() });
    const router = workosRouter(authority, { clientId: "client_1", apiKey: "sk_test_0123456789abcdef" });
    const server = await start((request, response) => router(request, response, () => response.end("?")));
    const bytes = 64_000;
    const body =
      field === ""
        ? Array.from({ length: bytes / 6 }, (_, index) => `f${index}`).join("&")
        : field.repeat(bytes / field.length);
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    const started = process.cpuUsage();
    const { status } = await server.send({
      method: "POST",
      path: "/user_management/authenticate",
      headers,
      body,
    });
    const { user } = process.cpuUsage(started);
    expect(status).toBe(400);
    // One look-up for each field took 15 seconds.
    expect(user / 1000).toBeLessThan(2_000);
  });
});

describe("a path of slashes", () => {
  it.each(["/", "%2F"])("takes linear time at a handler that is mounted by prefix: %s", async (slash) => {
    // Connect mounts every route by prefix, as `app.use` does.
    const app = makeTenancy({ framework: "Connect" });
    const server = await start(app.listener);
    const path = `${SELECTION}/${slash.repeat(Math.floor(12_000 / slash.length))}x`;
    const started = process.cpuUsage();
    for (let visit = 0; visit < 20; visit += 1) {
      expect((await server.send({ path })).status).toBe(401);
    }
    // Each visit took 115 ms.
    expect(process.cpuUsage(started).user / 1000).toBeLessThan(1_000);
  });
});
