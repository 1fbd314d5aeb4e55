import { once } from "node:events";
import { type AddressInfo, type Socket, createConnection, createServer } from "node:net";

/** A proxy on loopback, for trouble between a client and a server. */
export interface TcpProxy {
  readonly port: number;
  /** Swallows everything in both directions; the connections stay open. */
  blackHole(on: boolean): void;
  /** Closes a connection in the place of the reply to what has this text. Resolves when it has happened. */
  dropReplyTo(text: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts a proxy before a port. */
export async function startProxy(target: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let isSilent = false;
  let drop: { readonly text: string; readonly done: () => void } | undefined;
  const server = createServer((client) => {
    const upstream = createConnection({ host: "127.0.0.1", port: target });
    const end = (): void => {
      for (const socket of [client, upstream]) {
        socket.destroy();
        sockets.delete(socket);
      }
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", end).on("close", end);
    }
    let isAsked = false;
    client.on("data", (chunk) => {
      if (isSilent) return;
      isAsked ||= drop !== undefined && chunk.includes(drop.text);
      upstream.write(chunk);
    });
    upstream.on("data", (chunk) => {
      if (isSilent) return;
      if (!isAsked) {
        client.write(chunk);
        return;
      }
      end();
      drop?.done();
      drop = undefined;
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    blackHole(on) {
      isSilent = on;
      // What was swallowed is lost, so that the protocol cannot go on over the same connections.
      if (!on) for (const socket of sockets) socket.destroy();
    },
    dropReplyTo: (text) =>
      new Promise((resolve) => {
        drop = { text, done: resolve };
      }),
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
