import type { IncomingMessage } from "node:http";
import type { Engine } from "../engine/engine.ts";
import { lookAt } from "../engine/mounted-record.ts";
import { sanitizeReturnTo } from "../http/return-to.ts";
import type { PendingAuthentication } from "../stores/session-store.ts";
import { withoutPassword } from "./issue-session.ts";
import { currentPending } from "./pending-cookie.ts";
import type { Pending } from "./pending-seal.ts";

/** The step that is due before there is a session. */
export interface StepUp {
  /** The store's: `mfa_required`, `email_verification_required`, ... */
  readonly reason: string;
  /** What the step needs, as the store said it: `StytchStepUp` of `orgate/stytch`, `StepUpDetails` of `orgate/workos`. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** An authentication that was begun in this browser and is not finished. No `inspect` and no JSON shows its token. */
export interface UnfinishedAuthentication extends PendingAuthentication {
  /** Where the browser goes on once it is finished, on this origin. */
  readonly returnTo: string;
  /** Absent while it is an organization that must be chosen. */
  readonly stepUp?: StepUp;
}

/**
 * What is pending in the browser that sent a request; `undefined` for nothing, and for what has expired or is another
 * browser's.
 *
 * @throws ConfigurationError where orgate is not mounted, or has no password to open it with.
 */
export async function pendingAuthenticationOf(
  engine: Engine,
  request: IncomingMessage,
): Promise<UnfinishedAuthentication | undefined> {
  const record = lookAt(engine, request, "pendingAuthentication");
  if (engine.sealer === undefined) throw withoutPassword("a pending authentication");
  const reading = await currentPending(engine, request, record);
  // Whatever is told of it is for this browser alone.
  if (reading.status !== "absent") record.hasCredential = true;
  return reading.status === "found" ? toUnfinished(reading.pending) : undefined;
}

function toUnfinished({ authentication, returnTo, step }: Pending): UnfinishedAuthentication {
  const { pendingAuthenticationToken: value, userId } = authentication;
  const unfinished = {
    ...(userId !== undefined && { userId }),
    returnTo: sanitizeReturnTo(returnTo),
    ...(step !== undefined && {
      stepUp: Object.freeze({ reason: step.reason, details: { ...step.details } }),
    }),
  };
  Object.defineProperty(unfinished, "pendingAuthenticationToken", { value });
  return Object.freeze(unfinished) as UnfinishedAuthentication;
}
