import { ENGINES, type FaultContext, type FaultResult, Findings, startSetting } from "./context.ts";

/** Pending tokens: each is submitted eight times at once, in four processes, and makes exactly one session. */
export async function* pendingTokens(context: FaultContext): AsyncGenerator<FaultResult> {
  for (const engine of ENGINES) {
    const tokens = context.isShort ? 20 : 1000;
    const findings = new Findings();
    // oxlint-disable-next-line no-await-in-loop -- one engine after the other
    const setting = await startSetting(context, { engine, isHosted: false }, { processes: 4 });
    const { fleet } = setting;
    let sessions = 0;
    let accepted = 0;
    try {
      for (let index = 0; index < tokens; index += 1) {
        const userId = `both_${index}`;
        const token = await fleet.at(index).ask({ do: "pending", userId });
        if (typeof token !== "string") throw new Error("no pending token was issued");
        const answers = await Promise.allSettled(
          [...fleet.workers, ...fleet.workers].map((worker) =>
            worker.ask({ do: "select", token, organizationId: "org_1" }),
          ),
        );
        accepted += answers.filter(({ status }) => status === "fulfilled").length;
        sessions += Number(await fleet.at(0).ask({ do: "sessions", userId }));
      }
    } finally {
      await setting.stop();
    }
    findings.expect("one session for each token", sessions === tokens, sessions);
    findings.expect("one caller gets it", accepted === tokens, accepted);
    yield {
      name: `pending tokens, authority on ${engine}`,
      figures: { tokens, submitted: tokens * 8, accepted, sessions },
      failures: findings.failures,
    };
  }
}
