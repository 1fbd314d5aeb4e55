import type { ServerResponse } from "node:http";
import { authenticateRequest } from "../../src/request/authenticate.ts";
import { createInstance, type Instance } from "../../src/request/instance.ts";
import type { OrgateEvent } from "../../src/events.ts";
import type { Middleware } from "../../src/guards/guard.ts";
import type { OrgateOptions } from "../../src/options/options.ts";
import { resolveOptions } from "../../src/options/options.ts";
import type { RequestAuth } from "../../src/request/request-auth.ts";
import { createSealer } from "../../src/lib/crypto.ts";
import { definePolicy } from "../../src/policy/policy.ts";
import type { SealedSession, SessionStore } from "../../src/store.ts";
import { makeExchange, type Answer, type RequestInit } from "./exchange.ts";
import { makeFakeStore, NOW, type FakeStore } from "./fake-store.ts";

export const BASE_URL = "https://app.example.com";
export const COOKIE = "__Host-orgate";
export const PASSWORD = "a-cookie-password-of-at-least-32-characters";
export const POLICY = definePolicy({
  resources: { documents: ["read", "write"], billing: ["manage"] },
  roles: {
    viewer: { documents: ["read"] },
    editor: { documents: ["read", "write"] },
    admin: { documents: "*", billing: ["manage"] },
  },
});

const sealer = createSealer({ 1: PASSWORD });

/** An engine over a fake store, under a clock that stands still until it is moved. */
export interface EngineBench {
  readonly clock: { now: number };
  readonly events: OrgateEvent[];
  readonly store: FakeStore;
  readonly engine: Instance;
}

/** Sets up an engine. */
export function makeBench(
  options: Partial<OrgateOptions> = {},
  overrides: Partial<SessionStore> = {},
): EngineBench {
  const clock = { now: NOW };
  const events: OrgateEvent[] = [];
  const store = makeFakeStore(overrides);
  const resolved = resolveOptions({
    baseUrl: BASE_URL,
    store,
    cookie: { password: PASSWORD },
    policy: POLICY,
    clock: () => clock.now,
    events: (event: OrgateEvent) => events.push(event),
    cache: { maxEntries: 500 },
    ...options,
  });
  const engine = createInstance(resolved);
  engine.start();
  return { clock, events, store, engine };
}

/** A sealed session as the `Cookie` header. */
export async function cookieOf(session: SealedSession, name = COOKIE): Promise<string> {
  return `${name}=${await sealer.seal(session)}`;
}

/** What the session cookie on an answer holds, if one was set. */
export async function sealedIn(
  cookies: readonly string[],
  name = COOKIE,
): Promise<SealedSession | undefined> {
  const value = cookies
    .map((line) => line.split(";", 1)[0] ?? "")
    .find((pair) => pair.startsWith(`${name}=`))
    ?.slice(name.length + 1);
  return value === undefined || value === "" ? undefined : sealer.unseal(value);
}

/** What came of one request. */
export interface Outcome extends Answer {
  /** Whether the handler at the end ran. */
  readonly reached: boolean;
  /** What went to `next` as an error. */
  readonly error: unknown;
  readonly record: RequestAuth | undefined;
}

/** Sends a request through the engine and the guards to a handler that answers 204. */
export async function send(
  { engine }: EngineBench,
  init: RequestInit,
  guards: readonly Middleware[] = [],
  handle: (response: ServerResponse) => void = (response) => void response.writeHead(204).end(),
): Promise<Outcome> {
  const { request, response, answered } = makeExchange(init);
  let reached = false;
  let error: unknown;
  const record = await authenticateRequest(engine, request, response);
  const step = (index: number) => (failure?: unknown) => {
    const guard = guards[index];
    if (failure !== undefined) {
      error = failure;
      response.writeHead(500).end();
    } else if (guard !== undefined) {
      guard(request, response, step(index + 1));
    } else {
      reached = true;
      handle(response);
    }
  };
  step(0)();
  return { ...(await answered()), reached, error, record };
}
