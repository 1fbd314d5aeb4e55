import { isTimestamp, secondsOf, toTimestamp } from "../../lib/clock.ts";
import type { JsonObject } from "../../lib/json-body.ts";
import { isObject, isText, isTextList } from "../../lib/predicates.ts";
import type { AuthenticationFactor, Impersonator, Member, MemberSession, Organization } from "../../model.ts";
import type { Interpretation, SealedSession, VerifiedClaims } from "../../store.ts";

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
    customClaims: readCustomClaims(claims),
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

function readCustomClaims(claims: VerifiedClaims): MemberSession["customClaims"] {
  const custom = Object.entries(claims).filter(([name]) => !KNOWN_CLAIMS.has(name));
  return custom.length === 0 ? null : Object.fromEntries(custom);
}

/** Whose session a token, or an answer, says it is. */
export interface SessionIdentity {
  readonly memberId?: string | undefined;
  readonly organizationId?: string | undefined;
  readonly sessionId?: string | undefined;
}

/**
 * Reads whose session a token is, without verifying it: to hold Stytch's answer against what was asked. Nobody is signed in
 * by it.
 */
export function peekIdentity(token: string | undefined): SessionIdentity {
  return identityOf(decode(token?.split(".")[1] ?? ""));
}

/** Whose session claims are of. */
export function identityOf(claims: unknown): SessionIdentity {
  if (!isObject(claims)) return {};
  const { sub, [SESSION_CLAIM]: session, [ORGANIZATION_CLAIM]: organization } = claims;
  return {
    memberId: textOf(sub),
    sessionId: isObject(session) ? textOf(session["id"]) : undefined,
    organizationId: isObject(organization) ? textOf(organization["organization_id"]) : undefined,
  };
}

function textOf(value: unknown): string | undefined {
  return isText(value) ? value : undefined;
}

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}

/** What a session says of itself, in a token and in an answer alike. */
export interface SessionFields {
  readonly startedAt?: string;
  readonly lastAccessedAt?: string;
  readonly expiresAt?: string;
  readonly authenticationFactors: readonly StytchAuthenticationFactor[];
  /** A role from an SSO connection is among them only with that connection's factor: Stytch has seen to it. */
  readonly roles: readonly string[];
  readonly impersonator?: Impersonator;
}

/** Reads them; `undefined` for whatever is not a session, down to the type of each field. */
export function readSessionFields(session: JsonObject): SessionFields | undefined {
  const { started_at: startedAt, last_accessed_at: lastAccessedAt, expires_at: expiresAt, roles } = session;
  const authenticationFactors = readFactors(session["authentication_factors"]);
  if (authenticationFactors === undefined || !isTextList(roles)) return undefined;
  if (![startedAt, lastAccessedAt, expiresAt].every((time) => time === undefined || isTimestamp(time)))
    return undefined;
  const impersonator = findImpersonator(authenticationFactors);
  if (impersonator === "malformed") return undefined;
  return {
    ...(isTimestamp(startedAt) && { startedAt }),
    ...(isTimestamp(lastAccessedAt) && { lastAccessedAt }),
    ...(isTimestamp(expiresAt) && { expiresAt }),
    authenticationFactors,
    roles,
    ...(impersonator !== undefined && { impersonator }),
  };
}

/** When the member last proved who they are: the newest factor, else the session's start; `undefined` when unknown. */
export function authenticatedAtOf({ authenticationFactors, startedAt }: SessionFields): number | undefined {
  const times = authenticationFactors.flatMap(({ lastAuthenticatedAt }) =>
    lastAuthenticatedAt === undefined ? [] : [secondsOf(lastAuthenticatedAt)],
  );
  if (times.length > 0) return Math.max(...times);
  return startedAt === undefined ? undefined : secondsOf(startedAt);
}

/** Better no session than an impersonation that nobody sees. */
function findImpersonator(
  factors: readonly StytchAuthenticationFactor[],
): Impersonator | undefined | "malformed" {
  const factor = factors.find((one) => one.type === "impersonated" || one.impersonatedFactor !== undefined);
  if (factor === undefined) return undefined;
  const { impersonatorEmailAddress: email, impersonatorId: id } = factor.impersonatedFactor ?? {};
  if (isText(email)) return { email };
  return isText(id) ? { email: id } : "malformed";
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

/**
 * An authentication factor as Stytch tells of it; which of the details is there depends on `deliveryMethod`.
 *
 * Providers that are not listed have details of the same form, under `${provider}OauthFactor`.
 */
export interface StytchAuthenticationFactor extends AuthenticationFactor {
  readonly emailFactor?: { readonly emailId: string; readonly emailAddress: string };
  readonly phoneNumberFactor?: { readonly phoneId: string; readonly phoneNumber: string };
  readonly googleOauthFactor?: OauthFactor;
  readonly microsoftOauthFactor?: OauthFactor;
  readonly hubspotOauthFactor?: OauthFactor;
  readonly slackOauthFactor?: OauthFactor;
  readonly githubOauthFactor?: OauthFactor;
  readonly samlSsoFactor?: SsoFactor;
  readonly oidcSsoFactor?: SsoFactor;
  readonly authenticatorAppFactor?: { readonly totpId: string };
  readonly recoveryCodeFactor?: { readonly totpRecoveryCodeId: string };
  readonly googleOauthExchangeFactor?: OauthExchangeFactor;
  readonly githubOauthExchangeFactor?: OauthExchangeFactor;
  readonly hubspotOauthExchangeFactor?: OauthExchangeFactor;
  readonly slackOauthExchangeFactor?: OauthExchangeFactor;
  readonly impersonatedFactor?: {
    readonly impersonatorId: string;
    readonly impersonatorEmailAddress: string;
  };
  readonly oauthAccessTokenExchangeFactor?: { readonly clientId: string };
  readonly trustedAuthTokenFactor?: { readonly tokenId: string };
  readonly webauthnFactor?: {
    readonly webauthnRegistrationId: string;
    readonly domain: string;
    readonly userAgent?: string;
  };
  readonly biometricFactor?: { readonly biometricRegistrationId: string };
  readonly cryptoWalletFactor?: {
    readonly cryptoWalletId: string;
    readonly cryptoWalletAddress: string;
    readonly cryptoWalletType: string;
  };
  readonly embeddableMagicLinkFactor?: { readonly embeddedId: string };
}

/** Reads the factors of a session; `undefined` for whatever is not a list of them. */
export function readFactors(value: unknown): readonly StytchAuthenticationFactor[] | undefined {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) return undefined;
  const factors = value.map(readFactor);
  return factors.every((factor) => factor !== undefined) ? factors : undefined;
}

function readFactor(value: unknown): StytchAuthenticationFactor | undefined {
  if (!isObject(value)) return undefined;
  const { type, delivery_method: deliveryMethod, sequence_order: sequenceOrder } = value;
  const { last_authenticated_at: lastAuthenticatedAt, created_at: createdAt, updated_at: updatedAt } = value;
  if (!isText(type)) return undefined;
  const details = Object.entries(value).filter(([name, detail]) => DETAIL.test(name) && isObject(detail));
  return {
    type,
    ...(isText(deliveryMethod) && { deliveryMethod }),
    ...(isTimestamp(lastAuthenticatedAt) && { lastAuthenticatedAt }),
    ...(isTimestamp(createdAt) && { createdAt }),
    ...(isTimestamp(updatedAt) && { updatedAt }),
    ...((sequenceOrder === "PRIMARY" || sequenceOrder === "SECONDARY") && { sequenceOrder }),
    ...Object.fromEntries(details.map(([name, detail]) => [toCamelCase(name), renameMembers(detail)])),
  };
}

const DETAIL = /^[a-z][a-z\d_]{0,60}_factor$/;

function renameMembers(detail: unknown): unknown {
  if (!isObject(detail)) return undefined;
  return Object.fromEntries(Object.entries(detail).map(([name, value]) => [toCamelCase(name), value]));
}

function toCamelCase(name: string): string {
  return name.replaceAll(/(?<=[a-z\d])_([a-z\d])/g, (_, letter: string) => letter.toUpperCase());
}
