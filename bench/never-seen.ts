import { createPublicKey, verify } from "node:crypto";
import { defaults, unseal } from "iron-webcrypto";
import { createLocalJWKSet, jwtVerify } from "jose";
import { freshString, headerOf, makeExchange, type Exchange, type Way } from "./exchanges.ts";
import { cpuOf, cpuOfAsync, inRounds, ratioOf, spreadOf, type Spread } from "./statistics.ts";
import type { Row } from "./table.ts";
import { PASSWORD, type Session, type World } from "./world.ts";

/** Credentials of one batch, and how many of them are under way at once. */
const BATCH = 250;
const IN_FLIGHT = 32;
const MOST_TIMES = 1.25;

/** Credentials never seen before, beside what verifying them costs at the least; CPU of all threads. */
export async function measureNeverSeen(world: World, rounds: number): Promise<readonly Row[]> {
  const key = createPublicKey({ key: { ...world.publicKey }, format: "jwk" });
  const keySet = createLocalJWKSet({
    keys: [{ ...world.publicKey, kty: "RSA", kid: "bench", alg: "RS256" }],
  });
  const options = { algorithms: ["RS256"], issuer: world.issuer };
  const jose = (token: string): Promise<unknown> => jwtVerify(token, key, options);
  const openSeal = (seal: string): Promise<unknown> => unseal(seal.replace(/~2$/, ""), PASSWORD, defaults);
  let turn = 0;
  const batch = (): readonly Session[] => {
    turn += 1;
    const from = (turn * BATCH) % Math.max(1, world.sessions.length - BATCH);
    return world.sessions.slice(from, from + BATCH);
  };
  const spend = (each: (session: Session) => Promise<unknown>): Promise<number> =>
    overBatch(batch(), (sessions) => cpuOfAsync(() => runAll(sessions, each)));
  const taken = await inRounds(rounds, {
    verify: () => overBatch(batch(), (sessions) => cpuOf(() => sessions.forEach(checkSignature))),
    key: () => spend(({ accessToken }) => jose(accessToken)),
    keySet: () => spend(({ accessToken }) => jwtVerify(accessToken, keySet, options)),
    unseal: () => spend(({ sealedSession }) => openSeal(sealedSession)),
    unsealAndVerify: () =>
      spend(async ({ sealedSession }) => {
        const { accessToken } = (await openSeal(sealedSession)) as { accessToken: string };
        return jose(accessToken);
      }),
    bearer: () => orgateOver(world, "bearer", batch()),
    cookie: () => orgateOver(world, "cookie", batch()),
  });
  function checkSignature({ accessToken }: Session): void {
    const at = accessToken.lastIndexOf(".");
    const signature = Buffer.from(accessToken.slice(at + 1), "base64url");
    const isGood = verify("RSA-SHA256", Buffer.from(accessToken.slice(0, at)), key, signature);
    if (!isGood) throw new Error("a signature of the benchmark's own does not verify");
  }
  const row = (what: string, measured: Spread): Row => ({ what, measured, unit: "us", digits: 1 });
  const times = (what: string, values: readonly number[], floor: readonly number[]): Row => {
    return { what, measured: ratioOf(values, floor), unit: "x", target: MOST_TIMES };
  };
  return [
    row("crypto.verify, RS256", spreadOf(taken.verify)),
    row("jose jwtVerify, key object", spreadOf(taken.key)),
    row("jose jwtVerify, local JWKS", spreadOf(taken.keySet)),
    row("iron-webcrypto unseal", spreadOf(taken.unseal)),
    row("middleware + guard, bearer", spreadOf(taken.bearer)),
    times("... of jwtVerify", taken.bearer, taken.key),
    row("middleware + guard, cookie", spreadOf(taken.cookie)),
    times("... of unseal + jwtVerify", taken.cookie, taken.unsealAndVerify),
  ];
}

async function orgateOver(world: World, way: Way, sessions: readonly Session[]): Promise<number> {
  const auth = world.makeAuth();
  const guard = auth.requirePermission("documents", "read");
  const pass = ({ request, response }: Exchange): Promise<void> =>
    new Promise((resolve, reject) => {
      const done = (error?: unknown): void =>
        error === undefined ? resolve() : reject(new Error("refused"));
      auth(request, response, () => guard(request, response, done));
    });
  const exchanges = sessions.map((session) => makeExchange(way, freshString(headerOf(way, session))));
  const [first, ...others] = exchanges;
  // The keys are loaded once in the life of an instance.
  if (first !== undefined) await pass(first);
  const spent = await overBatch(others, (rest) => cpuOfAsync(() => runAll(rest, pass)));
  await auth.close();
  return spent;
}

/** Microseconds for one of a batch. */
async function overBatch<Item>(
  items: readonly Item[],
  measure: (items: readonly Item[]) => number | Promise<number>,
): Promise<number> {
  return (await measure(items)) / items.length;
}

/** As a server does it: several at once, because one after another overstates whatever waits. */
async function runAll<Item>(items: readonly Item[], each: (item: Item) => Promise<unknown>): Promise<void> {
  const waiting = items.values();
  const work = async (): Promise<void> => {
    for (const item of waiting) await each(item);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
}
