import { Buffer } from "node:buffer";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";

/** A pooler in transaction mode, as PgBouncer is: each transaction of a client may get another connection of the server. */
export interface TransactionPooler {
  readonly port: number;
  /** Counts the round trips: queries of the simple protocol, and groups of messages that end with Sync. */
  readonly roundTrips: { count: number };
  /** Breaks the connections of the clients, as a network does. */
  cutClients(): void;
  close(): Promise<void>;
}

/** Where the pooler connects to. The server must trust the user, as that of the tests does. */
export interface PoolerTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

const PROTOCOL = 196_608;
const READY = "Z".charCodeAt(0);
const TERMINATE = "X".charCodeAt(0);
const IDLE = "I".charCodeAt(0);

/** Starts a pooler over as many connections. */
export async function startTransactionPooler(
  target: PoolerTarget,
  connections = 3,
): Promise<TransactionPooler> {
  const roundTrips = { count: 0 };
  const servers = await Promise.all(Array.from({ length: connections }, () => ServerConnection.open(target)));
  const waiting: ((server: ServerConnection) => void)[] = [];
  const free = [...servers];
  const give = (server: ServerConnection): void => {
    const next = waiting.shift();
    // At the end of the queue, so that the next transaction of the same client runs elsewhere.
    if (next === undefined) free.push(server);
    else next(server);
  };
  const take = (): Promise<ServerConnection> => {
    const server = free.shift();
    return server === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(server);
  };
  const replace = async (broken: ServerConnection): Promise<void> => {
    broken.socket.destroy();
    const server = await ServerConnection.open(target);
    servers[servers.indexOf(broken)] = server;
    give(server);
  };
  const clients = new Set<Socket>();
  const listener = createServer({ noDelay: true }, (socket) => {
    clients.add(socket);
    socket.on("close", () => clients.delete(socket));
    serveClient(socket, { take, give, replace, roundTrips });
  });
  await new Promise<void>((resolve) => {
    listener.listen(0, "127.0.0.1", resolve);
  });
  return {
    port: (listener.address() as AddressInfo).port,
    roundTrips,
    cutClients() {
      for (const socket of clients) socket.resetAndDestroy();
    },
    async close() {
      for (const socket of [...clients, ...servers.map((server) => server.socket)]) socket.destroy();
      await new Promise((resolve) => {
        listener.close(resolve);
      });
    },
  };
}

/** Splits what arrives into messages: a letter, a length of four bytes, a body. */
class MessageSplitter {
  #rest = Buffer.alloc(0);
  #hasLetter: boolean;

  /** @param hasLetter - `false` for clients, whose first message has none */
  constructor(hasLetter: boolean) {
    this.#hasLetter = hasLetter;
  }

  push(chunk: Buffer): Buffer[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const messages: Buffer[] = [];
    for (;;) {
      const header = this.#hasLetter ? 1 : 0;
      if (this.#rest.length < header + 4) return messages;
      const length = header + this.#rest.readInt32BE(header);
      if (this.#rest.length < length) return messages;
      messages.push(this.#rest.subarray(0, length));
      this.#rest = this.#rest.subarray(length);
      this.#hasLetter = true;
    }
  }
}

class ServerConnection {
  readonly socket: Socket;
  /** Gets what the server sends; nobody does between two transactions. */
  receive: (message: Buffer) => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
  }

  static open({ host, port, user, database }: PoolerTarget): Promise<ServerConnection> {
    const socket = connect({ port, host, noDelay: true });
    const server = new ServerConnection(socket);
    const splitter = new MessageSplitter(true);
    const parameters = Buffer.from(`user\0${user}\0database\0${database}\0\0`);
    const head = Buffer.alloc(8);
    head.writeInt32BE(8 + parameters.length, 0);
    head.writeInt32BE(PROTOCOL, 4);
    socket.write(Buffer.concat([head, parameters]));
    socket.on("data", (chunk) => {
      for (const message of splitter.push(chunk)) server.receive(message);
    });
    return new Promise((resolve, reject) => {
      socket.on("error", reject);
      server.receive = (message) => {
        if (message[0] !== READY) return;
        server.receive = () => undefined;
        resolve(server);
      };
    });
  }
}

interface ServerPool {
  take(): Promise<ServerConnection>;
  give(server: ServerConnection): void;
  replace(server: ServerConnection): Promise<void>;
  readonly roundTrips: { count: number };
}

function serveClient(socket: Socket, pool: ServerPool): void {
  const splitter = new MessageSplitter(false);
  let isGreeted = false;
  let isClosed = false;
  let server: ServerConnection | undefined;
  let isTaking = false;
  const queued: Buffer[] = [];
  const flush = (): void => {
    for (const message of queued.splice(0)) server?.socket.write(message);
  };
  const send = async (message: Buffer): Promise<void> => {
    queued.push(message);
    if (server !== undefined) flush();
    if (server !== undefined || isTaking) return;
    isTaking = true;
    const taken = await pool.take();
    isTaking = false;
    if (isClosed) {
      pool.give(taken);
      return;
    }
    server = taken;
    taken.receive = (answer) => {
      socket.write(answer);
      if (answer[0] !== READY) return;
      pool.roundTrips.count += 1;
      if (answer[5] !== IDLE) return;
      taken.receive = () => undefined;
      server = undefined;
      pool.give(taken);
    };
    flush();
  };
  socket.on("data", (chunk) => {
    for (const message of splitter.push(chunk)) {
      if (!isGreeted) {
        isGreeted = true;
        socket.write(GREETING);
      } else if (message[0] !== TERMINATE) {
        void send(message);
      }
    }
  });
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    isClosed = true;
    if (server !== undefined) void pool.replace(server);
  });
}

/** AuthenticationOk, BackendKeyData and ReadyForQuery. */
const GREETING = Buffer.concat([
  Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]),
  Buffer.from([0x4b, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 1]),
  Buffer.from([READY, 0, 0, 0, 5, IDLE]),
]);
