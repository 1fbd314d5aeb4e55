import { Pool } from "pg";
import { type Engine, POSTGRES_URL, openServer, rowsOf } from "./postgres.ts";
import { type TransactionPooler, startTransactionPooler } from "./transaction-pooler.ts";

/** Opens the server of the tests behind a pooler in transaction mode. */
export async function openPooled(): Promise<Engine & { readonly pooler: TransactionPooler }> {
  const { hostname, port, pathname } = new URL(POSTGRES_URL);
  const server = await openServer();
  const [row] = await rowsOf(server.source, "SELECT current_user AS name");
  await server.close();
  const user = String(row?.["name"]);
  const database = pathname.slice(1);
  const target = { host: hostname, port: Number(port === "" ? 5432 : port), user, database };
  const pooler = await startTransactionPooler(target);
  const pool = new Pool({ host: "127.0.0.1", port: pooler.port, user, database, max: 5 });
  pool.on("error", () => undefined);
  return {
    source: pool,
    pooler,
    async close() {
      await pool.end();
      await pooler.close();
    },
  };
}
