import { clearAllForms, setCookie } from "../engine/deliver.ts";
import { bounceCookieName } from "../engine/bounce.ts";
import type { Engine } from "../engine/engine.ts";
import { clearCookieLine } from "../http/cookies.ts";
import { findCookie } from "../pipeline/find-cookie.ts";
import { presentFlows } from "./flow-cookie.ts";
import { ownCookieAttributes } from "./own-cookies.ts";
import { clearPending } from "./pending-cookie.ts";
import type { Visit } from "./visit.ts";

/** Clears the session cookies, whole, in chunks and in every form, and all that is under way in this browser. */
export function clearEveryCookie(engine: Engine, { request, record }: Visit): void {
  const { cookie, sources } = engine.options;
  // What this response was about to set has become pointless.
  record.cookies = undefined;
  record.headers = undefined;
  const names = new Set(sources.flatMap((source) => ("cookieName" in source ? [source.cookieName] : [])));
  if (engine.sealer !== undefined) names.add(cookie.name);
  for (const name of names) {
    const present = findCookie(request.headers.cookie, name).names;
    for (const form of new Set([name, ...present])) clearAllForms(engine, record, form);
  }
  clearPending(engine, request, record);
  const flows = presentFlows(engine, request).map(({ name }) => name);
  const bounce = findCookie(request.headers.cookie, bounceCookieName(engine.options.secure)).names;
  for (const name of [...flows, ...bounce]) {
    setCookie(record, name, clearCookieLine(name, ownCookieAttributes(engine.options)));
  }
}
