import { type ReceivedRequest, denialOf, deny } from "../guards/denial.ts";
import type { Middleware } from "../guards/guard.ts";
import { closeIfUnread } from "../lib/http.ts";
import { keyOf } from "../request/cache.ts";
import type { StoreReply } from "../request/call-store.ts";
import type { Instance } from "../request/instance.ts";
import { currentCredential } from "../request/renew.ts";
import type { Outcome, StaleCredential } from "../store.ts";
import { type AuthorizedChoice, SelectionDeduplicator, readChoice } from "./choice.ts";
import { answerOutcome, answerSignedIn } from "./establish.ts";
import {
  type DenialOptions,
  type HandlerRequest,
  attachAuthenticated,
  chooseReturnTo,
  createHandler,
  requireMethod,
  returnToOfQuery,
} from "./handler-context.ts";
import type { RenderSelection } from "./selection-page.ts";

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
  const settings = { deduplicator: new SelectionDeduplicator(instance), fallback: options.returnTo };
  return createHandler(instance, {
    name: "switchOrganization",
    options,
    knownOptions: ["returnTo"],
    storeMethods: ["switchOrganization"],
    httpMethods: ["POST"],
    serve: (received) => switchToPosted(received, settings),
  });
}

/** How a handler switches. */
export interface SwitchSettings {
  readonly deduplicator: SelectionDeduplicator;
  /** Whether people get pages: the selection again, or a denial that they can read. @defaultValue `false` */
  readonly hasPage?: boolean;
  readonly render?: RenderSelection;
  /** Where the browser goes on if the request does not say. */
  readonly fallback?: string | undefined;
}

/** Continues the member's session in the organization posted. */
export async function switchToPosted(
  received: HandlerRequest,
  { deduplicator, hasPage = false, render, fallback }: SwitchSettings,
): Promise<void> {
  const context = await attachAuthenticated(received);
  const { instance, auth, request } = context;
  const { credential, session } = auth;
  const denialTo = (returnTo: string): DenialOptions => (hasPage ? { page: true, returnTo } : {});
  // A credential that was good before its session was replaced may belong to a second click.
  const mayRepeat =
    credential !== undefined && instance.superseded.get(keyOf(credential))?.ending === "supersede";
  if (credential === undefined || (session === undefined && !mayRepeat)) {
    closeIfUnread(request, context.response);
    deny(context, { ...denialTo("/"), ...denialOf(auth.state) });
    return;
  }
  const posted = await readChoice(context, denialTo("/"));
  if (posted === undefined) return;
  const { organizationId } = posted;
  const returnTo = chooseReturnTo(context, [posted.returnTo, returnToOfQuery(request), fallback]);
  const chooser = session?.memberSession;
  const choice = { secret: credential.value, organizationId, chooser };
  // On a second click the session before has ended already, and this reply replaced it.
  const settled = deduplicator.settledFor(choice);
  if (settled === undefined && session === undefined) {
    deny(context, { ...denialTo(returnTo), ...denialOf(auth.state) });
    return;
  }
  if (settled === undefined && session?.organizationId === organizationId) {
    answerSignedIn(context, session, returnTo);
    return;
  }
  const current = await currentCredential(instance, credential);
  const reply = settled ?? (await askToSwitch(received, current, { deduplicator, choice }));
  const { switchKeepsSubject: keepsSubject = true, switchKeepsSessionId: keepsSession = false } =
    instance.options.store.capabilities;
  const page = { render, returnTo, current: session?.organizationId };
  await answerOutcome(context, {
    reply,
    by: "switch",
    returnTo,
    expected: { organizationId, subject: keepsSubject ? session?.subject : undefined },
    continues: keepsSession ? current : undefined,
    denial: denialTo(returnTo),
    selection: hasPage && session ? { ...page, chooser: session.memberSession } : undefined,
  });
}

async function askToSwitch(
  received: ReceivedRequest,
  current: StaleCredential | undefined,
  { deduplicator, choice }: { deduplicator: SelectionDeduplicator; choice: AuthorizedChoice },
): Promise<StoreReply<Outcome>> {
  const { instance } = received;
  const switchOrganization = requireMethod(instance, "switchOrganization");
  if (current === undefined) return { status: "unavailable", reason: "not_verified", retryAfter: 5 };
  return deduplicator.choose(received, choice, (context) =>
    switchOrganization(current, choice.organizationId, context),
  );
}
