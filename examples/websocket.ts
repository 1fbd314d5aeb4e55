// npx tsx examples/websocket.ts, with COOKIE_PASSWORD in the environment: authenticated WebSockets.
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Duplex } from "node:stream";
import express from "express";
import { orgate, type Clock } from "orgate";
import { createAuthority, memoryDirectory } from "orgate/authority";
import { WebSocketServer } from "ws";

const BASE_URL = process.env.BASE_URL ?? "http://localhost:3000";

const LONGEST_STAY = 15 * 60 * 1000;

const directory = memoryDirectory({
  users: [{ id: "user_ada", emailAddress: "ada@example.com", name: "Ada Lovelace" }],
  organizations: [{ id: "org_acme", name: "Acme" }],
  memberships: [{ userId: "user_ada", organizationId: "org_acme", roles: [] }],
});

export function createApp(
  authority = createAuthority({ issuer: BASE_URL, directory }),
  clock?: Clock,
): Server {
  const auth = orgate({
    baseUrl: BASE_URL,
    store: authority,
    cookie: { password: process.env.COOKIE_PASSWORD },
    ...(clock !== undefined && { clock }),
  });
  const app = express();
  app.use(auth);
  app.post("/sign-in", async (req, res) => {
    const ada = { userId: "user_ada", authenticationMethod: "Password" };
    await auth.establish(req, res, authority.authenticate(ada));
  });

  const sockets = new WebSocketServer({ noServer: true });
  const outgoing = new WeakMap<IncomingMessage, Headers>();
  sockets.on("headers", (lines, request) => lines.push(...linesOf(outgoing.get(request) ?? {})));
  const server = createServer(app);

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // A page of another site can open a socket with our cookies: the state is then `cross_site_request`.
    const state = await auth.authenticate(request);
    if (state.status !== "authenticated" || state.organization === undefined) {
      refuse(socket, state.status === "unavailable" ? 503 : 401, state.headers);
      return;
    }
    const { member, organization, headers } = state;
    outgoing.set(request, headers);
    sockets.handleUpgrade(request, socket, head, (client) => {
      // A socket outlives its token and a revocation: close it after a while, so that the client authenticates again.
      setTimeout(() => client.close(4001, "authenticate again"), LONGEST_STAY).unref();
      client.send(`Welcome to ${organization.name}, ${member.name}.`);
      client.on("message", (message: Buffer) => client.send(`${member.name}: ${message.toString()}`));
    });
  }

  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    upgrade(request, socket, head).catch(() => socket.destroy());
  });
  return server;
}

type Headers = Readonly<Record<string, string | readonly string[]>>;

const linesOf = (headers: Headers): string[] =>
  Object.entries(headers).flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}`));

function refuse(socket: Duplex, status: 401 | 503, headers: Headers): void {
  const lines = [`HTTP/1.1 ${status} ${status === 401 ? "Unauthorized" : "Service Unavailable"}`];
  socket.end([...lines, "Connection: close", "Content-Length: 0", ...linesOf(headers), "", ""].join("\r\n"));
}

if (process.argv[1] === import.meta.filename) {
  createApp().listen(new URL(BASE_URL).port, () =>
    console.log(`curl -c jar -d "" ${BASE_URL}/sign-in, and open a WebSocket there with the cookie in jar`),
  );
}
