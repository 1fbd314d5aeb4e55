import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import connect from "connect";
import express from "express";
import express4 from "express4";
import type { RequestProperties } from "../../src/augment.ts";
import { isOrgateError } from "../../src/errors.ts";
import type { Middleware } from "../../src/guards/guard.ts";

/** A request as handlers of these tests see it. */
export type AttachedRequest = IncomingMessage & RequestProperties;

/** What stands at the end of a chain. */
export type Handler = (
  request: AttachedRequest,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => unknown;

/** One route: guards, and a handler at their end. */
export interface Route {
  readonly path: string;
  readonly guards?: readonly Middleware[];
  /** @defaultValue answers 200 with who is asking */
  readonly handler?: Handler;
}

/** An application under test, and what became of its requests. */
export interface TestApp {
  readonly listener: RequestListener;
  /** `METHOD /path` of every request that a handler saw. */
  readonly reached: string[];
  /** Everything that went to `next`. */
  readonly errors: unknown[];
}

/** What an application is made of. */
export interface AppParts {
  /** Runs before every route: `[auth]`. */
  readonly before: readonly Middleware[];
  readonly routes: readonly Route[];
}

type Build = (parts: AppParts, tools: Tools) => RequestListener;

interface Tools {
  readonly handle: (route: Route) => Handler;
  readonly fail: (error: unknown, response: ServerResponse) => void;
}

const BUILDERS = {
  "Express 5": (parts, tools) => buildExpress(express(), parts, tools),
  // Both versions are driven by what they have in common.
  "Express 4": (parts, tools) =>
    buildExpress(express4() as unknown as ReturnType<typeof express>, parts, tools),
  Connect: buildConnect,
  "node:http": buildBare,
} as const satisfies Record<string, Build>;

export type FrameworkName = keyof typeof BUILDERS;

export const FRAMEWORKS = Object.keys(BUILDERS) as FrameworkName[];
/** Those with routes and parameters. */
export const EXPRESSES = ["Express 4", "Express 5"] as const satisfies readonly FrameworkName[];

/** Builds an application. */
export function makeApp(framework: FrameworkName, parts: AppParts): TestApp {
  const reached: string[] = [];
  const errors: unknown[] = [];
  const listener = BUILDERS[framework](parts, {
    handle:
      ({ handler = tellWhoIsAsking }) =>
      (request, response, next) => {
        reached.push(`${request.method} ${request.url}`);
        const handled = handler(request, response, next);
        // Express 4 and Connect leave a promise to itself.
        if (handled instanceof Promise) handled.catch(next);
      },
    fail(error, response) {
      errors.push(error);
      if (response.headersSent) {
        response.destroy();
        return;
      }
      response.statusCode = isOrgateError(error) ? error.status : 500;
      response.end(isOrgateError(error) ? error.code : "the application failed");
    },
  });
  return { listener, reached, errors };
}

function buildExpress(app: ReturnType<typeof express>, parts: AppParts, tools: Tools): RequestListener {
  for (const middleware of parts.before) app.use(middleware);
  for (const route of parts.routes) app.all(route.path, ...(route.guards ?? []), tools.handle(route));
  const onError: express.ErrorRequestHandler = (error, _request, response, _next) => {
    tools.fail(error, response);
  };
  app.use(onError);
  return app as RequestListener;
}

function buildConnect(parts: AppParts, tools: Tools): RequestListener {
  const app = connect();
  for (const middleware of parts.before) app.use(middleware);
  for (const route of parts.routes) {
    for (const guard of route.guards ?? []) app.use(route.path, guard);
    app.use(route.path, (request, response, next) => void tools.handle(route)(request, response, next));
  }
  const onError: connect.ErrorHandleFunction = (error, _request, response, _next) => {
    tools.fail(error, response);
  };
  app.use(onError);
  return app;
}

function buildBare({ before, routes }: AppParts, tools: Tools): RequestListener {
  return (request, response) => {
    const path = (request.url ?? "/").split("?", 1)[0];
    const route = routes.find((candidate) => candidate.path === path);
    const chain = [...before, ...(route?.guards ?? [])];
    const step = (index: number) => (error?: unknown) => {
      if (error !== undefined) {
        tools.fail(error, response);
        return;
      }
      const middleware = chain[index];
      try {
        if (middleware !== undefined) middleware(request, response, step(index + 1));
        else if (route === undefined) response.writeHead(404).end();
        else tools.handle(route)(request, response, (failure) => tools.fail(failure, response));
      } catch (failure) {
        tools.fail(failure, response);
      }
    };
    step(0)();
  };
}

/** Who is asking, as the attached properties tell. */
export const tellWhoIsAsking: Handler = (request, response) => {
  const { member, organization, memberSession, verdict } = request;
  const body = {
    member: member?.id ?? null,
    organization: organization?.id ?? null,
    session: memberSession?.id ?? null,
    ...(verdict !== undefined && { verdict }),
  };
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(body));
};

/** A handler that looks at nobody. */
export const answerAnyone: Handler = (_request, response) => {
  response.end("hello");
};
