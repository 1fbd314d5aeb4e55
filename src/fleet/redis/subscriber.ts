import type { ClientEvents, ClientKind, NodeRedisPool, RedisClient } from "./client.ts";

/** A connection that only listens. It connects by itself, and again when it was lost. */
export interface Subscriber {
  /** Resolves when Redis has confirmed it. */
  subscribe(channel: string): Promise<void>;
  unsubscribe(channel: string): Promise<void>;
  close(): void;
}

/** What a subscriber tells. */
export interface SubscriberListener {
  message(channel: string, text: string): void;
  /** The connection is lost, or could not be made. */
  down(cause: unknown): void;
  /** The connection was made; subscriptions follow. */
  up(): void;
}

/** Opens a connection of its own beside the application's client, with the same options. */
export function openSubscriber(
  client: RedisClient,
  kind: ClientKind,
  listener: SubscriberListener,
): Subscriber {
  return kind === "ioredis" || kind === "ioredis_cluster"
    ? openIoredis(client, listener)
    : openNodeRedis(client, kind, listener);
}

interface Duplicable {
  duplicate(options?: object): object;
}

function watch(client: ClientEvents, { down, up }: SubscriberListener): void {
  for (const event of ["error", "node error"]) client.on(event, (error) => down(error));
  for (const event of ["close", "end", "reconnecting", "terminated"]) {
    client.on(event, (cause) => down(cause instanceof Error ? cause : new Error(`subscriber: ${event}`)));
  }
  client.on("ready", up);
}

interface IoredisSubscriber extends ClientEvents {
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  disconnect(): void;
  on(event: string, listener: (...values: never[]) => void): unknown;
}

function openIoredis(client: RedisClient, listener: SubscriberListener): Subscriber {
  const own = (client as Duplicable).duplicate() as IoredisSubscriber;
  watch(own, listener);
  own.on("message", (channel: string, text: string) => listener.message(channel, text));
  return {
    subscribe: async (channel) => void (await own.subscribe(channel)),
    unsubscribe: async (channel) => void (await own.unsubscribe(channel)),
    close: () => own.disconnect(),
  };
}

interface NodeRedisSubscriber extends ClientEvents {
  connect(): Promise<unknown>;
  subscribe(channel: string, listener: (text: string, channel: string) => void): Promise<unknown>;
  unsubscribe(channel: string, listener: (text: string, channel: string) => void): Promise<unknown>;
  destroy?(): unknown;
  disconnect?(): unknown;
}

function openNodeRedis(client: RedisClient, kind: ClientKind, listener: SubscriberListener): Subscriber {
  const hear = (text: string, channel: string): void => listener.message(channel, text);
  const duplicated = duplicateNodeRedis(client, kind);
  const connected = duplicated.then(async (own) => {
    watch(own, listener);
    await own.connect();
    return own;
  });
  connected.catch(listener.down);
  return {
    subscribe: async (channel) => void (await (await connected).subscribe(channel, hear)),
    // With its listener: else the client takes a subscription that follows at once for one that it has already.
    unsubscribe: async (channel) => void (await (await connected).unsubscribe(channel, hear)),
    // Also while it still connects, which may never succeed.
    close: () => void duplicated.then(destroy).catch(listener.down),
  };
}

async function duplicateNodeRedis(client: RedisClient, kind: ClientKind): Promise<NodeRedisSubscriber> {
  if (kind === "pool") {
    const duplicate = (member: Duplicable): object => member.duplicate();
    return (await (client as NodeRedisPool).execute(duplicate as never)) as NodeRedisSubscriber;
  }
  // A cluster's duplicate needs one connection beside the one that listens.
  const options = kind === "cluster" ? [{ minimizeConnections: true }] : [];
  return (client as Duplicable).duplicate(...options) as NodeRedisSubscriber;
}

async function destroy(own: NodeRedisSubscriber): Promise<void> {
  await (own.destroy === undefined ? own.disconnect?.() : own.destroy());
}
