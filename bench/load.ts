import { connect, type Socket } from "node:net";

/** A message from the parent to this process, which sends the load. */
export type LoadOrder =
  | { readonly do: "connect"; readonly port: number; readonly connections: number }
  | { readonly do: "learn"; readonly name: string; readonly requests: readonly string[] }
  | { readonly do: "send"; readonly name: string; readonly count: number }
  | { readonly do: "pace"; readonly streams: readonly Stream[]; readonly seconds: number };

/** Requests that are sent at a fixed rate. */
export interface Stream {
  readonly name: string;
  readonly perSecond: number;
}

/** What this process answers when an order is carried out. */
export interface LoadReport {
  /** Milliseconds from the moment a request was due to its response, by stream; only after `pace`. */
  readonly latencies: Readonly<Record<string, readonly number[]>>;
}

/** One request in flight per connection, over raw sockets: an HTTP client would use the CPU that is measured. */
interface Connection {
  readonly socket: Socket;
  onResponse: () => void;
}

const connections: Connection[] = [];
const lists = new Map<string, { readonly requests: readonly Buffer[]; at: number }>();

process.on("message", (order: LoadOrder) => void carryOut(order));

async function carryOut(order: LoadOrder): Promise<void> {
  let latencies: LoadReport["latencies"] = {};
  if (order.do === "connect") {
    for (let index = 0; index < order.connections; index += 1) connections.push(await open(order.port));
  } else if (order.do === "learn") {
    const requests = order.requests.map((request) => Buffer.from(request, "latin1"));
    lists.set(order.name, { requests, at: 0 });
  } else if (order.do === "send") {
    await send(order.name, order.count);
  } else {
    latencies = await pace(order.streams, order.seconds);
  }
  process.send?.({ latencies } satisfies LoadReport);
}

/** Sends so many requests, each when the connection's last one is answered. */
function send(name: string, count: number): Promise<void> {
  return new Promise((resolve) => {
    let left = count;
    let unanswered = count;
    const sendNext = (connection: Connection): void => {
      if (left === 0) return;
      left -= 1;
      connection.onResponse = () => {
        unanswered -= 1;
        if (unanswered === 0) resolve();
        else sendNext(connection);
      };
      connection.socket.write(nextRequest(name));
    };
    for (const connection of connections) sendNext(connection);
  });
}

/** Sends each stream at its rate. A request waits for a free connection; the wait counts as latency. */
function pace(streams: readonly Stream[], seconds: number): Promise<LoadReport["latencies"]> {
  const start = performance.now();
  const idle = [...connections];
  const due: { readonly name: string; readonly at: number }[] = [];
  const latencies: Record<string, number[]> = Object.fromEntries(streams.map(({ name }) => [name, []]));
  const made = new Map(streams.map(({ name }) => [name, 0]));
  const total = streams.reduce((sum, { perSecond }) => sum + Math.floor(perSecond * seconds), 0);
  return new Promise((resolve) => {
    let answered = 0;
    const drain = (): void => {
      while (idle.length > 0 && due.length > 0) {
        const [connection, request] = [idle.pop(), due.shift()];
        if (connection === undefined || request === undefined) return;
        connection.onResponse = () => {
          latencies[request.name]?.push(performance.now() - request.at);
          idle.push(connection);
          answered += 1;
          if (answered < total) drain();
          else finish();
        };
        connection.socket.write(nextRequest(request.name));
      }
    };
    const timer = setInterval(() => {
      const now = performance.now();
      for (const { name, perSecond } of streams) {
        const count = Math.floor(perSecond * Math.min(seconds, (now - start) / 1000));
        for (let index = made.get(name) ?? 0; index < count; index += 1) {
          due.push({ name, at: start + (index / perSecond) * 1000 });
        }
        made.set(name, count);
      }
      drain();
    }, 1);
    const finish = (): void => {
      clearInterval(timer);
      resolve(latencies);
    };
  });
}

function nextRequest(name: string): Buffer {
  const list = lists.get(name);
  const request = list?.requests[list.at];
  if (list === undefined || request === undefined) throw new Error(`no requests are called ${name}`);
  list.at = (list.at + 1) % list.requests.length;
  return request;
}

function open(port: number): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => resolve(connection));
    const connection: Connection = { socket, onResponse: () => undefined };
    socket.once("error", reject);
    socket.once("close", () => {
      throw new Error("the server has closed a connection");
    });
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      if (!isWhole(received)) return;
      received = "";
      connection.onResponse();
    });
  });
}

function isWhole(received: string): boolean {
  const end = received.indexOf("\r\n\r\n");
  if (end === -1) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(received)?.[1];
  if (length !== undefined) return received.length >= end + 4 + Number(length);
  return !/\r\ntransfer-encoding: chunked/i.test(received) || received.endsWith("\r\n0\r\n\r\n");
}
