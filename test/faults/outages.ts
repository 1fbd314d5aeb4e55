import { ENGINES, type FaultContext, type FaultResult, Findings } from "./context.ts";
import { type EngineKind, type OwnEngine, startOwnEngine } from "./engines.ts";
import { Fleet, type Reply, isSignedOut, passed, percentile, retry, tally } from "./fleet.ts";

interface Outage {
  readonly name: string;
  readonly begin: (engine: OwnEngine) => Promise<void> | void;
  readonly end: (engine: OwnEngine) => Promise<void> | void;
}

const OUTAGES: readonly Outage[] = [
  { name: "kill -9", begin: (engine) => engine.kill(), end: (engine) => engine.revive() },
  { name: "SIGSTOP", begin: (engine) => engine.freeze(), end: (engine) => engine.thaw() },
  { name: "black hole", begin: (engine) => engine.swallow(true), end: (engine) => engine.swallow(false) },
  {
    name: "read-only",
    begin: (engine) => engine.setReadOnly(true),
    end: (engine) => engine.setReadOnly(false),
  },
];

/** Requests a second, over all processes. */
const RATE = 500;
/** Of a hundred requests, how many are of sessions that have ended. */
const ENDED_SHARE = 20;
/** Milliseconds after which everything must be as before. */
const RECOVERY = 2000;

/**
 * Outages of Redis and Postgres under load: the engine is killed, stopped, cut off, or refuses writes, and comes back. Nobody is
 * signed out, what needs no store is served, and what was revoked stays so.
 */
export async function* outages(context: FaultContext): AsyncGenerator<FaultResult> {
  for (const kind of ENGINES) {
    const chosen = context.isShort ? OUTAGES.filter(({ name }) => name === "kill -9") : OUTAGES;
    for (const outage of chosen) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other, so that they do not disturb each other
      yield await survive(context, kind, outage);
    }
    // oxlint-disable-next-line no-await-in-loop -- as above
    if (!context.isShort) yield await countLosses(context, kind);
  }
}

interface Sample extends Reply {
  readonly path: string;
  readonly isEnded: boolean;
  readonly sentAt: number;
}

async function survive(context: FaultContext, kind: EngineKind, outage: Outage): Promise<FaultResult> {
  const [phase, last, sessions] = context.isShort ? [4_000, 8_000, 20] : [20_000, 20_000, 200];
  const findings = new Findings();
  const engine = await startOwnEngine(kind, { isDurable: true });
  const samples: Sample[] = [];
  const marks = { downAt: 0, upAt: 0 };
  try {
    const fleet = await Fleet.start(context.script, { engine: engine.address }, 2);
    try {
      const cookies: string[] = [];
      for (let index = 0; index < sessions; index += 1)
        cookies.push(await fleet.signIn(`user_${index}`, index));
      const ended = cookies.slice(0, Math.floor((sessions * ENDED_SHARE) / 100));
      const live = cookies.slice(ended.length);
      await Promise.all(
        cookies.flatMap((cookie) => fleet.workers.map((worker) => worker.send("/me", cookie))),
      );
      for (const cookie of ended) await fleet.at(0).send("/sign-out", cookie, "POST");
      await passed(300);
      const load = sendLoad(fleet, { live, ended, random: context.random }, phase * 2 + last, samples);
      await passed(phase);
      marks.downAt = performance.now();
      await outage.begin(engine);
      await passed(phase);
      await outage.end(engine);
      marks.upAt = performance.now();
      await load;
      findings.expect(
        "no process exits",
        fleet.workers.every(({ isRunning }) => isRunning),
        "one has ended",
      );
    } finally {
      await fleet.stop();
    }
  } finally {
    await engine.close();
  }
  return report(`outage of ${kind}: ${outage.name}`, { samples, marks, findings, isShort: context.isShort });
}

async function sendLoad(
  fleet: Fleet,
  { live, ended, random }: { live: readonly string[]; ended: readonly string[]; random: () => number },
  milliseconds: number,
  samples: Sample[],
): Promise<void> {
  const startedAt = performance.now();
  const sent: Promise<unknown>[] = [];
  for (let index = 0; performance.now() - startedAt < milliseconds;) {
    const due = Math.floor(((performance.now() - startedAt) * RATE) / 1000);
    for (; index < due; index += 1) {
      const isEnded = random() * 100 < ENDED_SHARE;
      const from = isEnded ? ended : live;
      const cookie = from[Math.floor(random() * from.length)] ?? "";
      const path = index % 4 === 0 ? "/strict" : "/me";
      const sentAt = performance.now();
      const reply = fleet.at(index).send(path, cookie);
      sent.push(reply.then((received) => samples.push({ ...received, path, isEnded, sentAt })));
    }
    // oxlint-disable-next-line no-await-in-loop -- the rate
    await passed(2);
  }
  await Promise.all(sent);
}

interface Observed {
  readonly samples: readonly Sample[];
  readonly marks: { readonly downAt: number; readonly upAt: number };
  readonly findings: Findings;
  readonly isShort: boolean;
}

function report(name: string, { samples, marks, findings, isShort }: Observed): FaultResult {
  const live = samples.filter(({ isEnded }) => !isEnded);
  const ended = samples.filter(({ isEnded }) => isEnded);
  const statusesOf = (some: readonly Sample[]): Record<string, number> =>
    tally(some.map(({ status }) => status));
  const signedOut = live.filter(isSignedOut).length;
  findings.expect("no live session is signed out", signedOut === 0, statusesOf(live));
  const odd = live.filter(({ status }) => status !== 200 && status !== 503);
  findings.expect("live sessions get 200 or 503", odd.length === 0, statusesOf(odd));
  const withoutWait = live.filter(({ status, retryAfter }) => status === 503 && retryAfter === undefined);
  findings.expect("every 503 says when to try again", withoutWait.length === 0, withoutWait.length);
  const fresh = live.filter(({ path }) => path === "/me");
  findings.expect(
    "fresh tokens are served throughout",
    fresh.every(({ status }) => status === 200),
    statusesOf(fresh),
  );
  findings.expect(
    "no ended session is served",
    ended.every(({ status }) => status !== 200),
    statusesOf(ended),
  );
  const lastTrouble = Math.max(
    marks.upAt,
    ...live.filter(({ status }) => status !== 200).map(({ sentAt }) => sentAt),
  );
  const recovery = Math.round(lastTrouble - marks.upAt);
  const after = live.filter(({ sentAt }) => sentAt > marks.upAt + RECOVERY);
  const good = after.filter(({ status }) => status === 200).length / Math.max(1, after.length);
  if (!isShort)
    findings.expect("99.9 % are served two seconds after its return", good >= 0.999, statusesOf(after));
  findings.expect("live sessions are served again", after.at(-1)?.status === 200, after.at(-1)?.status);
  const p99 = Math.round(
    percentile(
      samples.map(({ milliseconds }) => milliseconds),
      0.99,
    ),
  );
  if (!isShort) findings.expect("p99 at most 1 s", p99 <= 1000, p99);
  const down = live.filter(({ sentAt }) => sentAt > marks.downAt && sentAt < marks.upAt);
  const figures = {
    requests: samples.length,
    down: statusesOf(down),
    live: statusesOf(live),
    ended: statusesOf(ended),
    signedOut,
    recovery,
    p99,
  };
  return { name, figures, failures: findings.failures };
}

/** What an engine that acknowledges writes before they are on the disk loses with `kill -9`: told, not judged. */
async function countLosses(context: FaultContext, kind: EngineKind): Promise<FaultResult> {
  const engine = await startOwnEngine(kind, { isDurable: false });
  try {
    const fleet = await Fleet.start(context.script, { engine: engine.address }, 1);
    try {
      const cookies: string[] = [];
      for (let index = 0; index < 500; index += 1) cookies.push(await fleet.signIn(`user_${index}`));
      await engine.kill();
      await engine.revive();
      await passed(RECOVERY);
      const replies = await Promise.all(
        cookies.map((cookie) => retry(() => fleet.at(0).send("/strict", cookie), 10)),
      );
      const figures = { sessions: cookies.length, lost: replies.filter(isSignedOut).length };
      return { name: `what ${kind} loses without synchronous writes`, figures, failures: [] };
    } finally {
      await fleet.stop();
    }
  } finally {
    await engine.close();
  }
}
