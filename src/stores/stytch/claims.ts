import { isTimestamp, secondsOf, toTimestamp } from "../../lib/clock.ts";
import type { JsonObject } from "../../lib/json-client.ts";
import { isObject, isOptional, isString, isText, isTextList } from "../../lib/values.ts";
import type { Impersonator, Member, MemberSession, Organization } from "../../model.ts";
import type { Interpretation, SealedSession, VerifiedClaims } from "../../store.ts";
import { asText, nameSet, readCustomClaims, readKnownFields, readUnverifiedClaims } from "../hosted-store.ts";
import { type StytchAuthenticationFactor, isFactorList, readFactor } from "./factors.ts";

/** The claim that makes a token a member session. */
export const STYTCH_SESSION_CLAIM = "https://stytch.com/session";
/** The claim that names the organization. */
const STYTCH_ORGANIZATION_CLAIM = "https://stytch.com/organization";

/** Every other claim at the top level is the application's own, whatever its name. */
const SESSION_JWT_CLAIMS = nameSet(
  `aud exp iat iss jti nbf sub ${STYTCH_SESSION_CLAIM} ${STYTCH_ORGANIZATION_CLAIM}`,
);

/**
 * Reads the claims of a Stytch session JWT as orgate's model. Pure.
 *
 * Only the two nested claims describe the session: claims with names like `roles` or `organization_id` are custom claims.
 *
 * @returns `undefined` where a field of a member session is missing or of another type: tokens of Connected Apps, consumers
 * and machines are signed with the same keys.
 */
export function interpretStytchClaims(
  claims: VerifiedClaims,
  sealed?: SealedSession,
): Interpretation | undefined {
  const session = claims[STYTCH_SESSION_CLAIM];
  const organization = readOrganization(claims[STYTCH_ORGANIZATION_CLAIM]);
  if (!isObject(session) || organization === undefined) return undefined;
  const { id } = session;
  const fields = readSessionFields(session);
  // Older tokens do not say when the session ends; it lasts at least as long as the token.
  const expiresAt = fields?.expiresAt ?? toTimestamp(claims.exp);
  if (!isText(id) || fields === undefined || expiresAt === undefined) return undefined;
  const { roles } = fields;
  const authenticatedAt = authenticatedAtOf(fields);
  return {
    memberSession: Object.freeze<MemberSession>({
      id,
      memberId: claims.sub,
      organizationId: organization.id,
      ...(organization.slug !== undefined && { organizationSlug: organization.slug }),
      ...fields,
      expiresAt,
      customClaims: readCustomClaims(claims, SESSION_JWT_CLAIMS),
    }),
    member: Object.freeze<Member>({
      id: claims.sub,
      organizationId: organization.id,
      roles,
      ...(sealed?.user?.id === claims.sub && readKnownFields(sealed.user, PERSON)),
    }),
    organization,
    sessionExpiresAt: secondsOf(expiresAt),
    ...(authenticatedAt !== undefined && { authenticatedAt }),
    isFrozen: true,
  };
}

function readOrganization(claim: unknown): Organization | undefined {
  if (!isObject(claim)) return undefined;
  const { organization_id: id, slug } = claim;
  if (!isText(id) || !isOptional(slug, isString)) return undefined;
  return Object.freeze({ id, ...(isText(slug) && { slug }) });
}

const PERSON = { emailAddress: ["email", asText], name: asText } as const;

/** Whose session a token, or an answer, says it is. */
export interface SessionIdentity {
  readonly memberId?: string | undefined;
  readonly organizationId?: string | undefined;
  readonly sessionId?: string | undefined;
}

/** Reads whose session claims are of. Of claims that are not verified, use it only to compare. */
export function identityOf(claims: JsonObject): SessionIdentity {
  const { sub, [STYTCH_SESSION_CLAIM]: session, [STYTCH_ORGANIZATION_CLAIM]: organization } = claims;
  return {
    memberId: asText(sub),
    sessionId: isObject(session) ? asText(session["id"]) : undefined,
    organizationId: isObject(organization) ? asText(organization["organization_id"]) : undefined,
  };
}

/** A JWT that was presented, and its claims if they are verified. */
interface PresentedJwt {
  readonly accessToken?: string | undefined;
  readonly claims?: VerifiedClaims | undefined;
}

/** Reads whose session a credential is of, as far as that is known before Stytch is asked. */
export function identityOfCredential({ claims, accessToken }: PresentedJwt): SessionIdentity {
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

/** Reads the fields of a session, frozen at every depth; `undefined` where one is missing or of another type. */
export function readSessionFields(session: JsonObject): SessionFields | undefined {
  const { started_at: startedAt, last_accessed_at: lastAccessedAt, expires_at: expiresAt } = session;
  if (!isOptional(startedAt, isTimestamp) || !isOptional(lastAccessedAt, isTimestamp)) return undefined;
  if (!isOptional(expiresAt, isTimestamp)) return undefined;
  const { authentication_factors: factors, roles } = session;
  if (!isOptional(factors, isFactorList) || !isOptional(roles, isTextList)) return undefined;
  const impersonator = findImpersonator(factors ?? []);
  if (impersonator === "malformed") return undefined;
  return Object.freeze({
    ...(isString(startedAt) && { startedAt }),
    ...(isString(lastAccessedAt) && { lastAccessedAt }),
    ...(isString(expiresAt) && { expiresAt }),
    authenticationFactors: Object.freeze((factors ?? []).map(readFactor)),
    roles: Object.freeze([...(roles ?? [])]),
    ...(impersonator !== undefined && { impersonator }),
  });
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
  return isText(name) ? Object.freeze({ email: name }) : "malformed";
}
