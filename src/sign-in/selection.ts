import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { StoreUnavailableError } from "../errors.ts";
import { type DenialInit, denialOf } from "../guards/denial.ts";
import type { Middleware } from "../guards/guard.ts";
import { isJsonClient } from "../lib/navigation.ts";
import { createProblems } from "../lib/problems.ts";
import { readBody } from "../lib/read-body.ts";
import { redirect, sendJson } from "../lib/send.ts";
import { createSingleFlight } from "../lib/single-flight.ts";
import type { OrganizationChoice } from "../model.ts";
import type { RequestCallback } from "../options/options.ts";
import { type StoreReply, admit, classify, describeClient } from "../request/call-store.ts";
import { type Instance, GRACE, STORE_BUDGET } from "../request/instance.ts";
import { stateOf } from "../request/request-auth.ts";
import type { Outcome, PendingAuthentication, StoreContext } from "../store.ts";
import { conclude } from "./conclude.ts";
import { checkOutcome } from "./establish.ts";
import {
  type Arrival,
  type Visit,
  checkHandlerOptions,
  chooseReturnTo,
  createHandler,
  observe,
  recognize,
  refuse,
  requireMethod,
  requireStore,
  returnToOfQuery,
} from "./handler-context.ts";
import { type Pending, clearPending, readSelectable } from "./pending.ts";
import {
  type OrganizationSelectionView,
  type SelectionPage,
  completeView,
  listOrganizations,
  offerAgain,
  pageFor,
  refuseOnPage,
  showPage,
} from "./selection-page.ts";
import { switchPosted } from "./switch-organization.ts";

/** Options of `auth.organizationSelection()`. */
export interface OrganizationSelectionOptions {
  /**
   * Shows a page of your own, also after a choice that was not available (`view.error`; the status is set already).
   * What it throws goes to `next`. @defaultValue orgate's page
   */
  readonly render?:
    | RequestCallback<
        [view: OrganizationSelectionView, request: IncomingMessage, response: ServerResponse],
        void | Promise<void>
      >
    | undefined;
}

/**
 * Makes the page on which an organization is chosen (`GET`), and what its form is sent to (`POST { organization_id }`).
 * Completes a pending authentication where this browser has one; else switches the session.
 *
 * @throws ConfigurationError for a store that knows neither `organizations` nor `selectOrganization`, or without a password.
 */
export function createOrganizationSelection(
  instance: Instance,
  options: OrganizationSelectionOptions = {},
): Middleware {
  validate(instance, options);
  const desk = openChoiceDesk(instance);
  const page = { render: options.render };
  return createHandler(instance, ["GET", "HEAD", "POST"], async (arrival) => {
    if (arrival.request.method !== "POST") await showSelection(instance, arrival, page);
    else if (!(await choosePending(instance, arrival, { desk, page })))
      await switchPosted(instance, arrival, { desk, page });
  });
}

function validate(instance: Instance, options: OrganizationSelectionOptions): void {
  const problems = createProblems();
  checkHandlerOptions(problems, "organizationSelection", options, ["render"]);
  if (options.render !== undefined && typeof options.render !== "function") {
    problems.invalid("render", "is not a function.", "Leave it out for the page of orgate.");
  }
  requireStore(instance, problems, "organizationSelection", ["organizations", "selectOrganization"]);
  if (instance.sealer === undefined) {
    problems.missing("cookie.password", "A pending authentication is sealed with it.");
  }
  problems.throwIfAny();
}

/** Shows between what can be chosen, to somebody who must choose or to a member. Changes nothing. */
export async function showSelection(
  instance: Instance,
  arrival: Arrival,
  page: SelectionPage,
): Promise<void> {
  const { request } = arrival;
  const reading = await readSelectable(instance, request);
  if (reading.status === "found") {
    const { authentication, returnTo } = reading.pending;
    const reply = await listOrganizations(instance, request, authentication);
    if (reply.status !== "refused") {
      const target = chooseReturnTo(instance, request, [returnToOfQuery(request), returnTo]);
      await answerSelection(instance, observe(instance, arrival), reply, { page, returnTo: target });
      return;
    }
  }
  const visit = await recognize(instance, arrival);
  const returnTo = chooseReturnTo(instance, request, [returnToOfQuery(request)]);
  if (reading.status !== "absent") clearPending(instance, request, visit.record);
  const { session } = visit.record;
  if (session === undefined) {
    refuseOnPage(instance, visit, { ...denialOfStranger(visit, reading.status !== "absent"), returnTo });
    return;
  }
  const reply = await listOrganizations(instance, request, session.memberSession);
  await answerSelection(instance, visit, reply, {
    page,
    returnTo,
    current: session.memberSession.organizationId,
  });
}

function denialOfStranger({ record }: Visit, hadPending: boolean): DenialInit {
  const state = stateOf(record);
  if (state.status === "authenticated") throw new TypeError("a member is no stranger");
  // What is pending is certainly over; whether there is a session may be impossible to know.
  if (hadPending && state.status !== "unavailable") return { code: "invalid_pending_authentication" };
  return denialOf(state);
}

interface Offer {
  readonly page: SelectionPage;
  readonly returnTo: string;
  readonly current?: string | undefined;
}

async function answerSelection(
  instance: Instance,
  visit: Visit,
  reply: StoreReply<readonly OrganizationChoice[]>,
  { page, returnTo, current }: Offer,
): Promise<void> {
  const { request, response } = visit;
  if (reply.status === "unavailable") {
    refuseOnPage(instance, visit, { code: "store_unavailable", retryAfter: reply.retryAfter, returnTo });
  } else if (reply.status === "refused") {
    refuseOnPage(instance, visit, { code: reply.code, returnTo });
  } else if (isJsonClient(request)) {
    sendJson(response, 200, { organizations: reply.value, return_to: returnTo });
  } else if (reply.value.length === 1 && reply.value[0]?.id === current) {
    redirect(response, returnTo);
  } else {
    const organizations = reply.value;
    const view = { organizations, ...(current !== undefined && { current }) };
    await showPage(visit, page, completeView(request, view, returnTo));
  }
}

/** What the two halves of a selection share. */
export interface Selection {
  readonly desk: ChoiceDesk;
  readonly page: SelectionPage;
}

/**
 * Completes a pending authentication with the organization posted.
 *
 * @returns `false` where none is pending in this browser.
 */
export async function choosePending(
  instance: Instance,
  arrival: Arrival,
  selection: Selection,
): Promise<boolean> {
  const reading = await readSelectable(instance, arrival.request);
  if (reading.status === "absent") return false;
  const visit = observe(instance, arrival);
  if (reading.status === "found") await complete(instance, visit, reading.pending, selection);
  else {
    clearPending(instance, visit.request, visit.record);
    refuseOnPage(instance, visit, { code: "invalid_pending_authentication", returnTo: "/" });
  }
  return true;
}

async function complete(
  instance: Instance,
  visit: Visit,
  before: Pending,
  { desk, page }: Selection,
): Promise<void> {
  const { request } = visit;
  const { authentication, returnTo: sealed } = before;
  const choice = await readChoice(instance, visit, pageFor(instance, visit));
  if (choice === undefined) return;
  const { organizationId } = choice;
  const returnTo = chooseReturnTo(instance, request, [choice.returnTo, returnToOfQuery(request), sealed]);
  const select = requireMethod(instance, "selectOrganization");
  const { pendingAuthenticationToken: secret } = authentication;
  const reply = await desk.choose(request, { secret, organizationId }, (context) =>
    select(authentication, organizationId, context),
  );
  await conclude(instance, visit, {
    reply: keepPending(reply, authentication),
    returnTo,
    before,
    by: "sign_in",
    organizationId,
    denial: pageFor(instance, visit, returnTo),
    async answerRefusal(code) {
      if (code !== "organization_not_available") return false;
      await offerAgain(instance, visit, { of: authentication, page, returnTo });
      return true;
    },
  });
}

/** A step that is due where nothing was spent goes on from the very authentication that was pending. */
function keepPending(reply: StoreReply<Outcome>, authentication: PendingAuthentication): StoreReply<Outcome> {
  if (reply.status !== "answered" || reply.value.status !== "step_up_required") return reply;
  return { ...reply, value: { ...reply.value, pending: reply.value.pending ?? authentication } };
}

/** A choice, by the secret that allows it. */
export interface NamedChoice {
  readonly secret: string;
  readonly organizationId: string;
}

/** Makes a choice once, however often it is sent. */
export interface ChoiceDesk {
  /** Asks the store, or joins those who asked with the same secret for the same organization. */
  choose(
    request: IncomingMessage,
    choice: NamedChoice,
    ask: (context: StoreContext) => Promise<Outcome>,
  ): Promise<StoreReply<Outcome>>;
  /** What such a choice has come to a moment ago. */
  settledFor(choice: NamedChoice): Outcome | undefined;
}

/**
 * Opens a desk at which a repeat of the same choice by the same holder (a double click) gets the winner's answer, for
 * the grace window. Anything but a session, and what takes the place of a secret that is spent, is asked for again.
 */
export function openChoiceDesk(instance: Instance): ChoiceDesk {
  const { events, options } = instance;
  const flights = createSingleFlight<Outcome>({
    clock: options.clock,
    budget: STORE_BUDGET,
    grace: GRACE,
    keeps: (outcome) => outcome.status === "authenticated" || pendingOf(outcome) !== undefined,
    onShared: (shared) => events.emit({ type: "coalesced", with: shared }),
  });
  const settledFor = (choice: NamedChoice): Outcome | undefined => flights.settledFor(nameOf(choice))?.result;

  /** A second click may come when the browser holds the new secret already. */
  const repeatForSuccessor = async (outcome: Outcome, { organizationId }: NamedChoice): Promise<void> => {
    if (outcome.status !== "step_up_required" || outcome.pending === undefined) return;
    const { pendingAuthenticationToken: secret } = outcome.pending;
    if (settledFor({ secret, organizationId }) !== undefined) return;
    const key = nameOf({ secret, organizationId });
    await flights.run({ key, start: async () => outcome });
  };

  return {
    settledFor,
    choose: (request, choice, ask) =>
      classify(instance, async () => {
        const client = describeClient(options, request);
        const result = await flights.run({
          key: nameOf(choice),
          start: (signal) =>
            admit(instance, signal, async () => checkOutcome(await ask({ ...client, signal }))),
        });
        if (result.status !== "settled") throw new StoreUnavailableError({ reason: "timeout" });
        const { result: answer } = result.settled;
        await repeatForSuccessor(answer, choice);
        return answer;
      }),
  };
}

function pendingOf(outcome: Outcome): PendingAuthentication | undefined {
  return "pending" in outcome ? outcome.pending : undefined;
}

/** Names a choice by a hash of its secret, so that no token is kept. */
function nameOf({ secret, organizationId }: NamedChoice): string {
  return `${createHash("sha256").update(secret).digest("base64url")} ${organizationId}`;
}

/** What was posted to us: an organization, and perhaps where to go on. */
export interface Choice {
  readonly organizationId: string;
  /** As it was sent: make it safe. */
  readonly returnTo: unknown;
}

const MAX_ID_LENGTH = 255;
// A lone surrogate is no character, and control characters are in no id.
const UNFIT = /[\p{Cc}\p{Cs}]/u;

/** Reads the choice; `undefined` where there is none, and the request has been answered or is gone. */
export async function readChoice(
  instance: Instance,
  visit: Visit,
  denial: Omit<DenialInit, "code"> = {},
): Promise<Choice | undefined> {
  const reading = await readBody(visit.request);
  if (reading.status === "aborted") return undefined;
  if (reading.status === "too_large") {
    // What is left of the body is not read, so the connection cannot be used again.
    visit.response.setHeader("Connection", "close");
    refuse(instance, visit, { ...denial, code: "payload_too_large" });
    return undefined;
  }
  const organizationId = reading.status === "read" ? reading.fields.get("organization_id") : undefined;
  if (reading.status === "invalid" || !isOrganizationId(organizationId)) {
    refuse(instance, visit, { ...denial, code: "invalid_request" });
    return undefined;
  }
  return { organizationId, returnTo: reading.fields.get("return_to") };
}

function isOrganizationId(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= MAX_ID_LENGTH && !UNFIT.test(value);
}
