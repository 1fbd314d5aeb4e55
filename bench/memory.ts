import { headerOf, makeExchange } from "./exchanges.ts";
import { spreadOf, type Spread } from "./statistics.ts";
import type { Row } from "./table.ts";
import type { Auth, Way, World } from "./world.ts";

/** A figure below this means that the cache was not freed when it should have been. */
const MIN_BYTES = 32;

/** How many times larger the larger of two caches is. */
const GROWTH = 10;

/**
 * Measures the heap that each further cached session takes, beside the objects that are attached to requests: those are kept
 * while the cache is dropped, and the difference is what the cache needs for itself. What an instance takes without any
 * session is left out by comparing a small cache with a large one.
 */
export async function measureMemory(world: World, rounds: number): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const way of ["bearer", "cookie"] as const) {
    const credentials = world.credentials[way];
    const some = credentials.slice(0, Math.ceil(credentials.length / GROWTH));
    const sizes: CacheSize[] = [];
    for (let round = -1; round < rounds; round += 1) {
      const small = await measureCache(world, way, some);
      const large = await measureCache(world, way, credentials);
      const sessions = credentials.length - some.length;
      const size = {
        beside: (large.beside - small.beside) / sessions,
        whole: (large.whole - small.whole) / sessions,
      };
      if (round >= 0) sizes.push(size);
    }
    const beside = spreadOf(sizes.map((size) => size.beside));
    if (beside.median < MIN_BYTES) throw new Error("closed instances were not freed");
    const row = (what: string, measured: Spread): Row => ({ what, measured, unit: "B", digits: 0 });
    rows.push(
      {
        ...row(`memory per cached session, ${way}, beside what is attached`, beside),
        target: { atMost: 512 },
      },
      row("... with what is attached", spreadOf(sizes.map((size) => size.whole))),
    );
  }
  return rows;
}

/** Bytes of the heap. */
interface CacheSize {
  readonly beside: number;
  readonly whole: number;
}

async function measureCache(world: World, way: Way, credentials: readonly string[]): Promise<CacheSize> {
  const attached: (object | undefined)[] = Array.from({ length: 3 * credentials.length }, () => undefined);
  const before = usedMemory();
  let auth: Auth | undefined = world.makeAuth(way, { cache: { maxEntries: credentials.length } });
  for (const [index, credential] of credentials.entries()) {
    const { member, organization, memberSession } = await authenticate(auth, way, credential);
    attached[3 * index] = member;
    attached[3 * index + 1] = organization;
    attached[3 * index + 2] = memberSession;
  }
  const full = usedMemory();
  await auth.close();
  auth = undefined;
  const rest = usedMemory();
  // Read after the measurement, so that the engine cannot drop them before.
  if (attached.includes(undefined)) throw new Error("a session has no organization");
  return { beside: full - rest, whole: full - before };
}

function authenticate(auth: Auth, way: Way, credential: string) {
  type SignedIn = Extract<ReturnType<Auth["state"]>, { readonly status: "authenticated" }>;
  const { request, response } = makeExchange(way, headerOf(way, credential)[1]);
  return new Promise<SignedIn>((resolve, reject) => {
    auth(request, response, () => {
      const state = auth.state(request);
      if (state.status === "authenticated") resolve(state);
      else reject(new Error(JSON.stringify(state)));
    });
  });
}

function usedMemory(): number {
  if (globalThis.gc === undefined) throw new Error("run with --expose-gc");
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}
