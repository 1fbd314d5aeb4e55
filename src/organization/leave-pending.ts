import { createHash } from "node:crypto";
import type { Engine } from "../engine/engine.ts";
import type { PendingAuthentication } from "../stores/session-store.ts";
import { clearPending, writePending } from "./pending-cookie.ts";
import type { NewPending, Pending } from "./pending-seal.ts";
import type { Visit } from "./visit.ts";

/** Leaves a pending authentication with the browser, in place of the one that it went on from. */
export async function leavePending(engine: Engine, { record }: Visit, given: NewPending): Promise<void> {
  await writePending(engine, record, given);
  const { before, pending } = given;
  if (before === undefined) return;
  const isSame = before.authentication.pendingAuthenticationToken === pending.pendingAuthenticationToken;
  if (!isSame) engine.superseded.set(keyOf(before.authentication), "supersede");
}

/** Clears a pending authentication that is spent, unless another took its place: a late refusal must not clear that one. */
export function clearSpent(engine: Engine, { record, request }: Visit, { authentication }: Pending): void {
  if (engine.superseded.get(keyOf(authentication)) === undefined) clearPending(engine, request, record);
}

function keyOf({ pendingAuthenticationToken: token }: PendingAuthentication): string {
  return `pending ${createHash("sha256").update(token).digest("base64url")}`;
}
