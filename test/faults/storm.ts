import {
  type FaultContext,
  type FaultResult,
  Findings,
  VARIANTS,
  type Variant,
  startSetting,
} from "./context.ts";
import { isSignedOut, percentile, sessionCookie, tally } from "./fleet.ts";

const LATENCY = 50;

/**
 * Refresh storm: eight processes get fifty requests each at the same moment, all with one session whose token has expired. One
 * renewal serves them all, and nobody is signed out, although a spent refresh token is worth nothing.
 */
export async function* refreshStorm(context: FaultContext): AsyncGenerator<FaultResult> {
  // oxlint-disable-next-line no-await-in-loop -- one after the other, so that they do not disturb each other
  for (const variant of VARIANTS) yield await storm(context, variant);
}

async function storm(context: FaultContext, variant: Variant): Promise<FaultResult> {
  const { isShort, random } = context;
  const [processes, requests, rounds] = isShort ? [4, 20, 5] : [8, 50, context.rounds];
  const findings = new Findings();
  const setting = await startSetting(context, variant, {
    processes,
    latency: LATENCY,
    settings: { refreshGrace: 0 },
  });
  const { fleet } = setting;
  const statuses: number[] = [];
  const waits: number[] = [];
  const renewalsByRound: number[] = [];
  let signedOut = 0;
  try {
    let cookie = await fleet.signIn(setting.userId);
    for (let round = 0; round < rounds; round += 1) {
      await setting.advance(306);
      const before = await setting.renewals();
      const replies = await Promise.all(
        fleet.workers.flatMap((worker) => Array.from({ length: requests }, () => worker.send("/me", cookie))),
      );
      renewalsByRound.push((await setting.renewals()) - before);
      statuses.push(...replies.map(({ status }) => status));
      waits.push(...replies.map(({ milliseconds }) => milliseconds));
      signedOut += replies.filter(isSignedOut).length;
      const renewed = replies.flatMap((reply) => sessionCookie(reply) ?? []);
      findings.expect("each reply brings the new cookie", renewed.length === replies.length, renewed.length);
      const next = renewed[Math.floor(random() * renewed.length)];
      if (next === undefined) break;
      cookie = next;
    }
  } finally {
    await setting.stop();
  }
  const all = processes * requests * rounds;
  findings.expect(
    "one renewal a round",
    renewalsByRound.every((count) => count === 1),
    tally(renewalsByRound),
  );
  findings.expect(
    `${all} answers of 200`,
    statuses.filter((status) => status === 200).length === all,
    tally(statuses),
  );
  findings.expect("nobody signed out", signedOut === 0, signedOut);
  const p99 = Math.round(percentile(waits, 0.99));
  if (!isShort) findings.expect(`p99 at most ${LATENCY + 250} ms`, p99 <= LATENCY + 250, p99);
  const figures = {
    rounds,
    statuses: tally(statuses),
    renewalsByRound: tally(renewalsByRound),
    signedOut,
    p99,
  };
  return { name: `refresh storm, ${variant.name}`, figures, failures: findings.failures };
}
