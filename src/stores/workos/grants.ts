import { type GrantSort, type WorkosOutcome, refuse, toOutcome } from "./outcome.ts";
import type { WorkosContext } from "./workos.ts";

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

/** Who asks, and for how long they wait: of every operation that signs somebody in. */
export interface Origin {
  /** The browser's address, for WorkOS's own records and its bot detection. */
  readonly ipAddress?: string;
  /** The browser's `User-Agent`. */
  readonly userAgent?: string;
  /** Gives up once it aborts. */
  readonly signal?: AbortSignal;
}

/** What goes over the wire of it. */
export function clientFields({ ipAddress, userAgent }: Origin): {
  readonly ip_address: string | undefined;
  readonly user_agent: string | undefined;
} {
  return { ip_address: ipAddress, user_agent: userAgent };
}

/** A grant's name on the wire, and its fields: those that must be there and those that may. */
export interface GrantCall {
  readonly type: string;
  readonly sort: Exclude<GrantSort, "refresh" | "switch">;
  readonly required: Readonly<Record<string, unknown>>;
  readonly optional?: Readonly<Record<string, unknown>>;
  readonly origin: Origin;
  readonly linger?: number;
}

const LONGEST_FIELD = 4096;

/** Presents a grant. Input that is no text is refused without asking. */
export async function presentGrant(
  { client, lists }: WorkosContext,
  { type, sort, required, optional = {}, origin, linger = 0 }: GrantCall,
): Promise<WorkosOutcome> {
  const given = Object.entries(optional).filter(([, value]) => value !== undefined);
  const fields = Object.fromEntries([...Object.entries(required), ...given]);
  // Forms send what they like: nothing but text is passed on, and nothing is coerced.
  if (!isFields(fields)) {
    return refuse(
      sort === "credential" ? "sign_in_failed" : "invalid_pending_authentication",
      "invalid_request",
    );
  }
  const { signal } = origin;
  const grant = { grant_type: type, ...fields, ...clientFields(origin) };
  const reply = await client.authenticate(grant, { ...(signal !== undefined && { signal }), linger });
  const outcome = toOutcome(reply, sort);
  lists.remember(outcome);
  return outcome;
}

function isFields(fields: Record<string, unknown>): fields is Record<string, string> {
  return Object.values(fields).every(isField);
}

/** Whether a value can be a field of a grant. */
export function isField(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= LONGEST_FIELD;
}
