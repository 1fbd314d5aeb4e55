import { once } from "node:events";
import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { createTestAuthority, type TestAuthority } from "orgate/testing";
import { WebSocket } from "ws";
import { createApp } from "../../examples/websocket.ts";
import { setEnvironment } from "./environment.ts";

const people = {
  users: [{ id: "user_ada", emailAddress: "ada@example.com", name: "Ada Lovelace" }],
  organizations: [{ id: "org_acme", name: "Acme" }],
  memberships: [{ userId: "user_ada", organizationId: "org_acme", roles: [] }],
};

let authority: TestAuthority;
let server: Server;
let address: string;
let restore: () => void;

beforeAll(() => {
  restore = setEnvironment({ COOKIE_PASSWORD: "a password for tests, 32 characters" });
});
afterAll(() => restore());

beforeEach(async () => {
  authority = createTestAuthority(people);
  server = createApp(authority, authority.clock).listen(0, "127.0.0.1");
  await once(server, "listening");
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await authority.close();
});

async function signIn(): Promise<string> {
  const { headers } = await fetch(`http://${address}/sign-in`, { method: "POST", redirect: "manual" });
  return headers
    .getSetCookie()
    .map((line) => line.split(";", 1)[0])
    .join("; ");
}

/** Opens a socket: what the server first said, or how it refused. */
async function open(headers: Record<string, string>) {
  const socket = new WebSocket(`ws://${address}/`, { headers });
  const settled = new Promise<{ status: number; cookies: string[]; text: string }>((resolve, reject) => {
    let upgrade: IncomingMessage | undefined;
    socket.once("upgrade", (response) => (upgrade = response));
    socket.once("message", (text: Buffer) =>
      resolve({ status: 101, cookies: upgrade?.headers["set-cookie"] ?? [], text: text.toString() }),
    );
    socket.once(
      "unexpected-response",
      (_request, { statusCode = 0, headers: { "set-cookie": cookies = [] } }) => {
        resolve({ status: statusCode, cookies, text: "" });
        socket.terminate();
      },
    );
    socket.on("error", reject);
  });
  return { socket, ...(await settled) };
}

describe("a WebSocket", () => {
  it("knows the member who opened it", async () => {
    const { socket, text } = await open({ Cookie: await signIn() });
    expect(text).toBe("Welcome to Acme, Ada Lovelace.");
    socket.send("hello");
    const [echo] = (await once(socket, "message")) as [Buffer];
    expect(echo.toString()).toBe("Ada Lovelace: hello");
    socket.terminate();
  });

  it("is rejected without a session, and for another site's page", async () => {
    const nobody = await open({});
    expect([nobody.status, nobody.text]).toEqual([401, ""]);
    const Cookie = await signIn();
    const hijacked = await open({ Cookie, Origin: "https://evil.example" });
    expect([hijacked.status, hijacked.cookies]).toEqual([401, []]);
    const own = await open({ Cookie, Origin: "http://localhost:3000" });
    expect(own.status).toBe(101);
    own.socket.terminate();
  });

  it("is rejected after the session was revoked, and the cookie is cleared", async () => {
    const Cookie = await signIn();
    await authority.revoke({ userId: "user_ada" });
    const { status, cookies } = await open({ Cookie });
    expect(status).toBe(401);
    expect(cookies).toEqual([expect.stringMatching(/^orgate=;.*Max-Age=0/)]);
  });

  it("is unavailable while the store is down, and the cookie is kept", async () => {
    const Cookie = await signIn();
    authority.advance(400);
    authority.takeDown();
    const { status, cookies } = await open({ Cookie });
    expect([status, cookies]).toEqual([503, []]);
  });
});
