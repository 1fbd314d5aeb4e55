import { isObject, isOptional, isText } from "../../lib/values.ts";
import type { AuthenticationFactor, Impersonator } from "../../model.ts";
import type { DirectoryMembership, DirectoryOrganization, DirectoryUser } from "../directory.ts";
import { callDependency, malformedAnswer } from "../repository.ts";

/** What a member is about to do when the rules are asked. */
export type SignInPhase = "sign_in" | "selection" | "switch" | "step_up" | "renewal";

/** What a rule of the application sees. */
export interface SignInRuleContext {
  readonly phase: SignInPhase;
  readonly user: DirectoryUser;
  /** Absent for a session without an organization. */
  readonly organization?: DirectoryOrganization;
  readonly membership?: DirectoryMembership;
  readonly authenticationMethod: string;
  /** All factors of the session so far. */
  readonly authenticationFactors: readonly AuthenticationFactor[];
  readonly impersonator?: Impersonator;
}

/** What a rule answers where the session may not begin or go on. */
export type SignInRuleOutcome =
  /** The user must do more first; `details` are for the page of the next step, and in no response. */
  | {
      readonly status: "step_up_required";
      /** A short word: `device_check_required`. */
      readonly reason: string;
      readonly details?: Readonly<Record<string, unknown>>;
    }
  /** The user may not sign in here. `reason` is a short word for the log. */
  | { readonly status: "refused"; readonly reason: string };

/**
 * A rule of the application's own, asked at sign-in, selection, switch, step-up and each renewal, after the organization's rules.
 * `undefined`: nothing is missing. What it throws means "cannot know": the store is then unavailable.
 */
export type SignInRules = (
  context: SignInRuleContext,
) => SignInRuleOutcome | undefined | Promise<SignInRuleOutcome | undefined>;

/** Asks the application's rule. */
export async function askSignInRules(
  rules: SignInRules | undefined,
  context: SignInRuleContext,
): Promise<SignInRuleOutcome | undefined> {
  if (rules === undefined) return undefined;
  const answer: unknown = await callDependency("signInRules", async () => rules(context));
  if (answer === undefined || answer === null) return undefined;
  if (isSignInRuleOutcome(answer)) return answer;
  // Neither a permission nor a refusal may be read into it.
  throw malformedAnswer("signInRules");
}

function isSignInRuleOutcome(value: unknown): value is SignInRuleOutcome {
  if (!isObject(value)) return false;
  const { status, reason, details } = value;
  if (!isText(reason)) return false;
  return status === "refused" || (status === "step_up_required" && isOptional(details, isObject));
}
