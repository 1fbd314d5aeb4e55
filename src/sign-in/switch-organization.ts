import { type DenialInit, denialOf } from "../guards/denial.ts";
import type { Middleware } from "../guards/guard.ts";
import { createProblems } from "../lib/problems.ts";
import type { StoreReply } from "../request/call-store.ts";
import type { Instance } from "../request/instance.ts";
import type { Credential } from "../request/read-credential.ts";
import { currentCredential } from "../request/renew.ts";
import { stateOf } from "../request/request-auth.ts";
import type { Outcome } from "../store.ts";
import { answerSignedIn, conclude } from "./conclude.ts";
import {
  type Arrival,
  type Visit,
  checkHandlerOptions,
  chooseReturnTo,
  createHandler,
  recognize,
  refuse,
  requireMethod,
  requireStore,
  returnToOfQuery,
} from "./handler-context.ts";
import { type SelectionPage, offerAgain, pageFor } from "./selection-page.ts";
import { type ChoiceDesk, openChoiceDesk, readChoice } from "./selection.ts";

/** Options of `auth.switchOrganization()`. */
export interface SwitchOrganizationOptions {
  /** Where the browser goes on if the request does not say `return_to`. @defaultValue `/` */
  readonly returnTo?: string | undefined;
}

/**
 * Makes the handler of `POST { organization_id }` that continues the session in another organization, under a new id. The
 * organization of the session already: nothing changes. A bearer gets the new token in `Session-Jwt`.
 *
 * @throws ConfigurationError for a store that cannot switch.
 */
export function createSwitchOrganization(
  instance: Instance,
  options: SwitchOrganizationOptions = {},
): Middleware {
  const problems = createProblems();
  checkHandlerOptions(problems, "switchOrganization", options, ["returnTo"]);
  requireStore(instance, problems, "switchOrganization", ["switchOrganization"]);
  problems.throwIfAny();
  const desk = openChoiceDesk(instance);
  return createHandler(instance, ["POST"], (arrival) =>
    switchPosted(instance, arrival, { desk, fallback: options.returnTo }),
  );
}

/** Where switching is done, and the page that it shows to a person, if any. */
export interface SwitchDesk {
  readonly desk: ChoiceDesk;
  readonly page?: SelectionPage;
  /** Where the browser goes on if the request does not say. */
  readonly fallback?: string | undefined;
}

interface Switch extends SwitchDesk {
  readonly credential: Credential;
  readonly organizationId: string;
  readonly returnTo: string;
  /** What a denial does beyond its code. */
  readonly denial: Omit<DenialInit, "code">;
}

/** Continues the member's session in the organization posted. */
export async function switchPosted(instance: Instance, arrival: Arrival, desk: SwitchDesk): Promise<void> {
  const visit = await recognize(instance, arrival);
  const { record, request } = visit;
  const { credential } = record;
  const page = desk.page === undefined ? {} : pageFor(instance, visit);
  if (credential === undefined) {
    refuseStranger(instance, visit, page);
    return;
  }
  const choice = await readChoice(instance, visit, page);
  if (choice === undefined) return;
  const { organizationId } = choice;
  const candidates = [choice.returnTo, returnToOfQuery(request), desk.fallback];
  const returnTo = chooseReturnTo(instance, request, candidates);
  const denial = desk.page === undefined ? {} : pageFor(instance, visit, returnTo);
  await takeChoice(instance, visit, { ...desk, credential, organizationId, returnTo, denial });
}

async function takeChoice(instance: Instance, visit: Visit, change: Switch): Promise<void> {
  const { credential, organizationId, returnTo, denial, desk } = change;
  const { session } = visit.record;
  // The same click once more: the session before has ended already, and this is what took its place.
  const settled = desk.settledFor({ secret: credential.value, organizationId });
  if (settled !== undefined) {
    await answer(instance, visit, change, { status: "answered", value: settled });
  } else if (session === undefined) {
    refuseStranger(instance, visit, denial);
  } else if (session.memberSession.organizationId === organizationId) {
    answerSignedIn(visit, session, returnTo);
  } else {
    await answer(instance, visit, change, await askToSwitch(instance, visit, change));
  }
}

async function askToSwitch(
  instance: Instance,
  { request }: Visit,
  { credential, organizationId, desk }: Switch,
): Promise<StoreReply<Outcome>> {
  const switchOrganization = requireMethod(instance, "switchOrganization");
  const current = await currentCredential(instance, credential);
  if (current === undefined) return { status: "unavailable", retryAfter: 5 };
  return desk.choose(request, { secret: credential.value, organizationId }, (context) =>
    switchOrganization(current, organizationId, context),
  );
}

async function answer(
  instance: Instance,
  visit: Visit,
  { organizationId, returnTo, denial, page }: Switch,
  reply: StoreReply<Outcome>,
): Promise<void> {
  const { session } = visit.record;
  const keepsSubject = instance.options.store.capabilities.switchKeepsSubject ?? true;
  await conclude(instance, visit, {
    reply,
    returnTo,
    by: "switch",
    organizationId,
    ...(keepsSubject && session !== undefined && { subject: session.subject }),
    denial,
    async answerRefusal(code) {
      if (code !== "organization_not_available" || page === undefined || session === undefined) return false;
      const { memberSession } = session;
      const current = memberSession.organizationId;
      await offerAgain(instance, visit, { of: memberSession, current, page, returnTo });
      return true;
    },
  });
}

function refuseStranger(instance: Instance, visit: Visit, denial: Omit<DenialInit, "code">): void {
  const state = stateOf(visit.record);
  if (state.status === "authenticated") throw new TypeError("a member is no stranger");
  refuse(instance, visit, { ...denial, ...denialOf(state) });
}
