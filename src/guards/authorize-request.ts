import type { IncomingMessage, ServerResponse } from "node:http";
import { isOrgateError } from "../errors.ts";
import { createProblems } from "../lib/problems.ts";
import { isObject, isSeconds, isText } from "../lib/values.ts";
import type { Member, MemberSession, Organization, Verdict } from "../model.ts";
import { attachRequest, authenticateRequest } from "../request/authenticate.ts";
import type { Instance } from "../request/instance.ts";
import { reportMisconfigured } from "../request/request-auth.ts";
import { canSendCredential } from "../request/respond.ts";
import { type AccessRequirements, type PermissionPair, authorize } from "./authorize.ts";
import { emitDenied } from "./denial.ts";
import { type Next, requireCapability } from "./guard.ts";
import { validatePairs } from "./permissions.ts";
import { validateFactor, validateRoles } from "./requirements.ts";
import { denyError, toDenialError } from "./thrown-denial.ts";

/** What `auth.authorize` asks beyond a signed-in member. What is absent is not asked. */
export interface AuthorizeQuestion<
  Permission extends PermissionPair = PermissionPair,
  Role extends string = string,
> {
  /** `["documents", "read"]`: a role of the session must grant it. Implies an organization. */
  readonly permission?: Permission;
  /** The session must hold one of these roles. Implies an organization. */
  readonly role?: Role | readonly Role[];
  /**
   * The id of the organization that the session must be in; `true`: any. An id that is `undefined`, because the request names
   * none, matches no organization.
   */
  readonly organization?: string | true | undefined;
  /** A stricter age, in seconds; `0` asks the store now. @defaultValue the application's `maxTokenAge` */
  readonly maxTokenAge?: number;
  /** The member must have authenticated less than so many seconds ago (RFC 9470). */
  readonly recentAuth?: number;
  /** The session must list an authentication factor of this type (`totp`, `sso`, ...). */
  readonly factor?: string;
}

/** A question that only a session in an organization can meet. */
export type OrganizationQuestion<
  Permission extends PermissionPair = PermissionPair,
  Role extends string = string,
> = AuthorizeQuestion<Permission, Role> &
  (
    | { readonly permission: Permission }
    | { readonly role: Role | readonly Role[] }
    | { readonly organization: string | true | undefined }
  );

/** Who was authorized. */
export interface Authorized {
  readonly member: Member;
  /** Absent while no organization has been chosen. */
  readonly organization?: Organization;
  readonly memberSession: MemberSession;
  /** On the permission, where one was asked for. */
  readonly verdict?: Verdict;
}

/** Who was authorized in an organization. */
export interface AuthorizedInOrganization extends Authorized {
  readonly organization: Organization;
}

const QUESTION_MEMBERS = ["permission", "role", "organization", "maxTokenAge", "recentAuth", "factor"];

/**
 * Asks about a request what guards ask, for code that is no middleware: resolvers, procedures, sockets. Authenticates the
 * request if no middleware saw it; without a response no refresh token is spent.
 *
 * @throws OrgateError with the code that a guard would answer with; `auth.errorHandler()` gives that answer.
 * @throws ConfigurationError for a question that can never be answered.
 */
export async function authorizeRequest(
  instance: Instance,
  request: IncomingMessage & { readonly res?: ServerResponse },
  question: AuthorizeQuestion = {},
): Promise<Authorized> {
  const requirements = readQuestion(instance, question);
  const auth = await authenticateRequest(instance, request, undefined);
  auth.markUsed();
  const context = { instance, request, auth };
  const decision = await authorize(context, requirements, canSendCredential(auth, request.res));
  if (decision.verdict !== undefined) auth.noteVerdict(decision.verdict);
  if (decision.status === "denied") {
    emitDenied(instance, decision);
    throw toDenialError(context, decision);
  }
  auth.passGuard();
  const { member, memberSession, organization } = decision.session;
  return Object.freeze({
    member,
    memberSession,
    ...(organization !== undefined && { organization }),
    ...(decision.verdict !== undefined && { verdict: decision.verdict() }),
  });
}

function readQuestion(instance: Instance, question: AuthorizeQuestion): AccessRequirements {
  const problems = createProblems();
  if (!isObject(question)) {
    problems.invalid("authorize", "asks by something that is not an object.", 'Pass { role: "admin" }.');
    problems.throwIfAny();
  }
  problems.unknown(question, QUESTION_MEMBERS, "authorize.");
  const { permission, role, organization, maxTokenAge, recentAuth, factor } = question;
  // What is there but undefined must not count as "not asked": nothing is open by omission.
  const asks = (name: keyof AuthorizeQuestion): boolean => Object.hasOwn(question, name);
  const pairs: readonly PermissionPair[] = permission === undefined ? [] : [permission];
  const roles: readonly unknown[] = Array.isArray(role) ? role : [role];
  if (asks("permission")) validatePairs(instance, "authorize.permission", pairs, problems);
  if (asks("role")) validateRoles(instance, "authorize.role", roles, problems);
  if (asks("factor")) validateFactor(instance, "authorize.factor", factor, problems);
  if (asks("recentAuth")) {
    requireCapability(instance.options.store, "authenticationTime", "authorize.recentAuth", problems);
  }
  for (const [name, seconds] of [
    ["maxTokenAge", maxTokenAge],
    ["recentAuth", recentAuth],
  ] as const) {
    if (asks(name) && !isSeconds(seconds)) {
      problems.invalid(`authorize.${name}`, "is not a finite number of seconds, 0 or more.", "Pass 300.");
    }
  }
  problems.throwIfAny();
  const compares = asks("organization") && organization !== true;
  const { maxTokenAge: ownAge } = instance.options;
  return {
    needsOrganization: asks("organization") || asks("permission") || asks("role"),
    ...(compares && {
      routeOrganization: { read: () => (isText(organization) ? organization : undefined), by: "id" },
    }),
    ...(maxTokenAge !== undefined && { maxTokenAge: Math.min(maxTokenAge, ownAge ?? Infinity) }),
    ...(asks("role") && { roles: new Set(roles) }),
    ...(factor !== undefined && { factor }),
    ...(recentAuth !== undefined && { recentAuth }),
    ...(asks("permission") && { permissions: pairs }),
  };
}

/** Express error middleware. */
export type ErrorMiddleware = (
  error: unknown,
  request: IncomingMessage,
  response: ServerResponse,
  next: Next,
) => void;

/**
 * Creates Express error middleware that answers an `OrgateError` as a guard would, through `onDenied` where the application has
 * one. Every other error, and one that comes when the head is written, goes on to the next error handler.
 */
export function createErrorHandler(instance: Instance): ErrorMiddleware {
  // Express tells error middleware by its four parameters.
  return function orgateErrorHandler(error, request, response, next) {
    if (!isOrgateError(error) || response.headersSent) {
      next(error);
      return;
    }
    // A fault of the server itself must not vanish in a plain answer.
    if (error.status === 500) reportMisconfigured(instance.events, { reason: error.code, cause: error });
    const auth = attachRequest(instance, request, response);
    denyError({ instance, request, response, next, auth }, error);
  };
}
