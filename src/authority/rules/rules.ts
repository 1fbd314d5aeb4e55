import { OrgateError, StepUpRequiredError } from "../../errors.ts";
import type { AuthenticationFactor } from "../../model.ts";
import type { AuthorityContext } from "../context.ts";
import { type DirectoryOrganization, type Subject, memberIdOf } from "../directory.ts";
import type { AuthenticationRecord, PendingRecord } from "../records.ts";
import { authMethodOf, connectionsOf, mfaMethodOf } from "./factor-names.ts";
import {
  type OrganizationRules,
  isLockedOut,
  readMemberSettings,
  readOrganizationRules,
} from "./settings.ts";
import { type SignInPhase, type SignInRuleOutcome, askSignInRules } from "./sign-in-rules.ts";

/** A session that is about to begin or to go on, as the rules see it. */
export interface RuleCheck {
  readonly phase: SignInPhase;
  readonly subject: Subject;
  readonly session: AuthenticationRecord & { readonly startedAt?: number };
  /** The organization that the session's factors were made for, where the session comes from another one. */
  readonly from?: string | undefined;
}

/** What a rule demands. `startsAnew`: the factors so far do not count any more. */
export type UnmetRule = SignInRuleOutcome & { readonly startsAnew?: true };

/**
 * Finds the first rule that a session does not meet; `undefined` if it meets all. Every session goes through this function when
 * it begins, and whenever the store is asked about it.
 */
export async function findUnmetRule(
  context: AuthorityContext,
  check: RuleCheck,
): Promise<UnmetRule | undefined> {
  const unmet = findUnmetSetting(context, check);
  if (unmet !== undefined) return unmet;
  const { user, organization, membership } = check.subject;
  const { authenticationMethod, authenticationFactors, impersonator } = check.session;
  return askSignInRules(context.signInRules, {
    phase: check.phase,
    user,
    ...(organization !== undefined && { organization }),
    ...(membership !== undefined && { membership }),
    authenticationMethod,
    authenticationFactors,
    ...(impersonator !== undefined && { impersonator }),
  });
}

/** Finds the first setting of the member or the organization that a session does not meet. Asks nobody. */
export function findUnmetSetting(
  { clock }: Pick<AuthorityContext, "clock">,
  { subject, session, from }: Omit<RuleCheck, "phase">,
): UnmetRule | undefined {
  const { user, organization, membership } = subject;
  const now = clock();
  if (isLockedOut(user, membership, now)) return { status: "refused", reason: "member_locked" };
  if (organization === undefined) return undefined;
  const rules = readOrganizationRules(organization);
  const isElsewhere = from !== undefined && from !== organization.id;
  const { startedAt = now } = session;
  if (now >= startedAt + (rules.sessionLifetime ?? Infinity)) {
    return { ...demandFirstFactor(subject, rules), startsAnew: true };
  }
  // An impersonator has authenticated to the application's own staff tools, by the rules that hold there.
  if (session.impersonator !== undefined) return undefined;
  const settings = readMemberSettings(user, membership);
  if (settings.isBreakglass) return undefined;
  const needsMfa = rules.requiresMfa || settings.mfaEnrolled;
  if (!hasFirstFactor(session, rules, { isElsewhere, needsMfa })) return demandFirstFactor(subject, rules);
  const hasSecondFactor = session.authenticationFactors.some((factor) => {
    const method = mfaMethodOf(factor);
    return method !== undefined && rules.allowedMfaMethods.includes(method);
  });
  if (!needsMfa || hasSecondFactor) return undefined;
  const { mfaPhoneNumber, totpRegistrationId } = settings;
  const { allowedMfaMethods } = rules;
  const details = { ...nameMember(subject), allowedMfaMethods, mfaPhoneNumber, totpRegistrationId };
  return { status: "step_up_required", reason: "mfa_required", details };
}

interface FirstFactorDemand {
  readonly isElsewhere: boolean;
  readonly needsMfa: boolean;
}

/** Whether one of the factors is a first factor that the organization allows. */
function hasFirstFactor(
  { authenticationFactors: factors }: AuthenticationRecord,
  { allowedAuthMethods, connections }: OrganizationRules,
  { isElsewhere, needsMfa }: FirstFactorDemand,
): boolean {
  if (allowedAuthMethods === undefined) {
    // A second factor by itself is one factor.
    return !needsMfa || factors.some((factor) => mfaMethodOf(factor) === undefined);
  }
  return factors.some((factor) => {
    const method = authMethodOf(factor);
    if (!allowedAuthMethods.includes(method)) return false;
    if (method !== "sso" || connections === undefined) return true;
    const named = connectionsOf(factor);
    // The single sign-on of one organization opens no other one. Unnamed, it counts where the application signed the user in.
    return named.length === 0 ? !isElsewhere : named.some((connection) => connections.includes(connection));
  });
}

function demandFirstFactor(subject: Subject, rules: OrganizationRules): SignInRuleOutcome {
  const details = {
    ...nameMember(subject),
    allowedAuthMethods: rules.allowedAuthMethods ?? [],
    connectionIds: rules.connections ?? [],
  };
  return { status: "step_up_required", reason: "primary_required", details };
}

function nameMember(
  subject: Subject,
): Readonly<Record<"memberId" | "organizationId" | "emailAddress", string>> {
  const { user, organization } = subject;
  return {
    memberId: memberIdOf(subject),
    organizationId: organization?.id ?? "",
    emailAddress: user.emailAddress,
  };
}

/** What a pending authentication carries on beside the factors so far. */
export type Continuation = Pick<PendingRecord, "organizationId" | "invitationToken" | "sessionId"> & {
  /** The end of the pending authentication that it continues. */
  readonly expiresAt?: number | undefined;
};

/**
 * Refuses a session that is about to begin and does not meet the rules.
 *
 * @throws StepUpRequiredError with a pending authentication that keeps the factors so far; `organization_not_available`, or
 * `sign_in_failed` without an organization, where no further factor helps
 */
export async function requireRules(
  context: AuthorityContext,
  check: RuleCheck,
  { expiresAt = Infinity, ...continuation }: Continuation,
): Promise<void> {
  const unmet = await findUnmetRule(context, check);
  if (unmet === undefined) return;
  if (unmet.status === "refused") {
    const code = check.subject.organization === undefined ? "sign_in_failed" : "organization_not_available";
    throw new OrgateError(code, { reason: unmet.reason });
  }
  const { records, clock, settings, wire } = context;
  const { session, subject, from } = check;
  const isElsewhere = from !== undefined && from !== subject.organization?.id;
  const pending: PendingRecord = {
    version: 1,
    userId: subject.user.id,
    evidence: {
      ...toEvidence(session, session.client ?? wire?.client),
      // Once the next step is done, nothing tells any more that these were made elsewhere.
      ...(isElsewhere && { authenticationFactors: session.authenticationFactors.filter(isPortable) }),
    },
    ...continuation,
    expiresAt: Math.min(clock() + settings.pendingLifetime, expiresAt),
  };
  const token = unmet.startsAnew === true ? undefined : await records.pending.issue(pending);
  throw new StepUpRequiredError(unmet.reason, { details: unmet.details, pendingAuthenticationToken: token });
}

/** Whether a factor says itself what it is worth in another organization. */
function isPortable(factor: AuthenticationFactor): boolean {
  return factor.type !== "sso" || connectionsOf(factor).length > 0;
}

function toEvidence(
  given: AuthenticationRecord,
  client: AuthenticationRecord["client"],
): AuthenticationRecord {
  const { authenticationMethod, authenticationFactors, impersonator, customClaims } = given;
  const { ipAddress, userAgent, authenticatedAt } = given;
  return {
    authenticationMethod,
    authenticationFactors,
    ...(impersonator !== undefined && { impersonator }),
    customClaims,
    ...(client !== undefined && { client }),
    ...(ipAddress !== undefined && { ipAddress }),
    ...(userAgent !== undefined && { userAgent }),
    authenticatedAt,
  };
}

/**
 * Refuses a live session that does not meet the rules any more. Nothing of it changes: once the rule is met or lifted, the session
 * goes on.
 *
 * @throws StepUpRequiredError, without a pending authentication
 */
export async function requireRulesStill(context: AuthorityContext, check: RuleCheck): Promise<void> {
  const unmet = await findUnmetRule(context, check);
  if (unmet === undefined) return;
  const details = unmet.status === "refused" ? undefined : unmet.details;
  throw new StepUpRequiredError(unmet.reason, { details });
}

/** Returns how long a session lasts in an organization, in seconds from its beginning. */
export function lifetimeIn(
  { settings }: Pick<AuthorityContext, "settings">,
  organization: DirectoryOrganization | undefined,
): number {
  const own = organization && readOrganizationRules(organization).sessionLifetime;
  return Math.floor(own ?? settings.sessionLifetime);
}

/** Returns when a session that began at `startedAt` ends at the latest in an organization with a lifetime of its own. */
export function latestEnd(organization: DirectoryOrganization | undefined, startedAt: number): number {
  const own = organization && readOrganizationRules(organization).sessionLifetime;
  return own === undefined ? Infinity : Math.floor(startedAt + own);
}
