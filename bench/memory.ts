import { headerOf, makeExchange } from "./exchanges.ts";
import { spreadOf, type Spread } from "./statistics.ts";
import type { Row } from "./table.ts";
import type { Auth, Way, World } from "./world.ts";

/** A figure below this means that the cache was not freed when it should have been. */
const MIN_BYTES = 32;

/**
 * Measures the heap of a cached session, beside the objects that are attached to requests: those are kept while the cache is
 * dropped, and the difference is what the cache needs for itself.
 */
export async function measureMemory(world: World, rounds: number): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const way of ["bearer", "cookie"] as const) {
    const sizes: { beside: number; whole: number }[] = [];
    for (let round = -1; round < rounds; round += 1) {
      const size = await measureCache(world, way);
      if (round >= 0) sizes.push(size);
    }
    const row = (what: string, measured: Spread): Row => ({ what, measured, unit: "B", digits: 0 });
    const beside = spreadOf(sizes.map((size) => size.beside));
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

async function measureCache(world: World, way: Way): Promise<{ beside: number; whole: number }> {
  const credentials = world.credentials[way];
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
  const beside = (full - usedMemory()) / credentials.length;
  if (beside < MIN_BYTES)
    throw new Error(`the cache of a closed instance was not freed: ${beside} B a session`);
  // Read after the measurement, so that the engine cannot drop them before.
  if (attached.includes(undefined)) throw new Error("a session has no organization");
  return { beside, whole: (full - before) / credentials.length };
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
