import type { Coordinator } from "../../src/fleet/coordinator.ts";
import { migrate, postgresCoordinator } from "../../src/fleet/postgres/index.ts";
import { sha256 } from "../../src/lib/crypto.ts";
import { type Engine, nameSchema } from "./postgres.ts";
import { START } from "./world.ts";

/** Names the channel of a schema. */
export function channelOf(schema: string): string {
  return `orgate_${sha256(schema, "hex").slice(0, 32)}`;
}

/** Ends the connections that listen to the channel of a schema, as an administrator or a failover does. */
export async function endListeners({ source }: Engine, schema: string): Promise<number> {
  const text = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = $1::text";
  return (await source.query(text, [`LISTEN "${channelOf(schema)}"`])).rows.length;
}

/** Processes that share a coordinator over a schema of their own, as the contract of coordinators controls them. */
export async function makeCoordinatorHarness(engine: Engine, { canCut }: { readonly canCut: boolean }) {
  const schema = nameSchema();
  await migrate(engine.source, { schema });
  const clock = { now: START + 0.5 };
  const joined: Coordinator[] = [];
  let isBroken = false;
  const refuse = () => Promise.reject(new Error("connect ECONNREFUSED"));
  const source = new Proxy(engine.source, {
    get(target, name) {
      if (isBroken && (name === "connect" || name === "query")) return refuse;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
  return {
    join(): Coordinator {
      const coordinator = postgresCoordinator(source, { schema, clock: () => clock.now, timeout: 5 });
      joined.push(coordinator);
      return coordinator;
    },
    advance(seconds: number) {
      clock.now += seconds;
    },
    breakCoordinator() {
      isBroken = true;
    },
    mendCoordinator() {
      isBroken = false;
    },
    ...(canCut && {
      async cutChannel() {
        await endListeners(engine, schema);
      },
    }),
    async close() {
      for (const coordinator of joined) await coordinator.close();
      await engine.source.query(`DROP SCHEMA ${schema} CASCADE`);
    },
  };
}
