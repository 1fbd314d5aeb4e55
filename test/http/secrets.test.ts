import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import process from "node:process";
import { isOrgateError } from "../../src/errors.ts";
import { closeAfterEach, start, withBearer, withCookie, type Harness } from "../support/apps.ts";
import type { Received } from "../support/servers.ts";
import { active, TROUBLE, type Behaviour } from "../support/stores.ts";
import { COOKIE, PASSWORD, type SignIn } from "../support/world.ts";
import { resign } from "./decision-table.scenarios.ts";

closeAfterEach();

const CANARY = "canary-7f3a91c2d4";

let written: string[];
beforeEach(() => {
  written = [];
  const record = (chunk: unknown): boolean => {
    written.push(String(chunk));
    return true;
  };
  jest.spyOn(process.stdout, "write").mockImplementation(record);
  jest.spyOn(process.stderr, "write").mockImplementation(record);
  for (const method of ["log", "info", "warn", "error", "debug", "trace"] as const) {
    jest
      .spyOn(console, method)
      .mockImplementation((...parameters: unknown[]) => void record(inspect(parameters)));
  }
  jest.spyOn(process, "emitWarning").mockImplementation((warning) => void record(inspect(warning)));
});
afterEach(() => {
  jest.restoreAllMocks();
});

/** What must never be seen: parts of each secret that nothing else contains. */
function secretsOf({ accessToken, refreshToken, seal }: SignIn): string[] {
  const [, , signature = ""] = accessToken.split(".");
  return [
    CANARY,
    PASSWORD.slice(0, 12),
    signature.slice(0, 12),
    refreshToken.slice(40, 52),
    seal.slice(100, 112),
    seal.slice(-14, -2),
  ];
}

/** A value as logs of every kind would write it. */
function spell(value: unknown): string {
  const parts = [inspect(value, { depth: 12, showHidden: true, getters: true }), String(value)];
  try {
    parts.push(JSON.stringify(value) ?? "");
  } catch {
    // A value that refers to itself has no JSON.
  }
  if (value instanceof Error) parts.push(value.stack ?? "", spell(value.cause ?? ""));
  return parts.join("\n");
}

/** Answers may carry new credentials where they belong: in these headers, and nowhere else. */
function withoutCredentials({ status, body, headers }: Received): unknown {
  const { "set-cookie": _cookies, "session-jwt": _token, ...others } = headers;
  return { status, body, others };
}

type Provoke = (harness: Harness, signIn: SignIn) => Promise<readonly Received[]>;

const stale =
  (behaviour: Behaviour): Provoke =>
  async ({ world, send }, { seal, accessToken }) => {
    world.store.behaviour = behaviour;
    world.clock.now += 306;
    return [await send({ headers: withCookie(seal) }), await send({ headers: withBearer(accessToken) })];
  };

const SITUATIONS: Readonly<Record<string, Provoke>> = {
  "a good request": async ({ send }, { seal, accessToken }) => [
    await send({ headers: withCookie(seal) }),
    await send({ headers: withBearer(accessToken) }),
  ],
  "a renewal": stale((question, context, ask) => ask(question, context)),
  "a store that quotes the token in its error": stale(({ accessToken, sealed }) =>
    Promise.reject(new Error(`cannot renew ${accessToken} ${CANARY}`, { cause: { sealed, CANARY } })),
  ),
  "a store whose error carries the token as its reason": stale(({ accessToken }) =>
    Promise.reject(Object.assign(new Error(CANARY), { reason: `${CANARY} ${accessToken}`, code: CANARY })),
  ),
  "a store that answers nonsense": stale(({ accessToken }) =>
    Promise.resolve({ status: CANARY, accessToken } as never),
  ),
  "a store that hands out another's token": stale(() => active({ accessToken: CANARY })),
  "a store that is down": stale(TROUBLE.down),
  "a session that ended": async ({ world, send }, { seal, memberSession }) => {
    await world.authority.revoke({ sessionId: memberSession.id });
    return [await send({ headers: withCookie(seal) })];
  },
  "credentials that are refused": async ({ world, send }, signIn) => [
    await send({ headers: withBearer(`${CANARY}.${signIn.accessToken}`) }),
    await send({ headers: withBearer(resign(world, signIn, { iss: CANARY, note: CANARY })) }),
    await send({ headers: withCookie(`${CANARY}${signIn.seal}`) }),
    await send({ headers: { Cookie: `${COOKIE}=${CANARY}; ${COOKIE}=${signIn.seal}` } }),
    await send({ headers: withCookie(await world.seal({ accessToken: CANARY, refreshToken: CANARY })) }),
    await send({
      method: "POST",
      headers: { ...withCookie(signIn.seal), Origin: `https://${CANARY}.example` },
    }),
  ],
  "a guard that runs too early": async ({ send }, { seal }) => [
    await send({ path: "/early", headers: withCookie(seal) }),
  ],
  "a handler that fails": async ({ send }, { seal }) => [
    await send({ path: "/failing", headers: withCookie(seal) }),
  ],
};

describe("R-44: secrets", () => {
  it.each(Object.keys(SITUATIONS))("never appear in an event, error, answer or log: %s", async (name) => {
    const inspected: unknown[] = [];
    const harness = await start({
      options: { warnings: false },
      before: () => [],
      routes: (auth) => [
        {
          path: "/documents",
          guards: [
            auth,
            (request, _response, next) => {
              inspected.push(auth.state(request), auth);
              next();
            },
            auth.requireAuth(),
          ],
        },
        { path: "/early", guards: [auth.requireAuth()] },
        {
          path: "/failing",
          guards: [auth, auth.requireAuth()],
          async handler(request) {
            await auth.profile(request);
            throw Object.assign(new Error("in the handler"), {
              member: request.member,
              session: request.memberSession,
            });
          },
        },
      ],
    });
    const signIn = await harness.world.signIn();
    const received = await (SITUATIONS[name] as Provoke)(harness, signIn);
    const seen = [
      // `error` is what the application's own code threw, unchanged.
      ...harness.world.events.map((event) => ({ ...event, error: undefined })),
      ...harness.errors,
      ...inspected,
      ...received.map(withoutCredentials),
      written.join("\n"),
    ].map(spell);
    const leaks = secretsOf(signIn).filter((secret) => seen.some((text) => text.includes(secret)));
    expect(leaks).toEqual([]);
    expect(seen.length).toBeGreaterThan(2);
    expect(written.join("")).toBe("");
  });

  it.each([
    ["a weak password", { cookie: { password: CANARY } }],
    ["a password among others", { cookie: { password: [PASSWORD, CANARY] } }],
    ["a password under a bad number", { cookie: { password: { [CANARY]: PASSWORD } } }],
    ["a misspelt option", { cookie: { passwort: `${CANARY}-${PASSWORD}` } }],
  ])("never appear in a configuration error: %s", async (_what, options) => {
    const { world } = await start();
    let thrown: unknown;
    try {
      world.mount(options as object);
    } catch (error) {
      thrown = error;
    }
    expect(isOrgateError(thrown) && thrown.code).toBe("configuration_invalid");
    expect(spell(thrown)).not.toContain(CANARY);
    expect(spell(thrown)).not.toContain(PASSWORD.slice(0, 12));
  });
});
