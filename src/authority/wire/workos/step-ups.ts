import { type StepUpRequiredError, isOrgateError } from "../../../errors.ts";
import { isText, isTextList } from "../../../lib/values.ts";
import { requirePending } from "../../sign-in.ts";
import type { WireAnswer } from "../router.ts";
import type { WorkosEnvironment } from "./workos-options.ts";

/** What {@link toWorkosStepUp} reads of a {@link StepUpRequiredError}. */
type Demand = Pick<StepUpRequiredError, "reason" | "details" | "pendingAuthenticationToken">;

/** Returns what a thrown step-up demands; `undefined` for any other thrown value. */
export function demandOf(error: unknown): Demand | undefined {
  if (!isOrgateError(error) || error.code !== "reauthentication_required") return undefined;
  const { reason = "", details = {}, pendingAuthenticationToken }: Partial<StepUpRequiredError> = error;
  return { reason, details, ...(pendingAuthenticationToken !== undefined && { pendingAuthenticationToken }) };
}

/** Answers a grant with the step that is due, in WorkOS's words. */
export async function answerStepUp(
  { context, bodies }: Pick<WorkosEnvironment, "context" | "bodies">,
  demand: Demand,
): Promise<WireAnswer> {
  const token = demand.pendingAuthenticationToken;
  const userId = token === undefined ? undefined : (await requirePending(context, token)).userId;
  const user = userId === undefined ? undefined : await context.directory.user(userId);
  return toWorkosStepUp(demand, user && bodies.user(user));
}

/** The methods that `organization_authentication_methods_required` lists, by the protocol's own names. */
const LISTED_METHODS: readonly (readonly [listed: string, method: string])[] = [
  ["apple_oauth", "apple_oauth"],
  ["github_oauth", "github_oauth"],
  ["google_oauth", "google_oauth"],
  ["magic_auth", "email_otp"],
  ["microsoft_oauth", "microsoft_oauth"],
  ["password", "password"],
];

function toWorkosStepUp(demand: Demand, user: object | undefined): WireAnswer {
  switch (demand.reason) {
    case "primary_required":
      return toSignInRequired(demand);
    case "mfa_required":
      return toMfaRequired(demand, user);
    // A rule of the application's own: the protocol has no other word.
    default:
      return unfinished(demand, user, {
        code: "authentication_method_not_allowed",
        message: "The user must authenticate in another way.",
      });
  }
}

function toSignInRequired({ details, pendingAuthenticationToken }: Demand): WireAnswer {
  const { emailAddress: email, allowedAuthMethods, connectionIds } = details;
  const allowed = isTextList(allowedAuthMethods) ? allowedAuthMethods : [];
  const connections = isTextList(connectionIds) ? connectionIds : [];
  if (allowed.length === 1 && allowed[0] === "sso") {
    return oauthAnswer("sso_required", "User must authenticate using one of the matching connections.", {
      email,
      connection_ids: connections,
      pending_authentication_token: pendingAuthenticationToken ?? null,
    });
  }
  // No list: every method would do.
  const isAllowed = (method: string): boolean => allowed.length === 0 || allowed.includes(method);
  return oauthAnswer(
    "organization_authentication_methods_required",
    "User must authenticate using one of the methods that the organization allows.",
    {
      email,
      sso_connection_ids: isAllowed("sso") ? connections : [],
      auth_methods: Object.fromEntries(LISTED_METHODS.map(([listed, method]) => [listed, isAllowed(method)])),
    },
  );
}

function toMfaRequired(demand: Demand, user: object | undefined): WireAnswer {
  const { totpRegistrationId: totp } = demand.details;
  if (!isText(totp)) {
    const message = "The user must enroll in MFA to finish their authentication.";
    return unfinished(demand, user, { code: "mfa_enrollment", message });
  }
  const message = "The user must complete an MFA challenge to finish their authentication.";
  const factors = { authentication_factors: [{ id: totp, type: "totp" }] };
  return unfinished(demand, user, { code: "mfa_challenge", message }, factors);
}

/** A step that continues what is pending; in OAuth's form where nothing is, as at a refresh. */
function unfinished(
  { pendingAuthenticationToken }: Demand,
  user: object | undefined,
  { code, message }: { readonly code: string; readonly message: string },
  more: object = {},
): WireAnswer {
  if (pendingAuthenticationToken === undefined) return oauthAnswer(code, message, {});
  const pending = { pending_authentication_token: pendingAuthenticationToken };
  const who = user === undefined ? {} : { user };
  return { status: 403, body: { code, message, ...pending, ...more, ...who } };
}

function oauthAnswer(error: string, error_description: string, more: object): WireAnswer {
  return { status: 400, body: { error, error_description, ...more } };
}
