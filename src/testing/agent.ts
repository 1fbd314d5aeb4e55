import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createCookieJar, type CookieJar } from "./cookie-jar.ts";
import type { Clock } from "../clock.ts";

/** What requests are sent to: an Express or Connect application, a `node:http` listener, a server, or its address. */
export type TestTarget = ((request: IncomingMessage, response: ServerResponse) => void) | Server | string;

/** What an agent needs of a request that is being made; supertest's `Test` is one. */
export interface TestRequest {
  set(field: string, value: string): unknown;
  on(event: "response", listener: (response: TestResponse) => void): unknown;
}

/** What an agent reads of an answer. */
export interface TestResponse {
  readonly status: number;
  /** By name in lower case; `set-cookie` is a list. */
  readonly headers: object;
}

const METHODS = ["get", "head", "options", "post", "put", "patch", "delete"] as const;

/** The methods of an agent. */
export type TestMethod = (typeof METHODS)[number];

/** supertest's own function, or any that makes requests in its way: `request(app).get("/documents")`. */
export type RequestFunction<Request> = (
  target: TestTarget,
) => Readonly<Record<TestMethod, (url: string) => Request>>;

/**
 * A browser, or an API client: its requests are the ones that your `request` function makes, with the agent's cookies or
 * access token on them, and it takes up what the answers set.
 */
export interface TestAgent<Request> extends Readonly<Record<TestMethod, (url: string) => Request>> {
  /** Its cookies; empty for an API client. */
  readonly cookies: CookieJar;
  /** Its access token; `undefined` for a browser. Renewed from the `Session-Jwt` header of the answers. */
  readonly accessToken: string | undefined;
  /** Another agent with the same credentials, which goes its own way from here: a second tab of long ago, or a thief. */
  copy(): TestAgent<Request>;
}

/** What an agent is made of. */
export interface AgentInit<Request> {
  readonly request: RequestFunction<Request>;
  readonly target: TestTarget;
  readonly cookies: CookieJar;
  readonly accessToken?: string | undefined;
}

/** Makes an agent. */
export function createAgent<Request extends TestRequest>(init: AgentInit<Request>): TestAgent<Request> {
  const { request, target, cookies } = init;
  let { accessToken } = init;

  const receive = ({ headers }: TestResponse): void => {
    const received = new Map<string, unknown>(Object.entries(headers));
    const lines = received.get("set-cookie");
    if (Array.isArray(lines)) cookies.receive(lines.map(String));
    const renewed = received.get("session-jwt");
    if (accessToken !== undefined && typeof renewed === "string") accessToken = renewed;
  };
  const send = (method: TestMethod, url: string): Request => {
    const sent = request(target)[method](url);
    const header = cookies.header(url);
    if (header !== undefined) sent.set("Cookie", header);
    if (accessToken !== undefined) sent.set("Authorization", `Bearer ${accessToken}`);
    sent.on("response", receive);
    return sent;
  };

  const methods = METHODS.map((method) => [method, (url: string) => send(method, url)]);
  return Object.freeze({
    ...(Object.fromEntries(methods) as Record<TestMethod, (url: string) => Request>),
    cookies,
    get accessToken() {
      return accessToken;
    },
    copy: () => createAgent({ ...init, cookies: cookies.copy(), accessToken }),
  });
}

/** An agent without any credentials. */
export function createVisitor<Request extends TestRequest>(
  request: RequestFunction<Request>,
  target: TestTarget,
  clock: Clock,
): TestAgent<Request> {
  return createAgent({ request, target, cookies: createCookieJar(clock) });
}
