import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { setCookie } from "../engine/deliver.ts";
import type { Engine } from "../engine/engine.ts";
import { OrgateError } from "../errors.ts";
import { clearCookieLine, setCookieLine } from "../http/cookies.ts";
import type { RequestRecord } from "../pipeline/attach.ts";
import { findCookie } from "../pipeline/find-cookie.ts";
import { withoutPassword } from "./issue-session.ts";
import { ownCookieAttributes, ownCookieName } from "./own-cookies.ts";

/** Seconds that a sign-in elsewhere may take. */
export const FLOW_LIFETIME = 600;
/** Sign-ins that one browser can have under way: more would grow the `Cookie` header until servers refuse it. */
export const MAX_FLOWS = 5;
const MAX_LINE_LENGTH = 4_096;
const FLOW_NAME_LENGTH = 16;

/** A sign-in that this browser began elsewhere. */
export interface Flow {
  /** The store's own, as `beginSignIn` gave it. */
  readonly state: unknown;
  /** As it was sealed: make it safe again. */
  readonly returnTo: unknown;
}

interface FlowSeal extends Flow {
  readonly kind: "sign_in";
  /** The hash of the `state` parameter. */
  readonly binding: string;
  readonly expiresAt: number;
}

/** A flow's cookie, as a request shows it without opening it. */
export interface PresentFlow {
  readonly name: string;
  readonly startedAt: number;
}

/**
 * Leaves the state of a sign-in with the browser that begins it, under a name of its own, and drops the oldest ones above
 * the limit.
 *
 * @throws OrgateError `session_too_large` for a state that does not fit into a cookie.
 */
export async function writeFlow(
  engine: Engine,
  { request, record }: { readonly request: IncomingMessage; readonly record: RequestRecord },
  { parameter, state, returnTo }: { parameter: string; state: unknown; returnTo: string },
): Promise<void> {
  const { options, sealer } = engine;
  if (sealer === undefined) throw withoutPassword("a sign-in's state");
  const now = options.clock();
  const attributes = ownCookieAttributes(options);
  const seal: FlowSeal = {
    kind: "sign_in",
    state,
    returnTo,
    binding: hash(parameter),
    expiresAt: now + FLOW_LIFETIME,
  };
  const name = nameOf(engine, parameter);
  // The time stands outside as well, so that old ones are found without opening them all.
  const value = `${Math.floor(now)}.${await sealer.sealValue(seal)}`;
  const line = setCookieLine(name, value, attributes, FLOW_LIFETIME);
  if (line.length > MAX_LINE_LENGTH) throw new OrgateError("session_too_large");
  const others = presentFlows(engine, request)
    .filter((flow) => flow.name !== name)
    .toSorted((a, b) => b.startedAt - a.startedAt);
  for (const [rank, old] of others.entries()) {
    const isOver = now - old.startedAt >= FLOW_LIFETIME;
    if (isOver || rank >= MAX_FLOWS - 1) setCookie(record, old.name, clearCookieLine(old.name, attributes));
  }
  setCookie(record, name, line);
}

/** Opens the flow that a `state` parameter belongs to; `undefined` if this browser did not begin it, or too long ago. */
export async function readFlow(
  engine: Engine,
  request: IncomingMessage,
  parameter: string,
): Promise<Flow | undefined> {
  const found = findCookie(request.headers.cookie, nameOf(engine, parameter));
  if (found.status !== "found") return undefined;
  const sealed = found.value.slice(found.value.indexOf(".") + 1);
  const seal = await engine.sealer?.unsealValue(sealed);
  if (!isFlowSeal(seal) || engine.options.clock() >= seal.expiresAt) return undefined;
  const expected = Buffer.from(seal.binding);
  const actual = Buffer.from(hash(parameter));
  if (expected.length !== actual.length || !timingSafeEqual(expected, actual)) return undefined;
  return { state: seal.state, returnTo: seal.returnTo };
}

/** Clears a flow: it is used once. */
export function clearFlow(engine: Engine, record: RequestRecord, parameter: string): void {
  const name = nameOf(engine, parameter);
  setCookie(record, name, clearCookieLine(name, ownCookieAttributes(engine.options)));
}

/** The flows that a request shows, finished ones included. */
export function presentFlows({ options }: Engine, { headers }: IncomingMessage): PresentFlow[] {
  const prefix = ownCookieName(options, "sign-in-");
  return (headers.cookie ?? "").split(";").flatMap((pair) => {
    const [name = "", value = ""] = pair.trim().split("=", 2);
    if (!name.startsWith(prefix) || !/^[\w-]{16}$/.test(name.slice(prefix.length))) return [];
    return [{ name, startedAt: Number.parseInt(value, 10) || 0 }];
  });
}

function nameOf({ options }: Engine, parameter: string): string {
  return ownCookieName(options, `sign-in-${hash(parameter).slice(0, FLOW_NAME_LENGTH)}`);
}

function hash(value: string): string {
  return createHash("sha256").update(value).digest("base64url");
}

function isFlowSeal(value: unknown): value is FlowSeal {
  if (typeof value !== "object" || value === null) return false;
  const { kind, binding, expiresAt } = value as Partial<Record<keyof FlowSeal, unknown>>;
  return kind === "sign_in" && typeof binding === "string" && typeof expiresAt === "number";
}
