import type { IncomingMessage, ServerResponse } from "node:http";
import { OrgateError, StoreUnavailableError, retryHeaders } from "../errors.ts";
import type { AuthState, DetachedState, SignedIn } from "../model.ts";
import type { Profile } from "../store.ts";
import { authenticateAgain, authenticateRequest, refreshRequest } from "./authenticate.ts";
import { type VerifiedSession, keepProfile, keptProfileOf } from "./cache.ts";
import { callStore, toLabel } from "./call-store.ts";
import type { Instance } from "./instance.ts";
import { currentCredential } from "./renew.ts";
import { type RequestAuth, requireRequestAuth } from "./request-auth.ts";
import { canSendCredential } from "./respond.ts";
import { toStaleCredential } from "./verify-credential.ts";

/** Returns who is asking, as a union. */
export function stateOfRequest(instance: Instance, request: IncomingMessage): AuthState {
  return requireRequestAuth(instance, request, "state").state;
}

/**
 * Returns the signed-in member, organization and session of a request.
 *
 * @throws OrgateError with the state's own code where nobody is signed in, which no guard lets through.
 */
export function sessionOf(instance: Instance, request: IncomingMessage): SignedIn {
  const { session, state } = requireRequestAuth(instance, request, "session");
  if (session === undefined) throw errorOf(state);
  const { member, organization, memberSession } = session;
  return { member, memberSession, ...(organization !== undefined && { organization }) };
}

/** Options of `auth.authenticate`. */
export interface AuthenticateOptions {
  /** Authenticates a long-lived connection anew, in place of returning what its request came to. @defaultValue `false` */
  readonly again?: boolean | undefined;
}

/** Authenticates a request that no middleware saw, or a connection that is open for a while. */
export async function authenticateDetached(
  instance: Instance,
  request: IncomingMessage,
  given: ServerResponse | AuthenticateOptions | undefined,
  options?: AuthenticateOptions,
): Promise<DetachedState> {
  const response = isResponse(given) ? given : undefined;
  const { again } = options ?? (isResponse(given) ? {} : (given ?? {}));
  const auth =
    again === true
      ? await authenticateAgain(instance, request, response)
      : await authenticateRequest(instance, request, response);
  auth.markUsed();
  return Object.freeze({ ...auth.state, headers: headersOf(auth) });
}

function isResponse(given: ServerResponse | AuthenticateOptions | undefined): given is ServerResponse {
  return given !== undefined && "writeHead" in given;
}

function headersOf({ cookies, headers }: RequestAuth): DetachedState["headers"] {
  return Object.freeze({
    ...Object.fromEntries(headers ?? []),
    ...(cookies !== undefined && { "Set-Cookie": [...cookies.values()] }),
  });
}

/** Makes the error for a caller that needs a signed-in member: the state's own code, with its status and `Retry-After`. */
export function errorOf(state: AuthState): OrgateError {
  switch (state.status) {
    case "unavailable":
      return state.code === "clock_skew"
        ? new OrgateError(state.code, { headers: retryHeaders(state.retryAfter) })
        : new StoreUnavailableError({ retryAfter: state.retryAfter });
    case "rejected":
      return new OrgateError(state.code);
    default:
      return new OrgateError("unauthenticated");
  }
}

/**
 * Returns the member and organization in full: what the store said last, or says now.
 *
 * @throws OrgateError `unauthenticated`, or the refusal's own code; with status 503 when it cannot be known.
 */
export async function profileOf(instance: Instance, request: IncomingMessage): Promise<Profile> {
  const auth = requireRequestAuth(instance, request, "profile");
  const { session } = auth;
  if (session === undefined) throw errorOf(auth.state);
  const known = keptProfileOf(instance, session);
  if (known !== undefined) return known;
  const asked = await askForProfile(instance, auth, request, session);
  if (asked === undefined) {
    const { member, organization } = auth.session ?? session;
    return { member, ...(organization !== undefined && { organization }) };
  }
  return asked;
}

async function askForProfile(
  instance: Instance,
  auth: RequestAuth,
  request: IncomingMessage,
  session: VerifiedSession,
): Promise<Profile | undefined> {
  const { store } = instance.options;
  if (store.profile === undefined || auth.credential === undefined) {
    const { res } = request as IncomingMessage & { readonly res?: ServerResponse };
    const spendsRefreshToken = canSendCredential(auth, res);
    await refreshRequest(instance, auth, request, { maxAge: 0, spendsRefreshToken });
    if (auth.session === undefined) throw errorOf(auth.state);
    return keptProfileOf(instance, auth.session);
  }
  // A renewal may have brought other roles than the credential that the request carries.
  const stale = (await currentCredential(instance, auth.credential)) ?? toStaleCredential({});
  const ask = store.profile.bind(store, stale);
  const reply = await callStore(
    instance,
    request,
    async (context) => {
      const profile = await ask(context);
      if (profile !== undefined && !isOfSession(profile, session)) {
        throw new StoreUnavailableError({ reason: "identity" });
      }
      return profile;
    },
    { member: session.member.id },
  );
  switch (reply.status) {
    case "answered":
      return reply.value && keepProfile(instance, session, reply.value, reply.calledAt);
    case "refused": {
      const { code, reason } = reply;
      instance.events.emit({ type: "rejected", code, reason: toLabel(reason, "not_accepted") });
      throw new OrgateError(code);
    }
    default:
      throw new StoreUnavailableError({ retryAfter: reply.retryAfter, cause: reply.cause });
  }
}

/** Whether a profile is that of the session's member, and of no other organization than the session's. */
function isOfSession({ member, organization }: Profile, session: VerifiedSession): boolean {
  const isSameOrganization = organization === undefined || organization.id === session.organizationId;
  return member.id === session.member.id && isSameOrganization;
}
