import { describe, expect, it } from "@jest/globals";
import type { JsonWebKeySet } from "../../src/store.ts";
import { closeAfterEach, start, withBearer, withCookie } from "../support/apps.ts";
import { settle } from "../support/timers.ts";
import { generateSigningKey, publicJwks } from "../support/tokens.ts";
import { claimsOf, makeWorld } from "../support/world.ts";

closeAfterEach();

const NEXT = generateSigningKey("ES256", "the-next-key");
const DAY = 86_400;

/** An application whose store publishes what the test says. Its tokens live for an hour. */
async function publish() {
  let published: JsonWebKeySet | undefined;
  const tokens = makeWorld().authority.tokens;
  const load = (signal: AbortSignal): Promise<JsonWebKeySet> =>
    published === undefined ? world.authority.tokens.keys.load(signal) : Promise.resolve(published);
  const world = makeWorld({
    accessTokenLifetime: 3_600,
    overrides: { tokens: { ...tokens, keys: { load, maxAge: 60, cooldown: 5 } } },
  });
  const app = await start({ world });
  const { accessToken, seal } = await world.signIn();
  const ask = async (headers: Record<string, string>): Promise<number> => {
    const { status } = await app.send({ headers });
    await settle();
    return status;
  };
  return {
    ...app,
    world,
    accessToken,
    seal,
    ask,
    withdraw: () => (published = publicJwks([NEXT])),
    restore: () => (published = undefined),
  };
}

describe("a signing key that is withdrawn", () => {
  it("ends a bearer token that it signed and that was verified before: 401 invalid_token", async () => {
    const { world, accessToken, ask, send, withdraw, reached } = await publish();
    const headers = withBearer(accessToken);
    expect(await ask(headers)).toBe(200);
    withdraw();
    const seen: number[] = [];
    for (const seconds of [60, 3, 2, 1]) {
      world.clock.now += seconds;
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      seen.push(await ask(headers));
    }
    expect(seen).toEqual([200, 200, 200, 401]);
    const { body, headers: answered, setCookies } = await send({ headers });
    expect(JSON.parse(body)).toMatchObject({ code: "invalid_token" });
    expect(answered["www-authenticate"]).toContain('error="invalid_token"');
    expect(setCookies).toEqual([]);
    expect(reached).toHaveLength(4);
  });

  it("makes a sealed session be renewed, as if its token had expired", async () => {
    const { world, seal, ask, withdraw } = await publish();
    expect(await ask(withCookie(seal))).toBe(200);
    withdraw();
    for (const seconds of [60, 5]) {
      world.clock.now += seconds;
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect(await ask(withCookie(seal))).toBe(200);
    }
    world.clock.now += 1;
    await ask(withCookie(seal));
    expect(world.store.questions.map(({ stale }) => stale.reason)).toEqual(["expired"]);
  });

  it("is still good while only one key set lacks it: a publisher's slip signs nobody out", async () => {
    const { world, accessToken, ask, withdraw, restore } = await publish();
    const headers = withBearer(accessToken);
    await ask(headers);
    withdraw();
    world.clock.now += 60;
    await ask(headers);
    restore();
    const seen: number[] = [];
    for (const seconds of [5, 1, 60, 60]) {
      world.clock.now += seconds;
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      seen.push(await ask(headers));
    }
    expect(seen).toEqual([200, 200, 200, 200]);
  });
});

describe("maxTokenLifetime", () => {
  it.each([
    ["a day after it was issued, by default", undefined, DAY, 1],
    ["not within the day", undefined, DAY - 1, 0],
    ["after what the application says", 60, 60, 1],
    ["never where it is switched off", false, 300 * DAY, 0],
  ] as const)(
    "makes the store be asked about a token of ten years %s",
    async (_, maxTokenLifetime, age, asked) => {
      const { world, send } = await start({ options: { maxTokenLifetime } });
      const { accessToken } = await world.signIn();
      const claims = claimsOf(accessToken);
      const exp = Number(claims["exp"]) + 3_650 * DAY;
      const session = { ...(claims["session"] as object), expires_at: exp };
      const token = world.sign({ ...claims, exp, session });
      expect((await send({ headers: withBearer(token) })).status).toBe(200);
      world.clock.now += age;
      await send({ headers: withBearer(token) });
      expect(world.store.questions).toHaveLength(asked);
    },
  );
});
