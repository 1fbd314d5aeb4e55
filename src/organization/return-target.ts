import type { IncomingMessage } from "node:http";
import type { Engine } from "../engine/engine.ts";
import { pathOf, queryOf } from "../http/navigation.ts";
import { sanitizeReturnTo } from "../http/return-to.ts";
import type { Pending } from "./pending-seal.ts";

/**
 * Where the browser goes on: the first candidate that was given, made safe. A path that would lead straight back to
 * signing in, to the selection or to the handler itself becomes `/`.
 */
export function chooseReturnTo(
  { options }: Engine,
  request: IncomingMessage,
  candidates: readonly unknown[],
): string {
  const path = sanitizeReturnTo(
    candidates.find((candidate) => candidate !== undefined && candidate !== null),
  );
  const own = [options.selectionPath, options.signInPath, pathOf(request)];
  return own.some((one) => one !== undefined && normalize(one) === normalize(path)) ? "/" : path;
}

/** `return_to` of the query. Given twice, it is nothing that could be followed. */
export function returnToOfQuery(request: IncomingMessage): unknown {
  const given = queryOf(request).getAll("return_to");
  return given.length > 1 ? given : given[0];
}

/** Where a sign-in goes on that a step was due in. What was left by one that is a choice short is no part of the next. */
export function returnToOfStep(pending: Pending | undefined): unknown {
  return pending?.step === undefined ? undefined : pending.returnTo;
}

/** A path as routers compare it: without query, case and trailing slashes, percent-encoding undone. */
function normalize(path: string): string {
  const [bare = ""] = path.split(/[#?]/, 1);
  return decode(bare).toLowerCase().replace(/\/+$/, "");
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
