import { type OrganizationSelectionRequiredError, isOrgateError } from "../../../errors.ts";
import type { AuthenticationResult, RequestOrigin } from "../../operations.ts";
import type { AuthorityContext } from "../../options.ts";
import { parseRefreshToken } from "../../refresh-token.ts";
import { presentAuthentication } from "../../results.ts";
import { authenticate, authenticateWithOrganizationSelection, readPending } from "../../sign-in.ts";
import { useSession } from "../../use-session.ts";
import { type Fields, readOptionalText, readText } from "../read-fields.ts";
import type { WireAnswer, WireCall } from "../router.ts";
import { exchangeCode } from "./authorize.ts";
import { type DialectFor, toAuthenticationBody, toUserBody } from "./bodies.ts";
import { oauthError, workosError } from "./errors.ts";
import type { WorkosRouterOptions } from "./workos-options.ts";
import { authenticateClient } from "./workos-router.ts";

type Grant = (context: AuthorityContext, fields: Fields) => Promise<AuthenticationResult>;

const GRANTS: ReadonlyMap<string, Grant> = new Map<string, Grant>([
  ["authorization_code", grantByCode],
  ["password", grantByPassword],
  ["refresh_token", grantByRefreshToken],
  ["urn:workos:oauth:grant-type:organization-selection", grantBySelection],
]);

/** `POST /user_management/authenticate`: every grant that the authority can answer. */
export async function answerGrant(
  context: AuthorityContext,
  { options, dialectFor }: { options: WorkosRouterOptions; dialectFor: DialectFor },
  { request, fields }: WireCall,
): Promise<WireAnswer> {
  const client = authenticateClient(options, request, fields);
  const grant = GRANTS.get(readText(fields, "grant_type"));
  if (grant === undefined) throw unsupported();
  try {
    const result = await grant({ ...context, wire: dialectFor(client) }, fields);
    return { status: 200, body: toAuthenticationBody(result) };
  } catch (error) {
    if (!isSelectionRequired(error)) throw error;
    return askForSelection(context, error);
  }
}

async function grantByCode(context: AuthorityContext, fields: Fields): Promise<AuthenticationResult> {
  const codeVerifier = readOptionalText(fields, "code_verifier");
  // A client that shows neither secret nor verifier has shown nothing.
  if (codeVerifier === undefined) requireSecret(context);
  return exchangeCode(context, {
    code: readText(fields, "code"),
    codeVerifier,
    redirectUri: readOptionalText(fields, "redirect_uri"),
    invitationToken: readInvitation(context, fields),
    ...readOrigin(fields),
  });
}

async function grantByPassword(context: AuthorityContext, fields: Fields): Promise<AuthenticationResult> {
  requireSecret(context);
  const { directory } = context;
  if (directory.verifyPassword === undefined) throw unsupported();
  const email = readText(fields, "email");
  const password = readText(fields, "password");
  const user = await directory.userByEmailAddress(email);
  if (user === undefined || !(await directory.verifyPassword(user.id, password))) {
    throw workosError("invalid_credentials", "The email or the password is incorrect.");
  }
  const invitationToken = readInvitation(context, fields);
  const origin = readOrigin(fields);
  return authenticate(context, {
    userId: user.id,
    authenticationMethod: "Password",
    invitationToken,
    ...origin,
  });
}

async function grantByRefreshToken(context: AuthorityContext, fields: Fields): Promise<AuthenticationResult> {
  const presented = parseRefreshToken(readText(fields, "refresh_token"));
  const organizationId = readOptionalText(fields, "organization_id");
  if (presented === undefined) throw oauthError("invalid_grant", "Invalid refresh token.");
  const used = await useSession(context, presented.sessionId, {
    refreshToken: presented,
    rotate: true,
    organizationId,
    // The SDKs always name the organization: one that the user has left ends the session, another is only refused.
    withoutMembership: "end_if_current",
  });
  const { record, subject, refreshToken = "" } = used;
  return presentAuthentication(context, { record, subject, refreshToken }, {});
}

async function grantBySelection(context: AuthorityContext, fields: Fields): Promise<AuthenticationResult> {
  return authenticateWithOrganizationSelection(context, {
    pendingAuthenticationToken: readText(fields, "pending_authentication_token"),
    organizationId: readText(fields, "organization_id"),
    ...readOrigin(fields),
  });
}

async function askForSelection(
  context: AuthorityContext,
  { pendingAuthenticationToken, organizations }: OrganizationSelectionRequiredError,
): Promise<WireAnswer> {
  const { userId } = await readPending(context, pendingAuthenticationToken);
  const user = await context.directory.user(userId);
  return {
    status: 403,
    body: {
      code: "organization_selection_required",
      message: "The user must choose an organization to finish their authentication.",
      pending_authentication_token: pendingAuthenticationToken,
      organizations,
      ...(user !== undefined && { user: toUserBody(user) }),
    },
  };
}

/** A directory that makes no memberships takes no invitations; to the client, this one is no good. */
function readInvitation({ directory }: AuthorityContext, fields: Fields): string | undefined {
  const token = readOptionalText(fields, "invitation_token");
  if (token === undefined || directory.addMembership !== undefined) return token;
  throw oauthError("invitation_invalid", "The invitation is invalid or has expired.");
}

function readOrigin(fields: Fields): RequestOrigin {
  return {
    ipAddress: readOptionalText(fields, "ip_address"),
    userAgent: readOptionalText(fields, "user_agent"),
  };
}

function requireSecret({ wire }: AuthorityContext): void {
  if (wire?.client?.isPublic !== false) throw oauthError("invalid_client", "The client secret is required.");
}

function unsupported(): Error {
  return oauthError("unsupported_grant_type", "This grant type is not supported.");
}

function isSelectionRequired(error: unknown): error is OrganizationSelectionRequiredError {
  return isOrgateError(error) && error.code === "organization_selection_required";
}
