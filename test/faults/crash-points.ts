import {
  type FaultContext,
  type FaultResult,
  Findings,
  VARIANTS,
  type Variant,
  startSetting,
} from "./context.ts";
import { isSignedOut, retry, sessionCookie } from "./fleet.ts";
import type { CrashPoint } from "./worker.ts";

const POINTS: readonly CrashPoint[] = [
  "before the call",
  "during the call",
  "after the reply",
  "after persisting",
];

/** Seconds within which another process must have answered: what is left of the lease, and the doubt about a token that is spent. */
const RECOVERY = 20;

/**
 * Crash points: the process that renews is killed before the call, during it, after the reply, or after it kept the result. The
 * browser asks another process next.
 */
export async function* crashPoints(context: FaultContext): AsyncGenerator<FaultResult> {
  for (const variant of VARIANTS) {
    for (const grace of variant.isHosted ? [30, 0] : [30]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other, so that they do not disturb each other
      yield await crash(context, variant, grace);
    }
  }
}

async function crash(context: FaultContext, variant: Variant, grace: number): Promise<FaultResult> {
  const times = context.isShort ? 1 : context.crashes;
  const findings = new Findings();
  const setting = await startSetting(context, variant, { processes: 2, upstreamGrace: grace });
  const { fleet } = setting;
  const outcomes = new Map<CrashPoint, { kept: number; lost: number; forked: number; slowest: number }>();
  try {
    for (const crashAt of POINTS) {
      const outcome = { kept: 0, lost: 0, forked: 0, slowest: 0 };
      outcomes.set(crashAt, outcome);
      for (let time = 0; time < times; time += 1) {
        const cookie = await fleet.signIn(setting.userId);
        await setting.advance(306);
        const victim = await fleet.add({ crashAt });
        const lost = await victim.send("/me", cookie);
        await victim.exited;
        fleet.workers.splice(fleet.workers.indexOf(victim), 1);
        findings.expect("the killed process answers nothing", lost.status === 0, lost.status);
        const startedAt = Date.now();
        const reply = await retry(() => fleet.at(time).send("/me", cookie), RECOVERY);
        outcome.slowest = Math.max(outcome.slowest, Date.now() - startedAt);
        if (isSignedOut(reply)) outcome.lost += 1;
        else if (reply.status === 200) outcome.kept += 1;
        else findings.expect("an answer within the lease", false, [crashAt, reply.status, reply.body]);
        // The other process goes on from the same successor: a family that forked would be ended as stolen.
        const next = sessionCookie(reply);
        if (next === undefined || next === "") continue;
        const again = await retry(() => fleet.at(time + 1).send("/strict", next), RECOVERY);
        if (again.status !== 200) outcome.forked += 1;
      }
    }
  } finally {
    await setting.stop();
  }
  for (const [point, { lost, forked }] of outcomes) {
    // Without replay by the service, nobody can know a pair that died with the only process that had it.
    const mayLose =
      variant.isHosted && grace === 0 && (point === "during the call" || point === "after the reply");
    findings.expect(`nobody signed out by a crash ${point}`, mayLose || lost === 0, lost);
    findings.expect(`no fork after a crash ${point}`, forked === 0, forked);
  }
  const figures = { times, points: Object.fromEntries(outcomes) };
  const replay = variant.isHosted ? `, the service replays for ${grace} s` : "";
  return { name: `crash points, ${variant.name}${replay}`, figures, failures: findings.failures };
}
