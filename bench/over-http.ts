import { headerOf, type Way } from "./exchanges.ts";
import { BARE, openStage, REQUESTS, type Act, type Stage } from "./http-stage.ts";
import { measureNeverSeenOverHttp, measureRefusedOverHttp } from "./http-misses.ts";
import { fastJwtAct, orgateAct } from "./peers.ts";
import { REFUSED } from "./refused.ts";
import { differenceOf, inRounds, spreadOf } from "./statistics.ts";
import type { Row } from "./table.ts";
import type { World } from "./world.ts";

/** Target: the share of a bare route that a cached credential adds. On Node 24 the bare route is much cheaper. */
const MOST_SHARE = Number(process.versions.node.split(".")[0]) < 24 ? 0.1 : 0.3;

/** Measures the CPU that a guarded route adds to a bare one. Every round runs all variants under the same load. */
export async function measureOverHttp(
  world: World,
  loadScript: string,
  rounds: number,
): Promise<Readonly<Record<"seen" | "neverSeen" | "refused", readonly Row[]>>> {
  const stage = await openStage(loadScript);
  try {
    for (const way of ["bearer", "cookie"] as const) await stage.learn(way, requestsOf(world, way));
    for (const [name, forge] of Object.entries(REFUSED)) {
      await stage.learn(
        name,
        world.sessions
          .slice(0, 500)
          .map((session) => requestWith("bearer", `Bearer ${forge(session.accessToken)}`)),
      );
    }
    const seen = await measureSeen(stage, world, rounds);
    const neverSeen = await measureNeverSeenOverHttp(stage, world, Math.ceil(rounds / 4));
    return { seen, neverSeen, refused: await measureRefusedOverHttp(stage, world, Math.ceil(rounds / 2)) };
  } finally {
    stage.close();
  }
}

async function measureSeen(stage: Stage, world: World, rounds: number): Promise<readonly Row[]> {
  const orgate = orgateAct(world);
  for (const way of ["bearer", "cookie"] as const) {
    // Twice through the list, so that every credential is cached.
    for (let count = 0; count < 2 * world.sessions.length; count += REQUESTS) await stage.play(orgate, way);
  }
  const nothing: Act = {
    middleware: (_request, _response, next) => next(),
    guard: (_request, _response, next) => next(),
  };
  const fastJwt = fastJwtAct(world);
  for (let count = 0; count < 2 * world.sessions.length; count += REQUESTS)
    await stage.play(fastJwt, "bearer");
  const taken = await inRounds(rounds, {
    bare: () => stage.play(BARE, "bearer"),
    nothing: () => stage.play(nothing, "bearer"),
    fastJwt: () => stage.play(fastJwt, "bearer"),
    bearer: () => stage.play(orgate, "bearer"),
    bareCookie: () => stage.play(BARE, "cookie"),
    cookie: () => stage.play(orgate, "cookie"),
  });
  const fastest = differenceOf(taken.fastJwt, taken.bare);
  const added = (what: string, values: readonly number[], bare: readonly number[], isOurs = true): Row[] => [
    { what, measured: differenceOf(values, bare), unit: "us", ...(isOurs && { target: fastest.median }) },
  ];
  const share = (what: string, values: readonly number[], bare: readonly number[]): Row => {
    const { median } = spreadOf(bare);
    const measured = differenceOf(values, bare);
    const percent = (value: number): number => (100 * value) / median;
    return {
      what,
      measured: {
        median: percent(measured.median),
        low: percent(measured.low),
        high: percent(measured.high),
      },
      unit: "%",
      digits: 1,
      target: 100 * MOST_SHARE,
    };
  };
  return [
    { what: "a bare Express route", measured: spreadOf(taken.bare), unit: "us", digits: 1 },
    ...added("adds: a middleware that does nothing", taken.nothing, taken.bare, false),
    ...added("adds: fast-jwt, large cache", taken.fastJwt, taken.bare, false),
    ...added("adds: middleware + guard, bearer", taken.bearer, taken.bare),
    share("... of a bare route", taken.bearer, taken.bare),
    ...added("adds: middleware + guard, cookie", taken.cookie, taken.bareCookie),
    share("... of a bare route", taken.cookie, taken.bareCookie),
  ];
}

function requestsOf(world: World, way: Way): readonly string[] {
  return world.sessions.map((session) => requestWith(way, headerOf(way, session).toString("latin1")));
}

function requestWith(way: Way, value: string): string {
  const name = way === "bearer" ? "Authorization" : "Cookie";
  return `GET /documents HTTP/1.1\r\nHost: app.example.com\r\nAccept: application/json\r\nUser-Agent: bench\r\n${name}: ${value}\r\n\r\n`;
}
