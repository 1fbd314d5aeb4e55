import { type OrganizationSelectionRequiredError, isOrgateError } from "../../../errors.ts";
import type { AuthenticationResult } from "../../authentication-result.ts";
import type { RequestOrigin } from "../../check-input.ts";
import type { AuthorityContext } from "../../context.ts";
import { refreshSession } from "../../renew.ts";
import { authenticate, authenticateWithOrganizationSelection, requirePending } from "../../sign-in.ts";
import type { Fields } from "../read-fields.ts";
import type { WireAnswer } from "../router.ts";
import { exchangeCode } from "./authorize.ts";
import { authenticateClient } from "./client-authentication.ts";
import { oauthError, workosError } from "./errors.ts";
import { answerStepUp, demandOf } from "./step-ups.ts";
import type { WorkosEnvironment, WorkosHandler } from "./workos-options.ts";

type Grant = (context: AuthorityContext, fields: Fields) => Promise<AuthenticationResult>;

const GRANTS: ReadonlyMap<string, Grant> = new Map<string, Grant>([
  ["authorization_code", grantByCode],
  ["password", grantByPassword],
  ["refresh_token", grantByRefreshToken],
  ["urn:workos:oauth:grant-type:organization-selection", grantBySelection],
]);

/** `POST /user_management/authenticate`: every grant that the authority supports. */
export const answerGrant: WorkosHandler = async (environment, call) => {
  const client = authenticateClient(environment, call);
  const grant = GRANTS.get(call.fields.text("grant_type"));
  if (grant === undefined) throw unsupportedGrant();
  const context = { ...environment.context, wire: environment.dialectFor(client) };
  try {
    return { status: 200, body: environment.bodies.authentication(await grant(context, call.fields)) };
  } catch (error) {
    if (isSelectionRequired(error)) return askForSelection(environment, error);
    const demand = demandOf(error);
    if (demand === undefined) throw error;
    return answerStepUp(environment, demand);
  }
};

async function grantByCode(context: AuthorityContext, fields: Fields): Promise<AuthenticationResult> {
  const codeVerifier = fields.optionalText("code_verifier");
  // A client that sends neither a secret nor a verifier has not authenticated.
  if (codeVerifier === undefined) requireSecret(context);
  return exchangeCode(context, {
    code: fields.text("code"),
    codeVerifier,
    redirectUri: fields.optionalText("redirect_uri"),
    invitationToken: readInvitation(context, fields),
    ...readOrigin(fields),
  });
}

async function grantByPassword(context: AuthorityContext, fields: Fields): Promise<AuthenticationResult> {
  requireSecret(context);
  const { directory } = context;
  if (directory.verifyPassword === undefined) throw unsupportedGrant();
  const email = fields.text("email");
  const password = fields.text("password");
  const user = await directory.userByEmailAddress(email);
  if (user === undefined || !(await directory.verifyPassword(user.id, password))) {
    throw workosError("invalid_credentials", "The email or the password is incorrect.");
  }
  return authenticate(context, {
    userId: user.id,
    authenticationMethod: "Password",
    invitationToken: readInvitation(context, fields),
    ...readOrigin(fields),
  });
}

async function grantByRefreshToken(context: AuthorityContext, fields: Fields): Promise<AuthenticationResult> {
  const use = {
    organizationId: fields.optionalText("organization_id"),
    // The SDKs always name the organization: one that the user has left ends the session, another is only refused.
    withoutMembership: "end_if_current",
  } as const;
  return refreshSession(context, fields.text("refresh_token"), use, {});
}

async function grantBySelection(context: AuthorityContext, fields: Fields): Promise<AuthenticationResult> {
  return authenticateWithOrganizationSelection(context, {
    pendingAuthenticationToken: fields.text("pending_authentication_token"),
    organizationId: fields.text("organization_id"),
    invitationToken: readInvitation(context, fields),
    ...readOrigin(fields),
  });
}

async function askForSelection(
  { context, bodies }: WorkosEnvironment,
  { pendingAuthenticationToken, organizations }: OrganizationSelectionRequiredError,
): Promise<WireAnswer> {
  const { userId } = await requirePending(context, pendingAuthenticationToken);
  const user = await context.directory.user(userId);
  return {
    status: 403,
    body: {
      code: "organization_selection_required",
      message: "The user must choose an organization to finish their authentication.",
      pending_authentication_token: pendingAuthenticationToken,
      organizations,
      ...(user !== undefined && { user: bodies.user(user) }),
    },
  };
}

/** Reads the invitation token, which cannot be valid if the directory does not add memberships. */
function readInvitation({ directory }: AuthorityContext, fields: Fields): string | undefined {
  const token = fields.optionalText("invitation_token");
  if (token === undefined || directory.addMembership !== undefined) return token;
  throw oauthError("invitation_invalid", "The invitation is invalid or has expired.");
}

function readOrigin(fields: Fields): RequestOrigin {
  return { ipAddress: fields.optionalText("ip_address"), userAgent: fields.optionalText("user_agent") };
}

function requireSecret({ wire }: AuthorityContext): void {
  if (wire?.client?.isPublic !== false) throw oauthError("invalid_client", "The client secret is required.");
}

function unsupportedGrant(): Error {
  return oauthError("unsupported_grant_type", "This grant type is not supported.");
}

function isSelectionRequired(error: unknown): error is OrganizationSelectionRequiredError {
  return isOrgateError(error) && error.code === "organization_selection_required";
}
