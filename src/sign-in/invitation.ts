import type { IncomingMessage, ServerResponse } from "node:http";
import { type HandlerContext, denialOf, deny } from "../guards/denial.ts";
import type { Middleware } from "../guards/guard.ts";
import { sha256 } from "../lib/crypto.ts";
import { closeIfUnread, isJsonClient, pathOf, queryOf, sanitizeReturnTo, sendJson } from "../lib/http.ts";
import { isObject, isString, isText } from "../lib/values.ts";
import type { RequestCallback } from "../options/options.ts";
import { type StoreReply, callStore, checkAnswer } from "../request/call-store.ts";
import type { Instance } from "../request/instance.ts";
import { currentCredential } from "../request/renew.ts";
import type { InvitationView, Outcome } from "../store.ts";
import { SelectionDeduplicator, readPosted } from "./choice.ts";
import { answerOutcome } from "./establish.ts";
import {
  type HandlerRequest,
  attachAuthenticated,
  attachOnly,
  chooseReturnTo,
  createHandler,
  requireMethod,
  returnToOfQuery,
} from "./handler-context.ts";
import {
  type AcceptInvitationView,
  type RenderInvitation,
  sendInvitationError,
  sendInvitationPage,
} from "./invitation-page.ts";
import { type Pending, readSelectable } from "./pending.ts";

/** Options of `auth.acceptInvitation()`. */
export interface AcceptInvitationOptions {
  /** Where the browser goes on if the request does not say `return_to`. @defaultValue `/` */
  readonly returnTo?: string | undefined;
  /** Shows a page of your own. What it throws goes to `next`. @defaultValue orgate's page */
  readonly render?:
    | RequestCallback<
        [view: AcceptInvitationView, request: IncomingMessage, response: ServerResponse],
        void | Promise<void>
      >
    | undefined;
}

interface InvitationSettings {
  readonly deduplicator: SelectionDeduplicator;
  readonly render: RenderInvitation;
  readonly fallback: string | undefined;
}

/**
 * Creates the page on which an invitation is accepted (`GET ?invitation_token=`), and the target of its form (`POST
 * { invitation_token }`). Continues the pending authentication of this browser, or else the session, in the organization of the
 * invitation. A browser without either signs in first, and comes back.
 *
 * @throws ConfigurationError for a store that has no invitations, or without a password.
 */
export function createAcceptInvitation(
  instance: Instance,
  options: AcceptInvitationOptions = {},
): Middleware {
  const { render, returnTo: fallback } = options;
  const settings = { deduplicator: new SelectionDeduplicator(instance), render, fallback };
  return createHandler(instance, {
    name: "acceptInvitation",
    options,
    knownOptions: ["render", "returnTo"],
    storeMethods: ["joinOrganization"],
    seals: "A pending authentication is sealed with it.",
    validate(problems) {
      if (render !== undefined && typeof render !== "function") {
        problems.invalid("render", "is not a function.", "Leave it out for the page of orgate.");
      }
    },
    httpMethods: ["GET", "HEAD", "POST"],
    serve: (received) =>
      received.request.method === "POST"
        ? acceptPosted(received, settings)
        : showInvitation(received, settings),
  });
}

/** Shows the invitation to whoever holds its token. Changes nothing. */
async function showInvitation(
  received: HandlerRequest,
  { render, fallback }: InvitationSettings,
): Promise<void> {
  const { instance, request, response } = received;
  const context = attachOnly(received);
  const [token, ...others] = queryOf(request).getAll("invitation_token");
  const describe = requireMethod(instance, "describeInvitation");
  const reply: StoreReply<InvitationView | undefined> =
    others.length > 0 || !isInvitationToken(token)
      ? { status: "refused", code: "sign_in_failed" }
      : await callStore(instance, request, async (client) =>
          checkAnswer((await describe(token, client)) ?? undefined, isInvitationAnswer),
        );
  if (reply.status === "unavailable") {
    const { reason, retryAfter } = reply;
    deny(context, { code: "store_unavailable", reason, retryAfter, page: true });
    return;
  }
  const invitation = reply.status === "answered" ? reply.value : undefined;
  if (invitation === undefined || token === undefined) {
    const reason = "invitation_invalid";
    instance.events.emit({ type: "rejected", code: "sign_in_failed", reason });
    refuse(context);
    return;
  }
  const returnTo = chooseReturnTo(context, [returnToOfQuery(request), fallback]);
  if (isJsonClient(request)) {
    const { organization, emailAddress, expiresAt } = invitation;
    const body = { organization, email_address: emailAddress, expires_at: expiresAt };
    sendJson(response, 200, { invitation: body, return_to: returnTo });
    return;
  }
  await sendInvitationPage(context, render, { ...invitation, invitationToken: token, returnTo });
}

/** Accepts the invitation whose token was posted. */
async function acceptPosted(received: HandlerRequest, settings: InvitationSettings): Promise<void> {
  const reading = await readSelectable(received);
  const pending = reading.status === "found" ? reading.pending : undefined;
  const context = pending === undefined ? await attachAuthenticated(received) : attachOnly(received);
  const { request, response, auth } = context;
  const fields = await readPosted(context, { page: true, returnTo: "/" });
  if (fields === undefined) return;
  const token = fields.get("invitation_token");
  if (!isInvitationToken(token)) {
    closeIfUnread(request, response);
    deny(context, { code: "invalid_request", page: true, returnTo: "/" });
    return;
  }
  const candidates = [
    fields.get("return_to"),
    returnToOfQuery(request),
    pending?.returnTo,
    settings.fallback,
  ];
  const returnTo = chooseReturnTo(context, candidates);
  if (pending === undefined && auth.session === undefined) {
    const reason = reading.status === "invalid" ? reading.reason : undefined;
    const denial = { page: true, returnTo: pageOf(request, token, returnTo) } as const;
    deny(context, { ...denialOf(auth.state), ...denial, reason });
    return;
  }
  const reply = await join(context, { token, pending }, settings.deduplicator);
  const isRefused = reply.status === "answered" && isInvitationRefusal(reply.value);
  await answerOutcome(context, {
    reply,
    by: pending === undefined ? "switch" : "sign_in",
    returnTo,
    pending,
    ...(pending === undefined && { expected: expectedSubject(context) }),
    denial: isRefused
      ? { page: ({ status }) => sendInvitationError(context, status) }
      : { page: true, returnTo },
  });
}

interface Joining {
  readonly token: string;
  readonly pending: Pending | undefined;
}

/** Asks the store once, however often the form is posted. */
async function join(
  context: HandlerContext,
  { token, pending }: Joining,
  deduplicator: SelectionDeduplicator,
): Promise<StoreReply<Outcome>> {
  const { instance, auth } = context;
  const store = requireMethod(instance, "joinOrganization");
  const { credential } = auth;
  const of = pending?.authentication ?? (credential && (await currentCredential(instance, credential)));
  if (of === undefined) return { status: "unavailable", reason: "not_verified", retryAfter: 5 };
  const secret = pending?.authentication.pendingAuthenticationToken ?? credential?.value ?? "";
  const choice = { secret, organizationId: `invitation ${sha256(token)}` };
  return deduplicator.choose(context, choice, (client) => store(of, token, client));
}

function expectedSubject({ instance, auth }: HandlerContext): { readonly subject?: string | undefined } {
  const keepsSubject = instance.options.store.capabilities.switchKeepsSubject ?? true;
  return keepsSubject ? { subject: auth.session?.subject } : {};
}

function isInvitationRefusal(outcome: Outcome): boolean {
  return outcome.status === "refused" && outcome.code === "sign_in_failed";
}

/** Refuses a token that is not good. A person reads what that may mean. */
function refuse(context: HandlerContext): void {
  deny(context, { code: "sign_in_failed", page: ({ status }) => sendInvitationError(context, status) });
}

/** The page of the invitation, to come back to after signing in. */
function pageOf(request: IncomingMessage, token: string, returnTo: string): string {
  const query = new URLSearchParams({
    invitation_token: token,
    ...(returnTo !== "/" && { return_to: returnTo }),
  });
  return `${sanitizeReturnTo(pathOf(request))}?${query.toString()}`;
}

const MAX_INVITATION_TOKEN = 512;

function isInvitationToken(value: unknown): value is string {
  return isText(value) && /^[!-~]+$/.test(value) && value.length <= MAX_INVITATION_TOKEN;
}

function isInvitationAnswer(value: unknown): value is InvitationView | undefined {
  if (value === undefined) return true;
  if (!isObject(value)) return false;
  const { organization, emailAddress, expiresAt } = value;
  if (!isObject(organization) || !isText(organization["id"]) || !isString(organization["name"])) return false;
  return isString(emailAddress) && isString(expiresAt);
}
