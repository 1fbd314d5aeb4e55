import { randomBytes } from "node:crypto";
import { isSameSecret, sha256 } from "../../lib/digest.ts";
import { isObject, isText } from "../../lib/predicates.ts";
import { configurationError } from "../../lib/problems.ts";
import type { BeginSignInOptions, StoreContext } from "../../store.ts";
import { refuse } from "../hosted-store.ts";
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
    provider,
    state,
    code_challenge: sha256(codeVerifier),
    code_challenge_method: "S256",
    organization_id: options.organizationId,
    login_hint: options.loginHint,
    // Only AuthKit has a page for each.
    screen_hint: provider === "authkit" ? options.screenHint : undefined,
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
    return refuse("sign_in_failed", "state_mismatch");
  }
  const error = query.get("error");
  if (error !== null) return refuse("sign_in_failed", OAUTH_ERROR_CODE.test(error) ? error : "unknown");
  const [code, ...moreCodes] = query.getAll("code");
  if (code === undefined || moreCodes.length > 0) return refuse("sign_in_failed", "code_missing");
  return grants.authenticateWithCode({ code, codeVerifier: state.codeVerifier, ...origin });
}

function isSignInState(value: unknown): value is SignInState {
  return isObject(value) && isText(value["state"]) && isText(value["codeVerifier"]);
}
