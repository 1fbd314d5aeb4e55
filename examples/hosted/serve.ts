import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";

/** A server that listens already, and answers once it is given a handler: its address goes into what it will serve. */
export interface Address {
  readonly url: string;
  readonly handle: (listener: RequestListener) => void;
  readonly close: () => void;
}

/** Listens on this machine. Port 0: any that is free. */
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

/** The ports of the application and of what stands in for the hosted service. */
export function portsOf({ PORT = "3000", AUTHORITY_PORT = "3001" }: Environment): [number, number] {
  return [Number(PORT), Number(AUTHORITY_PORT)];
}

/** For a demo alone: whoever restarts it signs everybody out. */
export function makePassword(): string {
  return randomBytes(32).toString("base64");
}
