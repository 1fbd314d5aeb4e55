import { ENGINES, type FaultContext, type FaultResult, Findings, startSetting } from "./context.ts";
import { isSignedOut, passed, sessionCookie, tally } from "./fleet.ts";

/** Bytes that the heap may grow by between two collections that are minutes apart. */
const NOISE = 8 * 1024 * 1024;

/** Soak: sign-ins, renewals and sign-outs for minutes. Heap, timers and sockets are then what they were after the first of them. */
export async function* soak(context: FaultContext): AsyncGenerator<FaultResult> {
  const engines = context.isShort ? ENGINES.slice(0, 1) : ENGINES;
  yield* await Promise.all(
    engines.map(async (engine): Promise<FaultResult> => {
      const seconds = context.isShort ? 10 : context.soakMinutes * 60;
      const findings = new Findings();
      const setting = await startSetting(
        context,
        { engine, isHosted: false },
        // A cache that is full before the first measurement: what grows after it is no cache.
        { processes: 2, latency: 0, settings: { cacheEntries: 100 } },
      );
      const { fleet } = setting;
      const statuses: number[] = [];
      const run = async (until: number): Promise<void> => {
        for (let turn = 0; Date.now() < until; turn += 1) {
          const cookies = await Promise.all(
            Array.from({ length: 10 }, (_, index) => fleet.signIn(`user_${turn % 50}_${index}`, index)),
          );
          await setting.advance(306);
          const replies = await Promise.all(
            cookies.flatMap((cookie, index) => [0, 1].map((of) => fleet.at(index + of).send("/me", cookie))),
          );
          statuses.push(...replies.map(({ status }) => status));
          findings.expect("nobody signed out", !replies.some(isSignedOut), tally(statuses));
          const leaving = replies.filter((_reply, index) => index % 2 === 0);
          await Promise.all(
            leaving.map((reply, index) =>
              fleet.at(index).send("/sign-out", sessionCookie(reply) ?? "", "POST"),
            ),
          );
          if (context.isShort) await passed(20);
        }
      };
      const measure = async (): Promise<{ heap: number; resources: number }> => {
        // Sockets that nobody uses are closed, and what is kept for the grace window ends.
        await setting.advance(3600);
        await passed(1000);
        const all = await fleet.all((worker) => worker.statistics());
        return {
          heap: all.reduce((sum, { heap }) => sum + heap, 0),
          resources: all.reduce((sum, { resources }) => sum + resources, 0),
        };
      };
      try {
        const begun = Date.now();
        await run(begun + (seconds * 1000) / 3);
        const before = await measure();
        await run(begun + seconds * 1000);
        const after = await measure();
        findings.expect("the heap is flat", after.heap - before.heap < NOISE, { before, after });
        findings.expect("timers and sockets are as before", after.resources <= before.resources + 4, {
          before,
          after,
        });
        const figures = { seconds, requests: statuses.length, statuses: tally(statuses), before, after };
        return { name: `soak, authority on ${engine}`, figures, failures: findings.failures };
      } finally {
        await setting.stop();
      }
    }),
  );
}
