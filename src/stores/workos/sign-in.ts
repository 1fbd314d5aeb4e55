import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { ConfigurationError } from "../../errors.ts";
import { isObject, isText } from "../../lib/predicates.ts";
import type {
  BeginSignInOptions,
  EndSessionTarget,
  PresentedEnd,
  StaleCredential,
  StoreContext,
} from "../../store.ts";
import { peekClaims } from "./claims.ts";
import { type WorkosClient, listPages, trouble } from "./client.ts";
import type { WorkosGrants } from "./grants.ts";
import type { WorkosSettings } from "./options.ts";
import { type WorkosOutcome, refuse } from "./outcome.ts";

/** What the way back from AuthKit needs; sealed in the browser meanwhile. */
interface SignInState {
  readonly state: string;
  readonly codeVerifier: string;
}

// RFC 6749 section 4.1.2.1.
const ERROR_CODE = /^[a-z_]{1,64}$/;

/**
 * Makes the authorization URL, with PKCE (RFC 7636, S256) and a state of its own.
 *
 * @throws ConfigurationError without a `redirectUri`.
 */
export function beginSignIn(
  { baseUrl, clientId, provider, redirectUri }: WorkosSettings,
  options: BeginSignInOptions,
): { readonly url: string; readonly state: SignInState } {
  const target = options.redirectUri ?? redirectUri;
  if (target === undefined) throw withoutRedirectUri();
  const state = randomBytes(32).toString("base64url");
  const codeVerifier = randomBytes(32).toString("base64url");
  const { organizationId, loginHint, screenHint, maxAge, invitationToken } = options;
  const parameters = {
    response_type: "code",
    client_id: clientId,
    redirect_uri: target,
    provider,
    state,
    code_challenge: createHash("sha256").update(codeVerifier).digest("base64url"),
    code_challenge_method: "S256",
    organization_id: organizationId,
    login_hint: loginHint,
    // Only AuthKit has a page with both.
    screen_hint: provider === "authkit" ? screenHint : undefined,
    max_age: maxAge === undefined ? undefined : String(maxAge),
    invitation_token: invitationToken,
  };
  const given = Object.entries(parameters).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== "",
  );
  const url = `${baseUrl}/user_management/authorize?${new URLSearchParams(given).toString()}`;
  return { url, state: { state, codeVerifier } };
}

/** Completes a sign-in with what AuthKit sent the browser back with. An `error` is a refusal, and costs no call. */
export async function completeSignIn(
  grants: WorkosGrants,
  query: URLSearchParams,
  state: unknown,
  origin: StoreContext,
): Promise<WorkosOutcome> {
  if (!isSignInState(state) || !isSame(query.getAll("state"), state.state)) {
    return refuse("sign_in_failed", "state_mismatch");
  }
  const error = query.get("error");
  if (error !== null) return refuse("sign_in_failed", ERROR_CODE.test(error) ? error : "unknown");
  const [code, ...more] = query.getAll("code");
  if (code === undefined || more.length > 0) return refuse("sign_in_failed", "code_missing");
  return grants.authenticateWithCode({ code, codeVerifier: state.codeVerifier, ...origin });
}

function isSignInState(value: unknown): value is SignInState {
  return isObject(value) && isText(value["state"]) && isText(value["codeVerifier"]);
}

function isSame([given, ...more]: readonly string[], expected: string): boolean {
  if (given === undefined || more.length > 0) return false;
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}

function withoutRedirectUri(): ConfigurationError {
  return new ConfigurationError([
    {
      code: "option_missing",
      option: "redirectUri",
      message: "is required to sign in at AuthKit.",
      suggestion:
        'Pass workos({ redirectUri: "https://app.example.com/callback" }), where auth.callback() stands.',
    },
  ]);
}

const AT_ONCE = 10;

/**
 * Revokes a session, or all of a user's. A session that is gone already is no trouble.
 *
 * @returns where the browser goes so that AuthKit forgets it too, if that is configured.
 */
export async function endSession(
  client: WorkosClient,
  target: EndSessionTarget,
  { signal }: StoreContext,
): Promise<{ readonly redirectTo?: string }> {
  if ("sessionId" in target) {
    await revoke(client, target.sessionId, signal);
    return toRedirect(client, target.sessionId);
  }
  const path = `/user_management/users/${encodeURIComponent(target.memberId)}/sessions`;
  const sessions = (await listPages(client, path, {}, signal)) ?? [];
  const live = sessions.flatMap(({ id, status }) => (isText(id) && status !== "revoked" ? [id] : []));
  for (let start = 0; start < live.length; start += AT_ONCE) {
    const some = live.slice(start, start + AT_ONCE);
    // oxlint-disable-next-line no-await-in-loop -- a few at once, not all
    await Promise.all(some.map((sessionId) => revoke(client, sessionId, signal)));
  }
  return {};
}

/** Ends what a good seal holds though its token's key is known no longer: the seal vouches for the ids in it. */
export async function endPresented(
  client: WorkosClient,
  { sealed, accessToken }: StaleCredential,
  scope: "session" | "member",
  context: StoreContext,
): Promise<PresentedEnd> {
  const { sub: memberId, sid: sessionId } = sealed === undefined ? {} : peekClaims(accessToken);
  if (memberId === undefined || sessionId === undefined) return { status: "unknown" };
  const target = scope === "member" ? { memberId } : { sessionId };
  return { status: "ended", sessionId, memberId, ...(await endSession(client, target, context)) };
}

async function revoke(client: WorkosClient, sessionId: string, signal: AbortSignal): Promise<void> {
  const path = "/user_management/sessions/revoke";
  const { httpStatus } = await client.call("POST", path, { signal }, { session_id: sessionId });
  // 400 and 404: there is no such session to revoke any more.
  if (httpStatus >= 300 && httpStatus !== 400 && httpStatus !== 404) throw trouble("request_rejected");
}

function toRedirect({ settings }: WorkosClient, sessionId: string): { readonly redirectTo?: string } {
  const { logout, baseUrl } = settings;
  if (logout === undefined) return {};
  const { returnTo } = logout;
  const query = new URLSearchParams({
    session_id: sessionId,
    ...(returnTo !== undefined && { return_to: returnTo }),
  });
  return { redirectTo: `${baseUrl}/user_management/sessions/logout?${query.toString()}` };
}
