import type { IncomingMessage, ServerResponse } from "node:http";
import { ConfigurationError, OrgateError, StoreUnavailableError, retryHeaders } from "../errors.ts";
import type { Invalidation } from "../fleet/coordinator.ts";
import { frozenCopy } from "../lib/frozen-copy.ts";
import type { AuthState, DetachedState, SignedIn } from "../model.ts";
import type { Profile, StaleCredential } from "../store.ts";
import { authenticateRequest, refreshRequest } from "./authenticate.ts";
import type { VerifiedSession } from "./cache.ts";
import { callStore } from "./call-store.ts";
import type { Instance } from "./instance.ts";
import { broadcastInvalidation } from "./invalidations.ts";
import { type RequestAuth, requireRequestAuth, stateOf } from "./request-auth.ts";
import { verifyCredential } from "./verify-credential.ts";

/** Who is asking, as a union. */
export function stateOfRequest(instance: Instance, request: IncomingMessage): AuthState {
  return stateOf(requireRequestAuth(instance, request, "state"));
}

/** The signed-in member, organization and session of a guarded request. */
export function sessionOf(instance: Instance, request: IncomingMessage): SignedIn {
  const { session, passedGuard } = requireRequestAuth(instance, request, "session");
  const organization = session?.organization;
  if (session === undefined || organization === undefined || !passedGuard) {
    const suggestion =
      "Put auth.requireOrganization() or auth.requirePermission(...) in front of the handler.";
    const message = "was called where no guard saw to it that there is a session with an organization.";
    throw new ConfigurationError([{ code: "not_guarded", option: "session", message, suggestion }]);
  }
  const { member, memberSession } = session;
  return { member, organization, memberSession };
}

/** Authenticates a request that no middleware saw. */
export async function authenticateDetached(
  instance: Instance,
  request: IncomingMessage,
  response: ServerResponse | undefined,
): Promise<DetachedState> {
  const record = await authenticateRequest(instance, request, response);
  record.used = true;
  return Object.freeze({ ...stateOf(record), headers: headersOf(record) });
}

function headersOf({ cookies, headers }: RequestAuth): DetachedState["headers"] {
  return Object.freeze({
    ...Object.fromEntries(headers ?? []),
    ...(cookies !== undefined && { "Set-Cookie": [...cookies.values()] }),
  });
}

/**
 * The member and organization in full: what the store said last, or says now.
 *
 * @throws OrgateError `unauthenticated`, or the refusal's own code; with status 503 when it cannot be known.
 */
export async function profileOf(instance: Instance, request: IncomingMessage): Promise<Profile> {
  const record = requireRequestAuth(instance, request, "profile");
  const { session } = record;
  if (session === undefined) throw errorOf(stateOf(record));
  const known = instance.profiles.get(session.memberSession.id);
  if (known !== undefined && known.member.id === session.member.id) return known;
  const asked = await askProfile(instance, record, request, session);
  if (asked === undefined) return toProfile(record.session ?? session);
  const profile = frozenCopy(asked);
  instance.profiles.set(session.memberSession.id, profile);
  return profile;
}

async function askProfile(
  instance: Instance,
  record: RequestAuth,
  request: IncomingMessage,
  session: VerifiedSession,
): Promise<Profile | undefined> {
  const { store } = instance.options;
  if (store.profile === undefined || record.credential === undefined) {
    await refreshRequest(instance, record, request, { maxAge: 0, spendsRefreshToken: true });
    if (record.session === undefined) throw errorOf(stateOf(record));
    return instance.profiles.get(record.session.memberSession.id);
  }
  const vouched = await verifyCredential(instance, record.credential);
  const { accessToken, claims, sealed } = vouched.status === "vouched" ? vouched : {};
  const stale: StaleCredential = {
    reason: "asked",
    ...(accessToken !== undefined && { accessToken }),
    ...(claims !== undefined && { claims }),
    ...(sealed !== undefined && { sealed }),
  };
  const ask = store.profile.bind(store, stale);
  const reply = await callStore(instance, request, async (context) => ofMember(await ask(context), session));
  switch (reply.status) {
    case "answered":
      return reply.value;
    case "refused":
      throw new OrgateError(reply.code);
    default:
      throw new StoreUnavailableError({ retryAfter: reply.retryAfter });
  }
}

function ofMember(profile: Profile | undefined, { member }: VerifiedSession): Profile | undefined {
  if (profile === undefined || profile.member.id === member.id) return profile;
  throw new StoreUnavailableError({ reason: "identity" });
}

function toProfile({ member, organization }: VerifiedSession): Profile {
  return { member, ...(organization !== undefined && { organization }) };
}

/** Makes the target's next request ask the store, here and in every other process. */
export async function invalidateTarget(instance: Instance, given: Invalidation): Promise<void> {
  const { by, target } = readTarget(given);
  const at = instance.options.clock();
  instance.invalidations.ask(target, at);
  if ("sessionId" in target) instance.profiles.delete(target.sessionId);
  else instance.profiles.clear();
  instance.events.emit({ type: "revoked", by });
  await broadcastInvalidation(instance, { target, at, effect: "ask" });
}

const SCOPES = ["session", "member", "user", "organization"] as const;

/** The one name that is there: a webhook's handler may pass others that are `undefined`. */
function readTarget(given: unknown): { by: (typeof SCOPES)[number]; target: Invalidation } {
  const ids = (given ?? {}) as Readonly<Record<string, unknown>>;
  const named = SCOPES.flatMap((by) => {
    const id = ids[`${by}Id`];
    return typeof id === "string" && id !== "" ? [{ by, target: { [`${by}Id`]: id } as Invalidation }] : [];
  });
  const [only] = named;
  if (only !== undefined && named.length === 1) return only;
  const suggestion = `Pass exactly one of ${SCOPES.map((by) => `${by}Id`).join(", ")}.`;
  const message = "does not say whose sessions.";
  throw new ConfigurationError([{ code: "option_invalid", option: "invalidate", message, suggestion }]);
}

/** What is thrown to whoever needs a signed-in member and finds none: the state's own code, with its status and `Retry-After`. */
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
