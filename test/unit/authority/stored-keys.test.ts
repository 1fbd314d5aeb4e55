import { describe, expect, it } from "@jest/globals";
import { createAuthority, memoryRepository } from "../../../src/authority/index.ts";
import type { AuthorityOptions, Repository } from "../../../src/authority/index.ts";
import { createKeySet } from "../../../src/tokens/key-set.ts";
import { generateSigningKey } from "../../support/tokens.ts";
import { scheduleRepository } from "./scheduled-repository.ts";
import {
  type World,
  START,
  makeDirectory,
  makeRandom,
  makeWorld,
  refusal,
  refusedWith,
  signInAda,
} from "./set-up.ts";

const SECRET = "the first secret that seals the keys";
const NEXT_SECRET = "the second secret that seals the keys";

/** Documents that several processes share, as an engine on the network has them. */
function makeSharedRepository(clock: { now: number }, durability?: "shared"): Repository {
  const { durability: _memory, ...repository } = memoryRepository({ clock: () => clock.now });
  return { ...repository, ...(durability !== undefined && { durability }) };
}

interface Fleet {
  readonly clock: { now: number };
  readonly repository: Repository;
  /** Starts another process over the same documents. */
  join(options?: Partial<AuthorityOptions>): World;
}

function makeFleet(make: (clock: { now: number }) => Repository = shared): Fleet {
  const clock = { now: START };
  const repository = make(clock);
  return {
    clock,
    repository,
    join: (options = {}) => makeWorld({ keyEncryption: SECRET, ...options, repository }, clock),
  };
}

const shared = (clock: { now: number }): Repository => makeSharedRepository(clock, "shared");
const inMemory = (clock: { now: number }): Repository => memoryRepository({ clock: () => clock.now });
const ofTheApplication = (clock: { now: number }): Repository => makeSharedRepository(clock);

const ID = "signing-keys";

interface StoredKey {
  readonly kid: string;
  readonly secret: unknown;
  readonly signsFrom: number;
  readonly retiredUntil?: number;
}

async function storedKeys({ repository }: Fleet): Promise<readonly StoredKey[]> {
  const { value } = (await repository.read("keys", ID)) ?? {};
  return (value as { keys: StoredKey[] }).keys;
}

async function storedText({ repository }: Fleet): Promise<string> {
  return JSON.stringify((await repository.read("keys", ID))?.value);
}

/** Puts something else in the place of the keys. */
async function plant({ repository }: Fleet, value: unknown): Promise<void> {
  await repository.consume("keys", ID);
  await repository.insert("keys", ID, value, { expiresAt: START * 2 });
}

const kidsOf = async ({ authority }: World): Promise<unknown[]> =>
  (await authority.jwks()).keys.map(({ kid }) => kid);

function kidOf(token: string): unknown {
  const header = JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()) as object;
  return Reflect.get(header, "kid");
}

const kidOfSignIn = async (world: World): Promise<unknown> => kidOf((await signInAda(world)).accessToken);

async function accepts({ authority }: World, sessionJwt: string): Promise<boolean> {
  return (await authority.authenticateJwt({ sessionJwt })).sessionJwt === sessionJwt;
}

const askStore = (
  { authority }: World,
  sessionJwt: string,
): ReturnType<World["authority"]["authenticateJwt"]> =>
  authority.authenticateJwt({ sessionJwt, maxTokenAgeSeconds: 0 });

describe("signing keys in the repository", () => {
  it.each([
    ["shared", shared],
    ["the application's own", ofTheApplication],
    ["in memory", inMemory],
  ])("are made once when many processes start at once (%s)", async (_kind, make) => {
    const fleet = makeFleet(make);
    const worlds = Array.from({ length: 8 }, () => fleet.join());
    const kids = await Promise.all(worlds.map(kidsOf));
    expect(kids[0]).toHaveLength(1);
    expect(new Set(kids.map(String)).size).toBe(1);
    const tokens = await Promise.all(worlds.map((world) => signInAda(world)));
    for (const world of worlds) {
      expect(await Promise.all(tokens.map(({ accessToken }) => accepts(world, accessToken)))).not.toContain(
        false,
      );
    }
  });

  it("are made once in whatever order the processes go on", async () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const fleet = makeFleet();
      const scheduled = scheduleRepository(fleet.repository);
      const repository = { ...scheduled.repository, durability: "shared" as const };
      const worlds = Array.from({ length: 3 }, () =>
        makeWorld({ keyEncryption: SECRET, repository }, fleet.clock),
      );
      const asked = worlds.map(kidsOf);
      await scheduled.run(makeRandom(seed), asked);
      const kids = await Promise.all(asked);
      expect([seed, new Set(kids.map(String)).size]).toEqual([seed, 1]);
      expect(await storedKeys(fleet)).toHaveLength(1);
    }
  });

  it("outlive a restart: tokens and session tokens of before are good", async () => {
    const fleet = makeFleet();
    const before = fleet.join();
    const { accessToken } = await signInAda(before);
    const { sessionToken } = await askStore(before, accessToken);
    await before.authority.close();
    const after = fleet.join();
    expect(await accepts(after, accessToken)).toBe(true);
    expect(
      (await after.authority.authenticateSession({ sessionToken: String(sessionToken) })).member.userId,
    ).toBe("user_ada");
  });

  it("are not touched by an authority with keys of its own", async () => {
    const fleet = makeFleet();
    const { privateKey, kid } = generateSigningKey("ES256", "own");
    const own = fleet.join({
      keys: [{ ...privateKey.export({ format: "jwk" }), kty: "EC", kid }],
      keyEncryption: undefined,
    });
    expect(await kidsOf(own)).toEqual(["own"]);
    await own.authority.rotateKeys();
    expect(await fleet.repository.read("keys", ID)).toBeUndefined();
  });

  it("get their expiry moved before it comes", async () => {
    const fleet = makeFleet();
    await kidsOf(fleet.join());
    const years = 366 * 86_400;
    fleet.clock.now += 6 * years;
    const kids = await kidsOf(fleet.join());
    fleet.clock.now += 6 * years;
    expect(await kidsOf(fleet.join())).toEqual(kids);
  });
});

describe("a rotation in a fleet", () => {
  it("publishes the new key for a minute before it signs, and keeps the old one for the retention", async () => {
    const fleet = makeFleet();
    const [a, b] = [fleet.join(), fleet.join()];
    const [old] = await kidsOf(b);
    const { kid, signsFrom } = await a.authority.rotateKeys();
    expect(signsFrom).toBe(START + 60);
    expect(await kidsOf(a)).toEqual([kid, old]);
    expect(await kidOfSignIn(a)).toBe(old);
    fleet.clock.now += 31;
    expect(await kidsOf(b)).toEqual([kid, old]);
    expect(await kidOfSignIn(b)).toBe(old);
    fleet.clock.now = signsFrom;
    expect(await kidOfSignIn(a)).toBe(kid);
    expect(await kidOfSignIn(b)).toBe(kid);
    const [, retired] = await storedKeys(fleet);
    const day = 86_400;
    expect(retired).toMatchObject({ kid: old, retiredUntil: signsFrom + 300 + 30 * day + 60 });
    fleet.clock.now = signsFrom + 300 + 30 * day + 59;
    expect(await kidsOf(b)).toEqual([kid, old]);
    fleet.clock.now += 1;
    expect(await kidsOf(b)).toEqual([kid]);
    await b.authority.rotateKeys();
    expect((await storedKeys(fleet)).map((key) => key.kid)).not.toContain(old);
  });

  it("has no gap: each token is good in every process at any time, whenever it read the keys last", async () => {
    for (let seed = 1; seed <= 12; seed += 1) {
      const random = makeRandom(seed);
      const fleet = makeFleet();
      const worlds = [fleet.join(), fleet.join(), fleet.join()];
      for (let step = 0; step < 60; step += 1) {
        if (random.below(6) === 0) await random.pick(worlds).authority.rotateKeys();
        const { accessToken } = await signInAda(random.pick(worlds));
        const reader = random.pick(worlds);
        expect([seed, step, await refusedOr(accepts(reader, accessToken))]).toEqual([seed, step, true]);
        fleet.clock.now += random.below(40);
      }
    }
  });

  it("keeps the secrets that are derived from the keys", async () => {
    const fleet = makeFleet();
    const [a, b] = [fleet.join(), fleet.join()];
    const tokenOf = async (world: World): Promise<string> => {
      const { accessToken } = await signInAda(world);
      return String((await askStore(world, accessToken)).sessionToken);
    };
    const tokens = [await tokenOf(a)];
    for (let rotation = 0; rotation < 3; rotation += 1) {
      await (rotation % 2 === 0 ? a : b).authority.rotateKeys();
      tokens.push(await tokenOf(a));
      fleet.clock.now += 61;
      tokens.push(await tokenOf(b));
    }
    for (const sessionToken of tokens) {
      expect((await a.authority.authenticateSession({ sessionToken })).memberSession.roles).toContain(
        "admin",
      );
      expect((await b.authority.authenticateSession({ sessionToken })).memberSession.roles).toContain(
        "admin",
      );
    }
  });

  it("loses no key when processes rotate at once, and signs with the newest", async () => {
    const fleet = makeFleet();
    const worlds = [fleet.join(), fleet.join(), fleet.join()];
    await kidsOf(fleet.join());
    const rotated = await Promise.all(worlds.map(({ authority }) => authority.rotateKeys()));
    const kids = (await storedKeys(fleet)).map(({ kid }) => kid);
    expect(kids).toHaveLength(4);
    expect(kids).toEqual(expect.arrayContaining(rotated.map(({ kid }) => kid)));
    fleet.clock.now += 60;
    for (const world of worlds) expect(await kidOfSignIn(world)).toBe(kids[0]);
  });

  it("is seen at once by every authority over one repository in memory", async () => {
    const fleet = makeFleet(inMemory);
    const [a, b] = [fleet.join(), fleet.join()];
    expect(await accepts(b, (await signInAda(a)).accessToken)).toBe(true);
    const { kid, signsFrom } = await a.authority.rotateKeys();
    expect(signsFrom).toBe(START);
    const { accessToken } = await signInAda(a);
    expect(kidOf(accessToken)).toBe(kid);
    expect(await accepts(b, accessToken)).toBe(true);
    expect(await kidOfSignIn(b)).toBe(kid);
  });
});

describe("sealed keys", () => {
  it("are demanded where other processes can read the repository", () => {
    const make = (options: Partial<AuthorityOptions>): unknown =>
      createAuthority({ issuer: "https://a.example", directory: makeDirectory(), ...options });
    const repository = makeSharedRepository({ now: START }, "shared");
    expect(() => make({ repository })).toThrow(/keyEncryption: is required.*openssl/s);
    expect(() => make({ repository, keyEncryption: "" })).toThrow("keyEncryption: is required");
    expect(() => make({ repository, keyEncryption: "too short" })).toThrow("at least 32 characters");
    expect(() => make({ repository, keyEncryption: "too short" })).not.toThrow("is required");
    const { privateKey } = generateSigningKey("ES256", "own");
    const keys = [{ ...privateKey.export({ format: "jwk" }), kty: "EC" }];
    expect(() => make({ repository, keys })).not.toThrow();
  });

  it.each([
    ["a text", SECRET],
    ["a list, newest first", [NEXT_SECRET, SECRET]],
    ["numbers", { 1: SECRET, 7: NEXT_SECRET }],
  ])("hold nothing that can be read: %s", async (_form, keyEncryption) => {
    const fleet = makeFleet();
    const kids = await kidsOf(fleet.join({ keyEncryption }));
    const text = await storedText(fleet);
    expect(text).toContain(String(kids[0]));
    expect(text).not.toMatch(/"(?:d|x|kty)"|second|first/);
    expect(await kidsOf(fleet.join({ keyEncryption }))).toEqual(kids);
  });

  it("are in clear in memory without a secret", async () => {
    const fleet = makeFleet(inMemory);
    const world = fleet.join({ keyEncryption: undefined });
    await kidsOf(world);
    expect(await storedText(fleet)).toContain('"d"');
    expect(world.events).toEqual([]);
  });

  it("are never replaced by a process that cannot open them", async () => {
    const fleet = makeFleet();
    const { accessToken } = await signInAda(fleet.join());
    const before = await storedText(fleet);
    const stranger = fleet.join({ keyEncryption: NEXT_SECRET });
    const asking = [
      () => stranger.authority.jwks(),
      () => signInAda(stranger),
      () => stranger.authority.rotateKeys(),
      () => stranger.authority.authenticateJwt({ sessionJwt: accessToken }),
    ];
    for (const ask of asking)
      expect(await refusedWith(ask())).toMatch(/^store_unavailable keys_(?:not_opened|unavailable)$/);
    expect(await refusedWith(stranger.authority.jwks())).toBe("store_unavailable keys_not_opened");
    expect((await refusal(stranger.authority.jwks())).headers).toEqual({ "Retry-After": "5" });
    expect(stranger.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "keys_not_opened" }),
    );
    expect(JSON.stringify(stranger.events)).not.toContain("secret that seals");
    expect(await storedText(fleet)).toBe(before);
  });

  it("are sealed by the newest secret at a rotation, and open with it alone", async () => {
    const fleet = makeFleet();
    const [old] = await kidsOf(fleet.join());
    const known = fleet.join({ keyEncryption: [SECRET, NEXT_SECRET] });
    expect(await kidsOf(known)).toEqual([old]);
    const { kid } = await fleet.join({ keyEncryption: [NEXT_SECRET, SECRET] }).authority.rotateKeys();
    expect(await kidsOf(fleet.join({ keyEncryption: NEXT_SECRET }))).toEqual([kid, old]);
    expect(await refusedWith(fleet.join().authority.jwks())).toBe("store_unavailable keys_not_opened");
  });

  it("go on in a process that opened them before a rotation sealed them anew", async () => {
    const fleet = makeFleet();
    const [a, b] = [
      fleet.join({ keyEncryption: [SECRET, NEXT_SECRET] }),
      fleet.join({ keyEncryption: [NEXT_SECRET, SECRET] }),
    ];
    const [old] = await kidsOf(a);
    await kidsOf(b);
    await b.authority.rotateKeys();
    fleet.clock.now += 31;
    expect(await kidsOf(a)).toContain(old);
    expect(await accepts(a, (await signInAda(b)).accessToken)).toBe(true);
  });

  it("replace those in clear of an application's own repository, which are reported once", async () => {
    const fleet = makeFleet(ofTheApplication);
    const open = fleet.join({ keyEncryption: undefined });
    const kids = await kidsOf(open);
    await signInAda(open);
    expect(open.events).toEqual([{ type: "misconfigured", reason: "keys_not_sealed" }]);
    expect(await storedText(fleet)).toContain('"d"');
    const sealing = fleet.join();
    expect(await kidsOf(sealing)).toEqual(kids);
    expect(sealing.events).toEqual([]);
    expect(await storedText(fleet)).not.toContain('"d"');
    fleet.clock.now += 31;
    expect(await accepts(open, (await signInAda(sealing)).accessToken)).toBe(true);
  });
});

describe("keys that cannot be read", () => {
  const other = generateSigningKey("ES256", "planted");
  const planted = { ...other.privateKey.export({ format: "jwk" }), kty: "EC", kid: "planted" };
  const unsealed = { kid: "planted", secret: planted, signsFrom: 0 };

  it.each<[string, unknown]>([
    ["a text", "junk"],
    ["a list", []],
    ["a newer version", { version: 2, keys: [unsealed], expiresAt: START * 2 }],
    ["no keys", { version: 1, keys: [], expiresAt: START * 2 }],
    ["keys of another form", { version: 1, keys: ["junk"], expiresAt: START * 2 }],
    ["a key that is not sealed", { version: 1, keys: [unsealed], expiresAt: START * 2 }],
    ["a key without a time", { version: 1, keys: [{ ...unsealed, signsFrom: "now" }], expiresAt: START * 2 }],
  ])("mean that nobody can know, are reported and stay as they are: %s", async (_case, value) => {
    const fleet = makeFleet();
    await plant(fleet, value);
    const world = fleet.join();
    for (const ask of [
      () => world.authority.jwks(),
      () => signInAda(world),
      () => world.authority.rotateKeys(),
    ]) {
      expect(await refusedWith(ask())).toBe("store_unavailable keys_unreadable");
    }
    expect(world.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "keys_unreadable" }),
    );
    expect((await fleet.repository.read("keys", ID))?.value).toEqual(value);
  });

  it.each([
    ["malformed", "1.", "keys_not_opened"],
    ["cut", "1.AAAA", "keys_not_opened"],
  ])("include seals that are %s", async (_case, secret, reason) => {
    const fleet = makeFleet();
    await plant(fleet, { version: 1, keys: [{ ...unsealed, secret }], expiresAt: START * 2 });
    expect(await refusedWith(fleet.join().authority.jwks())).toBe(`store_unavailable ${reason}`);
  });

  it("include a sealed key in the place of another", async () => {
    const fleet = makeFleet();
    const world = fleet.join();
    await world.authority.rotateKeys();
    const [first, second] = await storedKeys(fleet);
    const swapped = [{ ...first, secret: second?.secret }, second];
    await plant(fleet, { version: 1, keys: swapped, expiresAt: START * 2 });
    expect(await refusedWith(fleet.join().authority.jwks())).toBe("store_unavailable keys_unreadable");
  });

  it("include sealed keys for a process without a secret", async () => {
    const fleet = makeFleet(ofTheApplication);
    await kidsOf(fleet.join());
    const open = fleet.join({ keyEncryption: undefined });
    expect(await refusedWith(open.authority.jwks())).toBe("store_unavailable keys_not_opened");
  });
});

describe("while the repository is down", () => {
  function makeBreakable(fleet: Fleet): { repository: Repository; break(): void; mend(): void } {
    let isDown = false;
    const read: Repository["read"] = async (...asked) => {
      if (isDown) throw new Error("connection refused");
      return fleet.repository.read(...asked);
    };
    return {
      repository: { ...fleet.repository, read },
      break: () => void (isDown = true),
      mend: () => void (isDown = false),
    };
  }

  it("known tokens verify, the last keys are published, and nothing is signed by old ones", async () => {
    const fleet = makeFleet();
    const breakable = makeBreakable(fleet);
    const world = makeWorld({ repository: breakable.repository, keyEncryption: SECRET }, fleet.clock);
    const { accessToken } = await signInAda(world);
    expect(await accepts(world, accessToken)).toBe(true);
    breakable.break();
    fleet.clock.now += 299;
    expect(await accepts(world, accessToken)).toBe(true);
    expect(await kidsOf(world)).toEqual([kidOf(accessToken)]);
    expect(await refusedWith(signInAda(world))).toBe("store_unavailable dependency_failed");
  });

  it("a token of a key that nobody here has seen cannot be judged, and is accepted afterwards", async () => {
    const fleet = makeFleet();
    const breakable = makeBreakable(fleet);
    const reader = makeWorld({ repository: breakable.repository, keyEncryption: SECRET }, fleet.clock);
    const writer = fleet.join();
    expect(await accepts(reader, (await signInAda(writer)).accessToken)).toBe(true);
    breakable.break();
    await writer.authority.rotateKeys();
    fleet.clock.now += 61;
    const { accessToken } = await signInAda(writer);
    expect((await refusal(reader.authority.authenticateJwt({ sessionJwt: accessToken }))).code).toBe(
      "store_unavailable",
    );
    breakable.mend();
    fleet.clock.now += 61;
    expect(await accepts(reader, accessToken)).toBe(true);
  });

  it("a process that starts makes no keys, and goes on as soon as it can read them", async () => {
    const fleet = makeFleet();
    const kids = await kidsOf(fleet.join());
    const breakable = makeBreakable(fleet);
    breakable.break();
    const world = makeWorld({ repository: breakable.repository, keyEncryption: SECRET }, fleet.clock);
    expect(await refusedWith(world.authority.jwks())).toBe("store_unavailable dependency_failed");
    breakable.mend();
    expect(await kidsOf(world)).toEqual(kids);
  });

  it("a process that starts in a long outage verifies tokens one second after its end", async () => {
    const fleet = makeFleet();
    const { accessToken } = await signInAda(fleet.join());
    const breakable = makeBreakable(fleet);
    breakable.break();
    const world = makeWorld({ repository: breakable.repository, keyEncryption: SECRET }, fleet.clock);
    for (let second = 0; second < 120; second += 1) {
      expect(await refusedWith(askStore(world, accessToken))).toMatch(/^store_unavailable /);
      fleet.clock.now += 1;
    }
    breakable.mend();
    fleet.clock.now += 1;
    expect(await accepts(world, accessToken)).toBe(true);
  });
});

describe("made-up key ids", () => {
  it("cost a shared repository one read in five seconds", async () => {
    const fleet = makeFleet();
    let reads = 0;
    const repository: Repository = {
      ...fleet.repository,
      read: async (...asked) => {
        reads += 1;
        return fleet.repository.read(...asked);
      },
    };
    const { authority } = makeWorld({ repository, keyEncryption: SECRET }, fleet.clock);
    const events = { wants: () => false, emit: () => undefined };
    const keys = createKeySet(authority.tokens.keys, { clock: () => fleet.clock.now, events });
    await keys.find("made up", "ES256");
    const before = reads;
    for (let second = 1; second <= 20; second += 1) {
      fleet.clock.now += 1;
      for (let kid = 0; kid < 50; kid += 1) {
        expect(await keys.find(`made up ${second} ${kid}`, "ES256")).toEqual({ status: "unknown" });
      }
    }
    expect(reads - before).toBe(4);
    keys.close();
  });
});

async function refusedOr<Value>(promise: Promise<Value>): Promise<Value | string> {
  return promise.catch((error: unknown) => String(error));
}
