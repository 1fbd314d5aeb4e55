import { connect, type Socket } from "node:net";

/** A message from the parent to this process, which sends the load. */
export type LoadOrder =
  | { readonly do: "connect"; readonly port: number; readonly connections: number }
  | { readonly do: "learn"; readonly name: string; readonly requests: readonly string[] }
  | { readonly do: "send"; readonly name: string; readonly count: number };

/** One request in flight per connection, over raw sockets: an HTTP client would use the CPU that is measured. */
const sockets: Socket[] = [];
const lists = new Map<string, { readonly requests: readonly Buffer[]; at: number }>();
let left = 0;
let unanswered = 0;
let current: { readonly requests: readonly Buffer[]; at: number } = { requests: [], at: 0 };

process.on("message", (order: LoadOrder) => void obey(order));

async function obey(order: LoadOrder): Promise<void> {
  if (order.do === "connect") {
    for (let index = 0; index < order.connections; index += 1) await open(order.port);
  } else if (order.do === "learn") {
    const requests = order.requests.map((request) => Buffer.from(request, "latin1"));
    lists.set(order.name, { requests, at: 0 });
  } else {
    current = lists.get(order.name) ?? current;
    left = order.count;
    unanswered = order.count;
    for (const socket of sockets) sendNext(socket);
    return;
  }
  process.send?.("done");
}

function open(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => {
      sockets.push(socket);
      resolve();
    });
    socket.once("error", reject);
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      if (!isWhole(received)) return;
      received = "";
      unanswered -= 1;
      if (unanswered === 0) process.send?.("done");
      else sendNext(socket);
    });
  });
}

function sendNext(socket: Socket): void {
  if (left === 0) return;
  left -= 1;
  const request = current.requests[current.at];
  current.at = (current.at + 1) % current.requests.length;
  if (request !== undefined) socket.write(request);
}

function isWhole(received: string): boolean {
  const end = received.indexOf("\r\n\r\n");
  if (end === -1) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(received)?.[1];
  return length === undefined || received.length >= end + 4 + Number(length);
}
