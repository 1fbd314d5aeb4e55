import { camelCaseKeys, toCamelCase } from "../../lib/case.ts";
import { isTimestamp, secondsOf, toTimestamp } from "../../lib/clock.ts";
import type { JsonObject } from "../../lib/json-body.ts";
import { isListOf, isObject, isOptional, isString, isText, isTextList } from "../../lib/predicates.ts";
import { readUnverifiedClaims } from "../../lib/unverified-claims.ts";
import type { AuthenticationFactor, Impersonator, Member, MemberSession, Organization } from "../../model.ts";
import type { Interpretation, SealedSession, StaleCredential, VerifiedClaims } from "../../store.ts";
import { readCustomClaims } from "../hosted-store.ts";
import { type ReadFields, type Reader, asText, readFields } from "../read-fields.ts";

/** The claim that makes a token a member session. */
export const SESSION_CLAIM = "https://stytch.com/session";
/** The claim that names the organization. */
export const ORGANIZATION_CLAIM = "https://stytch.com/organization";

/** Everything else at the top level is the application's own, whatever it is called. */
const KNOWN_CLAIMS: ReadonlySet<string> = new Set([
  "aud",
  "exp",
  "iat",
  "iss",
  "jti",
  "nbf",
  "sub",
  SESSION_CLAIM,
  ORGANIZATION_CLAIM,
]);

/**
 * Reads the claims of a Stytch session JWT as orgate's model. Pure.
 *
 * Only the two nested claims say anything of the session: custom claims called `roles` or `organization_id` are custom
 * claims.
 *
 * @returns `undefined` for whatever is not a member session, down to the type of each field: tokens of Connected Apps, of
 * consumers and of machines are signed with the same keys.
 */
export function interpretClaims(claims: VerifiedClaims, sealed?: SealedSession): Interpretation | undefined {
  const session = claims[SESSION_CLAIM];
  const organization = readOrganization(claims[ORGANIZATION_CLAIM]);
  if (!isObject(session) || organization === undefined) return undefined;
  const { id } = session;
  const fields = readSessionFields(session);
  // Older tokens leave the session's end to the token's.
  const expiresAt = fields?.expiresAt ?? toTimestamp(claims.exp);
  if (!isText(id) || fields === undefined || expiresAt === undefined) return undefined;
  const { roles } = fields;
  const authenticatedAt = authenticatedAtOf(fields);
  const memberSession: MemberSession = {
    id,
    memberId: claims.sub,
    organizationId: organization.id,
    ...(organization.slug !== undefined && { organizationSlug: organization.slug }),
    ...fields,
    expiresAt,
    customClaims: readCustomClaims(claims, KNOWN_CLAIMS),
  };
  return {
    memberSession,
    member: { id: claims.sub, organizationId: organization.id, roles, ...readPerson(claims.sub, sealed) },
    organization,
    sessionExpiresAt: secondsOf(expiresAt),
    ...(authenticatedAt !== undefined && { authenticatedAt }),
  };
}

function readOrganization(claim: unknown): Organization | undefined {
  if (!isObject(claim)) return undefined;
  const { organization_id: id, slug } = claim;
  if (!isText(id) || !(slug === undefined || typeof slug === "string")) return undefined;
  return { id, ...(isText(slug) && { slug }) };
}

function readPerson(
  memberId: string,
  sealed: SealedSession | undefined,
): Pick<Member, "emailAddress" | "name"> {
  const user = sealed?.user;
  if (user?.id !== memberId) return {};
  const { email, name } = user;
  return { ...(isText(email) && { emailAddress: email }), ...(isText(name) && { name }) };
}

/** Whose session a token, or an answer, says it is. */
export interface SessionIdentity {
  readonly memberId?: string | undefined;
  readonly organizationId?: string | undefined;
  readonly sessionId?: string | undefined;
}

/** Reads whose session claims are of. Of claims that are not verified, use it only to compare. */
export function identityOf(claims: JsonObject): SessionIdentity {
  const { sub, [SESSION_CLAIM]: session, [ORGANIZATION_CLAIM]: organization } = claims;
  return {
    memberId: asText(sub),
    sessionId: isObject(session) ? asText(session["id"]) : undefined,
    organizationId: isObject(organization) ? asText(organization["organization_id"]) : undefined,
  };
}

/** Reads whose session a credential is of, as far as that is known before Stytch is asked. */
export function identifySession({
  claims,
  accessToken,
}: Pick<StaleCredential, "claims" | "accessToken">): SessionIdentity {
  return identityOf(claims ?? readUnverifiedClaims(accessToken));
}

/** What a session says of itself, in a token and in an answer alike. */
export interface SessionFields {
  readonly startedAt?: string;
  readonly lastAccessedAt?: string;
  readonly expiresAt?: string;
  readonly authenticationFactors: readonly StytchAuthenticationFactor[];
  /** Stytch lists a role from an SSO connection only if the session holds that connection's factor. */
  readonly roles: readonly string[];
  readonly impersonator?: Impersonator;
}

const asTimestamp: Reader<string> = (value) => (isTimestamp(value) ? value : undefined);

/** Reads the fields of a session; `undefined` where one is missing or of another type. */
export function readSessionFields(session: JsonObject): SessionFields | undefined {
  const { started_at, last_accessed_at, expires_at, authentication_factors: factors, roles } = session;
  const times = [started_at, last_accessed_at, expires_at];
  if (!times.every((time) => time === undefined || isTimestamp(time))) return undefined;
  if (!isOptional(factors, isFactorList) || !isTextList(roles)) return undefined;
  const impersonator = findImpersonator(factors ?? []);
  if (impersonator === "malformed") return undefined;
  return {
    ...readFields(session, { startedAt: asTimestamp, lastAccessedAt: asTimestamp, expiresAt: asTimestamp }),
    authenticationFactors: (factors ?? []).map(readFactor),
    roles,
    ...(impersonator !== undefined && { impersonator }),
  };
}

/** Finds when the member last proved who they are: the newest factor, else the session's start; `undefined` when unknown. */
function authenticatedAtOf({ authenticationFactors, startedAt }: SessionFields): number | undefined {
  const times = authenticationFactors.flatMap(({ lastAuthenticatedAt }) =>
    lastAuthenticatedAt === undefined ? [] : [secondsOf(lastAuthenticatedAt)],
  );
  if (times.length > 0) return Math.max(...times);
  return startedAt === undefined ? undefined : secondsOf(startedAt);
}

/** Finds who impersonates the member. An impersonator who is not named makes the session unusable: it would not be seen. */
function findImpersonator(factors: readonly JsonObject[]): Impersonator | undefined | "malformed" {
  const factor = factors.find(
    (one) => one["type"] === "impersonated" || isObject(one["impersonated_factor"]),
  );
  if (factor === undefined) return undefined;
  const detail = factor["impersonated_factor"];
  if (!isObject(detail)) return "malformed";
  const { impersonator_email_address: email, impersonator_id: id } = detail;
  const name = isText(email) ? email : id;
  return isText(name) ? { email: name } : "malformed";
}

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
export interface StytchAuthenticationFactor extends AuthenticationFactor, ReadFields<typeof FACTOR_DETAILS> {}

type FactorObject = JsonObject & { readonly type: string };

function isFactorList(value: unknown): value is readonly FactorObject[] {
  return isListOf(value, isFactorObject);
}

function isFactorObject(value: unknown): value is FactorObject {
  return isObject(value) && isText(value["type"]);
}

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

function readFactor(factor: FactorObject): StytchAuthenticationFactor {
  const unlisted = Object.entries(factor).flatMap(([wireName, detail]) => {
    const name = toCamelCase(wireName);
    const isUnlisted = DETAIL_NAME.test(wireName) && !Object.hasOwn(FACTOR_DETAILS, name);
    return isUnlisted && isObject(detail) ? [[name, camelCaseKeys(detail)] as const] : [];
  });
  const known = { ...readFields(factor, FACTOR_FIELDS), ...readFields(factor, FACTOR_DETAILS) };
  return { ...Object.fromEntries(unlisted), type: factor.type, ...known };
}

/** Reads the details of a factor: the required members are strings, the optional ones too where present; others stay as they are. */
function asDetail<Required extends string, Optional extends string = never>(
  required: readonly Required[],
  optional: readonly Optional[] = [],
): Reader<FactorDetail<Required, Optional>> {
  const isDetail = (members: JsonObject): members is JsonObject & FactorDetail<Required, Optional> =>
    required.every((name) => isString(members[name])) &&
    optional.every((name) => members[name] === undefined || isString(members[name]));
  return (value) => {
    const members = isObject(value) ? camelCaseKeys(value) : {};
    return isDetail(members) ? members : undefined;
  };
}

type FactorDetail<Required extends string, Optional extends string> = {
  readonly [Name in Required]: string;
} & { readonly [Name in Optional]?: string };
