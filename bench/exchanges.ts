import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import express from "express";
import { COOKIE, type Way } from "./world.ts";

/** The header that carries a credential: its name and its value. */
export function headerOf(way: Way, credential: string): readonly [name: string, value: string] {
  return way === "bearer"
    ? ["Authorization", `Bearer ${credential}`]
    : ["Cookie", `theme=dark; ${COOKIE}=${credential}; lang=en`];
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

/** The text of a request for the benchmark's route. */
export function requestText(way: Way, credential: string): string {
  const [name, value] = headerOf(way, credential);
  return `GET /documents HTTP/1.1\r\nHost: app.example.com\r\nAccept: application/json\r\nUser-Agent: bench\r\n${name}: ${value}\r\n\r\n`;
}
