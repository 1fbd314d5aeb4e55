import { camelCaseKeys, toCamelCase } from "../../lib/case.ts";
import { isTimestamp } from "../../lib/clock.ts";
import type { JsonObject } from "../../lib/json-client.ts";
import { isListOf, isObject, isString, isText } from "../../lib/values.ts";
import type { AuthenticationFactor } from "../../model.ts";
import { type KnownFields, type Reader, asText, readKnownFields } from "../hosted-store.ts";

/** An OAuth registration at a provider. */
export interface OauthFactor {
  readonly id: string;
  readonly providerSubject: string;
  readonly emailId?: string;
}

/** A registration at an organization's identity provider. */
export interface SsoFactor {
  readonly id: string;
  readonly providerId: string;
  readonly externalId: string;
}

/** An address that a provider's account was exchanged for. */
export interface OauthExchangeFactor {
  readonly emailId: string;
}

const asOauthFactor: Reader<OauthFactor> = asDetail(["id", "providerSubject"], ["emailId"]);
const asSsoFactor: Reader<SsoFactor> = asDetail(["id", "providerId", "externalId"]);
const asOauthExchangeFactor: Reader<OauthExchangeFactor> = asDetail(["emailId"]);

/** The details of a factor that Stytch documents. */
const FACTOR_DETAILS = {
  emailFactor: asDetail(["emailId", "emailAddress"]),
  phoneNumberFactor: asDetail(["phoneId", "phoneNumber"]),
  googleOauthFactor: asOauthFactor,
  microsoftOauthFactor: asOauthFactor,
  hubspotOauthFactor: asOauthFactor,
  slackOauthFactor: asOauthFactor,
  githubOauthFactor: asOauthFactor,
  samlSsoFactor: asSsoFactor,
  oidcSsoFactor: asSsoFactor,
  authenticatorAppFactor: asDetail(["totpId"]),
  recoveryCodeFactor: asDetail(["totpRecoveryCodeId"]),
  googleOauthExchangeFactor: asOauthExchangeFactor,
  githubOauthExchangeFactor: asOauthExchangeFactor,
  hubspotOauthExchangeFactor: asOauthExchangeFactor,
  slackOauthExchangeFactor: asOauthExchangeFactor,
  impersonatedFactor: asDetail(["impersonatorId", "impersonatorEmailAddress"]),
  oauthAccessTokenExchangeFactor: asDetail(["clientId"]),
  trustedAuthTokenFactor: asDetail(["tokenId"]),
  webauthnFactor: asDetail(["webauthnRegistrationId", "domain"], ["userAgent"]),
  biometricFactor: asDetail(["biometricRegistrationId"]),
  cryptoWalletFactor: asDetail(["cryptoWalletId", "cryptoWalletAddress", "cryptoWalletType"]),
  embeddableMagicLinkFactor: asDetail(["embeddedId"]),
};

/**
 * An authentication factor of a Stytch session. Which of the details is present depends on `deliveryMethod`.
 *
 * Providers that are not listed have details of the same form, under `${provider}OauthFactor`.
 */
export interface StytchAuthenticationFactor
  extends AuthenticationFactor, KnownFields<typeof FACTOR_DETAILS> {}

/** A factor as it was received. */
export type FactorObject = JsonObject & { readonly type: string };

/** Whether a value is a list of factors, each of which has a type. */
export function isFactorList(value: unknown): value is readonly FactorObject[] {
  return isListOf(value, isFactorObject);
}

function isFactorObject(value: unknown): value is FactorObject {
  return isObject(value) && isText(value["type"]);
}

/** Reads a time in the form of RFC 3339. */
const asTimestamp: Reader<string> = (value) => (isTimestamp(value) ? value : undefined);

const asSequenceOrder: Reader<"PRIMARY" | "SECONDARY"> = (value) =>
  value === "PRIMARY" || value === "SECONDARY" ? value : undefined;

const FACTOR_FIELDS = {
  deliveryMethod: asText,
  lastAuthenticatedAt: asTimestamp,
  createdAt: asTimestamp,
  updatedAt: asTimestamp,
  sequenceOrder: asSequenceOrder,
};

const DETAIL_NAME = /^[a-z][a-z\d_]{0,60}_factor$/;

/** Reads a factor, frozen at every depth. Details that are malformed are left out. */
export function readFactor(factor: FactorObject): StytchAuthenticationFactor {
  const details: Record<string, JsonObject> = {};
  for (const [wireName, detail] of Object.entries(factor)) {
    if (!DETAIL_NAME.test(wireName) || !isObject(detail)) continue;
    const name = toCamelCase(wireName);
    const members = isListed(name) ? FACTOR_DETAILS[name](detail) : camelCaseKeys(detail);
    if (members !== undefined) details[name] = Object.freeze(members);
  }
  return Object.freeze({ ...details, type: factor.type, ...readKnownFields(factor, FACTOR_FIELDS) });
}

function isListed(name: string): name is keyof typeof FACTOR_DETAILS {
  return Object.hasOwn(FACTOR_DETAILS, name);
}

/** Reads the details of a factor: the required members are strings, the optional ones too where present; others stay as they are. */
function asDetail<Required extends string, Optional extends string = never>(
  required: readonly Required[],
  optional: readonly Optional[] = [],
): Reader<FactorDetail<Required, Optional>> {
  const isDetail = (members: JsonObject): members is JsonObject & FactorDetail<Required, Optional> =>
    required.every((name) => isString(members[name])) &&
    optional.every((name) => members[name] === undefined || isString(members[name]));
  const isAbsent = (name: string, member: unknown): boolean =>
    member === null && optional.some((one) => one === name);
  return (value) => {
    const given = Object.entries(isObject(value) ? camelCaseKeys(value) : {});
    const members = Object.fromEntries(given.filter(([name, member]) => !isAbsent(name, member)));
    return isDetail(members) ? members : undefined;
  };
}

type FactorDetail<Required extends string, Optional extends string> = Flat<
  { readonly [Name in Required]: string } & { readonly [Name in Optional]?: string }
>;

/** The members of an intersection as one object type. */
type Flat<Members> = { [Name in keyof Members]: Members[Name] };
