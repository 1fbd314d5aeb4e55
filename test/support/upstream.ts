import { once } from "node:events";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";

/** A server on this machine, closed with all that hangs on it. */
export interface Upstream {
  readonly url: string;
  dropConnections(): void;
  close(): void;
}

/** Serves on a port of its own. */
export async function serveUpstream(listener: RequestListener): Promise<Upstream> {
  const server: Server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    dropConnections: () => server.closeAllConnections(),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
