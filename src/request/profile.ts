import type { IncomingMessage } from "node:http";
import { OrgateError, StoreUnavailableError } from "../errors.ts";
import { frozenCopy } from "../lib/frozen-copy.ts";
import type { Profile } from "../store.ts";
import { refreshRequest } from "./authenticate.ts";
import type { VerifiedSession } from "./cache.ts";
import { callStore } from "./call-store.ts";
import { errorOf } from "./inspect.ts";
import type { Instance } from "./instance.ts";
import { type RequestAuth, requireRequestAuth } from "./request-auth.ts";
import { toStaleCredential, verifyCredential } from "./verify-credential.ts";

/**
 * Returns the member and organization in full: what the store said last, or says now.
 *
 * @throws OrgateError `unauthenticated`, or the refusal's own code; with status 503 when it cannot be known.
 */
export async function profileOf(instance: Instance, request: IncomingMessage): Promise<Profile> {
  const auth = requireRequestAuth(instance, request, "profile");
  const { session } = auth;
  if (session === undefined) throw errorOf(auth.state);
  const known = instance.profiles.get(session.memberSession.id);
  if (known !== undefined && known.member.id === session.member.id) return known;
  const asked = await askForProfile(instance, auth, request, session);
  if (asked === undefined) {
    const { member, organization } = auth.session ?? session;
    return { member, ...(organization !== undefined && { organization }) };
  }
  const profile = frozenCopy(asked);
  instance.profiles.set(session.memberSession.id, profile);
  return profile;
}

async function askForProfile(
  instance: Instance,
  auth: RequestAuth,
  request: IncomingMessage,
  { member }: VerifiedSession,
): Promise<Profile | undefined> {
  const { store } = instance.options;
  if (store.profile === undefined || auth.credential === undefined) {
    await refreshRequest(instance, auth, request, { maxAge: 0, spendsRefreshToken: true });
    if (auth.session === undefined) throw errorOf(auth.state);
    return instance.profiles.get(auth.session.memberSession.id);
  }
  const credential = await verifyCredential(instance, auth.credential);
  const stale = toStaleCredential(credential.status === "verified" ? credential : {});
  const ask = store.profile.bind(store, stale);
  const reply = await callStore(instance, request, async (context) => {
    const profile = await ask(context);
    if (profile !== undefined && profile.member.id !== member.id) {
      throw new StoreUnavailableError({ reason: "identity" });
    }
    return profile;
  });
  switch (reply.status) {
    case "answered":
      return reply.value;
    case "refused":
      throw new OrgateError(reply.code);
    default:
      throw new StoreUnavailableError({ retryAfter: reply.retryAfter, cause: reply.cause });
  }
}
