import { callStore, type StoreReply } from "../engine/call-store.ts";
import { keyOf } from "../engine/key-of.ts";
import type { Engine } from "../engine/engine.ts";
import type { Vouched } from "../engine/vouch.ts";
import { StoreUnavailableError } from "../errors.ts";
import type { Credential } from "../pipeline/read-credential.ts";
import type { PresentedEnd } from "../stores/session-ending.ts";
import type { Visit } from "./visit.ts";

/** A credential whose session nobody here knows, and how much of what it stands for ends. */
export interface Unread {
  readonly credential: Credential;
  readonly vouched: Vouched;
  readonly scope: "session" | "member";
}

/** Ends at the store what the store alone can read. A store without a word for it is not asked, and nothing is made up: `unknown`. */
export async function endPresented(
  engine: Engine,
  { request }: Visit,
  { credential, vouched, scope }: Unread,
): Promise<StoreReply<PresentedEnd>> {
  const { store } = engine.options;
  if (store.endPresented === undefined) return UNKNOWN;
  const end = store.endPresented.bind(store);
  const { accessToken, sealed, opaqueToken } = vouched;
  const of = {
    reason: "asked",
    ...(accessToken !== undefined && { accessToken }),
    ...(sealed !== undefined && { sealed }),
    ...(opaqueToken !== undefined && { opaqueToken }),
  } as const;
  const ask = (): Promise<StoreReply<PresentedEnd>> =>
    callStore(engine, request, async (context) => checkEnd(await end(of, scope, context)));
  // A good seal is nobody's invention; anything else may be.
  if (sealed !== undefined) return ask();
  const call = await engine.unvouched.end(keyOf(credential), ask, isUnknown);
  switch (call.status) {
    case "called":
      return call.answer;
    case "known":
      return UNKNOWN;
    default:
      tellOfFlood(engine, call.retryAfter);
      return { status: "unavailable", retryAfter: call.retryAfter };
  }
}

const UNKNOWN: StoreReply<PresentedEnd> = { status: "answered", value: { status: "unknown" } };

function isUnknown(reply: StoreReply<PresentedEnd>): boolean {
  return reply.status === "answered" && reply.value.status === "unknown";
}

function tellOfFlood({ events }: Engine, retryAfter: number): void {
  events.emit({ type: "unavailable", code: "store_unavailable", reason: "unvouched_flood", retryAfter });
}

function checkEnd(given: PresentedEnd): PresentedEnd {
  const { status } = given as { readonly status?: unknown };
  if (status === "ended" || status === "unknown") return given;
  throw new StoreUnavailableError({ reason: "nonsense" });
}
