import { createEngine } from "../src/request/engine.ts";
import { interpretClaims } from "../src/request/verify-credential.ts";
import { resolveOptions } from "../src/options/options.ts";
import { createVerifiedCache, credentialKey, type VerifiedSession } from "../src/request/cache.ts";
import type { VerifiedClaims } from "../src/store.ts";
import type { Row } from "./table.ts";
import { PASSWORD, type World } from "./world.ts";

/** Target: bytes per session without the attached objects. */
const MOST_BYTES = 512;

/** Measures the heap of a cached session: alone, and with the attached member, organization and session. */
export function measureMemory(world: World, sessions: number): readonly Row[] {
  const claims = claimsOf(world.sessions[0]?.accessToken ?? "");
  const { authority: store, issuer: baseUrl } = world;
  const engine = createEngine(resolveOptions({ baseUrl, store, cookie: { password: PASSWORD } }));
  const read = (index: number): VerifiedSession => {
    const session = interpretClaims(engine, { via: "bearer", claims: renumber(claims, index) });
    if (typeof session !== "object") throw new Error("the claims are no session");
    return session;
  };
  const { member, organization, memberSession } = read(0);
  const alone = bytesPerSession(sessions, (index) =>
    Object.assign(read(index), { member, organization, memberSession }),
  );
  const whole = bytesPerSession(sessions, read);
  const of = `${sessions.toLocaleString("en")} sessions`;
  return [
    { what: `cached session, ${of}`, ...asMeasured(alone), target: MOST_BYTES },
    { what: "... with the attached objects", ...asMeasured(whole) },
  ];
}

function asMeasured({ heap, external }: Bytes): Pick<Row, "measured" | "unit" | "digits" | "note"> {
  const measured = { median: heap, low: heap, high: heap };
  return { measured, unit: "B", digits: 0, note: `${external.toFixed(0)} B more outside of the heap` };
}

interface Bytes {
  readonly heap: number;
  readonly external: number;
}

function bytesPerSession(sessions: number, make: (index: number) => VerifiedSession): Bytes {
  const before = usedMemory();
  const cache = createVerifiedCache(sessions);
  for (let index = 0; index < sessions; index += 1) {
    cache.set(credentialKey("bearer", `credential ${index}`), make(index));
  }
  const after = usedMemory();
  if (cache.size !== sessions) throw new Error(`${cache.size} sessions in the cache`);
  return {
    heap: (after.heapUsed - before.heapUsed) / sessions,
    external: (after.external - before.external) / sessions,
  };
}

function usedMemory(): NodeJS.MemoryUsage {
  if (globalThis.gc === undefined) throw new Error("run with --expose-gc");
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage();
}

function claimsOf(token: string): string {
  return Buffer.from(token.split(".")[1] ?? "", "base64url").toString();
}

/** The claims of one member: parsed each time, so that no two members share an object. */
function renumber(claims: string, index: number): VerifiedClaims {
  const parsed = JSON.parse(claims) as VerifiedClaims & { readonly sid: string };
  const custom = { custom_claims: { plan: "team" } };
  return { ...parsed, ...custom, sub: `user_${index}`, sid: `session_${index}_of_the_benchmark` };
}
