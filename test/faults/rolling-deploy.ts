import { ENGINES, type FaultContext, type FaultResult, Findings, startSetting } from "./context.ts";
import { isSignedOut, retry, sessionCookie, tally } from "./fleet.ts";

/**
 * Rolling deploy: processes of two releases run side by side, and the newer one writes a field that the older one does not know.
 * Browsers are answered by either, while signing keys are rotated.
 */
export async function* rollingDeploy(context: FaultContext): AsyncGenerator<FaultResult> {
  for (const engine of ENGINES) {
    const [sessions, rounds] = context.isShort ? [10, 3] : [200, 10];
    const findings = new Findings();
    // oxlint-disable-next-line no-await-in-loop -- one engine after the other
    const setting = await startSetting(context, { engine, isHosted: false }, { processes: 2, latency: 0 });
    const { fleet } = setting;
    const statuses: number[] = [];
    let signedOut = 0;
    try {
      const cookies: string[] = [];
      for (let index = 0; index < sessions; index += 1)
        cookies.push(await fleet.signIn(`user_${index}`, index));
      const browse = async (offset: number): Promise<void> => {
        await Promise.all(
          cookies.map(async (cookie, index) => {
            const reply = await retry(() => fleet.at(index + offset).send("/me", cookie), 5);
            statuses.push(reply.status);
            if (isSignedOut(reply)) signedOut += 1;
            cookies[index] = sessionCookie(reply) ?? cookie;
          }),
        );
      };
      await fleet.add({}, context.newerScript);
      await fleet.add({}, context.newerScript);
      for (let round = 0; round < rounds; round += 1) {
        await setting.advance(306);
        await browse(round);
        await fleet.at(round).ask({ do: "rotate keys" });
        await browse(round + 1);
      }
      const [first, second] = fleet.workers.splice(0, 2);
      await first?.stop();
      await second?.stop();
      await setting.advance(306);
      await browse(0);
    } finally {
      await setting.stop();
    }
    findings.expect("nobody signed out", signedOut === 0, tally(statuses));
    findings.expect(
      "everybody served",
      statuses.every((status) => status === 200),
      tally(statuses),
    );
    yield {
      name: `rolling deploy, authority on ${engine}`,
      figures: { sessions, rounds, statuses: tally(statuses), signedOut },
      failures: findings.failures,
    };
  }
}
