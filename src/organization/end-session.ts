import type { Engine } from "../engine/engine.ts";
import { callStore } from "../engine/call-store.ts";
import { presentedSession } from "../engine/current-credential.ts";
import { tellOthers } from "../engine/tell-others.ts";
import { keyOf } from "../engine/key-of.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import type { Visit } from "./visit.ts";

/** Ends a session in this process at once, and in the others as fast as they can be told. */
export async function endHere(
  engine: Engine,
  sessionId: string,
  effect: "refuse" | "supersede",
): Promise<void> {
  engine.invalidations.refuse(sessionId, effect);
  engine.profiles.delete(sessionId);
  await tellOthers(engine, { target: { sessionId }, at: engine.options.clock(), effect });
}

/** What took the place of the credential presented. */
export interface Replacement {
  readonly session: VerifiedSession;
  readonly by: "sign_in" | "switch";
  readonly via: "bearer" | "cookie";
}

/** Sees to it that a session ends when another takes its place in the same browser, and that nothing late brings it back. */
export async function supersedePresented(
  engine: Engine,
  { request, record }: Visit,
  { session, by, via }: Replacement,
): Promise<void> {
  const { credential } = record;
  const presentedAs = credential?.kind === "bearer" ? "bearer" : "cookie";
  if (credential === undefined || presentedAs !== via) return;
  const before = record.session ?? (await presentedSession(engine, credential));
  const key = keyOf(credential);
  engine.superseded.set(key, "supersede");
  engine.cache.delete(key);
  const sessionId = before?.memberSession.id;
  if (sessionId === undefined || sessionId === session.memberSession.id) return;
  await endHere(engine, sessionId, "supersede");
  const { store } = engine.options;
  if (by === "switch" || store.endSession === undefined) return;
  await callStore(engine, request, async (context) => store.endSession?.({ sessionId }, context));
}
