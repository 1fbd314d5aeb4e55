import { ConfigurationError } from "../../errors.ts";
import type { JsonObject } from "../../lib/json-body.ts";
import { isObject, isText, isTextList } from "../../lib/predicates.ts";
import type { OrganizationChoice } from "../../model.ts";
import type { Outcome, PendingAuthentication, SealedSession, StoreContext } from "../../store.ts";
import type { StytchClient } from "./client.ts";
import { selectOrganization } from "./organizations.ts";

/** What the step after an unfinished authentication needs; which of it is there depends on the reason. */
export interface StytchStepUp {
  readonly memberId?: string;
  readonly organizationId?: string;
  /** For `primary_required`: the methods that the organization allows. */
  readonly allowedAuthMethods?: readonly string[];
  /** For `mfa_required`: what the member has enrolled; both empty where they have yet to. */
  readonly mfaPhoneNumber?: string;
  readonly totpRegistrationId?: string;
  /** For `mfa_required`: `sms_otp` where Stytch has sent a code already. */
  readonly secondaryAuthInitiated?: string;
}

/** How an authentication at Stytch ended, with what its next step needs. */
export type StytchOutcome =
  | Exclude<Outcome, { status: "step_up_required" }>
  | (Extract<Outcome, { status: "step_up_required" }> & { readonly details: StytchStepUp });

/**
 * Reads an authentication of Stytch's: a session, a step that is still due, or the choice between organizations.
 *
 * @returns `undefined` for whatever is none of these.
 */
export function readOutcome(body: JsonObject): StytchOutcome | undefined {
  const choices = body["discovered_organizations"];
  if (choices !== undefined) return toSelection(body, readChoices(choices));
  if (body["member_authenticated"] === false) return toStepUp(body);
  const credential = readCredential(body);
  return credential && { status: "authenticated", credential };
}

/** The organizations of a discovery; `undefined` for whatever is no list. */
export function readChoices(value: unknown): OrganizationChoice[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.flatMap((discovered: unknown) => {
    const organization = isObject(discovered) ? discovered["organization"] : undefined;
    if (!isObject(organization)) return [];
    const { organization_id: id, organization_name: name } = organization;
    return isText(id) ? [{ id, name: isText(name) ? name : id }] : [];
  });
}

/** A refusal, with a code of orgate's and, for the log, Stytch's. */
export function refuse(
  code: Extract<Outcome, { status: "refused" }>["code"],
  reason: string,
): Extract<Outcome, { status: "refused" }> {
  return { status: "refused", code, reason };
}

/** A pending authentication whose token no log and no `inspect` shows. */
export function hidePending(token: string): PendingAuthentication {
  return Object.defineProperty({}, "pendingAuthenticationToken", { value: token }) as PendingAuthentication;
}

function readCredential(body: JsonObject): SealedSession | undefined {
  const { session_jwt: accessToken, session_token: sessionToken, member_id: named, member } = body;
  const {
    member_id: id = named,
    organization_id: organizationId,
    email_address: email,
    name,
  } = isObject(member) ? member : {};
  if (!isText(accessToken)) return undefined;
  return {
    accessToken,
    ...(isText(sessionToken) && { refreshToken: sessionToken }),
    ...(isText(id) && { user: { id, ...(isText(email) && { email }), ...(isText(name) && { name }) } }),
    ...(isText(organizationId) && { organizationId }),
  };
}

function toSelection(
  { intermediate_session_token: token }: JsonObject,
  organizations: OrganizationChoice[] | undefined,
): StytchOutcome | undefined {
  if (!isText(token) || organizations === undefined) return undefined;
  return { status: "selection_required", pending: hidePending(token), organizations };
}

function toStepUp(body: JsonObject): StytchOutcome {
  const { intermediate_session_token: token, primary_required: primary, mfa_required: mfa } = body;
  // Whoever has yet to prove who they are cannot prove it twice.
  const reason = isObject(primary) ? "primary_required" : isObject(mfa) ? "mfa_required" : "step_up_required";
  return {
    status: "step_up_required",
    reason,
    ...(isText(token) && { pending: hidePending(token) }),
    details: readStepUp(body, primary, mfa),
  };
}

function readStepUp(
  { member_id: memberId, organization }: JsonObject,
  primary: unknown,
  mfa: unknown,
): StytchStepUp {
  const organizationId = isObject(organization) ? organization["organization_id"] : undefined;
  const methods = isObject(primary) ? primary["allowed_auth_methods"] : undefined;
  const { member_options: options, secondary_auth_initiated: initiated } = isObject(mfa) ? mfa : {};
  const { mfa_phone_number: phone, totp_registration_id: totp } = isObject(options) ? options : {};
  return {
    ...(isText(memberId) && { memberId }),
    ...(isText(organizationId) && { organizationId }),
    ...(isTextList(methods) && { allowedAuthMethods: methods }),
    ...(typeof phone === "string" && { mfaPhoneNumber: phone }),
    ...(typeof totp === "string" && { totpRegistrationId: totp }),
    ...(isText(initiated) && { secondaryAuthInitiated: initiated }),
  };
}

/** Signs in whoever has discovered one organization alone; everybody else has to choose, or has none. */
export async function continueDiscovery(
  client: StytchClient,
  response: StytchResponse,
  context: StoreContext,
): Promise<StytchOutcome> {
  const outcome = fromStytch(response);
  if (outcome.status !== "selection_required") return outcome;
  const [only, ...others] = outcome.organizations;
  if (only === undefined || others.length > 0) return outcome;
  return selectOrganization(client, outcome.pending, only.id, context);
}

/** What Stytch's own SDKs resolve to when somebody authenticates, as far as it is read here. */
export interface StytchResponse {
  readonly session_jwt?: string;
  readonly session_token?: string;
  readonly member_id?: string;
  readonly member?: {
    readonly member_id: string;
    readonly organization_id: string;
    readonly email_address?: string;
    readonly name?: string;
  };
  readonly organization?: { readonly organization_id: string };
  /** `false`: a further step is due. */
  readonly member_authenticated?: boolean;
  readonly intermediate_session_token?: string;
  readonly mfa_required?: object;
  readonly primary_required?: object;
  /** Of the `discovery.authenticate` calls: the organizations to choose between. */
  readonly discovered_organizations?: readonly {
    readonly organization?: { readonly organization_id: string; readonly organization_name: string };
  }[];
}

/**
 * Takes what an `authenticate` call of Stytch's own SDK resolved to, for `auth.establish()`.
 *
 * A session signs in; `member_authenticated: false` is a step-up with what the next step needs; a discovery leads to
 * organization selection.
 *
 * @example
 * ```ts
 * await auth.establish(req, res, client.magicLinks.authenticate({ magic_links_token }).then(fromStytch));
 * ```
 * @throws ConfigurationError for whatever is no such response.
 */
export function fromStytch(response: StytchResponse): StytchOutcome {
  const outcome =
    typeof response === "object" && response !== null
      ? readOutcome(response as StytchResponse & JsonObject)
      : undefined;
  if (outcome !== undefined) return outcome;
  throw new ConfigurationError([
    {
      code: "authentication_invalid",
      option: "fromStytch",
      message: "was not given an authentication.",
      suggestion: "Pass what an authenticate() call of Stytch's SDK resolves to.",
    },
  ]);
}
