import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { isListOf, isString } from "../lib/values.ts";
import type { CookieJar } from "./cookie-jar.ts";

/** Receives the requests: an Express or Connect application, a `node:http` listener, a server, or its address. */
export type TestTarget = ((request: IncomingMessage, response: ServerResponse) => void) | Server | string;

/** A request before it is sent. supertest's `Test` is one. */
export interface TestRequest {
  set(field: string, value: string): unknown;
  on(event: "response", listener: (response: TestResponse) => void): unknown;
}

/** A response, as far as an agent reads it. */
export interface TestResponse {
  readonly status: number;
  /** By name in lower case; `set-cookie` is a list. */
  readonly headers: object;
}

/** The methods of an agent. */
export type TestMethod = "get" | "head" | "options" | "post" | "put" | "patch" | "delete";

/** supertest's `request`, or a function that is called in the same way: `request(app).get("/documents")`. */
export type RequestFunction<Request> = (
  target: TestTarget,
) => Readonly<Record<TestMethod, (url: string) => Request>>;

/**
 * A browser or an API client.
 *
 * It makes requests with your `request` function, adds its cookies or its access token, and keeps what the responses set.
 */
export interface TestAgent<Request> extends Readonly<Record<TestMethod, (url: string) => Request>> {
  /** Its cookies; empty for an API client. */
  readonly cookies: CookieJar;
  /** Its access token; `undefined` for a browser. Updated from the `Session-Jwt` header of responses. */
  readonly accessToken: string | undefined;
  /** Returns an independent agent with the same credentials, such as an old browser tab, or a thief. */
  copy(): TestAgent<Request>;
}

/** What an agent needs. */
export interface AgentInit<Request> {
  readonly request: RequestFunction<Request>;
  readonly target: TestTarget;
  readonly cookies: CookieJar;
  readonly accessToken?: string | undefined;
}

/** Implements {@link TestAgent} over any `request` function. */
export class Agent<Request extends TestRequest> implements TestAgent<Request> {
  readonly #init: AgentInit<Request>;
  #accessToken: string | undefined;

  readonly get = (url: string): Request => this.#send("get", url);
  readonly head = (url: string): Request => this.#send("head", url);
  readonly options = (url: string): Request => this.#send("options", url);
  readonly post = (url: string): Request => this.#send("post", url);
  readonly put = (url: string): Request => this.#send("put", url);
  readonly patch = (url: string): Request => this.#send("patch", url);
  readonly delete = (url: string): Request => this.#send("delete", url);

  constructor(init: AgentInit<Request>) {
    this.#init = init;
    this.#accessToken = init.accessToken;
  }

  get cookies(): CookieJar {
    return this.#init.cookies;
  }

  get accessToken(): string | undefined {
    return this.#accessToken;
  }

  copy(): Agent<Request> {
    return new Agent(this.copyInit());
  }

  /** Returns what a copy of this agent needs. */
  protected copyInit(): AgentInit<Request> {
    return { ...this.#init, cookies: this.cookies.copy(), accessToken: this.#accessToken };
  }

  #send(method: TestMethod, url: string): Request {
    const { request, target, cookies } = this.#init;
    const sent = request(target)[method](url);
    const header = cookies.header(url);
    if (header !== undefined) sent.set("Cookie", header);
    if (this.#accessToken !== undefined) sent.set("Authorization", `Bearer ${this.#accessToken}`);
    sent.on("response", (response) => this.#receive(response));
    return sent;
  }

  #receive({ headers }: TestResponse): void {
    const received = new Map<string, unknown>(Object.entries(headers));
    const lines = received.get("set-cookie");
    if (isListOf(lines, isString)) this.cookies.receive(lines);
    const renewed = received.get("session-jwt");
    if (this.#accessToken !== undefined && isString(renewed)) this.#accessToken = renewed;
  }
}
