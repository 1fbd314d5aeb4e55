import { createHash, randomBytes, randomUUID } from "node:crypto";
import { cpus } from "node:os";
import { Redis } from "ioredis";
import { defaults, seal } from "iron-webcrypto";
import { type JWTPayload, SignJWT, decodeJwt, decodeProtectedHeader, generateKeyPair } from "jose";
import { Pool } from "pg";
import type { Clock } from "orgate";
import { type Repository, createAuthority, memoryDirectory } from "orgate/authority";
import { migrate, postgresRepository } from "orgate/postgres";
import { redisRepository } from "orgate/redis";
import { type Plan, type Rounds, costOf, inRounds, ratioOf, spreadOfRounds } from "./statistics.ts";
import { type Row, print, printRows, printed } from "./table.ts";

/*
 * Renewals of the embedded authority through one Redis and one Postgres, beside a floor that is written by hand: the same two
 * round trips (a read, a compare-and-set), a document of the same size, the same signature (jose) and the same seal
 * (iron-webcrypto). The floor checks nothing: no expiry, no reuse, no roles, no indexes, no lost reply.
 */

const PASSWORD = "a-cookie-password-of-at-least-32-characters";
const ORGANIZATION = "org_acme";
const IN_FLIGHT = 16;
/** Seconds between two renewals of one session, by the authority's clock: most sessions are renewed when their token expires. */
const BETWEEN_RENEWALS = 300;
/** Share of the floor's renewals per second that orgate must reach. */
const TARGET = 0.8;

/** How the benchmark is run. */
export interface FleetBenchOptions {
  /** So briefly that the figures mean little. */
  readonly quick: boolean;
}

/** A document with the version that a change of it must name. */
interface Document {
  readonly text: string;
  readonly version: number;
}

/** The two operations of a renewal, as they are written by hand. */
interface Floor {
  /** Stores a document of version 1. */
  write(id: string, text: string): Promise<void>;
  read(id: string): Promise<Document>;
  /** Replaces the document if it has this version. */
  replace(id: string, version: number, text: string): Promise<boolean>;
}

/** An engine with both sides. */
interface Engine {
  readonly name: string;
  readonly version: string;
  readonly openRepository: (clock: Clock) => Repository;
  readonly floor: Floor;
  close(): Promise<void>;
}

/** Measures both engines, prints the tables, and returns what it printed. */
export async function runFleetBenchmark({ quick }: FleetBenchOptions): Promise<string> {
  const plan: Plan = { rounds: quick ? 3 : 11, slices: 1, warmUps: quick ? 1 : 2 };
  const renewals = quick ? 320 : 960;
  const engines = [await openRedis(), await openPostgres()];
  const [cpu] = cpus();
  const date = new Date().toISOString().slice(0, 10);
  const versions = engines.map(({ name, version }) => `${name} ${version}`).join(", ");
  print(
    `Run of ${date}: Node ${process.version}, ${versions}, ${cpus().length} x ${cpu?.model}, engines on the same machine` +
      `${quick ? ", quick: the figures mean little" : ""}.`,
  );
  for (const engine of engines) {
    printRows(`Renewals through one ${engine.name}`, await measure(engine, plan, renewals));
    await engine.close();
  }
  return printed.join("\n");
}

async function measure(engine: Engine, plan: Plan, renewals: number): Promise<readonly Row[]> {
  const ours = await openOurs(engine, renewals);
  const floor = await openFloor(engine.floor, ours.example, renewals);
  const rounds = await inRounds(plan, {
    floor: () => costOf(() => inFlight(renewals, floor)),
    orgate() {
      ours.letTokensExpire();
      return costOf(() => inFlight(renewals, ours.renew));
    },
  });
  await ours.close();
  return toRows(rounds, plan, renewals);
}

function toRows({ wall, cpu }: Rounds<"floor" | "orgate">, plan: Plan, renewals: number): readonly Row[] {
  const perSecond = (of: readonly number[]) =>
    spreadOfRounds(plan.rounds, (round) => (renewals * 1e6) / (of[round] ?? NaN));
  const each = (of: readonly number[]) =>
    spreadOfRounds(plan.rounds, (round) => (of[round] ?? NaN) / renewals);
  return [
    { what: "orgate", measured: perSecond(wall.orgate), unit: "renewals/s", digits: 0 },
    { what: "floor", measured: perSecond(wall.floor), unit: "renewals/s", digits: 0 },
    { what: "orgate, CPU", measured: each(cpu.orgate), unit: "us", digits: 0 },
    { what: "floor, CPU", measured: each(cpu.floor), unit: "us", digits: 0 },
    {
      what: "orgate / floor, renewals per second",
      measured: ratioOf(wall.floor, wall.orgate),
      unit: "x",
      target: { atLeast: TARGET },
    },
  ];
}

/** Renews each session once, so many at a time. */
async function inFlight(sessions: number, renew: (session: number) => Promise<void>): Promise<void> {
  const callers = Array.from({ length: IN_FLIGHT }, async (_, caller) => {
    for (let session = caller; session < sessions; session += IN_FLIGHT) await renew(session);
  });
  await Promise.all(callers);
}

/** What a renewal of ours writes and returns, for the floor to do the same. */
interface Example {
  readonly document: string;
  readonly claims: JWTPayload;
  readonly algorithm: string;
  readonly user: object;
  readonly refreshToken: string;
}

async function openOurs({ openRepository }: Engine, sessions: number) {
  let now = Date.now() / 1000;
  const clock = (): number => now;
  const letTokensExpire = (): void => void (now += BETWEEN_RENEWALS);
  const repository = openRepository(clock);
  const users = Array.from({ length: sessions }, (_, n) => ({
    id: `user_${randomUUID()}`,
    emailAddress: `user${n}@example.com`,
    name: "Ada Lovelace",
  }));
  const memberships = users.map(({ id }) => ({
    userId: id,
    organizationId: ORGANIZATION,
    roles: ["editor"],
  }));
  const authority = createAuthority({
    issuer: "https://app.example.com",
    keyEncryption: "a-key-encryption-secret-of-32-characters",
    repository,
    clock,
    directory: memoryDirectory({
      users,
      organizations: [{ id: ORGANIZATION, name: "Acme", slug: "acme" }],
      memberships,
    }),
  });
  const session = { sealSession: true, cookiePassword: PASSWORD };
  const tokens: string[] = [];
  for (const { id } of users) {
    const opened = await authority.authenticate({
      userId: id,
      authenticationMethod: "Password",
      ipAddress: "203.0.113.7",
      userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    });
    tokens.push(opened.refreshToken);
  }
  const renewOne = async (index: number) => {
    const renewed = await authority.authenticateWithRefreshToken({
      refreshToken: tokens[index] ?? "",
      session,
    });
    tokens[index] = renewed.refreshToken;
    return renewed;
  };
  // Renewed once, so that it has a predecessor, as most have.
  letTokensExpire();
  const { accessToken, refreshToken } = await renewOne(0);
  const claims = decodeJwt(accessToken);
  const stored = await repository.read("sessions", String(claims["sid"]));
  const example: Example = {
    document: JSON.stringify(stored?.value),
    claims,
    algorithm: decodeProtectedHeader(accessToken).alg ?? "",
    user: { id: users[0]?.id, emailAddress: users[0]?.emailAddress },
    refreshToken,
  };
  return {
    example,
    letTokensExpire,
    renew: async (index: number) => void (await renewOne(index)),
    close: () => authority.close(),
  };
}

async function openFloor(
  floor: Floor,
  example: Example,
  sessions: number,
): Promise<(session: number) => Promise<void>> {
  const { privateKey } = await generateKeyPair(example.algorithm);
  const run = randomUUID();
  const ids = Array.from({ length: sessions }, (_, n) => `${run}:${n}`);
  for (const id of ids) await floor.write(id, example.document);
  const secretLength = Buffer.from(example.refreshToken, "base64url").length;
  return async (session) => {
    const id = ids[session] ?? "";
    const { text, version } = await floor.read(id);
    const document = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const refreshToken = randomBytes(secretLength).toString("base64url");
    const current = createHash("sha256").update(refreshToken).digest("base64url");
    const now = Math.floor(Date.now() / 1000);
    const changed = { ...document, lastAccessedAt: now, family: { ...Object(document["family"]), current } };
    if (!(await floor.replace(id, version, JSON.stringify(changed)))) throw new Error("Somebody else wrote.");
    const claims = { ...example.claims, iat: now, exp: now + 300, jti: randomUUID() };
    const header = { alg: example.algorithm, kid: "floor", typ: "JWT" };
    const accessToken = await new SignJWT(claims).setProtectedHeader(header).sign(privateKey);
    const credential = {
      accessToken,
      refreshToken,
      organizationId: ORGANIZATION,
      authenticationMethod: "Password",
      user: example.user,
    };
    await seal(credential, { id: "1", secret: PASSWORD }, defaults);
  };
}

const REPLACE = `
local text = redis.call('GET', KEYS[1])
if not text or string.match(text, '^%d+') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', 86400000)
return 1`;

async function openRedis(): Promise<Engine> {
  const client = new Redis(process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379");
  const prefix = `bench-${randomUUID().slice(0, 8)}`;
  const sha = String(await client.script("LOAD", REPLACE));
  const keyOf = (id: string): string => `${prefix}:floor:${id}`;
  return {
    name: "Redis",
    version: /^redis_version:(\S+)/m.exec(await client.info("server"))?.[1] ?? "",
    openRepository: (clock) => redisRepository(client, { prefix, clock, timeout: 5 }),
    floor: {
      write: async (id, text) => void (await client.set(keyOf(id), `1 ${text}`, "PX", 86_400_000)),
      async read(id) {
        const stored = (await client.get(keyOf(id))) ?? "";
        const space = stored.indexOf(" ");
        return { version: Number(stored.slice(0, space)), text: stored.slice(space + 1) };
      },
      async replace(id, version, text) {
        const next = `${version + 1} ${text}`;
        return (await client.evalsha(sha, 1, keyOf(id), String(version), next)) === 1;
      },
    },
    async close() {
      for await (const keys of client.scanStream({ match: `${prefix}:*`, count: 2_000 })) {
        if (keys.length > 0) await client.unlink(keys as string[]);
      }
      client.disconnect();
    },
  };
}

async function openPostgres(): Promise<Engine> {
  const pool = new Pool({
    connectionString: process.env["DATABASE_URL"] ?? "postgres://root@127.0.0.1:5432/test",
  });
  const schema = `orgate_bench_${randomUUID().slice(0, 8)}`;
  await migrate(pool, { schema });
  await pool.query(
    `CREATE TABLE ${schema}.floor (id text PRIMARY KEY, version bigint NOT NULL, value text NOT NULL)`,
  );
  const { rows } = await pool.query<{ readonly server_version: string }>("SHOW server_version");
  return {
    name: "Postgres",
    version: rows[0]?.server_version.split(" ", 1)[0] ?? "",
    openRepository: (clock) => postgresRepository(pool, { schema, clock, timeout: 5 }),
    floor: {
      async write(id, text) {
        await pool.query(`INSERT INTO ${schema}.floor VALUES ($1, 1, $2)`, [id, text]);
      },
      async read(id) {
        const text = `SELECT version, value FROM ${schema}.floor WHERE id = $1`;
        const found = await pool.query<{ readonly version: string; readonly value: string }>(text, [id]);
        return { version: Number(found.rows[0]?.version), text: found.rows[0]?.value ?? "" };
      },
      async replace(id, version, value) {
        const text = `UPDATE ${schema}.floor SET version = version + 1, value = $3 WHERE id = $1 AND version = $2`;
        return (await pool.query(text, [id, version, value])).rowCount === 1;
      },
    },
    async close() {
      await pool.query(`DROP SCHEMA ${schema} CASCADE`);
      await pool.end();
    },
  };
}
