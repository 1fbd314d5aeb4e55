import { hash } from "node:crypto";
import { freshString, headerOf, makeExchange, type Exchange } from "./exchanges.ts";
import { forgeSignature } from "./forge.ts";
import {
  BARE,
  createJoseVerifier,
  fastJwtPeer,
  ironPeer,
  josePeer,
  orgatePeer,
  stytchPeer,
  workosPeer,
  type Peer,
} from "./peers.ts";
import { costOf, inRounds, net, ratioOf, spreadOf, type Cost, type Plan } from "./statistics.ts";
import type { Row } from "./table.ts";
import type { Way, World } from "./world.ts";

/** The number of credentials in a batch, and how many are in flight at once where several are. */
const BATCH = 250;
const IN_FLIGHT = 32;

/** A cache that has evicted a credential before it comes again, and one that holds them all. */
const SMALL = 100;
const LARGE = 20_000;

type Lane = "one" | "many";

/** Measures credentials that were never seen before: one at a time, and 32 in flight. */
export async function measureNeverSeen(
  world: World,
  plan: Plan,
): Promise<Readonly<Record<Lane, readonly Row[]>>> {
  const peers: Record<string, readonly [Way, Peer]> = {
    bareBearer: ["bearer", BARE],
    bareCookie: ["cookie", BARE],
    jose: ["bearer", josePeer(world)],
    fastJwt: ["bearer", fastJwtPeer(world, false)],
    cachingFastJwt: ["bearer", fastJwtPeer(world, SMALL)],
    stytch: ["bearer", stytchPeer(world)],
    bearer: ["bearer", orgatePeer(world, "bearer", { cache: { maxEntries: SMALL } })],
    iron: ["cookie", ironPeer(world)],
    workos: ["cookie", workosPeer(world)],
    cookie: ["cookie", orgatePeer(world, "cookie", { cache: { maxEntries: SMALL } })],
  };
  for (const [name, [way, peer]] of Object.entries(peers)) await checkPeer(name, way, peer, world);
  const headers = headersOf(world);
  let turn = 0;
  const spend = (way: Way, peer: Peer, inFlight: number): Promise<Cost> => {
    turn += 1;
    const from = (turn * BATCH) % Math.max(1, headers[way].length - BATCH);
    const batch = headers[way].slice(from, from + BATCH);
    return perItem(batch.length, () =>
      runAll(batch, inFlight, (bytes) => pass(peer, makeExchange(way, freshString(bytes)))),
    );
  };
  const jobs = Object.entries(peers).flatMap(([name, [way, peer]]) => [
    [`one ${name}`, () => spend(way, peer, 1)] as const,
    [`many ${name}`, () => spend(way, peer, IN_FLIGHT)] as const,
  ]);
  const { cpu } = await inRounds<string>(plan, Object.fromEntries(jobs));
  const rowsOf = (lane: Lane): readonly Row[] => {
    const costs = (name: string): readonly number[] => {
      const bare = peers[name]?.[0] === "cookie" ? "bareCookie" : "bareBearer";
      return net(cpu[`${lane} ${name}`] ?? [], cpu[`${lane} ${bare}`] ?? []);
    };
    const row = (what: string, name: string): Row => ({
      what,
      measured: spreadOf(costs(name)),
      unit: "us",
      digits: 1,
    });
    const ratio = (what: string, name: string, atMost: number): Row => ({
      what,
      measured: ratioOf(costs(name), costs("jose")),
      unit: "x",
      ...(lane === "one" && { target: { atMost } }),
    });
    const how = lane === "one" ? "one at a time" : `${IN_FLIGHT} in flight`;
    return [
      row("jose jwtVerify", "jose"),
      row("fast-jwt, no cache", "fastJwt"),
      row("fast-jwt, with its cache", "cachingFastJwt"),
      row("stytch authenticateJwtLocal, with its check", "stytch"),
      row("orgate, bearer", "bearer"),
      ratio(`bearer never seen, ${how}, of jose jwtVerify`, "bearer", 0.6),
      row("iron-webcrypto unseal + jose jwtVerify", "iron"),
      row("@workos-inc/node authenticate", "workos"),
      row("orgate, sealed cookie", "cookie"),
      ratio(`sealed cookie never seen, ${how}, of jose jwtVerify`, "cookie", 1),
    ];
  };
  return { one: rowsOf("one"), many: rowsOf("many") };
}

/** Measures cached, fresh credentials, beside SHA-256 of the same bytes. Only peers with a cache. */
export async function measureSeenBefore(world: World, plan: Plan): Promise<readonly Row[]> {
  const headers = headersOf(world);
  const fastJwt = fastJwtPeer(world, LARGE);
  const [bearer, cookie] = [orgatePeer(world, "bearer"), orgatePeer(world, "cookie")];
  for (const [way, peer] of [
    ["bearer", fastJwt],
    ["bearer", bearer],
    ["cookie", cookie],
  ] as const) {
    await runAll(headers[way], 1, (bytes) => pass(peer, makeExchange(way, freshString(bytes))));
  }
  const passAll = (way: Way, peer: Peer): Promise<Cost> =>
    perItem(headers[way].length, () => {
      let passed = 0;
      const next = (): void => {
        passed += 1;
      };
      for (const bytes of headers[way]) {
        const { request, response } = makeExchange(way, freshString(bytes));
        peer.middleware(request, response, next);
        peer.guard(request, response, next);
      }
      // Read before any await: this path has no promise.
      if (passed !== 2 * headers[way].length) throw new Error(`${passed} calls of next()`);
    });
  const hashing: Peer = {
    middleware(request, _response, next) {
      hash("sha256", request.headers.authorization ?? request.headers.cookie ?? "", "base64");
      next();
    },
    guard: BARE.guard,
  };
  const { cpu } = await inRounds(plan, {
    bareBearer: () => passAll("bearer", BARE),
    bareCookie: () => passAll("cookie", BARE),
    hashBearer: () => passAll("bearer", hashing),
    hashCookie: () => passAll("cookie", hashing),
    fastJwt: () => passAll("bearer", fastJwt),
    bearer: () => passAll("bearer", bearer),
    cookie: () => passAll("cookie", cookie),
  });
  const sizeOf = (way: Way): string => `${((headers[way][0]?.length ?? 0) / 1000).toFixed(1)} KB`;
  const row = (what: string, values: readonly number[], bare: readonly number[]): Row => ({
    what,
    measured: spreadOf(net(values, bare)),
    unit: "us",
  });
  return [
    row(`SHA-256 of the header, bearer, ${sizeOf("bearer")}`, cpu.hashBearer, cpu.bareBearer),
    row("fast-jwt, with its cache", cpu.fastJwt, cpu.bareBearer),
    row("orgate, bearer", cpu.bearer, cpu.bareBearer),
    row(`SHA-256 of the header, cookie, ${sizeOf("cookie")}`, cpu.hashCookie, cpu.bareCookie),
    row("orgate, sealed cookie", cpu.cookie, cpu.bareCookie),
  ];
}

/** Measures tokens with a forged signature under a known key, one at a time. */
export async function measureForged(world: World, plan: Plan): Promise<readonly Row[]> {
  const tokens = world.credentials.bearer.map(forgeSignature);
  const auth = world.makeAuth("bearer");
  const verify = createJoseVerifier(world);
  await new Promise<void>((resolve) => {
    const { request, response } = makeExchange("bearer", `Bearer ${world.credentials.bearer[0]}`);
    auth(request, response, () => resolve());
  });
  let turn = 0;
  const spend = (each: (exchange: Exchange) => Promise<unknown>): Promise<Cost> => {
    turn += 1;
    const from = (turn * BATCH) % Math.max(1, tokens.length - BATCH);
    const batch = tokens.slice(from, from + BATCH).map((token) => Buffer.from(`Bearer ${token}`, "latin1"));
    return perItem(batch.length, () =>
      runAll(batch, 1, (bytes) => each(makeExchange("bearer", freshString(bytes)))),
    );
  };
  const { cpu } = await inRounds(plan, {
    bare: () => spend(async () => undefined),
    jose: () =>
      spend(async ({ request }) => {
        const isGood = await verify((request.headers.authorization ?? "").slice(7)).then(
          () => true,
          () => false,
        );
        if (isGood) throw new Error("jose accepts a forged signature");
      }),
    orgate: () =>
      spend(async ({ request, response }) => {
        await new Promise<void>((resolve) => auth(request, response, () => resolve()));
        if (auth.state(request).status !== "rejected") throw new Error("a forged signature is not refused");
      }),
  });
  const [jose, orgate] = [net(cpu.jose, cpu.bare), net(cpu.orgate, cpu.bare)];
  return [
    { what: "jose jwtVerify", measured: spreadOf(jose), unit: "us", digits: 1 },
    { what: "orgate, bearer", measured: spreadOf(orgate), unit: "us", digits: 1 },
    {
      what: "forged signature, one at a time, of jose jwtVerify",
      measured: ratioOf(orgate, jose),
      unit: "x",
      target: { atMost: 1.5 },
    },
  ];
}

function headersOf({ credentials }: World): Readonly<Record<Way, readonly Buffer[]>> {
  const read = (way: Way): readonly Buffer[] =>
    credentials[way].map((credential) => Buffer.from(headerOf(way, credential)[1], "latin1"));
  return { bearer: read("bearer"), cookie: read("cookie") };
}

async function perItem(count: number, job: () => unknown): Promise<Cost> {
  const { cpu, wall } = await costOf(job);
  return { cpu: cpu / count, wall: wall / count };
}

/** Resolves when the request reaches the handler. */
function pass({ middleware, guard }: Peer, { request, response }: Exchange): Promise<void> {
  return new Promise((resolve) => {
    middleware(request, response, () => guard(request, response, () => resolve()));
  });
}

/** A refused request never reaches the handler, so each peer must first show that it accepts one. */
async function checkPeer(name: string, way: Way, peer: Peer, { credentials }: World): Promise<void> {
  const exchange = makeExchange(way, headerOf(way, credentials[way][0] ?? "")[1]);
  const timeout = new Promise((_resolve, reject) => {
    setTimeout(() => reject(new Error(`${name} refuses a good credential`)), 10_000).unref();
  });
  await Promise.race([pass(peer, exchange), timeout]);
}

async function runAll<Item>(
  items: readonly Item[],
  inFlight: number,
  each: (item: Item) => Promise<unknown>,
): Promise<void> {
  const waiting = items.values();
  const work = async (): Promise<void> => {
    for (const item of waiting) await each(item);
  };
  await Promise.all(Array.from({ length: inFlight }, work));
}
