import type { IncomingMessage } from "node:http";
import { onNextTurn } from "../lib/clock.ts";
import { isNavigation } from "../lib/http.ts";
import { isFiniteNumber, isListOf, isObject, isString } from "../lib/values.ts";
import type { MemberSession, OrganizationChoice, Verdict } from "../model.ts";
import type { PolicyLookup } from "../policy/policy-source.ts";
import { type PermissionQuestion, deferVerdict, isAuthorized } from "../policy/policy.ts";
import { crossSiteReasonOf, refreshRequest } from "../request/authenticate.ts";
import { type VerifiedSession, rolesOf } from "../request/cache.ts";
import { type StoreReply, callStore, checkAnswer } from "../request/call-store.ts";
import type { Instance } from "../request/instance.ts";
import { currentCredential } from "../request/renew.ts";
import {
  type RequestAuth,
  reportMisconfigured,
  reportUnavailable,
  requestAuthOf,
} from "../request/request-auth.ts";
import { hookExchange } from "../request/respond.ts";
import { needsStore } from "../request/verify-credential.ts";
import type { PendingAuthentication, StoreContext } from "../store.ts";
import {
  type DenialInit,
  type HandlerContext,
  type ReceivedRequest,
  type RequestContext,
  denialOf,
  deny,
} from "./denial.ts";

/** A resource and an action. */
export type PermissionPair = readonly [resource: string, action: string];

/** What a route requires of a request beyond a signed-in session. What is absent is not required. */
export interface AccessRequirements {
  readonly needsOrganization?: boolean;
  /** Implies `needsOrganization`. */
  readonly routeOrganization?: RouteOrganization | undefined;
  /** Seconds; `0` asks the store now. Never above the application's own `maxTokenAge`. */
  readonly maxTokenAge?: number | undefined;
  /** The session must hold one of these roles. */
  readonly roles?: ReadonlySet<unknown>;
  /** The session must list an authentication factor of this type. */
  readonly factor?: string;
  /** The member must have authenticated less than so many seconds ago (RFC 9470). */
  readonly recentAuth?: number;
  readonly deniesImpersonation?: boolean;
  /** The session's roles or permission slugs must grant one of these. */
  readonly permissions?: readonly PermissionPair[];
}

/** The organization that a route is about. */
export interface RouteOrganization {
  /** Reads it from the request. May throw what the application's own function throws. */
  readonly read: (request: IncomingMessage) => string | undefined;
  readonly by: "id" | "slug";
}

/** Whether a request meets the requirements: the session that does, or the denial. */
export type AccessDecision = (
  | { readonly status: "passed"; readonly session: VerifiedSession }
  | ({ readonly status: "denied" } & DenialInit)
) & {
  /** Of the permissions that were required; computed when somebody reads it. */
  readonly verdict?: (() => Verdict) | undefined;
};

/**
 * Decides whether a request meets requirements. Returns a promise only if the store must be asked or a policy must be loaded.
 *
 * Throws, or rejects with, only what the application's own function for the route's organization throws.
 */
export function authorize(
  context: RequestContext,
  requirements: AccessRequirements,
  spendsRefreshToken: boolean,
): AccessDecision | Promise<AccessDecision> {
  const refreshed = refreshTooOld(context, requirements.maxTokenAge, spendsRefreshToken);
  return refreshed instanceof Promise
    ? refreshed.then(() => decide(context, requirements))
    : decide(context, requirements);
}

/** Passes the request on, or answers it with a denial. */
export function enforce(context: HandlerContext, requirements: AccessRequirements): void {
  const { request, response, next, auth } = context;
  auth.markUsed();
  const canAnswer = hookExchange(request, response, auth);
  let decision: AccessDecision | Promise<AccessDecision>;
  try {
    decision = authorize(context, requirements, canAnswer);
  } catch (error) {
    next(error);
    return;
  }
  if (decision instanceof Promise) {
    // What a handler throws must reach its error handler instead of rejecting this promise.
    void decision.then(
      (settled) => onNextTurn(applyDecision, context, settled),
      (error: unknown) => onNextTurn(next, error),
    );
  } else {
    applyDecision(context, decision);
  }
}

function applyDecision(context: HandlerContext, decision: AccessDecision): void {
  const { auth, next } = context;
  if (decision.verdict !== undefined) auth.noteVerdict(decision.verdict);
  if (decision.status === "denied") {
    deny(context, decision);
    return;
  }
  auth.passGuard();
  next();
}

/** Asks the store about a session that is too old for the route, unless it was asked for this request already. */
function refreshTooOld(
  { instance, request, auth }: RequestContext,
  maxAge: number | undefined,
  spendsRefreshToken: boolean,
): ReturnType<typeof refreshRequest> {
  const { session, isConfirmed } = auth;
  if (maxAge === undefined || session === undefined || isConfirmed) return auth;
  if (needsStore(instance, session, { maxAge }) === undefined) return auth;
  return refreshRequest(instance, auth, request, { maxAge, spendsRefreshToken });
}

function decide(
  context: RequestContext,
  requirements: AccessRequirements,
): AccessDecision | Promise<AccessDecision> {
  const { instance, request, auth } = context;
  const { session, credential } = auth;
  if (session === undefined) return { status: "denied", ...denialOf(auth.state) };
  // A method override between the middleware and this guard may have made a write of what was a read.
  if (credential !== undefined && credential.kind !== "bearer") {
    const reason = crossSiteReasonOf(instance, request);
    if (reason !== undefined) return { status: "denied", code: "cross_site_request", reason };
  }
  const { needsOrganization, routeOrganization, permissions } = requirements;
  if (needsOrganization === true || routeOrganization !== undefined) {
    if (session.organizationId === undefined) return denySelection(context, session);
    const mismatch = routeOrganization && findMismatch(instance, session, request, routeOrganization);
    if (mismatch !== undefined) return { status: "denied", ...mismatch };
  }
  const unmet = findUnmet(instance, session, requirements);
  if (unmet !== undefined) return { status: "denied", ...unmet };
  if (permissions === undefined) return { status: "passed", session };
  const lookup = instance.policies.get(session.organizationId);
  return lookup instanceof Promise
    ? lookup.then((found) => decidePermissions(context, session, permissions, found))
    : decidePermissions(context, session, permissions, lookup);
}

/** A route that names no organization does not match: nothing is open by omission. */
function findMismatch(
  { events }: Instance,
  { memberSession, organization, organizationId }: VerifiedSession,
  request: IncomingMessage,
  { read, by }: RouteOrganization,
): DenialInit | undefined {
  const own = by === "slug" ? (organization?.slug ?? memberSession.organizationSlug) : organizationId;
  const named = read(request);
  // The route's pattern and the guard disagree, or the request lacks the header: nobody gets in.
  if (named === undefined) {
    const reason = "route_organization_missing";
    reportMisconfigured(events, { reason });
    return { code: "organization_mismatch", reason };
  }
  if (named === own) return undefined;
  // Only a slug can be unknown: a session has its organization's id.
  return { code: "organization_mismatch", reason: own === undefined ? "slug_unknown" : undefined };
}

/** Requirements that the session alone can meet. */
function findUnmet(
  instance: Instance,
  session: VerifiedSession,
  { roles, factor, recentAuth, deniesImpersonation }: AccessRequirements,
): DenialInit | undefined {
  const { authenticationFactors, impersonator } = session.memberSession;
  if (roles !== undefined && !rolesOf(session).some((role) => roles.has(role))) {
    void reportUnknownRoles(instance, session, roles);
    const reason = rolesOf(session).length === 0 ? "no_roles" : undefined;
    return { code: "role_required", reason, required: { role: [...roles].join(",") } };
  }
  if (factor !== undefined && !authenticationFactors.some(({ type }) => type === factor)) {
    const reason = authenticationFactors.length === 0 ? "no_factors" : undefined;
    return { code: "factor_required", reason, required: { factor } };
  }
  if (recentAuth !== undefined && !isRecent(instance, session, recentAuth)) {
    const denial = { code: "reauthentication_required", maxAge: recentAuth } as const;
    if (!Number.isNaN(authenticatedAt(session))) {
      return { ...denial, extensions: { reason: "authentication_too_old", max_age: recentAuth } };
    }
    // Signing in again would not help where the store's tokens never tell the time: no redirect, or it is a loop.
    const reason = "authentication_time_unknown";
    reportOnce(instance, reason);
    return { ...denial, redirects: false, extensions: { reason, max_age: recentAuth } };
  }
  if (deniesImpersonation === true && impersonator !== undefined) return { code: "impersonation_denied" };
  return undefined;
}

/** A role that a loaded policy does not know can be held by nobody. */
async function reportUnknownRoles(
  { policies, events }: Instance,
  { organizationId }: VerifiedSession,
  roles: ReadonlySet<unknown>,
): Promise<void> {
  const lookup = await policies.get(organizationId);
  const known = lookup.status === "found" ? lookup.policy.roles : undefined;
  const isUnknown = [...roles].some((role) => isString(role) && known?.has(role) === false);
  if (isUnknown) reportMisconfigured(events, { reason: "role_unknown" });
}

const reported = new WeakMap<Instance, Set<string>>();

/** Reports what every such request would repeat. */
function reportOnce(instance: Instance, reason: string): void {
  const reasons = reported.get(instance) ?? new Set();
  if (reasons.has(reason)) return;
  reported.set(instance, reasons.add(reason));
  reportMisconfigured(instance.events, { reason });
}

function isRecent({ options }: Instance, session: VerifiedSession, maxAge: number): boolean {
  const age = options.clock() - authenticatedAt(session);
  // A time in the future is no better than none, and a comparison with NaN is false.
  return age < maxAge && age >= -options.clockTolerance;
}

/** `auth_time`, else the newest factor, else the session's start, in seconds since the epoch; `NaN` if unknown. */
function authenticatedAt({ authenticatedAt: stated, memberSession }: VerifiedSession): number {
  if (stated !== undefined) return stated;
  const { authenticationFactors, startedAt = "" } = memberSession;
  const times = authenticationFactors.map(({ lastAuthenticatedAt = "" }) => Date.parse(lastAuthenticatedAt));
  const newest = Math.max(...times.filter(isFiniteNumber));
  return (Number.isFinite(newest) ? newest : Date.parse(startedAt)) / 1000;
}

function decidePermissions(
  { instance, auth }: RequestContext,
  session: VerifiedSession,
  pairs: readonly PermissionPair[],
  lookup: PolicyLookup,
): AccessDecision {
  // Without a policy nobody can say that a permission is missing.
  if (lookup.status === "unavailable") {
    const { retryAfter, cause } = lookup;
    const reason = "policy_unavailable";
    reportUnavailable(instance.events, { reason, retryAfter, cause });
    return { status: "denied", code: "store_unavailable", reason, retryAfter };
  }
  // The verdict on several pairs that are all denied is that on the first.
  const denials = [];
  for (const pair of pairs) {
    const question = permissionQuestion(auth, session, pair, lookup);
    const verdict = deferVerdict(question);
    if (isAuthorized(question)) return { status: "passed", session, verdict };
    const isUnknown = lookup.status === "found" && lookup.policy.declares(...pair) === false;
    if (isUnknown) reportMisconfigured(instance.events, { reason: "permission_unknown" });
    const [resource, action] = pair;
    const reason = isUnknown ? "permission_unknown" : reasonOfNoGrant(session, lookup);
    denials.push({ reason, extensions: { resource, action }, verdict });
  }
  return { status: "denied", code: "permission_denied", ...denials[0] };
}

/** Why no role could grant any permission; `undefined` where one could, and only this permission is missing. */
function reasonOfNoGrant(
  session: VerifiedSession,
  lookup: Exclude<PolicyLookup, { status: "unavailable" }>,
): string | undefined {
  // Permissions in the token need no role, and no policy.
  if (session.permissions !== undefined && session.permissions.length > 0) return undefined;
  const roles = rolesOf(session);
  if (roles.length === 0) return "no_roles";
  if (lookup.status === "none") return "policy_missing";
  return roles.some((role) => lookup.policy.roles.has(role)) ? undefined : "roles_unknown";
}

/** What the policy is asked about a session; without one, no role grants anything. */
export function permissionQuestion(
  { source }: RequestAuth,
  session: VerifiedSession | undefined,
  [resource, action]: PermissionPair,
  lookup: Exclude<PolicyLookup, { status: "unavailable" }>,
): PermissionQuestion {
  return {
    policy: lookup.status === "found" ? lookup.policy : undefined,
    roles: session === undefined ? [] : rolesOf(session),
    permissions: session?.permissions,
    roleAssignments: session?.memberSession.roleAssignments,
    organizationId: session?.organizationId,
    resource,
    action,
    source,
  };
}

/**
 * The denial `organization_selection_required`; programs get the list of organizations with it. A browser is redirected to the
 * page that lists them.
 */
async function denySelection(
  context: RequestContext,
  { memberSession }: VerifiedSession,
): Promise<AccessDecision> {
  const { store, selectionPath } = context.instance.options;
  const lists = store.organizations !== undefined && !isNavigation(context.request);
  const reply = lists ? await listChoices(context, memberSession) : undefined;
  return {
    status: "denied",
    code: "organization_selection_required",
    extensions: {
      // An organization is required, whether or not the list can be loaded.
      ...(reply?.status === "answered" && { organizations: reply.value }),
      selection_url: selectionPath,
    },
  };
}

/** Who chooses an organization: by a pending authentication, or a member by a session. */
export type Chooser = PendingAuthentication | MemberSession;

/** Loads the organizations that can be chosen now; none from a store that cannot list them. */
export function listChoices(
  { instance, request }: ReceivedRequest,
  chooser: Chooser,
): Promise<StoreReply<readonly OrganizationChoice[]>> {
  const { store } = instance.options;
  const presented =
    "pendingAuthenticationToken" in chooser ? undefined : requestAuthOf(request, instance)?.credential;
  const list = async (context: StoreContext): Promise<readonly OrganizationChoice[]> => {
    if (store.organizations === undefined) return [];
    const credential = presented && (await currentCredential(instance, presented));
    const listed = await store.organizations(chooser, {
      ...context,
      ...(credential !== undefined && { credential }),
    });
    return checkAnswer(listed, isChoiceList).map(({ id, name }) => ({ id, name }));
  };
  return callStore(instance, request, list, { member: memberOf(chooser) });
}

/** Who chooses, as far as that is known. */
export function memberOf(chooser: Chooser): string | undefined {
  return "pendingAuthenticationToken" in chooser ? chooser.userId : chooser.memberId;
}

function isChoiceList(value: unknown): value is readonly OrganizationChoice[] {
  return isListOf(value, isOrganizationChoice);
}

/** Whether a value is an organization on offer. */
export function isOrganizationChoice(value: unknown): value is OrganizationChoice {
  return isObject(value) && isString(value["id"]) && isString(value["name"]);
}
