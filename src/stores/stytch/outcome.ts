import type { JsonObject } from "../../lib/json-client.ts";
import { configurationError } from "../../lib/problems.ts";
import { isObject, isText } from "../../lib/values.ts";
import type { OrganizationChoice } from "../../model.ts";
import type { SealedSession } from "../../store.ts";
import {
  type KnownFields,
  type OutcomeWithDetails,
  asObject,
  asString,
  asText,
  asTextList,
  hidePendingToken,
  readKnownFields,
  toChoice,
} from "../hosted-store.ts";

const STEP_UP_FIELDS = {
  memberId: asText,
  organizationId: asText,
  /** For `primary_required`: the methods that the organization allows. */
  allowedAuthMethods: asTextList,
  /** For `mfa_required`: the phone number that the member has enrolled; empty where there is none. */
  mfaPhoneNumber: asString,
  /** For `mfa_required`: the authenticator app that the member has enrolled; empty where there is none. */
  totpRegistrationId: asString,
  /** For `mfa_required`: the member's own choice between them, `sms_otp` or `totp`. */
  defaultMfaMethod: asText,
  /** For `mfa_required`: `sms_otp` where Stytch, or the store, has sent a code already. */
  secondaryAuthInitiated: asText,
};

/** What the step after an unfinished authentication needs. Which fields are present depends on the reason. */
export interface StytchStepUp extends KnownFields<typeof STEP_UP_FIELDS> {}

/** How an authentication at Stytch ended, with what its next step needs. */
export type StytchOutcome = OutcomeWithDetails<StytchStepUp>;

/**
 * Reads an authentication of Stytch: a session, a step that is still required, or a choice between organizations.
 *
 * @returns `undefined` for anything else.
 */
export function readOutcome(body: JsonObject): StytchOutcome | undefined {
  const { discovered_organizations: discovered, intermediate_session_token: token } = body;
  if (discovered !== undefined) {
    const organizations = readChoices(discovered);
    if (!isText(token) || organizations === undefined) return undefined;
    return { status: "selection_required", pending: hidePendingToken(token), organizations };
  }
  if (body["member_authenticated"] === false) return toStepUp(body);
  const credential = readSealedSession(body);
  return credential && { status: "authenticated", credential };
}

/** Reads the organizations of a discovery; `undefined` where there is no list. */
export function readChoices(value: unknown): OrganizationChoice[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.flatMap((discovered: unknown) => {
    const organization = isObject(discovered) ? asObject(discovered["organization"]) : undefined;
    const { organization_id: id, organization_name: name } = organization ?? {};
    return isText(id) ? [toChoice(id, name)] : [];
  });
}

/** Reads what is sealed of a session. The session token takes the refresh token's place; it does not rotate. */
export function readSealedSession(body: JsonObject): SealedSession | undefined {
  const { session_jwt: accessToken, session_token: refreshToken } = body;
  if (!isText(accessToken)) return undefined;
  const member = asObject(body["member"]) ?? {};
  const { member_id: id = body["member_id"] } = member;
  const names = readKnownFields(member, { email: ["email_address", asText], name: asText });
  return {
    accessToken,
    ...(isText(refreshToken) && { refreshToken }),
    ...(isText(id) && { user: { id, ...names } }),
    ...readKnownFields(member, { organizationId: asText }),
  };
}

function toStepUp(body: JsonObject): StytchOutcome {
  const { intermediate_session_token: token, member_id, organization } = body;
  const primary = asObject(body["primary_required"]);
  const mfa = asObject(body["mfa_required"]);
  // The first factor comes before the second.
  const reason = primary ? "primary_required" : mfa ? "mfa_required" : "step_up_required";
  const organization_id = asObject(organization)?.["organization_id"];
  const default_mfa_method = asObject(body["member"])?.["default_mfa_method"];
  const known = { member_id, organization_id, default_mfa_method };
  const source = { ...asObject(mfa?.["member_options"]), ...mfa, ...primary, ...known };
  return {
    status: "step_up_required",
    reason,
    ...(isText(token) && { pending: hidePendingToken(token) }),
    details: readKnownFields(source, STEP_UP_FIELDS),
  };
}

/** The fields that are read of the results of Stytch's own SDKs when somebody authenticates. */
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
  /** `false`: a further step is required. */
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
 * Turns the result of an `authenticate` call of Stytch's own SDK into an outcome for `auth.establish()`.
 *
 * A session signs in; `member_authenticated: false` is a step-up with what the next step needs; a discovery leads to
 * organization selection.
 *
 * @example
 * ```ts
 * await auth.establish(req, res, client.magicLinks.authenticate({ magic_links_token }).then(fromStytch));
 * ```
 * @throws ConfigurationError for anything but such a result.
 */
export function fromStytch(response: StytchResponse): StytchOutcome {
  const given: unknown = response;
  const outcome = isObject(given) ? readOutcome(given) : undefined;
  if (outcome !== undefined) return outcome;
  const suggestion = "Pass what an authenticate() call of Stytch's SDK resolves to.";
  throw configurationError(
    "authentication_invalid",
    "fromStytch",
    "was not given an authentication.",
    suggestion,
  );
}
