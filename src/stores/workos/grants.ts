import { toSnakeCase } from "../../lib/case.ts";
import { isText } from "../../lib/values.ts";
import { refusedOutcome } from "../hosted-store.ts";
import { challengeFactor } from "./challenge.ts";
import type { Origin, WorkosClient } from "./client.ts";
import type { PendingLists } from "./organizations.ts";
import { type GrantKind, type WorkosOutcome, toOutcome } from "./outcome.ts";
import type { RefreshExchange } from "./renew.ts";

/** A code that AuthKit sent the browser back with. */
export interface AuthenticateWithCodeInput extends Origin {
  readonly code: string;
  /** RFC 7636. */
  readonly codeVerifier?: string;
  readonly invitationToken?: string;
}

/** A password from a form of the application. */
export interface AuthenticateWithPasswordInput extends Origin {
  readonly emailAddress: string;
  readonly password: string;
  readonly invitationToken?: string;
}

/** The code of a magic link from a form of the application. */
export interface AuthenticateWithMagicAuthInput extends Origin {
  readonly emailAddress: string;
  readonly code: string;
  readonly invitationToken?: string;
  /** Links the authentication to the provider that asked for it. */
  readonly linkAuthorizationCode?: string;
}

/** A session's refresh token. */
export interface AuthenticateWithRefreshTokenInput extends Origin {
  readonly refreshToken: string;
  /** The organization to switch to. @defaultValue the session's own */
  readonly organizationId?: string;
}

/** A choice between organizations. */
export interface AuthenticateWithOrganizationSelectionInput extends Origin {
  readonly pendingAuthenticationToken: string;
  readonly organizationId: string;
  /** Joins the organization first; the invitation must be for the organization chosen. */
  readonly invitationToken?: string;
}

/** The code that was sent to verify an e-mail address. */
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
 * The grants of `POST /user_management/authenticate` that need no page of WorkOS: for the application's own sign-in forms.
 * Each resolves to an outcome for `auth.establish()`, also where the user must do more first or is refused.
 *
 * Input that is not a text is refused without a call. All reject with a `StoreUnavailableError` where WorkOS gives no
 * answer, or rejects the client id or the API key.
 */
export interface WorkosGrants {
  authenticateWithCode(input: AuthenticateWithCodeInput): Promise<WorkosOutcome>;
  authenticateWithPassword(input: AuthenticateWithPasswordInput): Promise<WorkosOutcome>;
  authenticateWithMagicAuth(input: AuthenticateWithMagicAuthInput): Promise<WorkosOutcome>;
  /** The token is single use. For 30 seconds after its use, the newest token that followed it is exchanged in its place. */
  authenticateWithRefreshToken(input: AuthenticateWithRefreshTokenInput): Promise<WorkosOutcome>;
  authenticateWithOrganizationSelection(
    input: AuthenticateWithOrganizationSelectionInput,
  ): Promise<WorkosOutcome>;
  authenticateWithEmailVerification(input: AuthenticateWithEmailVerificationInput): Promise<WorkosOutcome>;
  authenticateWithTotp(input: AuthenticateWithTotpInput): Promise<WorkosOutcome>;
}

/** What the grants need. */
export interface GrantContext {
  readonly client: WorkosClient;
  readonly exchange: RefreshExchange;
  readonly pendingLists: PendingLists;
}

/** Makes the grants. */
export function createGrants(context: GrantContext): WorkosGrants {
  const submitAs =
    <Input extends Origin>(form: GrantForm<Input>) =>
    (input: Input): Promise<WorkosOutcome> =>
      submitGrant(context, form, input);
  return {
    authenticateWithCode: submitAs({
      type: "authorization_code",
      kind: "credential",
      required: ["code"],
      optional: ["codeVerifier", "invitationToken"],
    }),
    authenticateWithPassword: submitAs({
      type: "password",
      kind: "credential",
      required: ["emailAddress", "password"],
      optional: ["invitationToken"],
    }),
    authenticateWithMagicAuth: submitAs({
      type: `${WORKOS_GRANT}magic-auth:code`,
      kind: "credential",
      required: ["emailAddress", "code"],
      optional: ["invitationToken", "linkAuthorizationCode"],
    }),
    authenticateWithRefreshToken: (input) => refresh(context, input),
    authenticateWithOrganizationSelection: (input) => selectWorkosOrganization(context, input),
    authenticateWithEmailVerification: submitAs({
      type: `${WORKOS_GRANT}email-verification:code`,
      kind: "pending",
      required: ["pendingAuthenticationToken", "code"],
    }),
    authenticateWithTotp: submitAs({
      type: `${WORKOS_GRANT}mfa-totp`,
      kind: "pending",
      required: ["pendingAuthenticationToken", "authenticationChallengeId", "code"],
    }),
  };
}

const WORKOS_GRANT = "urn:workos:oauth:grant-type:";

/** Completes an authentication in the chosen organization; goes on for `abortGrace` seconds after the signal has aborted. */
export function selectWorkosOrganization(
  context: GrantContext,
  input: AuthenticateWithOrganizationSelectionInput,
  abortGrace?: number,
): Promise<WorkosOutcome> {
  const form: GrantForm<typeof input> = {
    type: `${WORKOS_GRANT}organization-selection`,
    kind: "selection",
    required: ["pendingAuthenticationToken", "organizationId"],
    optional: ["invitationToken"],
  };
  return submitGrant(context, form, input, abortGrace);
}

async function refresh(
  { exchange }: GrantContext,
  { refreshToken, organizationId, ...origin }: AuthenticateWithRefreshTokenInput,
): Promise<WorkosOutcome> {
  if (!isField(refreshToken) || !(organizationId === undefined || isField(organizationId))) {
    return refusedOutcome("session_revoked", "invalid_request");
  }
  const { result } = await exchange({ refreshToken, organizationId, mayShare: true, origin });
  return toOutcome(result, "refresh");
}

/** A grant, and the names of its fields in the input. */
interface GrantForm<Input> {
  readonly type: string;
  readonly kind: Exclude<GrantKind, "refresh" | "switch">;
  readonly required: readonly (keyof Input & string)[];
  readonly optional?: readonly (keyof Input & string)[];
}

async function submitGrant<Input extends Origin>(
  { client, pendingLists }: GrantContext,
  { type, kind, required, optional = [] }: GrantForm<Input>,
  input: Input,
  abortGrace?: number,
): Promise<WorkosOutcome> {
  const fields: Record<string, string> = {};
  for (const name of [...required, ...optional.filter((field) => input[field] !== undefined)]) {
    const value: unknown = input[name];
    // Forms send what they like: only texts are passed on, and nothing is coerced.
    if (!isField(value)) {
      const code = kind === "credential" ? "sign_in_failed" : "invalid_pending_authentication";
      return refusedOutcome(code, "invalid_request");
    }
    fields[name === "emailAddress" ? "email" : toSnakeCase(name)] = value;
  }
  const reply = await client.authenticate({ grant_type: type, ...fields }, input, abortGrace);
  const outcome = await challengeFactor(client, toOutcome(reply, kind), input);
  pendingLists.remember(outcome);
  return outcome;
}

const MAX_FIELD_LENGTH = 4096;

function isField(value: unknown): value is string {
  return isText(value) && value.length <= MAX_FIELD_LENGTH;
}
