import { type StepUpRequiredError, isOrgateError } from "../../../errors.ts";
import { isString, isTextList } from "../../../lib/values.ts";
import type { AuthorityContext } from "../../context.ts";
import { type Subject, subjectOf, toMember } from "../../directory.ts";
import type { AuthenticationRecord } from "../../records.ts";
import { findUnmetSetting } from "../../rules/rules.ts";
import { toStytchMember, toStytchOrganization } from "./bodies.ts";
import { organizationNotFound } from "./errors.ts";
import type { Body } from "./stytch-options.ts";

type Details = Readonly<Record<string, unknown>>;

/** Words what is missing before a session: a first factor, or a second one. */
export function toRequirement(reason: string, details: Details = {}): Body {
  const { allowedAuthMethods, mfaPhoneNumber, totpRegistrationId } = details;
  if (reason === "mfa_required") {
    const member_options = {
      mfa_phone_number: isString(mfaPhoneNumber) ? mfaPhoneNumber : "",
      totp_registration_id: isString(totpRegistrationId) ? totpRegistrationId : "",
    };
    return { mfa_required: { member_options, secondary_auth_initiated: null }, primary_required: null };
  }
  // A rule of the application's own is worded like the demand for another sign-in: the protocol has no other word.
  const allowed_auth_methods = isTextList(allowedAuthMethods) ? allowedAuthMethods : [];
  return { mfa_required: null, primary_required: { allowed_auth_methods } };
}

/** Words what an organization of a discovery would still demand. */
export function describeDiscovered(
  context: AuthorityContext,
  subject: Subject,
  session: AuthenticationRecord,
  from?: string,
): Body {
  const unmet = findUnmetSetting(context, { subject, session, from });
  if (unmet === undefined) return { member_authenticated: true, mfa_required: null, primary_required: null };
  const details = unmet.status === "refused" ? {} : unmet.details;
  return { member_authenticated: false, ...toRequirement(unmet.reason, details) };
}

/** Answers an exchange after which a step is due. Returns `undefined` for any other thrown value. */
export async function describeStepUp(
  { directory, policy, clock }: AuthorityContext,
  error: unknown,
  { userId, organizationId }: { readonly userId: string; readonly organizationId: string },
): Promise<Body | undefined> {
  if (!isOrgateError(error) || error.code !== "reauthentication_required") return undefined;
  const { reason = "", details, pendingAuthenticationToken = "" }: Partial<StepUpRequiredError> = error;
  const [user, known, organization] = await Promise.all([
    directory.user(userId),
    directory.membership(userId, organizationId),
    directory.organization(organizationId),
  ]);
  if (user === undefined || organization === undefined) throw organizationNotFound();
  // A member who is about to be provisioned has no membership yet.
  const membership = known ?? { userId, organizationId, roles: [] };
  const grounds = { user, membership, organization, factors: [], readAt: clock() };
  const member = toMember(subjectOf({ policy }, grounds));
  return {
    member_id: member.id,
    member: toStytchMember(member, organizationId),
    organization: toStytchOrganization(organization),
    session_token: "",
    session_jwt: "",
    member_session: null,
    member_authenticated: false,
    intermediate_session_token: pendingAuthenticationToken,
    ...toRequirement(reason, details),
  };
}
