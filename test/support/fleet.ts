import type { OrgateEvent } from "../../src/events.ts";
import type { Coordinator } from "../../src/fleet/coordinator.ts";
import { createSealer, type Sealer } from "../../src/lib/crypto.ts";
import type { OrgateOptions } from "../../src/options/options.ts";
import { orgate, type Orgate } from "../../src/orgate.ts";
import type { SealedSession } from "../../src/store.ts";
import { workos } from "../../src/stores/workos/index.ts";
import { sharedCoordinator, type SharedCoordinator } from "../../src/testing/shared-coordinator.ts";
import { makeApp } from "./apps.ts";
import { API_KEY, CLIENT_ID } from "./fake-workos-world.ts";
import { cookiesSet, serve, type Received, type Sent } from "./servers.ts";
import { makeWorkosHarness, type WorkosHarness } from "./workos-harness.ts";
import { BASE_URL, PASSWORD } from "./world.ts";

export const FLEET_COOKIE = "wos-session";
/** Seconds after which an access token of the fake WorkOS has expired for every clock. */
export const PAST_EXPIRY = 306;

/** One process: an application with an instance of orgate and a store of its own, on a server of its own. */
export interface FleetProcess {
  readonly auth: Orgate;
  readonly events: OrgateEvent[];
  /** Paths whose handler ran. */
  readonly reached: readonly string[];
  readonly send: (sent?: Sent) => Promise<Received>;
}

/** Several processes of one application on WorkOS. */
export interface Fleet {
  readonly workos: WorkosHarness;
  readonly hub: SharedCoordinator;
  readonly processes: readonly FleetProcess[];
  /** Signs a user of one organization in. Returns the value of the session cookie. */
  readonly signIn: () => Promise<string>;
  /** How often WorkOS was asked to refresh. */
  readonly refreshes: () => number;
  readonly sealer: Sealer;
  /** What a response put into the session cookie; `undefined` where it set none. */
  readonly sessionIn: (received: Received) => SealedSession | undefined;
  /** The session cookie that a response set; empty where it set none. */
  readonly cookieIn: (received: Received) => string;
  readonly close: () => Promise<void>;
}

export interface FleetOptions {
  readonly count?: number;
  /** Makes the coordinator of a process. @defaultValue an end of one shared coordinator */
  readonly join?: (hub: SharedCoordinator) => Coordinator | undefined;
  readonly options?: Partial<OrgateOptions>;
}

/** The coordinator of an application that knows only the methods that are required. */
export function withoutOptionalMethods(end: Coordinator): Coordinator {
  return {
    async acquire(key, seconds) {
      const lease = await end.acquire(key, seconds);
      return lease && { release: () => lease.release() };
    },
    remember: (key, sealed, seconds) => end.remember(key, sealed, seconds),
    recall: (key) => end.recall(key),
    publish: (message) => end.publish(message),
    subscribe: (listener) => end.subscribe(listener),
    close: () => end.close(),
  };
}

/** Starts processes whose stores ask one WorkOS. */
export async function startFleet({
  count = 2,
  join = (hub) => hub.join(),
  options,
}: FleetOptions = {}): Promise<Fleet> {
  const harness = await makeWorkosHarness();
  const { clock, fake } = harness;
  const hub = sharedCoordinator({ clock });
  const closing: (() => Promise<void>)[] = [];
  const startProcess = async (): Promise<FleetProcess> => {
    const events: OrgateEvent[] = [];
    const coordinator = join(hub);
    const auth = orgate({
      baseUrl: BASE_URL,
      store: workos({ clientId: CLIENT_ID, apiKey: API_KEY, baseUrl: fake.url, clock }),
      cookie: { password: PASSWORD },
      clock,
      events: (event) => events.push(event),
      warnings: false,
      cache: { maxEntries: 500 },
      ...(coordinator !== undefined && { coordinator }),
      ...options,
    });
    const app = makeApp("Express 5", {
      before: [auth],
      routes: [
        { path: "/documents", guards: [auth.requireAuth()] },
        { path: "/fresh", guards: [auth.requireAuth({ maxTokenAge: 0 })] },
        { path: "/sign-out", guards: [auth.signOut()] },
      ],
    });
    const server = await serve(app.listener);
    closing.push(async () => {
      await server.close();
      await auth.close();
    });
    const send: FleetProcess["send"] = (sent = {}) => server.send({ path: "/documents", ...sent });
    return { auth, events, reached: app.reached, send };
  };
  const processes = await Promise.all(Array.from({ length: count }, startProcess));
  const sealer = createSealer({ 1: PASSWORD });
  const cookieIn = (received: Received): string => cookiesSet(received).get(FLEET_COOKIE) ?? "";
  return {
    workos: harness,
    hub,
    processes,
    async signIn() {
      const outcome = await harness.signIn({ organizations: 1 });
      if (outcome.status !== "authenticated") throw new Error(`signing in came to ${outcome.status}`);
      return sealer.seal(outcome.credential);
    },
    refreshes: () => fake.calls.filter((call) => call.endsWith("refresh_token")).length,
    sealer,
    sessionIn: (received) => sealer.unseal(cookieIn(received)),
    cookieIn,
    async close() {
      await Promise.all(closing.map((end) => end()));
      harness.close();
    },
  };
}

/** The headers of a request with the session cookie. */
export function withSession(value: string): Sent {
  return { headers: { Cookie: `${FLEET_COOKIE}=${value}` } };
}
