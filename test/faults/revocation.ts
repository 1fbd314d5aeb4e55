import { ENGINES, type FaultContext, type FaultResult, Findings, startSetting } from "./context.ts";
import { type Fleet, type Reply, passed, percentile } from "./fleet.ts";

/** Milliseconds that the documented bound allows without a channel: the rest of the access token. */
const BOUND = 300_000;

interface Change {
  readonly name: string;
  readonly path: string;
  /** Makes the change in the first process. */
  readonly make: (fleet: Fleet, userId: string, cookie: string) => Promise<unknown>;
  readonly isInEffect: (reply: Reply) => boolean;
}

const CHANGES: readonly Change[] = [
  {
    name: "sign-out",
    path: "/me",
    make: (fleet, _userId, cookie) => fleet.at(0).send("/sign-out", cookie, "POST"),
    isInEffect: ({ status }) => status === 401,
  },
  {
    name: "revoke",
    path: "/me",
    make: async (fleet, _userId, cookie) => {
      const { session } = JSON.parse((await fleet.at(0).send("/me", cookie)).body) as { session: string };
      return fleet.at(0).ask({ do: "revoke", sessionId: session });
    },
    isInEffect: ({ status }) => status === 401,
  },
  {
    name: "role change",
    path: "/write",
    make: (fleet, userId) => change(fleet, userId, ["viewer"]),
    isInEffect: ({ status }) => status === 403,
  },
  {
    name: "removal",
    path: "/me",
    make: (fleet, userId) => change(fleet, userId, null),
    isInEffect: ({ status }) => status === 401,
  },
];

/** The table of members changes everywhere at once, as in a database; one process announces it. */
async function change(fleet: Fleet, userId: string, roles: readonly string[] | null): Promise<void> {
  await Promise.all(
    fleet.workers.slice(1).map((worker) => worker.ask({ do: "membership", userId, roles, announce: false })),
  );
  await fleet.at(0).ask({ do: "membership", userId, roles, announce: true });
}

/** Revocation bound: what is ended or changed in one process is ended or changed in the others within the bound. */
export async function* revocationBound(context: FaultContext): AsyncGenerator<FaultResult> {
  for (const engine of ENGINES) {
    const trials = context.isShort ? 5 : 1000;
    const findings = new Findings();
    const figures: Record<string, unknown> = { trials };
    // oxlint-disable-next-line no-await-in-loop -- one engine after the other
    const setting = await startSetting(context, { engine, isHosted: false }, { processes: 4, latency: 0 });
    const { fleet } = setting;
    try {
      for (const { name, path, make, isInEffect } of CHANGES) {
        const delays: number[] = [];
        for (let trial = 0; trial < trials; trial += 1) {
          const userId = `user_${name.replaceAll(/\W/g, "_")}_${trial}`;
          const cookie = await fleet.signIn(userId);
          const warm = await fleet.all((worker) => worker.send(path, cookie));
          findings.expect(
            "served before",
            warm.every(({ status }) => status === 200),
            warm.map((one) => one.status),
          );
          await make(fleet, userId, cookie);
          const madeAt = performance.now();
          const others = fleet.workers.slice(1).map(async (worker) => {
            // Two seconds stand for "not until the token ends": the broadcast was not heard.
            while (!isInEffect(await worker.send(path, cookie)) && performance.now() - madeAt < 2000)
              await passed(2);
            return performance.now() - madeAt;
          });
          delays.push(...(await Promise.all(others)));
        }
        const [worst, p99] = [Math.max(...delays), percentile(delays, 0.99)].map(Math.round);
        figures[name] = { worst, p99 };
        findings.expect(`${name} is heard by the others`, (worst ?? BOUND) < 2000, { worst, p99 });
        if (!context.isShort) findings.expect(`${name}: p99 at most 250 ms`, (p99 ?? BOUND) <= 250, p99);
      }
    } finally {
      await setting.stop();
    }
    yield { name: `revocation bound, ${engine}`, figures, failures: findings.failures };
  }
}
