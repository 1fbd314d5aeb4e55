import type { Credential } from "../pipeline/read-credential.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import { keyOf } from "./key-of.ts";
import type { StaleCredential } from "../stores/session-store.ts";
import type { Engine } from "./engine.ts";
import { keyOfSuccessor } from "./store-answer.ts";
import { vouchFor } from "./vouch.ts";

const MAX_STEPS = 16;

/** The session that a credential stands for, expired or ended though it may be; `undefined` if it is not vouched for. */
export async function presentedSession(
  engine: Engine,
  credential: Credential | undefined,
): Promise<VerifiedSession | undefined> {
  if (credential === undefined) return undefined;
  const vouched = await vouchFor(engine, credential);
  return vouched.status === "vouched" ? vouched.session : undefined;
}

/**
 * What a credential is by now: itself, or what its renewals, one in flight included, left in its place. Whatever spends a
 * refresh token goes on from there.
 */
export async function currentCredential(
  engine: Engine,
  credential: Credential,
): Promise<StaleCredential | undefined> {
  const { renewer } = engine;
  let key = keyOf(credential);
  let current: StaleCredential | undefined;
  for (let step = 0; step < MAX_STEPS; step++) {
    // oxlint-disable-next-line no-await-in-loop -- each step goes on from what the last one left
    await renewer.whenSettled(key);
    const answer = renewer.settledFor(key)?.answer;
    const successor = answer?.status === "active" ? answer.successor : undefined;
    if (successor === undefined) break;
    const { accessToken, sealed, claims } = successor;
    current = {
      reason: "asked",
      accessToken,
      ...(sealed !== undefined && { sealed }),
      ...(claims !== undefined && { claims }),
    };
    const next = keyOfSuccessor(credential.kind, successor);
    if (next === key) break;
    key = next;
  }
  return current ?? presentedCredential(engine, credential);
}

async function presentedCredential(
  engine: Engine,
  credential: Credential,
): Promise<StaleCredential | undefined> {
  const vouched = await vouchFor(engine, credential);
  if (vouched.status !== "vouched") return undefined;
  const { accessToken, claims, sealed, opaqueToken } = vouched;
  return {
    reason: "asked",
    ...(accessToken !== undefined && { accessToken }),
    ...(claims !== undefined && { claims }),
    ...(sealed !== undefined && { sealed }),
    ...(opaqueToken !== undefined && { opaqueToken }),
  };
}
