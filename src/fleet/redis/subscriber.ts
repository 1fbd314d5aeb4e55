import { randomInt } from "node:crypto";
import type { ClientEvents, ClientKind, RedisClient } from "./client.ts";

/** A connection that only listens. It connects by itself. */
export interface Subscriber {
  /** Resolves when Redis has confirmed it. */
  subscribe(channel: string): Promise<void>;
  unsubscribe(channel: string): Promise<void>;
  close(): void;
}

/** What a subscriber tells. */
export interface SubscriberListener {
  readonly message: (channel: string, text: string) => void;
  /** The connection is lost, or could not be made. */
  readonly down: (cause: unknown) => void;
  /** The connection was made; subscriptions follow. */
  readonly up: () => void;
  /** The client has given up: it will not connect again. */
  readonly ended: (cause: unknown) => void;
}

/** Opens a connection of its own beside the application's client, with the same options. */
export function openSubscriber(
  client: RedisClient,
  kind: ClientKind,
  listener: SubscriberListener,
): Subscriber {
  return kind === "ioredis" || kind === "ioredis_cluster"
    ? openIoredis(client, kind, listener)
    : openNodeRedis(client, kind, listener);
}

interface Duplicable {
  duplicate(options?: object): object;
}

const DOWN_EVENTS = ["error", "close", "reconnecting", "topology-change", "client-error"];
const LAST_EVENTS = ["end", "terminated"];

function causeOf(event: string, error: unknown): unknown {
  return error instanceof Error ? error : new Error(`The connection that listens has the event "${event}".`);
}

function watch(client: ClientEvents, { down, up, ended }: SubscriberListener): void {
  for (const event of DOWN_EVENTS) client.on(event, (error) => down(causeOf(event, error)));
  for (const event of LAST_EVENTS) client.on(event, (error) => ended(causeOf(event, error)));
  client.on("ready", up);
}

interface IoredisSubscriber extends ClientEvents {
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  disconnect(): void;
  on(event: string, listener: (...values: never[]) => void): unknown;
}

function openIoredis(client: RedisClient, kind: ClientKind, listener: SubscriberListener): Subscriber {
  const duplicated = duplicateIoredis(client, kind).then((own) => {
    watch(own, listener);
    own.on("message", (channel: string, text: string) => listener.message(channel, text));
    return own;
  });
  duplicated.catch(listener.ended);
  return {
    subscribe: async (channel) => void (await (await duplicated).subscribe(channel)),
    unsubscribe: async (channel) => void (await (await duplicated).unsubscribe(channel)),
    close: () => void duplicated.then((own) => own.disconnect()).catch(listener.down),
  };
}

async function duplicateIoredis(client: RedisClient, kind: ClientKind): Promise<IoredisSubscriber> {
  if (kind === "ioredis") return (client as Duplicable).duplicate() as IoredisSubscriber;
  // A cluster's client replaces a lost connection without a sign, so that a gap would pass unnoticed.
  const nodes = (client as unknown as { nodes(): readonly Duplicable[] }).nodes();
  const node = nodes[randomInt(Math.max(nodes.length, 1))];
  if (node === undefined) throw new Error("The client knows no node of the cluster yet.");
  return node.duplicate({ readOnly: false }) as IoredisSubscriber;
}

type TextListener = (text: string, channel: string) => void;

interface NodeRedisSubscriber extends ClientEvents {
  connect(): Promise<unknown>;
  subscribe(channel: string, listener: TextListener): Promise<unknown>;
  unsubscribe(channel: string, listener: TextListener): Promise<unknown>;
  destroy?(): unknown;
  disconnect?(): unknown;
}

function openNodeRedis(client: RedisClient, kind: ClientKind, listener: SubscriberListener): Subscriber {
  const hear: TextListener = (text, channel) => listener.message(channel, text);
  const duplicated = duplicateNodeRedis(client, kind);
  const connected = duplicated.then(async (own) => {
    watch(own, listener);
    await own.connect();
    return own;
  });
  connected.catch(listener.ended);
  return {
    subscribe: async (channel) => void (await (await connected).subscribe(channel, hear)),
    // With its listener: else the client takes a subscription that follows at once for one that it has already.
    unsubscribe: async (channel) => void (await (await connected).unsubscribe(channel, hear)),
    // Also while it still connects, which may never succeed.
    close: () => void duplicated.then(destroy).catch(listener.down),
  };
}

interface NodeRedisNodes {
  getRandomNode(): object;
  nodeClient(node: object): Promise<Duplicable>;
}

interface NodeRedisMembers {
  execute(task: (member: Duplicable) => object): Promise<object>;
}

async function duplicateNodeRedis(client: RedisClient, kind: ClientKind): Promise<NodeRedisSubscriber> {
  if (kind === "pool") {
    const pool = client as unknown as NodeRedisMembers;
    return (await pool.execute((member) => member.duplicate())) as NodeRedisSubscriber;
  }
  if (kind !== "cluster") return (client as Duplicable).duplicate() as NodeRedisSubscriber;
  // Messages reach every node of a cluster. Its own client does not tell that it lost the connection that listens.
  const cluster = client as unknown as NodeRedisNodes;
  const node = await cluster.nodeClient(cluster.getRandomNode());
  return node.duplicate() as NodeRedisSubscriber;
}

async function destroy(own: NodeRedisSubscriber): Promise<void> {
  await (own.destroy === undefined ? own.disconnect?.() : own.destroy());
}
