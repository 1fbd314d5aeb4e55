import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { ConfigurationError } from "../../errors.ts";
import type { BeginSignInOptions } from "../begin-sign-in.ts";
import type { StoreContext } from "../session-store.ts";
import type { WorkosGrants } from "./grants.ts";
import { refuse, type WorkosOutcome } from "./outcome.ts";
import type { WorkosSettings } from "./resolve-options.ts";
import { isObject, isText } from "../shape.ts";

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
