import { type Chooser, listChoices, memberOf } from "../guards/authorize.ts";
import { type HandlerContext, type ReceivedRequest, deny } from "../guards/denial.ts";
import { type SingleFlight, createSingleFlight } from "../lib/concurrency.ts";
import { sha256 } from "../lib/crypto.ts";
import { closeIfUnread, readBody } from "../lib/http.ts";
import { isText } from "../lib/values.ts";
import {
  STORE_TIMEOUT,
  type StoreReply,
  callStoreWithin,
  checkAnswer,
  describeClient,
} from "../request/call-store.ts";
import { GRACE, type Instance, STORE_BUDGET } from "../request/instance.ts";
import { reportUnavailable } from "../request/request-auth.ts";
import type { Outcome, StoreContext } from "../store.ts";
import { isOutcome } from "./read-outcome.ts";
import type { DenialOptions } from "./handler-context.ts";

/** The organization that was posted, and perhaps where to go on. */
export interface PostedChoice {
  readonly organizationId: string;
  /** As it was sent: sanitize it. */
  readonly returnTo: unknown;
}

const MAX_ORGANIZATION_ID_LENGTH = 255;
// No id has control characters, and a lone surrogate is not a character.
const NOT_IN_AN_ID = /[\p{Cc}\p{Cs}]/u;

/** Reads the posted choice; `undefined` if there is none, and the request has been answered or is gone. */
export async function readChoice(
  context: HandlerContext,
  denial: DenialOptions = {},
): Promise<PostedChoice | undefined> {
  const fields = await readPosted(context, denial);
  if (fields === undefined) return undefined;
  const organizationId = fields.get("organization_id");
  if (!isOrganizationId(organizationId)) {
    deny(context, { ...denial, code: "invalid_request" });
    return undefined;
  }
  return { organizationId, returnTo: fields.get("return_to") };
}

/** Reads the posted fields; `undefined` if the request has been answered or is gone. */
export async function readPosted(
  context: HandlerContext,
  denial: DenialOptions = {},
): Promise<ReadonlyMap<string, unknown> | undefined> {
  const body = await readBody(context.request);
  if (body.status === "aborted") return undefined;
  closeIfUnread(context.request, context.response);
  if (body.status === "too_large" || body.status === "timed_out") {
    const code = body.status === "too_large" ? "payload_too_large" : "request_timeout";
    deny(context, { ...denial, code });
    return undefined;
  }
  return body.status === "read" ? body.fields : new Map<string, unknown>();
}

function isOrganizationId(value: unknown): value is string {
  return isText(value) && value.length <= MAX_ORGANIZATION_ID_LENGTH && !NOT_IN_AN_ID.test(value);
}

/** A choice, and the secret that allows it: a pending token, or a credential. */
export interface AuthorizedChoice {
  readonly secret: string;
  /** Who chooses. Unknown where only a reply to an earlier choice is looked up. */
  readonly chooser?: Chooser | undefined;
  readonly organizationId: string;
}

/**
 * Sends each choice to the store once, however often it is posted.
 *
 * A repeated choice (a double click) gets the first one's reply for the grace window, if that was a session or spent the
 * secret; everything else is asked again.
 */
export class SelectionDeduplicator {
  readonly #instance: Instance;
  readonly #flights: SingleFlight<StoreReply<Outcome>>;

  constructor(instance: Instance) {
    this.#instance = instance;
    this.#flights = createSingleFlight({
      clock: instance.options.clock,
      budget: STORE_BUDGET,
      grace: GRACE,
      keeps: (reply) => reply.status === "answered" && spendsSecret(reply.value),
      onShared: (shared) => instance.events.emit({ type: "coalesced", with: shared }),
    });
  }

  /** The kept reply to such a choice. */
  settledFor(choice: AuthorizedChoice): StoreReply<Outcome> | undefined {
    return this.#flights.settledFor(keyOf(choice))?.result;
  }

  /** Asks the store, or joins the requests with the same secret and organization. */
  async choose(
    received: ReceivedRequest,
    choice: AuthorizedChoice,
    ask: (context: StoreContext) => Promise<Outcome>,
  ): Promise<StoreReply<Outcome>> {
    const { events } = this.#instance;
    const client = describeClient(this.#instance, received.request);
    const { chooser } = choice;
    // Within the flight: once the first click has spent the secret, the list of a second one would be empty.
    const start = async (signal: AbortSignal): Promise<StoreReply<Outcome>> =>
      (await refuseUnlisted(received, choice)) ??
      callStoreWithin(
        this.#instance,
        { ...client, signal },
        async (context) => checkAnswer(await ask(context), isOutcome),
        { member: chooser && memberOf(chooser) },
      );
    const flight = await this.#flights.run({ key: keyOf(choice), start });
    const reply = flight.status === "settled" ? flight.settled.result : STORE_TIMEOUT;
    if (reply.status === "unavailable") reportUnavailable(events, reply);
    await this.#keepForNewSecret(reply, choice);
    return reply;
  }

  /** The second click may arrive when the browser already has the new secret. */
  async #keepForNewSecret(reply: StoreReply<Outcome>, { organizationId }: AuthorizedChoice): Promise<void> {
    if (reply.status !== "answered" || reply.value.status !== "step_up_required") return;
    const secret = reply.value.pending?.pendingAuthenticationToken;
    if (secret === undefined || this.settledFor({ secret, organizationId }) !== undefined) return;
    await this.#flights.run({ key: keyOf({ secret, organizationId }), start: async () => reply });
  }
}

function spendsSecret(outcome: Outcome): boolean {
  return outcome.status === "authenticated" || ("pending" in outcome && outcome.pending !== undefined);
}

/**
 * Refuses an organization that the store does not offer the user, before the store is asked by its id. `undefined` where there
 * is no list: an expired authentication has an empty one, and the store says so itself.
 */
async function refuseUnlisted(
  received: ReceivedRequest,
  { chooser, organizationId }: AuthorizedChoice,
): Promise<StoreReply<Outcome> | undefined> {
  if (chooser === undefined) return undefined;
  const reply = await listChoices(received, chooser);
  if (reply.status !== "answered" || reply.value.length === 0) return undefined;
  if (reply.value.some(({ id }) => id === organizationId)) return undefined;
  return { status: "refused", code: "organization_not_available", reason: "not_listed" };
}

/** Names a choice by a hash of its secret, so that no token is kept. */
function keyOf({ secret, organizationId }: AuthorizedChoice): string {
  return `${sha256(secret)} ${organizationId}`;
}
