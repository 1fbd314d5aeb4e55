import { hash } from "node:crypto";
import { freshString, headerOf, makeExchange, WAYS, type Way } from "./exchanges.ts";
import { cpuOf, differenceOf, inRounds, ratioOf } from "./statistics.ts";
import type { Row } from "./table.ts";
import type { World } from "./world.ts";

/** Target: microseconds on top of SHA-256 of the same bytes. */
const MOST_ADDED = 1;

/** Measures middleware and a permission guard with cached, fresh credentials, beside SHA-256 of the same bytes. */
export async function measureSeenBefore(world: World, rounds: number): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const way of WAYS) rows.push(...(await measureWay(world, way, rounds)));
  return rows;
}

async function measureWay(world: World, way: Way, rounds: number): Promise<readonly Row[]> {
  const auth = world.makeAuth();
  const headers = world.sessions.map((session) => headerOf(way, session));
  for (const header of headers) await see(auth, way, header);
  const guard = auth.requirePermission("documents", "read");
  let passed = 0;
  const next = (): void => {
    passed += 1;
  };
  // Every job creates the request and the response, so the differences do not contain their cost.
  const taken = await inRounds(rounds, {
    made: () => cpuOf(() => headers.forEach((bytes) => makeExchange(way, freshString(bytes)))),
    hashed: () =>
      cpuOf(() =>
        headers.forEach((bytes) => {
          const value = freshString(bytes);
          makeExchange(way, value);
          hash("sha256", value, "base64");
        }),
      ),
    guarded: () => {
      passed = 0;
      const spent = cpuOf(() =>
        headers.forEach((bytes) => {
          const { request, response } = makeExchange(way, freshString(bytes));
          auth(request, response, next);
          guard(request, response, next);
        }),
      );
      // Read before any await: this path has no promise.
      if (passed !== 2 * headers.length) throw new Error(`${passed} calls of next()`);
      return spent;
    },
  });
  await auth.close();
  const each = (values: readonly number[]) => values.map((value) => value / headers.length);
  const [made, hashed, guarded] = [each(taken.made), each(taken.hashed), each(taken.guarded)];
  const size = `${((headers[0]?.length ?? 0) / 1000).toFixed(1)} KB`;
  const net = (values: readonly number[]) => values.map((value, round) => value - (made[round] ?? 0));
  return [
    { what: `SHA-256 of the header, ${way}, ${size}`, measured: differenceOf(hashed, made), unit: "us" },
    { what: `middleware + guard, ${way}`, measured: differenceOf(guarded, made), unit: "us" },
    {
      what: `... over SHA-256, ${way}`,
      measured: differenceOf(guarded, hashed),
      unit: "us",
      target: MOST_ADDED,
      note: `${ratioOf(net(guarded), net(hashed)).median.toFixed(2)} x SHA-256`,
    },
  ];
}

/** Sends a credential through an instance once. */
function see(auth: ReturnType<World["makeAuth"]>, way: Way, header: Buffer): Promise<void> {
  const { request, response } = makeExchange(way, freshString(header));
  return new Promise((resolve, reject) => {
    auth(request, response, () => {
      if (auth.state(request).status === "authenticated") resolve();
      else reject(new Error(JSON.stringify(auth.state(request))));
    });
  });
}
