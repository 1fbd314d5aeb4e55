import type { IncomingMessage } from "node:http";
import { ConfigurationError } from "../errors.ts";
import { recordOf, type RequestRecord } from "../pipeline/attach.ts";
import type { Engine } from "./engine.ts";

/** The error of a guard or method that runs where orgate has not: never an open door. */
export function notMounted(name: string): ConfigurationError {
  return new ConfigurationError([
    {
      code: "not_mounted",
      option: name,
      message: "ran before orgate saw the request.",
      suggestion: "Put app.use(auth) above the routes it guards.",
    },
  ]);
}

/**
 * The record of a request that somebody looks at, which makes its answer vary.
 *
 * @throws ConfigurationError where the middleware has not run.
 */
export function lookAt(engine: Engine, request: IncomingMessage, name: string): RequestRecord {
  const record = recordOf(request, engine);
  if (record === undefined) throw notMounted(name);
  record.used = true;
  return record;
}
