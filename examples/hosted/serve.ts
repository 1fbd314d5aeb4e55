import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";

/** A server that listens, and answers once it has a handler: the handler needs to know the address. */
export interface Address {
  readonly url: string;
  readonly handle: (listener: RequestListener) => void;
  readonly close: () => void;
}

/** Listens on localhost. Port 0 takes any free port. */
export async function reserve(port: number): Promise<Address> {
  const server = createServer();
  server.listen(port, "localhost");
  await once(server, "listening");
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}`,
    handle: (listener) => void server.on("request", listener),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** A running example. */
export interface Running {
  readonly url: string;
  readonly close: () => void;
}

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The ports of the application and of the server in place of the hosted service. */
export function portsOf({ PORT = "3000", AUTHORITY_PORT = "3001" }: Environment): [number, number] {
  return [Number(PORT), Number(AUTHORITY_PORT)];
}

/** Makes a password. For a demo only: each restart signs every user out. */
export function makePassword(): string {
  return randomBytes(32).toString("base64");
}
