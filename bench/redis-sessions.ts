/**
 * Measures what a session takes in Redis: its document, its two index entries, and its key.
 *
 * npx tsx bench/redis-sessions.ts --url redis://127.0.0.1:6379/9 --sessions 1000000
 *
 * It writes under a prefix of its own and deletes that at the end. Nothing else should write to the server meanwhile.
 */
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import {
  type Repository,
  type WriteOptions,
  createAuthority,
  memoryDirectory,
  memoryRepository,
} from "../src/authority/index.ts";
import { redisRepository } from "../src/fleet/redis/index.ts";

const { values } = parseArgs({
  options: {
    url: { type: "string", default: "redis://127.0.0.1:6379" },
    sessions: { type: "string", default: "100000" },
  },
});
const BATCH = 200;

interface WrittenSession {
  readonly value: object;
  readonly options: WriteOptions;
}

/** Has the authority open a session of a member of one organization, signed in with a password, and returns what it writes. */
async function openSession(): Promise<WrittenSession> {
  const written: WrittenSession[] = [];
  const inner = memoryRepository();
  const repository: Repository = {
    ...inner,
    insert(collection, id, value, options) {
      if (collection === "sessions") written.push({ value: value as object, options });
      return inner.insert(collection, id, value, options);
    },
  };
  const [userId, organizationId] = [randomUUID(), randomUUID()];
  const authority = createAuthority({
    issuer: "https://app.example.com",
    repository,
    directory: memoryDirectory({
      users: [{ id: userId, emailAddress: "somebody@example.com" }],
      organizations: [{ id: organizationId, name: "Example", slug: "example" }],
      memberships: [{ userId, organizationId, roles: ["editor"] }],
    }),
  });
  await authority.authenticate({
    userId,
    authenticationMethod: "Password",
    ipAddress: "2001:db8::1234:5678",
    userAgent:
      "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
  });
  await authority.close();
  const [session] = written;
  if (session === undefined) throw new Error("The authority wrote no session.");
  return session;
}

async function usedMemory(client: Redis): Promise<number> {
  const [, bytes = ""] = /^used_memory:(\d+)/m.exec(await client.info("memory")) ?? [];
  return Number(bytes);
}

const client = new Redis(values.url);
const prefix = `bench-${randomUUID().slice(0, 8)}`;
const repository = redisRepository(client, { prefix, timeout: 5 });
const sessions = Number(values.sessions);
const { value, options } = await openSession();
const before = await usedMemory(client);
for (let written = 0; written < sessions; written += BATCH) {
  const batch = Array.from({ length: Math.min(BATCH, sessions - written) }, async () => {
    const id = `session_${randomUUID().replaceAll("-", "").slice(0, 26)}`;
    // Users have a session each.
    const user = randomUUID();
    const indexes = [`user:${user}`, `member:${user}:org_${Math.floor(written / 100)}`];
    await repository.insert("sessions", id, { ...value, id }, { ...options, indexes });
  });
  await Promise.all(batch);
}
const bytes = ((await usedMemory(client)) - before) / sessions;
const version = /^redis_version:(\S+)/m.exec(await client.info("server"))?.[1];
const json = JSON.stringify(value).length;
console.log(
  `Redis ${version}: ${bytes.toFixed(0)} bytes per session at ${sessions} sessions (${json} bytes of JSON)`,
);
for await (const keys of client.scanStream({ match: `${prefix}:*`, count: 2000 })) {
  if (keys.length > 0) await client.unlink(keys as string[]);
}
await repository.close();
client.disconnect();
