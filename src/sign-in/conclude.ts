import { ConfigurationError, type ErrorCode, OrgateError } from "../errors.ts";
import type { DenialInit } from "../guards/denial.ts";
import { isJsonClient, toRedirectTarget } from "../lib/navigation.ts";
import { redirect, sendJson } from "../lib/send.ts";
import { type Expectations, pairOpaqueToken, acceptIssued } from "../request/accept-credential.ts";
import type { VerifiedSession } from "../request/cache.ts";
import type { StoreReply } from "../request/call-store.ts";
import type { Instance } from "../request/instance.ts";
import { type Successor, keyOfSuccessor } from "../request/renew.ts";
import { type Delivery, sendCredential } from "../request/respond.ts";
import type { Outcome, SealedSession } from "../store.ts";
import { type Visit, refuse } from "./handler-context.ts";
import { type Pending, clearPending, clearSpent, leavePending } from "./pending.ts";
import { pageFor } from "./selection-page.ts";
import { supersedePresented } from "./sign-out.ts";

/** How an authentication, a selection or a switch ended, and how to go on. */
export interface Conclusion extends Omit<Issuance, "credential"> {
  readonly reply: StoreReply<Outcome>;
  /** Safe, already. */
  readonly returnTo: string;
  /** What was pending in this browser. */
  readonly before?: Pending | undefined;
  /** What a denial does beyond its code. */
  readonly denial?: Omit<DenialInit, "code">;
  /** Answers a refusal in a way of its own; `false` leaves it to the default. */
  readonly answerRefusal?: (code: ErrorCode) => Promise<boolean>;
}

/** Answers with what came of it: a session, the selection, a step-up, or a denial. */
export async function conclude(instance: Instance, visit: Visit, conclusion: Conclusion): Promise<void> {
  const { reply, denial } = conclusion;
  if (reply.status === "unavailable") {
    refuse(instance, visit, { ...denial, code: "store_unavailable", retryAfter: reply.retryAfter });
  } else if (reply.status === "refused") {
    await concludeRefusal(instance, visit, conclusion, reply);
  } else {
    await concludeOutcome(instance, visit, conclusion, reply.value);
  }
}

async function concludeOutcome(
  instance: Instance,
  visit: Visit,
  conclusion: Conclusion,
  outcome: Outcome,
): Promise<void> {
  switch (outcome.status) {
    case "authenticated":
      await signIn(instance, visit, { ...conclusion, credential: outcome.credential });
      return;
    case "selection_required":
      await beginSelection(instance, visit, conclusion, outcome);
      return;
    case "step_up_required":
      await demandStep(instance, visit, conclusion, outcome);
      return;
    default:
      await concludeRefusal(instance, visit, conclusion, outcome);
  }
}

async function concludeRefusal(
  instance: Instance,
  visit: Visit,
  { before, denial, answerRefusal }: Conclusion,
  { code, reason }: { readonly code: ErrorCode; readonly reason?: string },
): Promise<void> {
  // Why is for the log: whoever tries to get in learns no more than the code.
  instance.events.emit({ type: "rejected", code, ...(reason !== undefined && { reason }) });
  if (code === "invalid_pending_authentication" && before !== undefined) clearSpent(instance, visit, before);
  if (answerRefusal === undefined || !(await answerRefusal(code)))
    refuse(instance, visit, { ...denial, code });
}

async function signIn(instance: Instance, visit: Visit, issuance: Conclusion & Issuance): Promise<void> {
  const { denial, returnTo } = issuance;
  const issued = await issueSession(instance, visit, issuance);
  if (issued.status === "issued") {
    clearPending(instance, visit.request, visit.record);
    answerSignedIn(visit, issued.session, returnTo);
  } else if (issued.status === "ended") {
    refuse(instance, visit, { ...denial, code: "session_revoked" });
  } else {
    refuse(instance, visit, { ...denial, code: issued.code, retryAfter: issued.retryAfter });
  }
}

/** Sends a browser on, and tells a program who it is now. */
export function answerSignedIn(
  { request, response }: Visit,
  session: VerifiedSession,
  returnTo: string,
): void {
  const { via, member, organization, memberSession } = session;
  if (via === "cookie" && !isJsonClient(request)) {
    redirect(response, returnTo);
    return;
  }
  sendJson(response, 200, {
    status: "authenticated",
    return_to: returnTo,
    member,
    organization,
    member_session: memberSession,
  });
}

/** Leaves the pending token with the browser, and sends it to choose; a program is told between what. */
async function beginSelection(
  instance: Instance,
  visit: Visit,
  { before, returnTo }: Conclusion,
  { pending, organizations }: Extract<Outcome, { status: "selection_required" }>,
): Promise<void> {
  const { request, response } = visit;
  const { selectionPath } = instance.options;
  await leavePending(instance, visit, { pending, returnTo, before });
  if (!isJsonClient(request)) {
    redirect(response, selectionPath);
    return;
  }
  const choices = organizations.map(({ id, name }) => ({ id, name }));
  const extensions = { organizations: choices, selection_url: selectionPath };
  refuse(instance, visit, { code: "organization_selection_required", extensions });
}

/** Says that a step is due, and leaves what it goes on from with the browser, for the application's own handler. */
async function demandStep(
  instance: Instance,
  visit: Visit,
  { before, by, denial, returnTo, organizationId }: Conclusion,
  { pending, reason, details, url }: Extract<Outcome, { status: "step_up_required" }>,
): Promise<void> {
  // A bearer's client keeps no cookies, and where none is sealed none can be kept.
  const isBrowser = by === "sign_in" || visit.record.credential?.kind !== "bearer";
  if (pending !== undefined && isBrowser && instance.sealer !== undefined) {
    const step = { reason, ...(details !== undefined && { details }), by };
    await leavePending(instance, visit, { pending, returnTo, step, before });
  }
  const target = toRedirectTarget(url);
  refuse(instance, visit, {
    ...pageFor(instance, visit, returnTo),
    ...denial,
    code: "reauthentication_required",
    extensions: { reason },
    // A sign-in asks for the organization itself.
    ...(by === "switch" && { organizationId }),
    ...(target !== undefined && { signInUrl: target }),
  });
}

/** A session that the store has just made, and what it must be. */
export interface Issuance extends Expectations {
  readonly credential: SealedSession;
  /** A switch ends the session before it at the store, and answers the way the credential came. */
  readonly by: "sign_in" | "switch";
}

/** How issuing a session ended. */
export type Issued =
  | { readonly status: "issued"; readonly session: VerifiedSession }
  /** Signed out of, or switched away from, before this answer could be given. */
  | { readonly status: "ended" }
  | {
      readonly status: "unavailable";
      readonly code: "store_unavailable" | "clock_skew";
      readonly retryAfter: number;
    };

type Target = NonNullable<Delivery["target"]>;

/**
 * Hands a new session to the client, once it has been verified, in place of the one presented. A pair that cannot be
 * verified right now is handed out all the same: the store has made it, and it must not be lost.
 *
 * @throws OrgateError `session_too_large` before anything was sent.
 */
export async function issueSession(instance: Instance, visit: Visit, issuance: Issuance): Promise<Issued> {
  const { record, request } = visit;
  const target = targetOf(instance, visit, issuance);
  const via = target.kind === "bearer" ? "bearer" : "cookie";
  const pair = await sealPair(instance, issuance.credential, target);
  const verified = await acceptIssued(instance, { ...issuance, via });
  if (verified.status === "failed") {
    if (verified.keepsPair) send(instance, { record, request, session: undefined, target }, pair);
    return { status: "unavailable", code: verified.code, retryAfter: verified.retryAfter };
  }
  const { session, claims } = verified;
  if (instance.invalidations.endingOf(session.memberSession.id) !== undefined) return { status: "ended" };
  send(instance, { record, request, session, target }, { ...pair, claims });
  await supersedePresented(instance, visit, { session, by: issuance.by, via });
  adopt(instance, visit, session, keyOfSuccessor(target.kind, pair));
  return { status: "issued", session };
}

/** From here on the new session is who is asking; nothing of the old one's may follow. */
function adopt(instance: Instance, { record }: Visit, session: VerifiedSession, key: string): void {
  record.session = session;
  record.state = undefined;
  record.source = "store";
  record.confirmed = true;
  record.closed = true;
  instance.cache.set(key, session);
  instance.events.emit({ type: "authenticated", via: session.via, source: "store" });
}

/** The way a new session is presented from now on: as the one before it where it is switched, else by the first cookie that is read. */
function targetOf({ options }: Instance, { record }: Visit, { by }: Issuance): Target {
  if (by === "switch" && record.credential !== undefined) return record.credential;
  const cookie = options.sources.find(({ kind }) => kind === "sealed" || kind === "jwt_cookie");
  return cookie ?? { kind: "bearer" };
}

async function sealPair(instance: Instance, credential: SealedSession, target: Target): Promise<Successor> {
  const { sealer } = instance;
  const { accessToken } = credential;
  if (target.kind !== "sealed") return { accessToken, ...pairOpaqueToken(instance, target.kind, credential) };
  if (sealer === undefined) throw withoutPassword("a session");
  return { accessToken, sealed: credential, cookieValue: await sealer.seal(credential) };
}

function send(instance: Instance, delivery: Delivery, pair: Successor): void {
  if (!sendCredential(instance, delivery, pair)) throw new OrgateError("session_too_large");
}

/** The mistake of an application that wants something sealed and has no password for it. */
export function withoutPassword(what: string): ConfigurationError {
  return new ConfigurationError([
    {
      code: "option_missing",
      option: "cookie.password",
      message: `is required to seal ${what}.`,
      suggestion: "Make one with: openssl rand -base64 32.",
    },
  ]);
}
