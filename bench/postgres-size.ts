/**
 * Measures what a session takes in Postgres, tables and indexes together. Makes a schema of its own and drops it.
 *
 * DATABASE_URL=postgres://127.0.0.1:5432/test npx tsx bench/postgres-size.ts --sessions 1000000
 */
import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { Pool } from "pg";
import { createAuthority, memoryDirectory, memoryRepository } from "orgate/authority";
import { migrate } from "orgate/postgres";

const { values } = parseArgs({ options: { sessions: { type: "string", default: "100000" } } });
const SESSIONS = Number(values.sessions);
const BATCH = 5_000;
const SCHEMA = "orgate_size";

interface Row {
  readonly id: string;
  readonly value: string;
  readonly indexes: readonly string[];
}

/** The row of one real session, whose texts others replace by random ones of the same length. */
async function makeTemplate(): Promise<Row> {
  const directory = memoryDirectory({
    users: [{ id: `user_${randomId()}`, emailAddress: "ada@example.com", name: "Ada Lovelace" }],
    organizations: [{ id: `org_${randomId()}`, name: "Acme" }],
  });
  const repository = memoryRepository();
  let row: Row | undefined;
  const authority = createAuthority({
    issuer: "https://app.example.com",
    directory,
    repository: {
      ...repository,
      insert(collection, id, value, write) {
        const indexes = (write.indexes ?? []).map((index) => `${collection} ${index}`);
        if (collection === "sessions") row = { id, value: JSON.stringify(value), indexes };
        return repository.insert(collection, id, value, write);
      },
      async compareAndSet(collection, id, version, value, write) {
        const indexes = (write.indexes ?? []).map((index) => `${collection} ${index}`);
        if (collection === "sessions") row = { id, value: JSON.stringify(value), indexes };
        return repository.compareAndSet(collection, id, version, value, write);
      },
    },
  });
  const user = await directory.userByEmailAddress("ada@example.com");
  const { refreshToken } = await authority.authenticate({
    userId: user?.id ?? "",
    authenticationMethod: "Password",
    ipAddress: "203.0.113.7",
    userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
  });
  // Renewed once, so that it has a predecessor with a sealed successor, as most have.
  await authority.authenticateWithRefreshToken({ refreshToken });
  await authority.close();
  if (row === undefined) throw new Error("The authority stored no session.");
  return row;
}

function randomId(): string {
  return randomBytes(13).toString("hex");
}

/** Replaces every long word by another of its length: equal rows would be compressed. */
function vary(text: string, words: Map<string, string>): string {
  return text.replaceAll(/[\w-]{16,}/g, (word) => {
    const known = words.get(word);
    if (known !== undefined) return known;
    const made = randomBytes(word.length).toString("base64url").slice(0, word.length);
    words.set(word, made);
    return made;
  });
}

const template = await makeTemplate();
const pool = new Pool({ connectionString: process.env.DATABASE_URL, options: "-c synchronous_commit=off" });
try {
  await migrate(pool, { schema: SCHEMA });
  for (let done = 0; done < SESSIONS; done += BATCH) {
    const rows = Array.from({ length: Math.min(BATCH, SESSIONS - done) }, () => {
      const words = new Map<string, string>();
      return {
        id: vary(template.id, words),
        value: vary(template.value, words),
        indexes: template.indexes.map((index) => vary(index, words)),
      };
    });
    await pool.query(
      `INSERT INTO ${SCHEMA}.documents (collection, id, value, indexes, expires_at)
      SELECT 'sessions', row ->> 'id', row ->> 'value', ARRAY(SELECT json_array_elements_text(row -> 'indexes')), 4000000000
      FROM json_array_elements($1::json) AS row`,
      [JSON.stringify(rows)],
    );
  }
  const { rows } = await pool.query<{ readonly bytes: string; readonly tables: string }>(
    `SELECT pg_total_relation_size('${SCHEMA}.documents') AS bytes, pg_table_size('${SCHEMA}.documents') AS tables`,
  );
  const [size] = rows;
  const perSession = (bytes: string | undefined): number => Math.round(Number(bytes) / SESSIONS);
  console.log(
    JSON.stringify({
      sessions: SESSIONS,
      bytesPerSession: perSession(size?.bytes),
      ofThatTheTable: perSession(size?.tables),
      json: template.value.length,
    }),
  );
} finally {
  await pool.query(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`);
  await pool.end();
}
