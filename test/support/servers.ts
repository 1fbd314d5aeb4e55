import { once } from "node:events";
import { Agent, createServer, request as httpRequest } from "node:http";
import type { IncomingHttpHeaders, RequestListener, Server } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";

/** What a client sends. A header with several values is sent as several lines. */
export interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string;
}

/** The response. */
export interface Received {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly setCookies: readonly string[];
  readonly body: string;
}

/** A real server on a free port, with a client that keeps its connections alive. */
export interface TestServer {
  readonly server: Server;
  readonly port: number;
  /** The origin, with the port. */
  readonly url: string;
  send(sent: Sent): Promise<Received>;
  /** Sends raw bytes, and reads until the server closes the connection. */
  sendRaw(bytes: string | Buffer): Promise<string>;
  /** Cuts every connection, so that pending answers are lost. */
  dropConnections(): void;
  close(): Promise<void>;
}

/** Starts a server on a free port. */
export async function serve(listener: RequestListener): Promise<TestServer> {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  return {
    server,
    port,
    url: `http://127.0.0.1:${port}`,
    send: (sent) => send(port, agent, sent),
    sendRaw: (bytes) => sendRaw(port, bytes),
    dropConnections: () => server.closeAllConnections(),
    async close() {
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function send(
  port: number,
  agent: Agent,
  { method = "GET", path = "/", headers = {}, body }: Sent,
): Promise<Received> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ host: "127.0.0.1", port, agent, method, path }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("error", reject);
      incoming.on("end", () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          setCookies: incoming.headers["set-cookie"] ?? [],
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    outgoing.on("error", reject);
    for (const [name, value] of Object.entries(headers)) outgoing.setHeader(name, value);
    outgoing.end(body);
  });
}

async function sendRaw(port: number, bytes: string | Buffer): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  // A reset connection counts as an answer.
  socket.on("error", () => undefined);
  socket.write(bytes);
  await once(socket, "close");
  return Buffer.concat(chunks).toString("latin1");
}

/** Reads the cookies that a response sets, by name; `""` for one that it clears. */
export function cookiesSet({ setCookies }: Pick<Received, "setCookies">): Map<string, string> {
  return new Map(
    setCookies.map((line) => {
      const [pair = ""] = line.split(";", 1);
      const at = pair.indexOf("=");
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

/** Tells whether a `Set-Cookie` line removes its cookie. */
export function clears(line: string): boolean {
  return /^[^=;]+=;/.test(line) && /; Max-Age=0(?:;|$)/i.test(line);
}
