import { BARE, type Stage } from "./http-stage.ts";
import { ironAct, joseAct, orgateAct } from "./peers.ts";
import { REFUSED } from "./refused.ts";
import { differenceOf, inRounds, ratioOf } from "./statistics.ts";
import type { Row } from "./table.ts";
import type { World } from "./world.ts";

/** Measures what a credential that was never seen before adds to a bare route, beside the cost of verifying it. */
export async function measureNeverSeenOverHttp(
  stage: Stage,
  world: World,
  rounds: number,
): Promise<readonly Row[]> {
  const [jose, iron] = [joseAct(world), ironAct(world)];
  // The cache is small: a credential is evicted before it comes again.
  const orgate = orgateAct(world, { cache: { maxEntries: 250 } });
  const taken = await inRounds(rounds, {
    bare: () => stage.play(BARE, "bearer"),
    jose: () => stage.play(jose, "bearer"),
    bearer: () => stage.play(orgate, "bearer"),
    bareCookie: () => stage.play(BARE, "cookie"),
    iron: () => stage.play(iron, "cookie"),
    cookie: () => stage.play(orgate, "cookie"),
  });
  const adds = (what: string, values: readonly number[], bare: readonly number[]): Row => {
    return { what, measured: differenceOf(values, bare), unit: "us", digits: 1 };
  };
  return [
    adds("adds: jose jwtVerify", taken.jose, taken.bare),
    adds("adds: middleware + guard, bearer", taken.bearer, taken.bare),
    adds("adds: unseal + jwtVerify", taken.iron, taken.bareCookie),
    adds("adds: middleware + guard, cookie", taken.cookie, taken.bareCookie),
  ];
}

/** Measures a refusal beside a bare 200. */
export async function measureRefusedOverHttp(
  stage: Stage,
  world: World,
  rounds: number,
): Promise<readonly Row[]> {
  const orgate = orgateAct(world);
  const names = Object.keys(REFUSED);
  const jobs = Object.fromEntries(names.map((name) => [name, () => stage.play(orgate, name, 401)]));
  const taken = await inRounds<string>(rounds, { bare: () => stage.play(BARE, "bearer"), ...jobs });
  return names.map((name) => ({
    what: `401, ${name}, of a bare 200`,
    measured: ratioOf(taken[name] ?? [], taken["bare"] ?? []),
    unit: "x",
    target: 1,
  }));
}
