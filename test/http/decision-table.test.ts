import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { AuthState } from "../../src/model.ts";
import { ERROR_TABLE } from "../../src/errors.ts";
import { DENIAL_DETAILS } from "../../src/guards/denial.ts";
import { FRAMEWORKS, makeApp, type FrameworkName } from "../support/apps.ts";
import { unexplainedDenials } from "../support/explained.ts";
import { controlTimers, settle, type ControlledTimers } from "../support/timers.ts";
import { cookiesSet, serve, type Received } from "../support/servers.ts";
import { bearerOf, COOKIE, cookieOf, makeWorld, type SignIn, type World } from "../support/world.ts";
import { DECISIONS, type DecisionRow } from "./decision-table.data.ts";
import { PRESENTATIONS, STORE_MOODS, type Presentation } from "./decision-table.scenarios.ts";

interface Outcome {
  readonly world: World;
  readonly signIn: SignIn;
  readonly received: Received;
  readonly state: AuthState | undefined;
  readonly reached: readonly string[];
  /** Presents the new credential. */
  readonly again: (credential: string) => Promise<Received>;
  readonly close: () => Promise<void>;
}

let timers: ControlledTimers;
beforeEach(() => {
  timers = controlTimers();
});
afterEach(() => timers.restore());

describe.each(FRAMEWORKS)("decisions on %s", (framework) => {
  it.each(DECISIONS.map((row) => [titleOf(row), row] as const))("%s", async (_title, row) => {
    const outcome = await run(framework, row);
    try {
      expect(observe(row, outcome)).toEqual(expectationOf(row, outcome));
      expect(unexplainedDenials(outcome.world.events)).toEqual([]);
      expect(await presentAgain(row, outcome)).toEqual(succeeds(row) ? [200, 1] : undefined);
    } finally {
      await outcome.close();
    }
  });
});

function titleOf({ presented, condition, store, status, code }: DecisionRow): string {
  return `${presented}, ${condition}; store ${store}: ${status} ${code ?? "passes"}`;
}

async function run(framework: FrameworkName, row: DecisionRow): Promise<Outcome> {
  const world = makeWorld();
  const signIn = await world.signIn();
  const presentation = await PRESENTATIONS[row.condition](world, signIn);
  const auth = world.mount(presentation.options);
  await STORE_MOODS[row.store](world, signIn);
  world.clock.now += presentation.later ?? 0;
  let state: AuthState | undefined;
  const app = makeApp(framework, {
    before: [
      auth,
      (request, _response, next) => {
        state = auth.state(request);
        next();
      },
    ],
    routes: [{ path: "/documents", guards: [auth.requireAuth()] }],
  });
  const server = await serve(app.listener);
  const answer = server.send({
    path: "/documents",
    method: presentation.method ?? "GET",
    headers: { ...presentation.headers, ...(await present(world, signIn, row, presentation)) },
  });
  if (row.store === "slow") await waitOut(world);
  return {
    world,
    signIn,
    received: await answer,
    state,
    reached: app.reached,
    again: (credential) =>
      server.send({
        path: "/documents",
        headers:
          row.presented === "bearer"
            ? { Authorization: bearerOf(credential) }
            : { Cookie: cookieOf(credential) },
      }),
    async close() {
      await server.close();
      await auth.close();
    },
  };
}

async function present(
  world: World,
  signIn: SignIn,
  { presented }: DecisionRow,
  { token, cookie }: Presentation,
): Promise<Record<string, string>> {
  if (presented === "none") return {};
  if (presented === "bearer") return { Authorization: bearerOf(token ?? "") };
  const { refreshToken, user } = signIn;
  return {
    Cookie: cookieOf(
      cookie ?? (await world.seal({ accessToken: token ?? "", refreshToken, user: { id: user.id } })),
    ),
  };
}

/** The store never answers: the budget runs out as soon as it has been asked. */
async function waitOut({ store }: World): Promise<void> {
  while (store.questions.length === 0) await settle();
  await timers.pass(5);
}

/** Everything that can be seen of one decision. */
interface Observation {
  readonly status: number;
  readonly state: string | undefined;
  readonly timesReached: number;
  readonly timesAsked: number;
  readonly otherCalls: number;
  readonly body: unknown;
  readonly contentType: string | undefined;
  readonly challenged: boolean;
  readonly retryAfter: string | undefined;
  readonly vary: string | undefined;
  readonly cacheControl: string | undefined;
  readonly setCookies: readonly string[];
  readonly handsOutToken: boolean;
  readonly events: readonly string[];
}

function observe(row: DecisionRow, { world, received, state, reached }: Outcome): Observation {
  const { status, headers, setCookies } = received;
  const told = new Set(world.events.map(({ type }) => type));
  return {
    status,
    state: state?.status,
    timesReached: reached.length,
    timesAsked: world.store.questions.length,
    otherCalls: world.store.otherCalls,
    body: JSON.parse(received.body) as unknown,
    contentType: headers["content-type"],
    challenged: headers["www-authenticate"] !== undefined,
    // Where the store did not say, any whole number of seconds will do.
    retryAfter: headers["retry-after"]?.replace(row.retryAfter === undefined ? /^[1-9]\d?$/ : /^$/, "some"),
    vary: headers.vary,
    cacheControl: headers["cache-control"],
    setCookies: setCookies.map((line) =>
      line.replace(/^([^=]+)=[^;]+;/, "$1=<seal>;").replace(/Max-Age=[1-9]\d*/, "Max-Age=<left>"),
    ),
    handsOutToken: headers["session-jwt"] !== undefined,
    events: (["authenticated", "rejected", "denied", "unavailable", "misconfigured"] as const).filter(
      (type) => told.has(type),
    ),
  };
}

function expectationOf(row: DecisionRow, { signIn }: Outcome): Observation {
  const { status, state, code, presented, cookie } = row;
  const events = [
    state === "anonymous" ? [] : [state],
    status === 200 ? [] : ["denied"],
    row.alarm ? ["misconfigured"] : [],
  ].flat();
  return {
    status,
    state,
    timesReached: status === 200 ? 1 : 0,
    timesAsked: row.asked,
    otherCalls: 0,
    body:
      status === 200
        ? { member: "user_ada:org_acme", organization: "org_acme", session: signIn.memberSession.id }
        : {
            type: `urn:orgate:error:${code}`,
            title: code && ERROR_TABLE[code].title,
            status,
            detail: code && DENIAL_DETAILS[code],
            code,
            ...row.members,
          },
    contentType: status === 200 ? "application/json" : "application/problem+json",
    challenged: status === 401,
    retryAfter: status === 503 ? (row.retryAfter?.toString() ?? "some") : undefined,
    vary: "Cookie, Authorization",
    cacheControl: presented === "none" ? undefined : "private, no-store",
    setCookies: presented === "cookie" ? linesOf(cookie) : [],
    handsOutToken: presented === "bearer" && cookie === "new",
    events: ["authenticated", "rejected", "denied", "unavailable", "misconfigured"].filter((type) =>
      events.includes(type),
    ),
  };
}

function linesOf(fate: DecisionRow["cookie"]): string[] {
  const shared = "HttpOnly; Secure; SameSite=Lax";
  switch (fate) {
    case "untouched":
      return [];
    case "new":
      return [`${COOKIE}=<seal>; Max-Age=<left>; Path=/; ${shared}`];
    default:
      return [`${COOKIE}=; Max-Age=0; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; ${shared}`];
  }
}

function succeeds({ cookie, status }: DecisionRow): boolean {
  return cookie === "new" && status === 200;
}

/** What was handed out is good at once, and without asking again: status and questions so far. */
async function presentAgain(
  row: DecisionRow,
  { world, received, again }: Outcome,
): Promise<readonly [number, number] | undefined> {
  if (!succeeds(row)) return undefined;
  const successor =
    row.presented === "bearer"
      ? String(received.headers["session-jwt"])
      : (cookiesSet(received).get(COOKIE) ?? "");
  const { status } = await again(successor);
  return [status, world.store.questions.length];
}
