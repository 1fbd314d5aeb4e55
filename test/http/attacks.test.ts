import { maxHeaderSize } from "node:http";
import net from "node:net";
import { afterAll, beforeAll, describe, expect, it, jest } from "@jest/globals";
import {
  closeAfterEach,
  FRAMEWORKS,
  makeApp,
  start,
  withBearer,
  withCookie,
  type FrameworkName,
  type TestApp,
} from "../support/apps.ts";
import { attackCorpus } from "../support/attacks/corpus.ts";
import type { Attack, Victim } from "../support/attacks/victim.ts";
import { trailingBitVariants } from "../support/attacks/shape-attacks.ts";
import { serve, type TestServer } from "../support/servers.ts";
import { generateSigningKey } from "../support/tokens.ts";
import { BASE_URL, claimsOf, cookieOf, makeWorld, type World } from "../support/world.ts";

closeAfterEach();

const JWT_COOKIE = "session_jwt";
/** What an HTTP message may carry in a header (RFC 9110 section 5.5); the rest does not leave the client. */
const SENDABLE = /^[\t\u0020-\u007e\u0080-\u00ff]*$/;

interface Target {
  readonly world: World;
  readonly app: TestApp;
  readonly server: TestServer;
  readonly corpus: readonly Attack[];
  /** The good token that the corpus varies. */
  readonly good: string;
  readonly seals: ReadonlyMap<string, string>;
  close(): Promise<void>;
}

/** Where a hostile token is presented. `sealed` needs somebody who has the password, and is refused all the same. */
const PLACES = ["bearer", "sealed", "raw"] as const;

async function makeTarget(framework: FrameworkName): Promise<Target> {
  const world = makeWorld();
  Object.assign(world.store.tokens, { audience: ["orgate-tests"] });
  const auth = world.mount({
    credentials: ["bearer", "cookie", { jwtCookie: JWT_COOKIE }],
    clockTolerance: 0,
  });
  const app = makeApp(framework, {
    before: [auth],
    routes: [{ path: "/documents", guards: [auth.requireAuth()] }],
  });
  const server = await serve(app.listener);
  const victim = await makeVictim(world);
  const corpus = attackCorpus(victim);
  const sealed = corpus.map(async ({ token }) => [token, await world.seal({ accessToken: token })] as const);
  return {
    world,
    app,
    server,
    corpus,
    good: victim.token,
    seals: new Map(await Promise.all(sealed)),
    async close() {
      await server.close();
      await auth.close();
    },
  };
}

/** A member whose good token the attacker has read, and varies. */
async function makeVictim({ key, sign, signIn }: World): Promise<Victim> {
  const { accessToken } = await signIn();
  const claims = { ...claimsOf(accessToken), aud: "orgate-tests", iss: BASE_URL };
  const token = sign(claims);
  const [header = "", payload = "", signature = ""] = token.split(".");
  return {
    key,
    attacker: generateSigningKey("ES256", "attackers-key"),
    claims,
    token,
    header,
    payload,
    signature,
  };
}

/** Whether the token reaches the server as the attack means it: white space around a header's value, or a cookie's, is HTTP's own. */
function isPresentable(place: (typeof PLACES)[number], token: string, good: string): boolean {
  if (place === "sealed") return true;
  return SENDABLE.test(token) && token !== "" && !token.includes(";") && token.trim() !== good;
}

function headersFor(
  place: (typeof PLACES)[number],
  token: string,
  seals: Target["seals"],
): Record<string, string> {
  switch (place) {
    case "bearer":
      return withBearer(token);
    case "sealed":
      return withCookie(seals.get(token) ?? "");
    default:
      return { Cookie: `${JWT_COOKIE}=${token}` };
  }
}

describe.each(["Express 5", "node:http"] as const)("hostile tokens on %s", (framework) => {
  let target: Target;
  const connecting = jest.spyOn(net.Socket.prototype, "connect");
  beforeAll(async () => {
    target = await makeTarget(framework);
  });
  afterAll(async () => {
    connecting.mockRestore();
    await target.close();
  });

  it("accepts the good token that the attacks vary", async () => {
    const { world, server, app, good: token } = target;
    const seal = await world.seal({ accessToken: token });
    for (const headers of [withBearer(token), withCookie(seal), { Cookie: `${JWT_COOKIE}=${token}` }]) {
      expect((await server.send({ path: "/documents", headers })).status).toBe(200);
    }
    app.reached.length = 0;
  });

  it.each(PLACES)(
    "R-01 to R-09: rejects every token of the corpus, sent as %s",
    async (place) => {
      const { world, server, corpus, good, seals, app } = target;
      const presented = corpus.filter(({ token }) => isPresentable(place, token, good));
      connecting.mockClear();
      const answers: [string, number][] = [];
      for (const { threat, name, token } of presented) {
        // oxlint-disable-next-line no-await-in-loop -- one by one, so that a crash names its attack
        const status = await statusOf(server, headersFor(place, token, seals));
        answers.push([`${threat} ${name}`, status]);
      }
      const surprises = answers
        .filter(([, status]) => status !== 401 && status !== 431)
        .map(([name, status]) => `${name}: ${status}`);
      expect(surprises).toEqual([]);
      expect(presented.length).toBeGreaterThan(300);
      // A promise that nobody handled fails the test by itself.
      expect([app.reached, app.errors]).toEqual([[], []]);
      expect([world.store.questions.length, world.store.otherCalls]).toEqual([0, 0]);
      // Whatever a header says of keys elsewhere, nobody was connected to but the server under test.
      const elsewhere = connecting.mock.calls.filter(([options]) => !isOwn(options, server.port));
      expect(elsewhere).toEqual([]);
    },
    60_000,
  );
});

/** What Node itself refuses to read is answered 431, or, while it is still being sent, by closing the connection. */
async function statusOf(server: TestServer, headers: Record<string, string>): Promise<number> {
  try {
    return (await server.send({ path: "/documents", headers })).status;
  } catch (error) {
    const size = Object.values(headers).reduce((sum, value) => sum + value.length, 0);
    if (size >= maxHeaderSize && (error as NodeJS.ErrnoException).code === "ECONNRESET") return 431;
    throw error;
  }
}

function isOwn(options: unknown, port: number): boolean {
  const [first] = Array.isArray(options) ? (options as unknown[]) : [options];
  return typeof first === "object" && first !== null && "port" in first && first.port === port;
}

describe.each(FRAMEWORKS)("R-29: a flood of invalid tokens on %s", (framework) => {
  it("keeps valid sessions in the cache and never reaches the store", async () => {
    const { world, send } = await start({ framework, options: { cache: { maxEntries: 4 } } });
    const { accessToken } = await world.signIn();
    await send({ headers: withBearer(accessToken) });
    // Whoever is in the cache is served without the keys.
    const junk = Array.from(
      { length: 100 },
      (_, index) => `${accessToken.slice(0, -8)}${String(index).padStart(8, "A")}`,
    );
    await Promise.all(junk.map((token) => send({ headers: withBearer(token) })));
    await Promise.all(junk.map((value) => send({ headers: withCookie(value) })));
    world.events.length = 0;
    expect((await send({ headers: withBearer(accessToken) })).status).toBe(200);
    expect(world.store.questions.length).toBe(0);
  });
});

describe("R-27: other spellings of a cached credential", () => {
  it("rejects every other spelling of a token", async () => {
    const { world, send, reached } = await start();
    const { accessToken } = await world.signIn();
    expect((await send({ headers: withBearer(accessToken) })).status).toBe(200);
    const parts = accessToken.split(".");
    const variants = [0, 1, 2].flatMap((index) =>
      trailingBitVariants(parts, index).map(([, token]) => token),
    );
    const spelled = [
      ...variants,
      `${accessToken}=`,
      `${accessToken}==`,
      accessToken.replace(".", ".="),
      `${accessToken}.`,
    ];
    const statuses = new Set<number>();
    for (const token of spelled) statuses.add((await send({ headers: withBearer(token) })).status);
    expect([...statuses]).toEqual([401]);
    expect(reached).toHaveLength(1);
  });

  it("keeps a revoked token or seal revoked in every other spelling (F4)", async () => {
    const { world, send, reached } = await start();
    const { accessToken, seal, memberSession } = await world.signIn();
    await world.authority.revoke({ sessionId: memberSession.id });
    const parts = accessToken.split(".");
    const tokens = [accessToken, ...trailingBitVariants(parts, 2).map(([, token]) => token)];
    const pieces = seal.replace(/~2$/, "").split("*");
    const seals = [
      seal,
      seal.replace(/~2$/, ""),
      seal.replace(/~2$/, "~1"),
      ...trailingBitVariants(pieces, pieces.length - 1).map(([, joined]) => joined.replaceAll(".", "*")),
    ];
    for (const token of tokens) expect((await send({ headers: withBearer(token) })).status).toBe(401);
    for (const value of seals) expect((await send({ headers: withCookie(value) })).status).toBe(401);
    expect(reached).toEqual([]);
  });

  it("R-34: two instances with the same key id and different keys never accept each other's tokens", async () => {
    const stranger = generateSigningKey("ES256", "the-issuers-key");
    const jwk = {
      ...stranger.privateKey.export({ format: "jwk" }),
      kty: "EC",
      kid: stranger.kid,
      alg: "ES256",
    };
    const [ours, theirs] = [await start(), await start({ world: makeWorld({ keys: [jwk] }) })];
    const [own, foreign] = [await ours.world.signIn(), await theirs.world.signIn()];
    for (const [harness, good, bad] of [
      [ours, own, foreign],
      [theirs, foreign, own],
    ] as const) {
      expect((await harness.send({ headers: withBearer(good.accessToken) })).status).toBe(200);
      expect((await harness.send({ headers: withBearer(bad.accessToken) })).status).toBe(401);
      expect((await harness.send({ headers: withCookie(bad.seal) })).status).toBe(401);
      expect(harness.world.store.questions.length).toBe(0);
    }
  });

  it("a handler that changes the claims does not affect the next request", async () => {
    const { world, send } = await start({
      routes: (auth) => [
        {
          path: "/documents",
          guards: [auth.requireAuth()],
          handler(request, response) {
            const before = [...(request.memberSession?.roles ?? [])];
            const written = Reflect.set(request.member ?? {}, "id", "user_eve");
            response.end(JSON.stringify({ before, written }));
          },
        },
      ],
    });
    const { seal } = await world.signIn({ userId: "user_vera" });
    for (let index = 0; index < 2; index++) {
      const { body } = await send({ headers: withCookie(seal) });
      expect(JSON.parse(body)).toEqual({ before: ["viewer"], written: false });
    }
  });
});

describe("R-13, R-37: sessions that nobody issued", () => {
  it.each([
    ["a session id of the client's own", { sid: "session_of_my_choice" }],
    ["another user's subject", { sub: "user_bob" }],
    ["more roles", { roles: ["owner", "admin"] }],
  ])("rejects a token with %s that no trusted key signed", async (_what, changes) => {
    const { world, send, reached } = await start();
    const { accessToken } = await world.signIn();
    const [header = "", , signature = ""] = accessToken.split(".");
    const payload = Buffer.from(JSON.stringify({ ...claimsOf(accessToken), ...changes })).toString(
      "base64url",
    );
    expect((await send({ headers: withBearer(`${header}.${payload}.${signature}`) })).status).toBe(401);
    expect([reached, world.store.questions.length]).toEqual([[], 0]);
  });

  it.each<[string, unknown]>([
    ["nothing", {}],
    ["a number", 7],
    ["a list", []],
    ["null", null],
    ["a token that is a number", { accessToken: 1 }],
    ["a refresh token that is a list", { accessToken: "a.b.c", refreshToken: [] }],
    ["a user without an id", { accessToken: "a.b.c", user: {} }],
    ["a prototype", JSON.parse('{"__proto__":{"accessToken":"a.b.c"}}')],
  ])("rejects a valid seal around %s", async (_what, value) => {
    const { world, send, reached } = await start();
    const seal = await world.seal(value as never);
    const { status } = await send({ headers: withCookie(seal) });
    expect([status, reached, world.store.questions.length]).toEqual([401, [], 0]);
  });

  it("R-39: requests leave nothing on Object.prototype", async () => {
    const before = Reflect.ownKeys(Object.prototype);
    const { world, send } = await start();
    const { accessToken } = await world.signIn();
    const claims = claimsOf(accessToken);
    for (const name of ["__proto__", "constructor", "prototype", "hasOwnProperty"]) {
      const hostile = {
        ...claims,
        sub: name,
        sid: name,
        org_id: name,
        roles: [name],
        member: { id: name, email: name },
      };
      const { status } = await send({ headers: withBearer(world.sign(hostile)) });
      expect(status).toBe(200);
      const nested = world.sign({ ...claims, [`${name}x`]: { [name]: { polluted: true } } });
      await send({ headers: { Cookie: cookieOf(nested) } });
    }
    expect(Reflect.ownKeys(Object.prototype)).toEqual(before);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});
