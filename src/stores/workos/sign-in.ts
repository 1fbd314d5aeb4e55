import { randomBytes } from "node:crypto";
import { isSameSecret, sha256 } from "../../lib/crypto.ts";
import { configurationError } from "../../lib/problems.ts";
import { isObject, isText } from "../../lib/values.ts";
import type {
  BeginSignInOptions,
  EndSessionTarget,
  LogoutTarget,
  PresentedEnd,
  StaleCredential,
  StoreContext,
} from "../../store.ts";
import { readUnverifiedClaims, refusedOutcome } from "../hosted-store.ts";
import { type WorkosClient, fetchList, rejected } from "./client.ts";
import type { WorkosGrants } from "./grants.ts";
import type { WorkosSettings } from "./options.ts";
import type { WorkosOutcome } from "./outcome.ts";

/** What the callback needs to complete the sign-in; sealed in the browser meanwhile. */
interface SignInState {
  readonly state: string;
  readonly codeVerifier: string;
}

/**
 * Makes the authorization URL, with PKCE (RFC 7636, S256) and a state of its own.
 *
 * @throws ConfigurationError without a `redirectUri`.
 */
export function beginWorkosSignIn(
  { baseUrl, clientId, provider, redirectUri }: WorkosSettings,
  options: BeginSignInOptions,
): { readonly url: string; readonly state: SignInState } {
  const callback = options.redirectUri ?? redirectUri;
  if (callback === undefined) {
    const suggestion =
      'Pass workos({ redirectUri: "https://app.example.com/callback" }), where auth.callback() stands.';
    throw configurationError(
      "option_missing",
      "redirectUri",
      "is required to sign in at AuthKit.",
      suggestion,
    );
  }
  const state = randomBytes(32).toString("base64url");
  const codeVerifier = randomBytes(32).toString("base64url");
  const url = new URL(`${baseUrl}/user_management/authorize`);
  const parameters = {
    response_type: "code",
    client_id: clientId,
    redirect_uri: callback,
    // Exactly one of the two (a connection is chosen where the organization requires it).
    ...(isText(options.connectionId) ? { connection_id: options.connectionId } : { provider }),
    state,
    code_challenge: sha256(codeVerifier),
    code_challenge_method: "S256",
    organization_id: isText(options.connectionId) ? undefined : options.organizationId,
    login_hint: options.loginHint,
    // Only AuthKit has a page for each.
    screen_hint: provider === "authkit" && !isText(options.connectionId) ? options.screenHint : undefined,
    max_age: options.maxAge?.toString(),
    invitation_token: options.invitationToken,
  };
  for (const [name, value] of Object.entries(parameters)) {
    if (isText(value)) url.searchParams.set(name, value);
  }
  return { url: url.href, state: { state, codeVerifier } };
}

// RFC 6749 section 4.1.2.1.
const OAUTH_ERROR_CODE = /^[a-z_]{1,64}$/;

/** Completes a sign-in with the query that AuthKit sent the browser back with. An `error` in it is a refusal without a call. */
export async function completeWorkosSignIn(
  grants: WorkosGrants,
  query: URLSearchParams,
  state: unknown,
  origin: StoreContext,
): Promise<WorkosOutcome> {
  const [given, ...moreStates] = query.getAll("state");
  if (
    !isSignInState(state) ||
    given === undefined ||
    moreStates.length > 0 ||
    !isSameSecret(given, state.state)
  ) {
    return refusedOutcome("sign_in_failed", "state_mismatch");
  }
  const error = query.get("error");
  if (error !== null)
    return refusedOutcome("sign_in_failed", OAUTH_ERROR_CODE.test(error) ? error : "unknown");
  const [code, ...moreCodes] = query.getAll("code");
  if (code === undefined || moreCodes.length > 0) return refusedOutcome("sign_in_failed", "code_missing");
  return grants.authenticateWithCode({ code, codeVerifier: state.codeVerifier, ...origin });
}

function isSignInState(value: unknown): value is SignInState {
  return isObject(value) && isText(value["state"]) && isText(value["codeVerifier"]);
}

const MAX_CONCURRENT = 10;

/** Revokes a session, or all sessions of a user. A session that does not exist any more counts as revoked. */
export async function endWorkosSession(
  client: WorkosClient,
  target: EndSessionTarget,
  { signal }: StoreContext,
): Promise<{ readonly redirectTo?: string }> {
  if ("sessionId" in target) {
    await revoke(client, target.sessionId, signal);
    return {};
  }
  const userId = "userId" in target ? target.userId : target.memberId;
  const path = `/user_management/users/${encodeURIComponent(userId)}/sessions`;
  const sessions = (await fetchList(client, path, signal)) ?? [];
  const live = sessions.flatMap(({ id, status }) => (isText(id) && status !== "revoked" ? [id] : []));
  for (let start = 0; start < live.length; start += MAX_CONCURRENT) {
    const batch = live.slice(start, start + MAX_CONCURRENT);
    // oxlint-disable-next-line no-await-in-loop -- one batch after the other
    await Promise.all(batch.map((sessionId) => revoke(client, sessionId, signal)));
  }
  return {};
}

/** Ends the session in an authentic seal whose token's key is no longer known. */
export async function endPresentedToWorkos(
  client: WorkosClient,
  { sealed, accessToken }: StaleCredential,
  scope: "session" | "member" | "user",
  context: StoreContext,
): Promise<PresentedEnd> {
  const { sub: memberId, sid: sessionId } = sealed === undefined ? {} : readUnverifiedClaims(accessToken);
  if (!isText(memberId) || !isText(sessionId)) return { status: "unknown" };
  const target = scope === "session" ? { sessionId } : { memberId };
  return { status: "ended", sessionId, memberId, ...(await endWorkosSession(client, target, context)) };
}

async function revoke(client: WorkosClient, sessionId: string, signal: AbortSignal): Promise<void> {
  const path = "/user_management/sessions/revoke";
  const { httpStatus } = await client.call({ method: "POST", path, body: { session_id: sessionId }, signal });
  // 400 and 404: the session does not exist any more.
  if (httpStatus >= 300 && httpStatus !== 400 && httpStatus !== 404) throw rejected({ status: httpStatus });
}

/** Makes the URL where AuthKit forgets the browser; needs no API. `undefined` where `logout` is `false`. */
export function workosLogoutUrl(
  { logout, baseUrl }: WorkosSettings,
  of: LogoutTarget,
  { returnTo }: { readonly returnTo?: string },
): string | undefined {
  const sessionId =
    "sessionId" in of ? of.sessionId : of.sealed && readUnverifiedClaims(of.accessToken)["sid"];
  if (logout === false || !isText(sessionId)) return undefined;
  const url = new URL(`${baseUrl}/user_management/sessions/logout`);
  url.searchParams.set("session_id", sessionId);
  const target = returnTo ?? logout.returnTo;
  if (target !== undefined) url.searchParams.set("return_to", target);
  return url.href;
}
