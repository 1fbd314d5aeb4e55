import { IncomingMessage, ServerResponse, type IncomingHttpHeaders } from "node:http";
import { Socket } from "node:net";
import { Duplex } from "node:stream";

/** What a request is made of. */
export interface RequestInit {
  readonly method?: string;
  readonly url?: string;
  /** By name; several lines of one header as a list. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

/** What went out. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | number | undefined>>;
  readonly body: string;
  /** Every `Set-Cookie` line. */
  readonly cookies: readonly string[];
}

/** A real request and response of `node:http`, without a network between them. */
export interface WiredExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** What went out once the response has ended. */
  readonly answered: () => Promise<Answer>;
  readonly isAnswered: () => boolean;
}

/** Makes an exchange. */
export function makeExchange(init: RequestInit = {}): WiredExchange {
  const request = makeRequest(init);
  const response = new ServerResponse(request);
  const sent: Buffer[] = [];
  const socket = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      sent.push(chunk);
      done();
    },
  });
  response.assignSocket(socket as Socket);
  const answer = (): Answer => {
    const text = Buffer.concat(sent).toString();
    const headers = response.getHeaders();
    const cookies = [headers["set-cookie"] ?? []].flat().map(String);
    return { status: response.statusCode, headers, cookies, body: text.slice(text.indexOf("\r\n\r\n") + 4) };
  };
  return {
    request,
    response,
    isAnswered: () => response.writableEnded,
    answered: () =>
      new Promise((resolve) => {
        if (response.writableFinished) resolve(answer());
        else response.once("finish", () => resolve(answer()));
      }),
  };
}

/** Makes a request as Node's parser does: of two `Authorization` lines the first is kept, `Cookie` lines are joined. */
export function makeRequest({ method = "GET", url = "/", headers = {} }: RequestInit = {}): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  const kept: IncomingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers)) {
    const lines = [value].flat();
    const key = name.toLowerCase();
    request.rawHeaders.push(...lines.flatMap((line) => [name, line]));
    kept[key] = key === "authorization" ? lines[0] : lines.join(key === "cookie" ? "; " : ", ");
  }
  request.method = method;
  request.url = url;
  request.headers = kept;
  return request;
}
