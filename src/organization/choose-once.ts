import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { admit, classify, type StoreReply } from "../engine/call-store.ts";
import { describeClient } from "../engine/client-context.ts";
import { GRACE, STORE_BUDGET, type Engine } from "../engine/engine.ts";
import { StoreUnavailableError } from "../errors.ts";
import { createRenewer } from "../pipeline/renew-session.ts";
import type { Outcome, PendingAuthentication, StoreContext } from "../stores/session-store.ts";
import { checkOutcome } from "./store-outcome.ts";

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
export function openChoiceDesk(engine: Engine): ChoiceDesk {
  const { events, options } = engine;
  const flights = createRenewer<Outcome>({
    clock: options.clock,
    events,
    budget: STORE_BUDGET,
    grace: GRACE,
    keeps: (outcome) => outcome.status === "authenticated" || pendingOf(outcome) !== undefined,
  });
  const settledFor = (choice: NamedChoice): Outcome | undefined => flights.settledFor(nameOf(choice))?.answer;

  /** A second click may come when the browser holds the new secret already. */
  const repeatForSuccessor = async (outcome: Outcome, { organizationId }: NamedChoice): Promise<void> => {
    if (outcome.status !== "step_up_required" || outcome.pending === undefined) return;
    const { pendingAuthenticationToken: secret } = outcome.pending;
    if (settledFor({ secret, organizationId }) !== undefined) return;
    const key = nameOf({ secret, organizationId });
    await flights.renew({ key, accepts: () => true, ask: async () => outcome });
  };

  return {
    settledFor,
    choose: (request, choice, ask) =>
      classify(engine, async () => {
        const client = describeClient(options, request);
        const result = await flights.renew({
          key: nameOf(choice),
          accepts: () => true,
          ask: (signal) => admit(engine, signal, async () => checkOutcome(await ask({ ...client, signal }))),
        });
        if (result.status !== "settled") throw new StoreUnavailableError({ reason: "timeout" });
        const { answer } = result.settled;
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
