import { createPublicKey, verify } from "node:crypto";
import { defaults, unseal } from "iron-webcrypto";
import { createLocalJWKSet, jwtVerify } from "jose";
import { freshString, headerOf, makeExchange, type Exchange, type Way } from "./exchanges.ts";
import { cpuOfAsync, inRounds, ratioOf, spreadOf } from "./statistics.ts";
import type { Row } from "./table.ts";
import { COOKIE, PASSWORD, type Session, type World } from "./world.ts";

/** The number of credentials in a batch, and how many are in flight at once. */
const BATCH = 250;
const IN_FLIGHT = 32;
const MOST_TIMES = 1.25;

/** Measures credentials that were never seen before, beside the least that verifying costs; CPU of all threads. */
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
  // Every job creates the request and the response; their cost is subtracted.
  const spend = async (
    way: Way,
    each: (session: Session, exchange: Exchange) => unknown,
  ): Promise<number> => {
    const sessions = batch();
    const work = async (session: Session): Promise<void> => {
      await each(session, makeExchange(way, freshString(headerOf(way, session))));
    };
    return (await cpuOfAsync(() => runAll(sessions, work))) / sessions.length;
  };
  const [bearer, cookie] = [openInstance(world), openInstance(world)];
  await bearer.pass(makeExchange("bearer", `Bearer ${world.sessions[0]?.accessToken}`));
  await cookie.pass(makeExchange("cookie", `${COOKIE}=${world.sessions[0]?.sealedSession}`));
  const taken = await inRounds(rounds, {
    made: () => spend("bearer", () => undefined),
    madeCookie: () => spend("cookie", () => undefined),
    verify: () => spend("bearer", (session) => checkSignature(session)),
    key: () => spend("bearer", ({ accessToken }) => jose(accessToken)),
    keySet: () => spend("bearer", ({ accessToken }) => jwtVerify(accessToken, keySet, options)),
    bearer: () => spend("bearer", (_session, exchange) => bearer.pass(exchange)),
    unseal: () => spend("cookie", ({ sealedSession }) => openSeal(sealedSession)),
    unsealAndVerify: () =>
      spend("cookie", async ({ sealedSession }) => {
        const { accessToken } = (await openSeal(sealedSession)) as { accessToken: string };
        await jose(accessToken);
      }),
    cookie: () => spend("cookie", (_session, exchange) => cookie.pass(exchange)),
  });
  await Promise.all([bearer.close(), cookie.close()]);
  function checkSignature({ accessToken }: Session): void {
    const at = accessToken.lastIndexOf(".");
    const signature = Buffer.from(accessToken.slice(at + 1), "base64url");
    const isGood = verify("RSA-SHA256", Buffer.from(accessToken.slice(0, at)), key, signature);
    if (!isGood) throw new Error("a signature of the benchmark's own does not verify");
  }
  const net = (name: keyof typeof taken, made: "made" | "madeCookie" = "made"): readonly number[] =>
    taken[name].map((value, round) => value - (taken[made][round] ?? 0));
  return [
    row("crypto.verify, RS256", net("verify")),
    row("jose jwtVerify, key object", net("key")),
    row("jose jwtVerify, local JWKS", net("keySet")),
    row("iron-webcrypto unseal", net("unseal", "madeCookie")),
    row("middleware + guard, bearer", net("bearer")),
    times("... of jwtVerify, key object", net("bearer"), net("key")),
    times("... of jwtVerify, local JWKS", net("bearer"), net("keySet")),
    row("middleware + guard, cookie", net("cookie", "madeCookie")),
    times("... of unseal + jwtVerify", net("cookie", "madeCookie"), net("unsealAndVerify", "madeCookie")),
  ];
}

function row(what: string, values: readonly number[]): Row {
  return { what, measured: spreadOf(values), unit: "us", digits: 1 };
}

function times(what: string, values: readonly number[], floor: readonly number[]): Row {
  return { what, measured: ratioOf(values, floor), unit: "x", target: MOST_TIMES };
}

/** An instance that has evicted a credential before it comes again. */
function openInstance(world: World): { pass(exchange: Exchange): Promise<void>; close(): Promise<void> } {
  const auth = world.makeAuth({ cache: { maxEntries: BATCH } });
  const guard = auth.requirePermission("documents", "read");
  return {
    pass: ({ request, response }) =>
      new Promise((resolve, reject) => {
        const done = (error?: unknown): void =>
          error === undefined ? resolve() : reject(new Error("refused"));
        auth(request, response, () => guard(request, response, done));
      }),
    close: () => auth.close(),
  };
}

/** Runs several at once, like a server: one after another overstates asynchronous work. */
async function runAll<Item>(items: readonly Item[], each: (item: Item) => Promise<unknown>): Promise<void> {
  const waiting = items.values();
  const work = async (): Promise<void> => {
    for (const item of waiting) await each(item);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
}
