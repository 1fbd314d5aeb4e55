import { type HandlerContext, denialOf, deny } from "../guards/denial.ts";
import type { Middleware } from "../guards/guard.ts";
import { createProblems } from "../lib/problems.ts";
import type { StoreReply } from "../request/call-store.ts";
import type { Instance } from "../request/instance.ts";
import type { Credential } from "../request/read-credential.ts";
import { currentCredential } from "../request/renew.ts";
import type { Outcome } from "../store.ts";
import {
  type AuthorizedChoice,
  type SelectionDeduplicator,
  createSelectionDeduplicator,
  readChoice,
} from "./choice.ts";
import { answerOutcome, answerSignedIn } from "./establish.ts";
import {
  type DenialOptions,
  type HandlerRequest,
  authenticate,
  checkHandlerOptions,
  chooseReturnTo,
  createHandler,
  requireMethod,
  requireStore,
  returnToOfQuery,
} from "./handler-context.ts";
import { type RenderSelection, renderSelectionError } from "./selection-page.ts";

/** Options of `auth.switchOrganization()`. */
export interface SwitchOrganizationOptions {
  /** Where the browser goes on if the request does not say `return_to`. @defaultValue `/` */
  readonly returnTo?: string | undefined;
}

/**
 * Creates the handler of `POST { organization_id }` that continues the session in another organization, under a new id. For the
 * session's own organization nothing changes. A bearer gets the new token in `Session-Jwt`.
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
  const how = {
    deduplicator: createSelectionDeduplicator(instance),
    hasPage: false,
    render: undefined,
    fallback: options.returnTo,
  };
  return createHandler(instance, ["POST"], (received) => switchToPosted(instance, received, how));
}

/** How a handler switches. */
export interface SwitchSettings {
  readonly deduplicator: SelectionDeduplicator;
  /** Whether people get pages: the selection again, or a denial that they can read. */
  readonly hasPage: boolean;
  readonly render: RenderSelection;
  /** Where the browser goes on if the request does not say. */
  readonly fallback?: string | undefined;
}

interface Switch extends SwitchSettings {
  readonly credential: Credential;
  readonly choice: AuthorizedChoice;
  readonly returnTo: string;
  readonly denial: DenialOptions;
}

/** Continues the member's session in the organization posted. */
export async function switchToPosted(
  instance: Instance,
  received: HandlerRequest,
  settings: SwitchSettings,
): Promise<void> {
  const context = await authenticate(instance, received);
  const { auth, request } = context;
  const { credential } = auth;
  const toDenial = (returnTo: string): DenialOptions => (settings.hasPage ? { page: true, returnTo } : {});
  if (credential === undefined) {
    deny(instance, context, { ...toDenial("/"), ...denialOf(auth.state) });
    return;
  }
  const posted = await readChoice(instance, context, toDenial("/"));
  if (posted === undefined) return;
  const { organizationId } = posted;
  const candidates = [posted.returnTo, returnToOfQuery(request), settings.fallback];
  const returnTo = chooseReturnTo(instance, request, candidates);
  const choice = { secret: credential.value, organizationId };
  const denial = toDenial(returnTo);
  await switchOrganization(instance, context, { ...settings, credential, choice, returnTo, denial });
}

async function switchOrganization(
  instance: Instance,
  context: HandlerContext,
  change: Switch,
): Promise<void> {
  const { choice, returnTo, denial, deduplicator } = change;
  const { session, state } = context.auth;
  // On a second click the session before has ended already, and this reply replaced it.
  const settled = deduplicator.settledFor(choice);
  if (settled !== undefined) {
    await answerSwitch(instance, context, change, settled);
  } else if (session === undefined) {
    deny(instance, context, { ...denial, ...denialOf(state) });
  } else if (session.organizationId === choice.organizationId) {
    answerSignedIn(context, session, returnTo);
  } else {
    await answerSwitch(instance, context, change, await askToSwitch(instance, context, change));
  }
}

async function askToSwitch(
  instance: Instance,
  { request }: HandlerContext,
  { credential, choice, deduplicator }: Switch,
): Promise<StoreReply<Outcome>> {
  const switchAtStore = requireMethod(instance, "switchOrganization");
  const current = await currentCredential(instance, credential);
  if (current === undefined) return { status: "unavailable", reason: "credential_unknown", retryAfter: 5 };
  return deduplicator.choose(request, choice, (context) =>
    switchAtStore(current, choice.organizationId, context),
  );
}

async function answerSwitch(
  instance: Instance,
  context: HandlerContext,
  { choice, returnTo, denial, hasPage, render }: Switch,
  reply: StoreReply<Outcome>,
): Promise<void> {
  const { session } = context.auth;
  const { organizationId } = choice;
  const keepsSubject = instance.options.store.capabilities.switchKeepsSubject ?? true;
  const subject = keepsSubject ? session?.subject : undefined;
  await answerOutcome(instance, context, {
    reply,
    by: "switch",
    returnTo,
    expected: { organizationId, ...(subject !== undefined && { subject }) },
    denial,
    async answerRefusal(code) {
      if (code !== "organization_not_available" || !hasPage || session === undefined) return false;
      const { memberSession: chooser, organizationId: current } = session;
      await renderSelectionError(instance, context, { chooser, current, render, returnTo });
      return true;
    },
  });
}
