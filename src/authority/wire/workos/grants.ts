import { type OrganizationSelectionRequiredError, isOrgateError } from "../../../errors.ts";
import { isSameSecret } from "../../../lib/crypto.ts";
import type { AuthenticationResult } from "../../authentication-result.ts";
import type { RequestOrigin } from "../../check-input.ts";
import type { AuthorityContext } from "../../context.ts";
import { refreshSession } from "../../renew.ts";
import { authenticate, authenticateWithOrganizationSelection, requirePending } from "../../sign-in.ts";
import type { WireClient } from "../../wire-client.ts";
import type { Fields } from "../read-fields.ts";
import { type WireAnswer, type WireCall, readBearer } from "../router.ts";
import { exchangeCode } from "./authorize.ts";
import { toWorkosAuthentication, toWorkosUser } from "./bodies.ts";
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
    return { status: 200, body: toWorkosAuthentication(await grant(context, call.fields)) };
  } catch (error) {
    if (isSelectionRequired(error)) return askForSelection(environment.context, error);
    const demand = demandOf(error);
    if (demand === undefined) throw error;
    return answerStepUp(environment.context, demand);
  }
};

/**
 * Authenticates the client (RFC 6749 section 2.3): by its secret in the body, in the header or in both, or as a public client
 * by its id alone.
 */
function authenticateClient({ options }: WorkosEnvironment, { request, fields }: WireCall): WireClient {
  const { clientId, apiKey } = options;
  const isKnown = isSameSecret(fields.text("client_id"), clientId);
  const secrets = [fields.optionalText("client_secret"), readBearer(request)].filter(
    (secret) => secret !== undefined,
  );
  // All are compared, so that the time does not tell which was wrong.
  const wrong = secrets.filter((secret) => !isSameSecret(secret, apiKey));
  if (!isKnown) throw oauthError("invalid_client", "Invalid client ID.");
  if (wrong.length > 0) throw oauthError("invalid_client", "Invalid client secret.");
  return { id: clientId, isPublic: secrets.length === 0 };
}

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
  context: AuthorityContext,
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
      ...(user !== undefined && { user: toWorkosUser(user) }),
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
