import { requestText } from "./exchanges.ts";
import { forgeSignature, REFUSED } from "./forge.ts";
import { openStage, type Stage } from "./http-stage.ts";
import {
  BARE,
  fastJwtPeer,
  ironPeer,
  josePeer,
  orgatePeer,
  stytchPeer,
  workosPeer,
  type Peer,
} from "./peers.ts";
import { differenceOf, inRounds, net, ratioOf, spreadOf, type Cost, type Plan } from "./statistics.ts";
import type { Row } from "./table.ts";
import type { Way, World } from "./world.ts";

/** How much is measured. */
export interface HttpPlan extends Plan {
  /** Requests in a slice; enough that it includes garbage collection. */
  readonly requests: number;
}

/** A cache that has evicted a credential before it comes again, and one that holds them all. */
const SMALL = 100;
const LARGE = 20_000;

const FLOOD = { forged: 2_000, honest: 200 };

/** The tables of what a guarded route adds to a bare one. */
export interface HttpTables {
  readonly seen: readonly Row[];
  readonly neverSeen: readonly Row[];
  readonly refused: readonly Row[];
  readonly forged: readonly Row[];
  readonly flood: readonly Row[];
}

/** Measures the CPU that each peer adds to a bare route. Every round runs all of them under the same load. */
export async function measureOverHttp(world: World, loadScript: string, plan: HttpPlan): Promise<HttpTables> {
  const stage = await openStage(loadScript);
  try {
    const { bearer } = world.credentials;
    for (const way of ["bearer", "cookie"] as const) {
      await stage.learn(
        way,
        world.credentials[way].map((credential) => requestText(way, credential)),
      );
    }
    const changed = { ...REFUSED, forged: forgeSignature };
    for (const [name, change] of Object.entries(changed)) {
      await stage.learn(
        name,
        bearer.slice(0, 1_000).map((token) => requestText("bearer", change(token))),
      );
    }
    const few: HttpPlan = { ...plan, slices: Math.max(1, Math.floor(plan.slices / 4)) };
    return {
      seen: await measureSeen(stage, world, plan),
      neverSeen: await measureNeverSeen(stage, world, few),
      refused: await measureRefused(stage, world, { ...plan, slices: Math.ceil(plan.slices / 2) }),
      forged: await measureForged(stage, world, few),
      flood: await measureFlood(stage, world, plan.rounds),
    };
  } finally {
    stage.close();
  }
}

async function measureSeen(stage: Stage, world: World, plan: HttpPlan): Promise<readonly Row[]> {
  const idle: Peer = {
    middleware: (_request, _response, next) => next(),
    guard: (_request, _response, next) => next(),
  };
  const fastJwt = fastJwtPeer(world, LARGE);
  const [bearer, cookie] = [orgatePeer(world, "bearer"), orgatePeer(world, "cookie")];
  for (const [way, peer] of [
    ["bearer", fastJwt],
    ["bearer", bearer],
    ["cookie", cookie],
  ] as const) {
    await stage.play(peer, way, world.credentials[way].length + 100);
  }
  const play = (way: Way, peer: Peer) => (): Promise<Cost> => stage.play(peer, way, plan.requests);
  const { cpu, wall } = await inRounds(plan, {
    bare: play("bearer", BARE),
    idle: play("bearer", idle),
    fastJwt: play("bearer", fastJwt),
    bearer: play("bearer", bearer),
    bareCookie: play("cookie", BARE),
    cookie: play("cookie", cookie),
  });
  const fastest = net(cpu.fastJwt, cpu.bare);
  return [
    { what: "a bare Express route", measured: spreadOf(cpu.bare), unit: "us", digits: 1 },
    adds("a middleware that does nothing", cpu.idle, cpu.bare),
    adds("fast-jwt, with its cache", cpu.fastJwt, cpu.bare),
    adds("orgate, bearer", cpu.bearer, cpu.bare),
    adds("orgate, sealed cookie", cpu.cookie, cpu.bareCookie),
    {
      what: "over HTTP, seen before: CPU added, of what fast-jwt's cache adds",
      measured: ratioOf(net(cpu.bearer, cpu.bare), fastest),
      unit: "x",
      target: { atMost: 0.6 },
    },
    {
      what: "over HTTP, seen before: ... sealed cookie",
      measured: ratioOf(net(cpu.cookie, cpu.bareCookie), fastest),
      unit: "x",
    },
    {
      what: "over HTTP, seen before: throughput, of a bare route",
      measured: ratioOf(wall.bare, wall.bearer),
      unit: "x",
      target: { atLeast: 0.94 },
    },
    {
      what: "over HTTP, seen before: ... sealed cookie",
      measured: ratioOf(wall.bareCookie, wall.cookie),
      unit: "x",
    },
    {
      what: "... fast-jwt, with its cache",
      measured: ratioOf(wall.bare, wall.fastJwt),
      unit: "x",
    },
  ];
}

async function measureNeverSeen(stage: Stage, world: World, plan: HttpPlan): Promise<readonly Row[]> {
  const play = (way: Way, peer: Peer) => (): Promise<Cost> => stage.play(peer, way, plan.requests);
  const cache = { maxEntries: SMALL };
  const { cpu } = await inRounds(plan, {
    bare: play("bearer", BARE),
    jose: play("bearer", josePeer(world)),
    fastJwt: play("bearer", fastJwtPeer(world, false)),
    cachingFastJwt: play("bearer", fastJwtPeer(world, SMALL)),
    stytch: play("bearer", stytchPeer(world)),
    bearer: play("bearer", orgatePeer(world, "bearer", { cache })),
    bareCookie: play("cookie", BARE),
    iron: play("cookie", ironPeer(world)),
    workos: play("cookie", workosPeer(world)),
    cookie: play("cookie", orgatePeer(world, "cookie", { cache })),
  });
  return [
    adds("jose jwtVerify", cpu.jose, cpu.bare),
    adds("fast-jwt, no cache", cpu.fastJwt, cpu.bare),
    adds("fast-jwt, with its cache", cpu.cachingFastJwt, cpu.bare),
    adds("stytch authenticateJwtLocal, with its check", cpu.stytch, cpu.bare),
    adds("orgate, bearer", cpu.bearer, cpu.bare),
    adds("iron-webcrypto unseal + jose jwtVerify", cpu.iron, cpu.bareCookie),
    adds("@workos-inc/node authenticate", cpu.workos, cpu.bareCookie),
    adds("orgate, sealed cookie", cpu.cookie, cpu.bareCookie),
  ];
}

async function measureRefused(stage: Stage, world: World, plan: HttpPlan): Promise<readonly Row[]> {
  const orgate = orgatePeer(world, "bearer");
  const names = Object.keys(REFUSED);
  const jobs = names.map((name) => [name, () => stage.play(orgate, name, plan.requests, 401)] as const);
  const { cpu } = await inRounds<string>(plan, {
    bare: () => stage.play(BARE, "bearer", plan.requests),
    ...Object.fromEntries(jobs),
  });
  return names.map((name) => ({
    what: `refused before the signature, ${name}, of a bare 200`,
    measured: ratioOf(cpu[name] ?? [], cpu["bare"] ?? []),
    unit: "x",
    target: { atMost: 1.05 },
  }));
}

async function measureForged(stage: Stage, world: World, plan: HttpPlan): Promise<readonly Row[]> {
  const [jose, orgate] = [josePeer(world), orgatePeer(world, "bearer")];
  const { cpu } = await inRounds(plan, {
    bare: () => stage.play(BARE, "bearer", plan.requests),
    jose: () => stage.play(jose, "forged", plan.requests, 401),
    orgate: () => stage.play(orgate, "forged", plan.requests, 401),
  });
  return [
    adds("jose jwtVerify", cpu.jose, cpu.bare),
    adds("orgate, bearer", cpu.orgate, cpu.bare),
    {
      what: "forged signature, over HTTP: CPU added, of what jose's jwtVerify adds",
      measured: ratioOf(net(cpu.orgate, cpu.bare), net(cpu.jose, cpu.bare)),
      unit: "x",
      target: { atMost: 1.5 },
    },
  ];
}

/** Forged tokens at a fixed rate, beside honest requests that are served at the same time. */
async function measureFlood(stage: Stage, world: World, rounds: number): Promise<readonly Row[]> {
  const seconds = rounds < 9 ? 0.5 : 2;
  const streams = [
    { name: "bearer", perSecond: FLOOD.honest },
    { name: "forged", perSecond: FLOOD.forged },
  ];
  const honest: Record<string, number[]> = {};
  const play = (name: string, peer: Peer) => async (): Promise<Cost> => {
    const { cost, report, statuses } = await stage.playPaced(peer, streams, seconds);
    const refused = peer === BARE ? 0 : FLOOD.forged * seconds;
    if ((statuses.get(401) ?? 0) !== refused) throw new Error(`${name}: ${[...statuses].join("; ")}`);
    (honest[name] ??= []).push(percentile(report.latencies["bearer"] ?? [], 0.99));
    return cost;
  };
  const { cpu } = await inRounds(
    { rounds, slices: 1, warmUps: 1 },
    {
      bare: play("bare", BARE),
      jose: play("jose", josePeer(world)),
      orgate: play("orgate", orgatePeer(world, "bearer")),
    },
  );
  const share = (what: string, values: readonly number[]): Row => ({
    what: `CPU in use: ${what}`,
    measured: spreadOf(values.map((value) => value / 10_000)),
    unit: "%",
    digits: 1,
  });
  const latency = (what: string, name: string): Row => ({
    what: `honest requests, 99th percentile: ${what}`,
    measured: spreadOf((honest[name] ?? []).slice(-rounds)),
    unit: "ms",
    digits: 1,
  });
  return [
    share("a bare route", cpu.bare),
    share("jose jwtVerify", cpu.jose),
    share("orgate, bearer", cpu.orgate),
    latency("a bare route", "bare"),
    latency("jose jwtVerify", "jose"),
    latency("orgate, bearer", "orgate"),
    {
      what: `${FLOOD.forged.toLocaleString("en")} forged signatures a second beside ${FLOOD.honest} honest requests: CPU added, of what jose's jwtVerify adds`,
      measured: ratioOf(net(cpu.orgate, cpu.bare), net(cpu.jose, cpu.bare)),
      unit: "x",
      target: { atMost: 1.5 },
    },
  ];
}

function adds(what: string, values: readonly number[], bare: readonly number[]): Row {
  return { what: `adds: ${what}`, measured: differenceOf(values, bare), unit: "us", digits: 1 };
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor((sorted.length - 1) * share)] ?? NaN;
}
