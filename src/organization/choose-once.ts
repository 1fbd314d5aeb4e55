import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { admit, classify, type StoreReply } from "../engine/call-store.ts";
import { describeClient } from "../engine/client-context.ts";
import { GRACE, STORE_BUDGET, type Engine } from "../engine/engine.ts";
import { StoreUnavailableError } from "../errors.ts";
import { createRenewer } from "../pipeline/renew-session.ts";
import type { Outcome, StoreContext } from "../stores/session-store.ts";
import { checkOutcome } from "./store-outcome.ts";

/** Makes a choice once, however often it is sent. */
export interface ChoiceDesk {
  /** Asks the store, or joins those who asked with the same secret for the same organization. */
  choose(
    request: IncomingMessage,
    key: string,
    ask: (context: StoreContext) => Promise<Outcome>,
  ): Promise<StoreReply<Outcome>>;
  /** The session that such a choice has come to a moment ago. */
  settledFor(key: string): Outcome | undefined;
}

/**
 * Opens a desk at which a repeat of the same choice by the same holder (a double click) gets the winner's answer, for
 * the grace window. Anything but a session is asked for again.
 */
export function openChoiceDesk(engine: Engine): ChoiceDesk {
  const { events, options } = engine;
  const flights = createRenewer<Outcome>({
    clock: options.clock,
    events,
    budget: STORE_BUDGET,
    grace: GRACE,
    keeps: ({ status }) => status === "authenticated",
  });
  return {
    settledFor: (key) => flights.settledFor(key)?.answer,
    choose: (request, key, ask) =>
      classify(engine, async () => {
        const client = describeClient(options, request);
        const result = await flights.renew({
          key,
          accepts: () => true,
          ask: (signal) => admit(engine, signal, async () => checkOutcome(await ask({ ...client, signal }))),
        });
        if (result.status === "settled") return result.settled.answer;
        throw new StoreUnavailableError({ reason: "timeout" });
      }),
  };
}

/** Names a choice by a hash of the secret that allows it, so that no token is kept. */
export function nameChoice(secret: string, organizationId: string): string {
  return `${createHash("sha256").update(secret).digest("base64url")} ${organizationId}`;
}
