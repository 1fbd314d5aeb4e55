import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import { Redis } from "ioredis";
import { Pool } from "pg";
import { createAuthority } from "../../src/authority/index.ts";
import type {
  Authority,
  Directory,
  DirectoryChange,
  DirectoryMembership,
  Repository,
} from "../../src/authority/index.ts";
import type { Coordinator } from "../../src/fleet/coordinator.ts";
import { migrate, postgresCoordinator, postgresRepository } from "../../src/fleet/postgres/index.ts";
import { redisCoordinator, redisRepository } from "../../src/fleet/redis/index.ts";
import { type OrgateEvent, definePolicy, isOrgateError, orgate } from "../../src/index.ts";
import type { SessionStore } from "../../src/store.ts";
import { type WorkosStore, workos } from "../../src/stores/workos/index.ts";
import { API_KEY, CLIENT_ID } from "../support/fake-workos-world.ts";

/** Where the processes of a fleet meet. */
export type EngineAddress =
  | { readonly kind: "redis"; readonly url: string; readonly prefix: string }
  | { readonly kind: "postgres"; readonly url: string; readonly schema: string };

/** What one process of a fleet is made of. */
export interface WorkerSettings {
  readonly engine: EngineAddress;
  /** The base URL of the hosted store; absent: the authority on the engine. */
  readonly upstream?: string | undefined;
  /** Where the process kills itself while it renews. */
  readonly crashAt?: CrashPoint | undefined;
  /** Milliseconds that each renewal of the authority takes longer, so that requests meet. */
  readonly renewalDelay?: number | undefined;
  readonly refreshGrace?: number | undefined;
  readonly accessTokenLifetime?: number | undefined;
  /** Sessions in the cache of each process. */
  readonly cacheEntries?: number | undefined;
}

/** Where a process that renews is killed. */
export type CrashPoint = "before the call" | "during the call" | "after the reply" | "after persisting";

/** What the parent asks of a process. */
export type Order =
  | { readonly do: "advance"; readonly seconds: number }
  | { readonly do: "revoke"; readonly sessionId: string }
  | {
      readonly do: "membership";
      readonly userId: string;
      readonly roles: readonly string[] | null;
      readonly announce: boolean;
    }
  | { readonly do: "select"; readonly token: string; readonly organizationId: string }
  | { readonly do: "pending"; readonly userId: string }
  | { readonly do: "sessions"; readonly userId: string }
  | { readonly do: "rotate keys" }
  | { readonly do: "statistics" }
  | { readonly do: "close" };

/** What a process tells of itself. */
export interface Statistics {
  /** Calls that asked the store to renew. */
  readonly renewals: number;
  readonly events: Readonly<Record<string, number>>;
  readonly heap: number;
  readonly resources: number;
}

const FLEET_PASSWORD = "a password that the whole fleet has";
const ORGANIZATIONS = ["org_1", "org_2"];
const POLICY = definePolicy({
  resources: { documents: ["read", "write"] },
  roles: { viewer: { documents: ["read"] }, editor: { documents: ["read", "write"] } },
});

const settings = JSON.parse(process.env["FAULTS_SETTINGS"] ?? "") as WorkerSettings;
let ahead = 0;
let renewals = 0;
const events = new Map<string, number>();
const clock = (): number => Date.now() / 1000 + ahead;

function countEvent(event: OrgateEvent): void {
  const { type, reason } = event as { type: string; reason?: string };
  for (const name of [type, `${type} ${reason ?? ""}`]) events.set(name, (events.get(name) ?? 0) + 1);
}

function die(): never {
  process.kill(process.pid, "SIGKILL");
  // The signal ends the process; until then nothing else may run.
  for (;;);
}

/** Members of two organizations; user_nora's like are in none of the fleet's maps until somebody says so. */
class FleetDirectory implements Directory {
  readonly #roles = new Map<string, readonly string[] | null>();
  readonly #listeners = new Set<(change: DirectoryChange) => void>();

  user = async (id: string) => ({ id, emailAddress: `${id}@example.com` });
  userByEmailAddress = async (emailAddress: string) => this.user(emailAddress.split("@", 1)[0] ?? "");
  organization = async (id: string) => (ORGANIZATIONS.includes(id) ? { id, name: id, slug: id } : undefined);

  membership = async (userId: string, organizationId: string) => {
    const all = await this.memberships(userId);
    return all.find((one) => one.organizationId === organizationId);
  };

  memberships = async (userId: string): Promise<readonly DirectoryMembership[]> => {
    const roles = this.#roles.get(userId);
    if (roles === null) return [];
    // Users whose name says so are in two organizations, and must choose.
    const organizations = userId.startsWith("both") ? ORGANIZATIONS : ORGANIZATIONS.slice(0, 1);
    return organizations.map((organizationId) => ({ userId, organizationId, roles: roles ?? ["editor"] }));
  };

  onChanged = (listener: (change: DirectoryChange) => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  set(userId: string, roles: readonly string[] | null, announce: boolean): void {
    this.#roles.set(userId, roles);
    if (announce) for (const listener of this.#listeners) listener({ userId });
  }
}

interface Engine {
  readonly repository: Repository;
  readonly coordinator: Coordinator;
  close(): Promise<void>;
}

async function openEngine(): Promise<Engine> {
  const { engine } = settings;
  if (engine.kind === "redis") {
    const client = new Redis(engine.url, {
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      lazyConnect: true,
      retryStrategy: () => 250,
    });
    client.on("error", () => undefined);
    await client.connect();
    const options = { prefix: engine.prefix };
    return {
      repository: redisRepository(client, options),
      coordinator: redisCoordinator(client, options),
      close: async () => client.disconnect(),
    };
  }
  const pool = new Pool({ connectionString: engine.url, max: 10, connectionTimeoutMillis: 800 });
  pool.on("error", () => undefined);
  const options = { schema: engine.schema };
  // Many processes start at once: that takes its time.
  const patient = new Pool({ connectionString: engine.url, max: 1 });
  await migrate(patient, options);
  await patient.end();
  return {
    repository: postgresRepository(pool, options),
    coordinator: postgresCoordinator(pool, options),
    close: () => pool.end(),
  };
}

/** Counts renewals, delays them, and dies where the parent wants it. */
function withCrashes<Store extends SessionStore>(store: Store): Store {
  const renew: SessionStore["renew"] = async (...args) => {
    renewals += 1;
    if (settings.crashAt === "before the call") die();
    if (settings.crashAt === "during the call") setTimeout(die, 20).unref();
    if (settings.renewalDelay !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, settings.renewalDelay));
    }
    const renewal = await store.renew(...args);
    if (settings.crashAt === "after the reply") die();
    return renewal;
  };
  return Object.assign(Object.create(Object.getPrototypeOf(store)), store, { renew }) as Store;
}

function withCrashAfterPersisting(coordinator: Coordinator): Coordinator {
  if (settings.crashAt !== "after persisting") return coordinator;
  const settled = coordinator.settled?.bind(coordinator);
  return {
    remember: (...kept) => coordinator.remember(...kept),
    recall: (key) => coordinator.recall(key),
    ...(settled !== undefined && { settled }),
    publish: (message) => coordinator.publish(message),
    subscribe: (...listeners) => coordinator.subscribe(...listeners),
    close: () => coordinator.close(),
    async acquire(key, seconds) {
      const lease = await coordinator.acquire(key, seconds);
      if (lease === undefined) return undefined;
      return {
        async remember(sealed, kept) {
          await (lease.remember?.(sealed, kept) ?? coordinator.remember(key, sealed, kept));
          die();
        },
        release: () => lease.release(),
      };
    },
  };
}

const engine = await openEngine();
const directory = new FleetDirectory();
const authority: Authority | undefined =
  settings.upstream === undefined
    ? createAuthority({
        issuer: "https://fleet.example.com",
        directory,
        repository: engine.repository,
        keyEncryption: FLEET_PASSWORD,
        policy: POLICY,
        clock,
        events: countEvent,
        ...(settings.refreshGrace !== undefined && { refreshGrace: settings.refreshGrace }),
        ...(settings.accessTokenLifetime !== undefined && {
          accessTokenLifetime: settings.accessTokenLifetime,
        }),
      })
    : undefined;
const hosted: WorkosStore | undefined =
  settings.upstream === undefined
    ? undefined
    : workos({ clientId: CLIENT_ID, apiKey: API_KEY, baseUrl: settings.upstream, clock });
const inner: SessionStore | undefined = authority ?? hosted;
if (inner === undefined) throw new Error("a process needs a store");

const auth = orgate({
  baseUrl: "http://127.0.0.1",
  store: withCrashes(inner),
  coordinator: withCrashAfterPersisting(engine.coordinator),
  cookie: { password: FLEET_PASSWORD },
  policy: POLICY,
  clock,
  events: countEvent,
  warnings: false,
  ...(settings.cacheEntries !== undefined && { cache: { maxEntries: settings.cacheEntries } }),
});

const app = express();
app.post("/sign-in", (request, response, next) => {
  const { user: userId } = request.query;
  if (typeof userId !== "string") throw new TypeError("a sign-in names its user");
  const signedIn =
    authority === undefined
      ? hosted?.authenticateWithPassword({ emailAddress: `${userId}@example.com`, password: `pw-${userId}` })
      : authority.authenticate({ userId, authenticationMethod: "Password" });
  if (signedIn === undefined) throw new Error("a process needs a store");
  auth.establish(request, response, signedIn).catch(next);
});
app.use(auth);
app.get("/me", auth.requireAuth(), (request, response) => {
  response.json({ member: request.member?.id, session: request.memberSession?.id });
});
app.get("/write", auth.requirePermission("documents", "write"), (_request, response) => {
  response.json({ written: true });
});
app.get("/strict", auth.requireAuth({ maxTokenAge: 0 }), (_request, response) => {
  response.json({ strict: true });
});
app.post("/sign-out", auth.signOut());

const server = createServer(app);
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => {
  process.send?.({ ready: (server.address() as AddressInfo).port });
});

process.on("message", ({ id, order }: { id: number; order: Order }) => {
  carryOut(order).then(
    (value) => process.send?.({ id, value: value ?? null }),
    (error: unknown) => process.send?.({ id, error: isOrgateError(error) ? error.code : String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));

async function carryOut(order: Order): Promise<unknown> {
  switch (order.do) {
    case "advance":
      ahead += order.seconds;
      return undefined;
    case "revoke":
      return authority?.revoke({ sessionId: order.sessionId });
    case "membership":
      return directory.set(order.userId, order.roles, order.announce);
    case "select":
      await authority?.authenticateWithOrganizationSelection({
        pendingAuthenticationToken: order.token,
        organizationId: order.organizationId,
      });
      return undefined;
    case "pending":
      return authority?.authenticate({ userId: order.userId, authenticationMethod: "Password" }).then(
        () => undefined,
        (error: unknown) => Reflect.get(Object(error), "pendingAuthenticationToken") as unknown,
      );
    case "sessions":
      return (await authority?.listSessions({ userId: order.userId }))?.length;
    case "rotate keys":
      return authority?.rotateKeys();
    case "statistics": {
      globalThis.gc?.();
      return {
        renewals,
        events: Object.fromEntries(events),
        heap: process.memoryUsage().heapUsed,
        resources: process.getActiveResourcesInfo().length,
      } satisfies Statistics;
    }
    default:
      await auth.close();
      await authority?.close();
      await engine.close();
      server.closeAllConnections();
      server.close();
      return undefined;
  }
}
