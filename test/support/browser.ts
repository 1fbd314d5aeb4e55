import type { RequestListener } from "node:http";
import request, { type Response } from "supertest";

/** What a visitor sends. A body that is an object is sent as JSON, a string as a form. */
export interface Visit {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | object;
}

/** A browser with a cookie jar: it keeps the cookies that are set, and drops those that are cleared. */
export interface Visitor {
  readonly cookies: Map<string, string>;
  get(path: string, visit?: Visit): Promise<Response>;
  post(path: string, visit?: Visit): Promise<Response>;
  send(method: string, path: string, visit?: Visit): Promise<Response>;
  /** Copies the browser with its cookies; the two jars then change independently. */
  copy(): Visitor;
}

/** Headers of a browser that asks for a page. */
export const NAVIGATION = {
  Accept: "text/html,application/xhtml+xml,*/*;q=0.8",
  "Sec-Fetch-Mode": "navigate",
} as const;

/** Headers of an API client. */
export const JSON_CLIENT = { Accept: "application/json" } as const;

/** Opens a browser for an application. */
export function openBrowser(
  listener: RequestListener,
  cookies: ReadonlyMap<string, string> = new Map(),
): Visitor {
  const jar = new Map(cookies);
  const visitor: Visitor = {
    cookies: jar,
    get: (path, visit) => visitor.send("get", path, visit),
    post: (path, visit) => visitor.send("post", path, visit),
    copy: () => openBrowser(listener, jar),
    async send(method, path, { headers = NAVIGATION, body } = {}) {
      const outgoing = request(listener)[method.toLowerCase() as "get"](path).set(headers);
      const line = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
      if (line !== "") outgoing.set("Cookie", line);
      const type = typeof body === "string" ? "form" : "json";
      if (body !== undefined && !("Content-Type" in headers)) outgoing.type(type);
      if (body !== undefined) outgoing.send(body);
      const response = await outgoing.redirects(0);
      for (const set of setCookiesOf(response)) keep(jar, set);
      return response;
    },
  };
  return visitor;
}

/** Reads the `Set-Cookie` headers of a response. */
export function setCookiesOf(response: Response): string[] {
  return [response.headers["set-cookie"] ?? []].flat().map(String);
}

function keep(jar: Map<string, string>, line: string): void {
  const [pair = "", ...attributes] = line.split("; ");
  const at = pair.indexOf("=");
  const name = pair.slice(0, at);
  if (attributes.some((attribute) => attribute.toLowerCase().startsWith("domain="))) return;
  if (attributes.includes("Max-Age=0")) jar.delete(name);
  else jar.set(name, pair.slice(at + 1));
}
