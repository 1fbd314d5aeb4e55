import process from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { makeApp } from "../support/apps.ts";
import type { TestApp } from "../support/apps.ts";
import { serve } from "../support/servers.ts";
import type { TestServer } from "../support/servers.ts";
import { COOKIE, makeWorld } from "../support/world.ts";
import type { SignIn, World } from "../support/world.ts";

const SEED = Number(process.env["FUZZ_SEED"] ?? 20_261_120);
const RUNS = Number(process.env["FUZZ_RUNS"] ?? 2_000);
console.info(`header fuzz: FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}`);

let world: World;
let signIn: SignIn;
let app: TestApp;
let server: TestServer;
let close: () => Promise<void>;

beforeAll(async () => {
  world = makeWorld();
  signIn = await world.signIn();
  const auth = world.mount({ signIn: { path: "/sign-in" } });
  app = makeApp("Express 5", {
    before: [auth],
    routes: [{ path: "/documents", guards: [auth.requireAuth()] }],
  });
  server = await serve(app.listener);
  close = async () => {
    await server.close();
    await auth.close();
  };
});

afterAll(async () => {
  await close();
});

/** Bytes that a header may carry. */
const headerText = fc
  .array(
    fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff }), fc.constant(9)),
    { maxLength: 60 },
  )
  .map((codes) => String.fromCharCode(...codes));

const base64urlText = fc.string({
  unit: fc.constantFrom(..."ABCabc019-_".split("")),
  minLength: 1,
  maxLength: 40,
});

/** Somewhere in the text a few characters are dropped, doubled, exchanged or put in. */
function mutate(text: string): fc.Arbitrary<string> {
  const edit = fc.record({
    at: fc.integer({ min: 0, max: text.length }),
    drop: fc.integer({ min: 0, max: 3 }),
    put: fc.oneof(
      headerText.map((put) => put.slice(0, 3)),
      base64urlText.map((put) => put.slice(0, 3)),
      fc.constantFrom(".", "~", "*", "=", ";", ",", '"', " "),
    ),
  });
  return fc
    .array(edit, { minLength: 1, maxLength: 4 })
    .map((edits) =>
      edits.reduce((result, { at, drop, put }) => result.slice(0, at) + put + result.slice(at + drop), text),
    );
}

interface Shot {
  readonly authorization?: string;
  readonly cookie?: string;
}

function makeShots(): fc.Arbitrary<Shot> {
  const { accessToken, seal } = signIn;
  const token = fc.oneof(
    mutate(accessToken),
    headerText,
    fc.tuple(base64urlText, base64urlText, base64urlText).map((parts) => parts.join(".")),
  );
  const scheme = fc.constantFrom(
    "Bearer ",
    "bearer ",
    "BEARER  ",
    "Bearer",
    "Bearer\t",
    "Basic ",
    "",
    "Bearer Bearer ",
  );
  const sealed = fc.oneof(
    mutate(seal),
    headerText,
    mutate(`${seal}; ${COOKIE}=x`),
    mutate(seal.slice(0, 80)),
  );
  const name = fc.constantFrom(
    COOKIE,
    `${COOKIE}.0`,
    `${COOKIE}.1`,
    `${COOKIE}.99`,
    ` ${COOKIE}`,
    `${COOKIE} `,
    COOKIE.toLowerCase(),
  );
  const pair = fc.tuple(name, sealed).map(([key, value]) => `${key}=${value}`);
  return fc.record(
    {
      authorization: fc.tuple(scheme, token).map((parts) => parts.join("")),
      cookie: fc.oneof(
        fc.array(pair, { minLength: 1, maxLength: 4 }).map((pairs) => pairs.join("; ")),
        headerText,
      ),
    },
    { requiredKeys: [] },
  );
}

/**
 * A shot is good if, read by the letter of the rules, exactly one live credential is presented; such a shot is no attack.
 * Written without looking at the package: the header's own bytes, or the cookie's, are those that were handed out.
 */
function presentsLiveCredential({ authorization, cookie = "" }: Shot): boolean {
  const bearer = /^bearer(?: +(.*))?$/i.exec((authorization ?? "").trim());
  if (bearer !== null) return bearer[1] === signIn.accessToken;
  const plain = signIn.seal.replace(/~2$/, "");
  return cookie.includes(plain);
}

describe("R-07, R-08, R-12: random bytes in Authorization and Cookie", () => {
  it("get an answer of the decision table, and never reach a handler, a 500 or the store", async () => {
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(makeShots(), async (shot) => {
        app.reached.length = 0;
        const { authorization, cookie } = shot;
        const { status, headers } = await server.send({
          path: "/documents",
          headers: {
            ...(authorization !== undefined && { Authorization: authorization }),
            ...(cookie !== undefined && { Cookie: cookie }),
          },
        });
        if (presentsLiveCredential(shot)) return;
        refused += 1;
        const isRefused = status === 401 || status === 400 || status === 431;
        if (!isRefused || app.reached.length > 0 || headers["session-jwt"] !== undefined) {
          throw new Error(`${status}, reached ${app.reached.length} times`);
        }
      }),
      { seed: SEED, numRuns: RUNS },
    );
    expect(refused).toBeGreaterThan(RUNS * 0.8);
    expect([world.store.questions.length, world.store.otherCalls]).toEqual([0, 0]);
    // A promise that nobody handled fails the test by itself.
    expect(app.errors).toEqual([]);
    expect(
      (await server.send({ path: "/documents", headers: { Cookie: `${COOKIE}=${signIn.seal}` } })).status,
    ).toBe(200);
  }, 60_000);
});
