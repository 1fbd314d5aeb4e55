import type { IncomingMessage } from "node:http";
import { sha256 } from "../lib/crypto.ts";
import { type VerifiedSession, keyOf } from "./cache.ts";
import { describeClient } from "./call-store.ts";
import type { Instance } from "./instance.ts";
import type { Ending } from "./invalidations.ts";
import { sessionCookies } from "./read-credential.ts";
import { type RequestAuth, type Successor, keyOfSuccessor } from "./request-auth.ts";

/*
 * A browser keeps the cookie that comes last. A page that takes long to answer must therefore not set or clear the session
 * cookie any more once a sign-in, switch or sign-out has answered the same browser. That is checked when the head is written.
 */

/** A request of one instance. */
interface AttachedRequest {
  readonly auth: RequestAuth;
  readonly request: IncomingMessage;
}

/** What replaced a credential, and its place among the arrivals and store calls of the instance. */
export interface Superseded {
  readonly ending: Ending;
  readonly at: number;
}

/** More steps within a grace window mean a fault. */
const MAX_RENEWALS = 16;

/** Notes that this request's answer replaces the session cookies of its browser, renewed ones included. */
export function supersedeCredentials(instance: Instance, attached: AttachedRequest, ending: Ending): void {
  const { superseded, renewals } = instance;
  const at = instance.nextInSequence();
  for (const presented of presentedKeys(instance, attached)) {
    let key = presented;
    for (let count = 0; count < MAX_RENEWALS; count++) {
      superseded.set(key, { ending, at });
      const result = renewals.settledFor(key)?.result;
      const successor = result !== undefined && "successor" in result ? result.successor : undefined;
      if (successor === undefined) break;
      key = keyOfSuccessor(successor);
    }
  }
}

/** Notes that a browser was signed in, which may have sent no cookie: it keeps its new one when an earlier page is late. */
export function noteSignIn(instance: Instance, request: IncomingMessage): void {
  instance.signIns.set(clientOf(instance, request), instance.nextInSequence());
}

/** Whether a renewal must set no cookie any more. */
export function isRenewalOvertaken(
  instance: Instance,
  attached: AttachedRequest,
  { session, successor }: { readonly session: VerifiedSession | undefined; readonly successor: Successor },
): boolean {
  const { invalidations, superseded } = instance;
  if (session !== undefined && invalidations.endingOf(session.memberSession.id) !== undefined) return true;
  const { credential } = attached.auth;
  // A new session may keep the opaque token of the one before.
  const own = credential === undefined || credential.kind === "opaque" ? [] : [keyOf(credential)];
  return (
    [...own, keyOfSuccessor(successor)].some((key) => superseded.get(key) !== undefined) ||
    isAnsweredMeanwhile(instance, attached)
  );
}

/** Whether a cookie must not be cleared any more. */
export function isClearingOvertaken(instance: Instance, attached: AttachedRequest): boolean {
  const { credential, arrivedAt } = attached.auth;
  const found = credential === undefined ? undefined : instance.superseded.get(keyOf(credential));
  if (found?.ending === "supersede" || isAnsweredMeanwhile(instance, attached)) return true;
  const signedInAt = instance.signIns.get(clientOf(instance, attached.request));
  return signedInAt !== undefined && signedInAt > arrivedAt;
}

/** Whether one of the cookies that the request sent was replaced after it arrived. */
function isAnsweredMeanwhile(instance: Instance, attached: AttachedRequest): boolean {
  return presentedKeys(instance, attached).some((key) => {
    const found = instance.superseded.get(key);
    return found !== undefined && found.at > attached.auth.arrivedAt;
  });
}

function presentedKeys({ options }: Instance, { auth: { credential }, request }: AttachedRequest): string[] {
  if (credential?.kind === "bearer") return [keyOf(credential)];
  return sessionCookies(request, options.sources).map(keyOf);
}

function clientOf(instance: Instance, request: IncomingMessage): string {
  const { ipAddress = "", userAgent = "" } = describeClient(instance, request);
  return sha256(`${ipAddress} ${userAgent}`);
}
