import type { StoreReply } from "../engine/call-store.ts";
import type { DenialInit } from "../engine/deny.ts";
import type { Engine } from "../engine/engine.ts";
import type { ErrorCode } from "../errors.ts";
import { isJsonClient } from "../http/navigation.ts";
import { toRedirectTarget } from "../http/redirect-target.ts";
import { redirect, sendJson } from "../http/send.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import type { Outcome } from "../stores/session-store.ts";
import { pageFor } from "./denial-page.ts";
import { issueSession, type Issuance } from "./issue-session.ts";
import { clearSpent, leavePending } from "./leave-pending.ts";
import { clearPending } from "./pending-cookie.ts";
import type { Pending } from "./pending-seal.ts";
import { refuse, type Visit } from "./visit.ts";

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
export async function conclude(engine: Engine, visit: Visit, conclusion: Conclusion): Promise<void> {
  const { reply, denial } = conclusion;
  if (reply.status === "unavailable") {
    refuse(engine, visit, { ...denial, code: "store_unavailable", retryAfter: reply.retryAfter });
  } else if (reply.status === "refused") {
    await concludeRefusal(engine, visit, conclusion, reply);
  } else {
    await concludeOutcome(engine, visit, conclusion, reply.value);
  }
}

async function concludeOutcome(
  engine: Engine,
  visit: Visit,
  conclusion: Conclusion,
  outcome: Outcome,
): Promise<void> {
  switch (outcome.status) {
    case "authenticated":
      await signIn(engine, visit, { ...conclusion, credential: outcome.credential });
      return;
    case "selection_required":
      await beginSelection(engine, visit, conclusion, outcome);
      return;
    case "step_up_required":
      await demandStep(engine, visit, conclusion, outcome);
      return;
    default:
      await concludeRefusal(engine, visit, conclusion, outcome);
  }
}

async function concludeRefusal(
  engine: Engine,
  visit: Visit,
  { before, denial, answerRefusal }: Conclusion,
  { code, reason }: { readonly code: ErrorCode; readonly reason?: string },
): Promise<void> {
  // Why is for the log: whoever tries to get in learns no more than the code.
  engine.events.emit({ type: "rejected", code, ...(reason !== undefined && { reason }) });
  if (code === "invalid_pending_authentication" && before !== undefined) clearSpent(engine, visit, before);
  if (answerRefusal === undefined || !(await answerRefusal(code))) refuse(engine, visit, { ...denial, code });
}

async function signIn(engine: Engine, visit: Visit, issuance: Conclusion & Issuance): Promise<void> {
  const { denial, returnTo } = issuance;
  const issued = await issueSession(engine, visit, issuance);
  if (issued.status === "issued") {
    clearPending(engine, visit.request, visit.record);
    answerSignedIn(visit, issued.session, returnTo);
  } else if (issued.status === "ended") {
    refuse(engine, visit, { ...denial, code: "session_revoked" });
  } else {
    refuse(engine, visit, { ...denial, code: issued.code, retryAfter: issued.retryAfter });
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
  engine: Engine,
  visit: Visit,
  { before, returnTo }: Conclusion,
  { pending, organizations }: Extract<Outcome, { status: "selection_required" }>,
): Promise<void> {
  const { request, response } = visit;
  const { selectionPath } = engine.options;
  await leavePending(engine, visit, { pending, returnTo, before });
  if (!isJsonClient(request)) {
    redirect(response, selectionPath);
    return;
  }
  const choices = organizations.map(({ id, name }) => ({ id, name }));
  const extensions = { organizations: choices, selection_url: selectionPath };
  refuse(engine, visit, { code: "organization_selection_required", extensions });
}

/** Says that a step is due, and leaves what it goes on from with the browser, for the application's own handler. */
async function demandStep(
  engine: Engine,
  visit: Visit,
  { before, by, denial, returnTo, organizationId }: Conclusion,
  { pending, reason, details, url }: Extract<Outcome, { status: "step_up_required" }>,
): Promise<void> {
  // A bearer's client keeps no cookies, and where none is sealed none can be kept.
  const isBrowser = by === "sign_in" || visit.record.credential?.kind !== "bearer";
  if (pending !== undefined && isBrowser && engine.sealer !== undefined) {
    const step = { reason, ...(details !== undefined && { details }), by };
    await leavePending(engine, visit, { pending, returnTo, step, before });
  }
  const target = toRedirectTarget(url);
  refuse(engine, visit, {
    ...pageFor(engine, visit, returnTo),
    ...denial,
    code: "reauthentication_required",
    extensions: { reason },
    // A sign-in asks for the organization itself.
    ...(by === "switch" && { organizationId }),
    ...(target !== undefined && { signInUrl: target }),
  });
}
