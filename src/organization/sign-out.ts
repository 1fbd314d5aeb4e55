import { callStore } from "../engine/call-store.ts";
import type { Engine } from "../engine/engine.ts";
import type { Middleware } from "../guards/guard.ts";
import { isJsonClient } from "../http/navigation.ts";
import { toRedirectTarget } from "../http/redirect-target.ts";
import { redirect, sendJson } from "../http/send.ts";
import { createProblems, type Problems } from "../options/problems.ts";
import { ANONYMOUS } from "../auth-state.ts";
import { keyOf } from "../engine/key-of.ts";
import { vouchFor, type Refused, type Vouched } from "../engine/vouch.ts";
import type { Credential } from "../pipeline/read-credential.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import type { EndSessionTarget } from "../stores/session-ending.ts";
import { clearEveryCookie } from "./clear-cookies.ts";
import { tellOthers } from "../engine/tell-others.ts";
import { endPresented } from "./end-presented.ts";
import { endHere } from "./end-session.ts";
import { checkHandlerOptions } from "./handler-options.ts";
import { requireStore } from "./store-methods.ts";
import { createHandler, observe, type Visit } from "./visit.ts";

/** Options of `auth.signOut()`. */
export interface SignOutOptions {
  /** Ends every session of the member, on all devices. @defaultValue `false` */
  readonly everywhere?: boolean | undefined;
  /** A path on this origin, or an http(s) URL. @defaultValue what the store says, else `/` */
  readonly redirectTo?: string | undefined;
}

/**
 * Makes the handler of a `POST` that signs out: ends the session at the store, clears every cookie, and goes on.
 *
 * Works for whatever was presented, with the middleware above it or not: expired and revoked tokens, and those that the
 * store alone can read. With the store down the cookies are cleared all the same, this process refuses the session until its
 * token's `exp`, and an event `unavailable` tells of it.
 *
 * @throws ConfigurationError for `everywhere` with a store that cannot end sessions.
 */
export function createSignOut(engine: Engine, options: SignOutOptions = {}): Middleware {
  validate(engine, options);
  return createHandler(engine, ["POST"], async (arrival) => {
    // Nothing is renewed for somebody who leaves, and nobody waits for a renewal.
    const visit = observe(engine, arrival);
    const leaving = await leave(engine, visit);
    clearEveryCookie(engine, visit);
    const told = await endLeaving(engine, visit, leaving, options);
    const target = options.redirectTo ?? toRedirectTarget(told) ?? "/";
    const { request, response } = visit;
    if (isJsonClient(request)) sendJson(response, 200, { signed_out: true, redirect_to: target });
    else redirect(response, target);
  });
}

/** Whoever leaves: by the session that is known, or by a credential that the store alone can read. */
type Leaving =
  | { readonly status: "known"; readonly session: VerifiedSession }
  | { readonly status: "unread"; readonly credential: Credential; readonly vouched: Vouched }
  | { readonly status: "nobody" };

/** Forgets who it is, before anything is waited for: from here on no renewal of theirs sets a cookie. */
async function leave(engine: Engine, { record }: Visit): Promise<Leaving> {
  const { credential } = record;
  const known = record.session;
  record.closed = true;
  record.session = undefined;
  record.state = ANONYMOUS;
  if (credential === undefined) return known === undefined ? NOBODY : { status: "known", session: known };
  const key = keyOf(credential);
  const session = known ?? engine.cache.get(key);
  engine.superseded.set(key, "refuse");
  engine.cache.delete(key);
  if (session !== undefined) return { status: "known", session };
  const judgement = await vouchFor(engine, credential);
  const vouched = judgement.status === "refused" ? vouchForSealAlone(judgement) : judgement;
  if (vouched === undefined) return NOBODY;
  return vouched.session === undefined
    ? { status: "unread", credential, vouched }
    : { status: "known", session: vouched.session };
}

/** A good seal says whose session ends also where the token in it cannot be verified now. */
function vouchForSealAlone({ sealed }: Refused): Vouched | undefined {
  if (sealed === undefined) return undefined;
  return { status: "vouched", kind: "sealed", via: "cookie", accessToken: sealed.accessToken, sealed };
}

const NOBODY: Leaving = { status: "nobody" };

/** @returns where the store wants the browser to go. */
async function endLeaving(
  engine: Engine,
  visit: Visit,
  leaving: Leaving,
  { everywhere = false }: SignOutOptions,
): Promise<string | undefined> {
  const scope = everywhere ? "member" : "session";
  if (leaving.status === "nobody") return undefined;
  if (leaving.status === "known") return endSession(engine, visit, leaving.session, scope);
  const reply = await endPresented(engine, visit, { ...leaving, scope });
  const end = reply.status === "answered" ? reply.value : undefined;
  if (end?.status === "unknown") return undefined;
  if (end?.sessionId !== undefined) await endHere(engine, end.sessionId, "refuse");
  if (end?.memberId !== undefined && everywhere) await askAboutMember(engine, end.memberId);
  engine.events.emit({ type: "revoked", by: scope, reason: "sign_out" });
  return end?.redirectTo;
}

/** @returns where the store wants the browser to go. */
async function endSession(
  engine: Engine,
  { request }: Visit,
  { memberSession: { id: sessionId, memberId } }: VerifiedSession,
  scope: "session" | "member",
): Promise<string | undefined> {
  const { events, options } = engine;
  await endHere(engine, sessionId, "refuse");
  const target: EndSessionTarget = scope === "member" ? { memberId } : { sessionId };
  const reply = await callStore(
    engine,
    request,
    async (context) => await options.store.endSession?.(target, context),
  );
  if (scope === "member") await askAboutMember(engine, memberId);
  events.emit({ type: "revoked", by: scope, reason: "sign_out" });
  return reply.status === "answered" ? reply.value?.redirectTo : undefined;
}

/** The next request of each of the member's sessions asks the store, in every process. */
async function askAboutMember(engine: Engine, memberId: string): Promise<void> {
  const at = engine.options.clock();
  engine.invalidations.ask({ memberId }, at);
  engine.profiles.clear();
  await tellOthers(engine, { target: { memberId }, at, effect: "ask" });
}

function validate(engine: Engine, options: SignOutOptions): void {
  const problems = createProblems();
  checkHandlerOptions(problems, "signOut", options, ["everywhere", "redirectTo"]);
  const { everywhere, redirectTo } = options;
  if (everywhere !== undefined && typeof everywhere !== "boolean") {
    problems.invalid("signOut.everywhere", "is not a boolean.", "Pass true or false.");
  }
  if (everywhere === true) requireStore(engine, problems, "signOut.everywhere", ["endSession"]);
  checkRedirect(problems, redirectTo);
  problems.throwIfAny();
}

function checkRedirect(problems: Problems, redirectTo: unknown): void {
  if (redirectTo === undefined || toRedirectTarget(redirectTo) !== undefined) return;
  problems.invalid(
    "signOut.redirectTo",
    "is neither a path nor a URL.",
    'Pass "/" or "https://www.example.com/".',
  );
}
