import { type FaultContext, type FaultResult, Findings, VARIANTS, startSetting } from "./context.ts";
import { isSignedOut, passed, retry, sessionCookie } from "./fleet.ts";

/** Milliseconds: longer than any lease, by ten seconds. */
const SLEEP = 15_000;

/**
 * A holder that sleeps: the process that renews is stopped until long after its lease, while another one takes over. What it then
 * wants to keep must not take the place of what came after it.
 */
export async function* sleepingHolder(context: FaultContext): AsyncGenerator<FaultResult> {
  const variants = context.isShort ? VARIANTS.filter(({ isHosted }) => isHosted) : VARIANTS;
  yield* await Promise.all(
    variants.map(async (variant): Promise<FaultResult> => {
      const findings = new Findings();
      const times = context.isShort ? 1 : 10;
      const setting = await startSetting(context, variant, { processes: 3, latency: 500, upstreamGrace: 60 });
      const { fleet } = setting;
      let stale = 0;
      try {
        for (let time = 0; time < times; time += 1) {
          const cookie = await fleet.signIn(setting.userId);
          await setting.advance(306);
          const [holder, other, third] = [fleet.at(0), fleet.at(1), fleet.at(2)];
          const slept = holder.send("/me", cookie);
          await passed(200);
          holder.signal("SIGSTOP");
          const taken = await retry(() => other.send("/me", cookie), SLEEP / 1000);
          findings.expect("another process takes over", taken.status === 200, [taken.status, taken.body]);
          await passed(SLEEP);
          holder.signal("SIGCONT");
          await slept;
          await passed(300);
          // Whoever presents the old cookie now gets what the second holder kept, and that is what goes on.
          const current = sessionCookie(taken) ?? cookie;
          const late = await retry(() => third.send("/me", cookie), 5);
          const onward = await retry(() => third.send("/strict", current), 5);
          const isStale = isSignedOut(late) || onward.status !== 200;
          if (isStale) stale += 1;
          findings.expect("the second holder's result stands", !isStale, [late.status, onward.status]);
        }
      } finally {
        await setting.stop();
      }
      return {
        name: `a holder that sleeps, ${variant.name}`,
        figures: { times, staleOverwrites: stale },
        failures: findings.failures,
      };
    }),
  );
}
