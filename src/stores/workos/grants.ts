import type { Origin } from "./origin.ts";
import { refuse, toOutcome, type WorkosOutcome } from "./outcome.ts";
import { isField, presentGrant } from "./present-grant.ts";
import type { WorkosContext } from "./workos-context.ts";

/** A code that AuthKit sent the browser back with. */
export interface AuthenticateWithCodeInput extends Origin {
  readonly code: string;
  /** RFC 7636. */
  readonly codeVerifier?: string;
  readonly invitationToken?: string;
}

/** A password, from a form of yours. */
export interface AuthenticateWithPasswordInput extends Origin {
  readonly emailAddress: string;
  readonly password: string;
  readonly invitationToken?: string;
}

/** The code of a magic link, from a form of yours. */
export interface AuthenticateWithMagicAuthInput extends Origin {
  readonly emailAddress: string;
  readonly code: string;
  readonly invitationToken?: string;
  /** Links the authentication to the provider's that asked for it. */
  readonly linkAuthorizationCode?: string;
}

/** A session's refresh token. */
export interface AuthenticateWithRefreshTokenInput extends Origin {
  readonly refreshToken: string;
  /** Switches to this one. @defaultValue the session's own */
  readonly organizationId?: string;
}

/** A choice between organizations. */
export interface AuthenticateWithOrganizationSelectionInput extends Origin {
  readonly pendingAuthenticationToken: string;
  readonly organizationId: string;
}

/** The code that was sent to verify an email address. */
export interface AuthenticateWithEmailVerificationInput extends Origin {
  readonly pendingAuthenticationToken: string;
  readonly code: string;
}

/** The code of an authenticator app. */
export interface AuthenticateWithTotpInput extends Origin {
  readonly pendingAuthenticationToken: string;
  readonly authenticationChallengeId: string;
  readonly code: string;
}

/**
 * The grants of `POST /user_management/authenticate` that need no page of WorkOS's: for sign-in forms of your own. Each
 * answers with an outcome for `auth.establish()`; what must be done first, and a refusal, are outcomes too.
 *
 * Input that is no text is refused without asking. All throw a `StoreUnavailableError` for trouble, and for a rejected
 * client id or API key.
 */
export interface WorkosGrants {
  authenticateWithCode(input: AuthenticateWithCodeInput): Promise<WorkosOutcome>;
  authenticateWithPassword(input: AuthenticateWithPasswordInput): Promise<WorkosOutcome>;
  authenticateWithMagicAuth(input: AuthenticateWithMagicAuthInput): Promise<WorkosOutcome>;
  /** The token is single use; within 30 seconds, a spent one still goes on from its successor. */
  authenticateWithRefreshToken(input: AuthenticateWithRefreshTokenInput): Promise<WorkosOutcome>;
  authenticateWithOrganizationSelection(
    input: AuthenticateWithOrganizationSelectionInput,
  ): Promise<WorkosOutcome>;
  authenticateWithEmailVerification(input: AuthenticateWithEmailVerificationInput): Promise<WorkosOutcome>;
  authenticateWithTotp(input: AuthenticateWithTotpInput): Promise<WorkosOutcome>;
}

const WORKOS_GRANT = "urn:workos:oauth:grant-type:";

/** Makes the typed grants. */
export function createGrants(context: WorkosContext): WorkosGrants {
  return {
    ...createFirstGrants(context),
    ...createPendingGrants(context),
    authenticateWithRefreshToken: (input) => refresh(context, input),
  };
}

/** What a sign-in begins with. */
function createFirstGrants(
  context: WorkosContext,
): Pick<WorkosGrants, "authenticateWithCode" | "authenticateWithPassword" | "authenticateWithMagicAuth"> {
  return {
    authenticateWithCode: ({ code, codeVerifier, invitationToken, ...origin }) =>
      presentGrant(context, {
        type: "authorization_code",
        sort: "credential",
        required: { code },
        optional: { code_verifier: codeVerifier, invitation_token: invitationToken },
        origin,
      }),
    authenticateWithPassword: ({ emailAddress, password, invitationToken, ...origin }) =>
      presentGrant(context, {
        type: "password",
        sort: "credential",
        required: { email: emailAddress, password },
        optional: { invitation_token: invitationToken },
        origin,
      }),
    authenticateWithMagicAuth: ({ emailAddress, code, invitationToken, linkAuthorizationCode, ...origin }) =>
      presentGrant(context, {
        type: `${WORKOS_GRANT}magic-auth:code`,
        sort: "credential",
        required: { email: emailAddress, code },
        optional: { invitation_token: invitationToken, link_authorization_code: linkAuthorizationCode },
        origin,
      }),
  };
}

/** What a sign-in goes on with. */
function createPendingGrants(
  context: WorkosContext,
): Pick<
  WorkosGrants,
  "authenticateWithOrganizationSelection" | "authenticateWithEmailVerification" | "authenticateWithTotp"
> {
  return {
    authenticateWithOrganizationSelection: (input) => selectOrganization(context, input),
    authenticateWithEmailVerification: ({ pendingAuthenticationToken, code, ...origin }) =>
      presentGrant(context, {
        type: `${WORKOS_GRANT}email-verification:code`,
        sort: "pending",
        required: { pending_authentication_token: pendingAuthenticationToken, code },
        origin,
      }),
    authenticateWithTotp: ({ pendingAuthenticationToken, authenticationChallengeId, code, ...origin }) =>
      presentGrant(context, {
        type: `${WORKOS_GRANT}mfa-totp`,
        sort: "pending",
        required: {
          pending_authentication_token: pendingAuthenticationToken,
          authentication_challenge_id: authenticationChallengeId,
          code,
        },
        origin,
      }),
  };
}

/** Completes an authentication in the organization chosen. */
export function selectOrganization(
  context: WorkosContext,
  { pendingAuthenticationToken, organizationId, ...origin }: AuthenticateWithOrganizationSelectionInput,
  linger = 0,
): Promise<WorkosOutcome> {
  return presentGrant(context, {
    type: `${WORKOS_GRANT}organization-selection`,
    sort: "selection",
    required: { pending_authentication_token: pendingAuthenticationToken, organization_id: organizationId },
    origin,
    linger,
  });
}

async function refresh(
  { desk }: WorkosContext,
  { refreshToken, organizationId, ...origin }: AuthenticateWithRefreshTokenInput,
): Promise<WorkosOutcome> {
  if (!isField(refreshToken) || !(organizationId === undefined || isField(organizationId))) {
    return refuse("session_revoked", "invalid_request");
  }
  return toOutcome(await desk.refresh({ refreshToken, organizationId, mayShare: true, origin }), "refresh");
}
