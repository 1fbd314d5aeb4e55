import type { IncomingMessage, ServerResponse } from "node:http";
import { type ErrorCode, OrgateError, isOrgateError } from "../errors.ts";
import { type HandlerContext, deny, noteSignInForLoops } from "../guards/denial.ts";
import type { Next } from "../guards/guard.ts";
import { isJsonClient, memberOfBody, redirect, sendJson, toRedirectTarget } from "../lib/http.ts";
import { isFiniteNumber, isFunction, isListOf, isObject, isString, isText } from "../lib/values.ts";
import { type ExpectedIdentity, acceptIssued } from "../request/accept-credential.ts";
import { crossSiteReasonOf, settleCandidates } from "../request/authenticate.ts";
import { type VerifiedSession, keyOf } from "../request/cache.ts";
import { type StoreReply, callStore, classifyError, toLabel } from "../request/call-store.ts";
import type { Instance } from "../request/instance.ts";
import {
  type Successor,
  keyOfSuccessor,
  reportMisconfigured,
  reportUnavailable,
} from "../request/request-auth.ts";
import { type Delivery, fitsIntoCookies, forbidCaching, sendCredential } from "../request/respond.ts";
import { noteSignIn, supersedeCredentials } from "../request/supersede.ts";
import { sessionOfCredential } from "../request/verify-credential.ts";
import type { Outcome, SealedSession, StaleCredential } from "../store.ts";
import {
  type DenialOptions,
  type HandlerRequest,
  attachOnly,
  chooseReturnTo,
  returnToOfQuery,
} from "./handler-context.ts";
import {
  type Pending,
  clearPending,
  clearSpent,
  findPending,
  keepPending,
  returnToOfStep,
} from "./pending.ts";
import { type Authentication, outcomeOf, unfinishedOf } from "./read-outcome.ts";
import { type FailedChoice, renderSelectionError } from "./selection-page.ts";

/** Options of `auth.establish()`. */
export interface EstablishOptions {
  /**
   * Where the browser goes on, on this origin. @defaultValue `return_to` of the query, then of a parsed body, then what a
   * step-up was begun with, then `/`
   */
  readonly returnTo?: string | undefined;
}

/**
 * Ends a sign-in handler: sets the session cookie and goes on, or begins organization selection. Answers refusals and an
 * unavailable store; ends the session that the same browser had before.
 *
 * A step-up is answered with `reauthentication_required`. The browser keeps the pending authentication: the handler of the
 * next step reads it by `auth.pendingAuthentication(req)`, and ends here again.
 *
 * What Stytch's or WorkOS's SDK rejects with is answered as well: a refusal with `sign_in_failed`, an outage with 503.
 *
 * Resolves when the answer has been given. Mistakes of the application (anything else that the authentication throws,
 * `session_too_large`, a `ConfigurationError` where nothing can be sealed) go to Express's error handler, on Express 4 too, with
 * nothing sent. Without Express the promise rejects with them: write `.catch(next)`.
 */
// oxlint-disable-next-line max-params -- the method's own four, and the instance it is bound to
export function establish(
  instance: Instance,
  request: IncomingMessage,
  response: ServerResponse,
  authentication: Authentication | Promise<Authentication>,
  options: EstablishOptions = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const next: Next = (error) => (error === undefined ? resolve() : fail(error));
    const fail = (error: unknown): void => {
      const toErrorHandler = nextOf(request);
      // Express 4 does not look at the promise of a handler: its rejection would end the process.
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the application's own error, unchanged
      if (toErrorHandler === undefined) reject(error);
      else {
        // Express takes `next()` for success, and would go on to the next route.
        toErrorHandler(error ?? new TypeError("the authentication was rejected without an error"));
        resolve();
      }
    };
    const whenAnswered = (): void => {
      // The application's `onDenied` may answer later.
      if (response.writableEnded) resolve();
      else response.once("close", resolve);
    };
    finishSignIn({ instance, request, response, next }, authentication, options).then(whenAnswered, fail);
  });
}

/** What Express calls to go on, as it leaves it on every request; `undefined` on other servers. */
function nextOf({ next }: IncomingMessage & { readonly next?: unknown }): Next | undefined {
  return isFunction(next) ? (next as Next) : undefined;
}

async function finishSignIn(
  received: HandlerRequest,
  authentication: Authentication | Promise<Authentication>,
  options: EstablishOptions,
): Promise<void> {
  const { instance, request, response } = received;
  forbidCaching(response);
  const crossSite = crossSiteReasonOf(instance, request);
  if (crossSite !== undefined) {
    // The application's promise may still reject; its result is not used.
    void Promise.allSettled([authentication]);
    deny(attachOnly(received), { code: "cross_site_request", reason: crossSite });
    return;
  }
  const reply = await readAuthentication(authentication, instance.options.clock());
  if (reply.status === "unavailable") reportUnavailable(instance.events, reply);
  const context = attachOnly(received);
  const pending = await findPending(received);
  const candidates = [
    options.returnTo,
    returnToOfQuery(request),
    memberOfBody(request, "return_to"),
    returnToOfStep(pending),
  ];
  const returnTo = chooseReturnTo(context, candidates);
  await answerOutcome(context, { reply, by: "sign_in", returnTo, pending });
}

/** Waits for an authentication. Throws what is neither a refusal nor trouble of a store, unchanged. */
async function readAuthentication(
  authentication: Authentication | Promise<Authentication>,
  calledAt: number,
): Promise<StoreReply<Outcome>> {
  try {
    return { status: "answered", value: outcomeOf(await authentication), calledAt };
  } catch (error) {
    const unfinished = unfinishedOf(error);
    if (unfinished !== undefined) return { status: "answered", value: unfinished, calledAt };
    const reply = classifyError(error);
    if (reply.status === "refused" || (isOrgateError(error) && error.code === "store_unavailable"))
      return reply;
    const answer = answerOfSdk(error);
    if (answer === undefined || OWN_CREDENTIALS.has(answer.reason)) throw error;
    const { status, reason } = answer;
    if (status === 429 || status >= 500) return { ...reply, reason };
    return { status: "refused", code: "sign_in_failed", reason };
  }
}

/** Refusals of the application's own credentials: only a developer can help. */
const OWN_CREDENTIALS: ReadonlySet<string> = new Set([
  "invalid_client",
  "unauthorized",
  "unauthorized_client",
  "unauthorized_credentials",
]);

/** What a hosted service answered, as the errors of its SDK tell it; `undefined` for every other error. */
function answerOfSdk(error: unknown): { readonly status: number; readonly reason: string } | undefined {
  if (!isObject(error)) return undefined;
  try {
    // Stytch's errors name these two; WorkOS's name the status and the request.
    const isStytch = isFiniteNumber(error["status_code"]) && isString(error["error_type"]);
    const isWorkos = isFiniteNumber(error["status"]) && isString(error["requestID"]);
    const status = isStytch ? error["status_code"] : isWorkos ? error["status"] : undefined;
    const word = isStytch ? error["error_type"] : (error["error"] ?? error["code"]);
    if (!isFiniteNumber(status) || status < 400) return undefined;
    return { status, reason: toLabel(word, status === 401 ? "unauthorized" : "refused_upstream") };
  } catch {
    // A getter of the error throws: it is no SDK's, and goes on unchanged.
    return undefined;
  }
}

/** What a sign-in, a selection or a switch came to, and how to answer it. */
export interface Completion {
  readonly reply: StoreReply<Outcome>;
  /** A switch ends the session before it at the store, and is answered the way its credential came. */
  readonly by: "sign_in" | "switch";
  /** A path on this origin. */
  readonly returnTo: string;
  /** What was pending in this browser before. */
  readonly pending?: Pending | undefined;
  /** Whom a new session must belong to. */
  readonly expected?: ExpectedIdentity;
  /** The session that a switch continues under its id. */
  readonly continues?: StaleCredential | undefined;
  /** How a denial is answered. */
  readonly denial?: DenialOptions;
  /** Where a person chooses again if the organization is not available. */
  readonly selection?: FailedChoice | undefined;
  /** Runs before the browser is sent on, with where it goes: the session or the choice that follows is certain then. */
  readonly beforeRedirect?: ((target: string) => Promise<void>) | undefined;
}

/** Answers with what the store's reply came to: a session, the selection, a step-up, or a denial. */
export async function answerOutcome(context: HandlerContext, completion: Completion): Promise<void> {
  const { reply, denial } = completion;
  if (reply.status === "unavailable") {
    const { reason, retryAfter } = reply;
    deny(context, { ...denial, code: "store_unavailable", reason, retryAfter });
    return;
  }
  const outcome = reply.status === "answered" ? reply.value : reply;
  const calledAt = reply.status === "answered" ? reply.calledAt : context.instance.options.clock();
  switch (outcome.status) {
    case "authenticated":
      return startSession(context, completion, outcome.credential, calledAt);
    case "selection_required":
      return beginSelection(context, completion, outcome);
    case "step_up_required":
      return demandStep(context, completion, outcome);
    default:
      return answerRefused(context, completion, outcome);
  }
}

async function answerRefused(
  context: HandlerContext,
  { pending, denial, selection }: Completion,
  { code, reason }: { readonly code: ErrorCode; readonly reason?: string | undefined },
): Promise<void> {
  // The reason is for the log: a client that tries to get in learns no more than the code.
  const told = toLabel(reason, "not_accepted");
  context.instance.events.emit({ type: "rejected", code, reason: told });
  if (code === "invalid_pending_authentication" && pending !== undefined) {
    clearSpent(context, pending);
  }
  if (code === "organization_not_available" && selection !== undefined) {
    await renderSelectionError(context, selection);
  } else {
    deny(context, { ...denial, code, reason: told });
  }
}

/**
 * Verifies a new session and sends it to the client, in place of the one presented. A session that cannot be verified right now
 * is sent as well: the store has created it, and its refresh token must not be lost.
 *
 * @throws OrgateError `session_too_large` before anything was sent.
 */
async function startSession(
  context: HandlerContext,
  { by, returnTo, expected = {}, continues, denial, beforeRedirect }: Completion,
  credential: SealedSession,
  calledAt: number,
): Promise<void> {
  const { instance, auth, request } = context;
  const target = deliveryTarget(context, by);
  const send = (successor: Successor, session: VerifiedSession | undefined): void => {
    if (!fitsIntoCookies(instance, successor)) {
      reportMisconfigured(instance.events, { reason: "session_too_large" });
      throw new OrgateError("session_too_large");
    }
    sendCredential(instance, { auth, request, session, target }, successor);
  };
  const issued = { credential, kind: target.kind, expected, calledAt, continues };
  const accepted = await acceptIssued(instance, issued);
  if (accepted.status !== "adopted") {
    const { code, reason, retryAfter } = accepted;
    if (accepted.status === "keep_refresh_token") {
      send(accepted.successor, undefined);
      // The reply may be lost, and what was switched is spent.
      if (continues !== undefined && auth.credential !== undefined) {
        instance.lostReplies.keep(keyOf(auth.credential), accepted.successor, calledAt);
      }
    }
    deny(context, { ...denial, code, reason, retryAfter });
    return;
  }
  const { session, successor } = accepted;
  if (instance.invalidations.endingOf(session.memberSession.id) !== undefined) {
    deny(context, { ...denial, code: "session_revoked", reason: "ended_here" });
    return;
  }
  send(successor, session);
  await endPreviousSession(context, session, by);
  auth.authenticated(session, "store");
  auth.confirm();
  auth.close();
  instance.cache.set(keyOfSuccessor(successor), session);
  instance.events.emit({ type: "authenticated", via: session.via, source: "store" });
  clearPending(context);
  noteSignInForLoops(context);
  await beforeRedirect?.(returnTo);
  answerSignedIn(context, session, returnTo);
}

/** How the client presents a new session from now on: a switched one as before, else by the first cookie that is read. */
function deliveryTarget(
  { instance: { options }, auth: { credential } }: HandlerContext,
  by: Completion["by"],
): NonNullable<Delivery["target"]> {
  if (by === "switch" && credential !== undefined) return credential;
  const cookie = options.sources.find(({ kind }) => kind === "sealed" || kind === "jwt_cookie");
  return cookie ?? { kind: "bearer" };
}

/** Ends the session that a new one replaces in the same browser, and keeps late renewals from bringing it back. */
async function endPreviousSession(
  { instance, request, auth }: HandlerContext,
  { memberSession, via }: VerifiedSession,
  by: Completion["by"],
): Promise<void> {
  await settleCandidates(instance, auth);
  const { credential } = auth;
  if (via === "cookie") {
    supersedeCredentials(instance, { auth, request }, "supersede");
    noteSignIn(instance, request);
  }
  if (credential === undefined || (credential.kind === "bearer") !== (via === "bearer")) return;
  const previous = auth.session ?? (await sessionOfCredential(instance, credential));
  if (via === "bearer") supersedeCredentials(instance, { auth, request }, "supersede");
  instance.cache.delete(keyOf(credential));
  const sessionId = previous?.memberSession.id;
  if (sessionId === undefined || sessionId === memberSession.id) return;
  await instance.invalidations.end(sessionId, "supersede", previous);
  const { store } = instance.options;
  if (by === "switch" || store.endSession === undefined) return;
  await callStore(instance, request, async (context) => store.endSession?.({ sessionId }, context), {
    member: previous?.member.id,
  });
}

/** Redirects a browser to where it goes on; tells a program who is signed in. */
export function answerSignedIn(
  { request, response }: HandlerContext,
  { via, member, organization, memberSession }: VerifiedSession,
  returnTo: string,
): void {
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

/** Keeps the pending token in the browser and sends it to the selection page; programs get the list of organizations. */
async function beginSelection(
  context: HandlerContext,
  { pending: previous, returnTo, beforeRedirect }: Completion,
  { pending, organizations }: Extract<Outcome, { status: "selection_required" }>,
): Promise<void> {
  const { instance, request, response } = context;
  const { selectionPath } = instance.options;
  await keepPending(context, { pending, returnTo, previous });
  await beforeRedirect?.(selectionPath);
  if (!isJsonClient(request)) {
    redirect(response, selectionPath);
    return;
  }
  const choices = organizations.map(({ id, name }) => ({ id, name }));
  const extensions = { organizations: choices, selection_url: selectionPath };
  deny(context, { code: "organization_selection_required", extensions });
}

/** What the next sign-in must ask for, so that it does not end in the same step: the organization, else its one connection. */
function signInHints(
  details: object = {},
  switchedTo: string | null | undefined,
): Pick<DenialOptions, "organizationId" | "connectionId"> {
  const { organizationId = switchedTo, connectionIds }: Readonly<Record<string, unknown>> = { ...details };
  if (isText(organizationId)) return { organizationId };
  return isListOf(connectionIds, isText) && connectionIds.length === 1
    ? { connectionId: connectionIds[0] }
    : {};
}

/** Answers that a step is due, and keeps the pending authentication in the browser for the application's own handler. */
async function demandStep(
  context: HandlerContext,
  { pending: previous, by, expected, denial, returnTo }: Completion,
  { pending, reason, details, url }: Extract<Outcome, { status: "step_up_required" }>,
): Promise<void> {
  // A bearer's client keeps no cookies, and without a password none can be sealed.
  const isBrowser = by === "sign_in" || context.auth.credential?.kind !== "bearer";
  if (pending !== undefined && isBrowser && context.instance.sealer !== undefined) {
    const step = { reason, ...(details !== undefined && { details }), by };
    await keepPending(context, { pending, returnTo, step, previous });
  }
  const signInUrl = toRedirectTarget(url);
  deny(context, {
    page: true,
    returnTo,
    ...denial,
    code: "reauthentication_required",
    extensions: { reason },
    // A code can be entered wherever the user signs in.
    ...signInHints(
      reason.startsWith("mfa_") ? undefined : details,
      by === "switch" ? expected?.organizationId : undefined,
    ),
    ...(signInUrl !== undefined && { signInUrl }),
  });
}
