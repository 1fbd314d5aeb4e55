import { ENGINES, type FaultContext, type FaultResult, Findings, startSetting } from "./context.ts";
import { passed, retry, sessionCookie, tally } from "./fleet.ts";

/**
 * Theft: old cookies, and with them refresh tokens that were replaced, are replayed again and again. They are refused, the
 * family ends in every process, and each incident is told once. Before that the rightful owner notices nothing.
 */
export async function* theft(context: FaultContext): AsyncGenerator<FaultResult> {
  for (const engine of ENGINES) {
    const [families, replays] = context.isShort ? [3, 10] : [100, 100];
    const findings = new Findings();
    // oxlint-disable-next-line no-await-in-loop -- one engine after the other
    const setting = await startSetting(context, { engine, isHosted: false }, { processes: 4, latency: 0 });
    const { fleet } = setting;
    const refused: number[] = [];
    let slowest = 0;
    try {
      for (let family = 0; family < families; family += 1) {
        const stolen = await fleet.signIn(`user_${family}`);
        let current = stolen;
        for (let renewal = 0; renewal < 3; renewal += 1) {
          await setting.advance(306);
          const reply = await retry(() => fleet.at(renewal).send("/me", current), 5);
          findings.expect("the owner goes on", reply.status === 200, [reply.status, reply.body]);
          current = sessionCookie(reply) ?? current;
        }
        await setting.advance(60);
        for (let replay = 0; replay < replays; replay += 1) {
          const reply = await retry(() => fleet.at(replay).send("/me", stolen), 5);
          refused.push(reply.status);
        }
        const startedAt = Date.now();
        for (const worker of fleet.workers) {
          let owner = await worker.send("/me", current);
          while (owner.status === 200 && Date.now() - startedAt < 1000) {
            await passed(10);
            owner = await worker.send("/me", current);
          }
          findings.expect("the family is dead in every process", owner.status === 401, owner.status);
        }
        slowest = Math.max(slowest, Date.now() - startedAt);
      }
      const incidents = await fleet.count(({ events }) => events["reuse_detected"] ?? 0);
      findings.expect("each incident is told once", incidents === families, incidents);
    } finally {
      await setting.stop();
    }
    findings.expect(
      "every replay is refused",
      refused.every((status) => status === 401),
      tally(refused),
    );
    findings.expect("dead within a second", slowest <= 1000, slowest);
    yield {
      name: `theft, authority on ${engine}`,
      figures: { families, replays: refused.length, refused: tally(refused), slowest },
      failures: findings.failures,
    };
  }
}
