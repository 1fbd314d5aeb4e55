import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import express from "express";
import { COOKIE, type Session } from "./world.ts";

/** How the request carries the session. */
export type Way = "bearer" | "cookie";

export const WAYS = ["bearer", "cookie"] as const;

/** The header that carries the session, as bytes from the network. */
export function headerOf(way: Way, { accessToken, sealedSession }: Session): Buffer {
  const value =
    way === "bearer" ? `Bearer ${accessToken}` : `theme=dark; ${COOKIE}=${sealedSession}; lang=en`;
  return Buffer.from(value, "latin1");
}

/** The same credential in a new string: V8 caches the hash of a string, which never helps a real server. */
export function freshString(bytes: Buffer): string {
  return bytes.toString("latin1");
}

/** A request and its response. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

const app = express();
const socket = new Socket();

/** A request and a response of `node:http` as Express passes them to middleware, without a network. */
export function makeExchange(way: Way, value: string): Exchange {
  const request = new IncomingMessage(socket);
  request.method = "GET";
  request.url = "/documents";
  const own = way === "bearer" ? { authorization: value } : { cookie: value };
  request.headers = { host: "app.example.com", accept: "application/json", ...own };
  const name = way === "bearer" ? "Authorization" : "Cookie";
  request.rawHeaders = ["Host", "app.example.com", "Accept", "application/json", name, value];
  const response = new ServerResponse(request);
  Object.setPrototypeOf(request, app.request as object);
  Object.setPrototypeOf(response, app.response as object);
  return { request, response };
}
