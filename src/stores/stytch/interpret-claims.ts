import type { Member, MemberSession, Organization } from "../../model.ts";
import type { Interpretation, SealedSession } from "../session-store.ts";
import { isObject, isText } from "../shape.ts";
import { secondsOf, toTimestamp } from "../timestamp.ts";
import type { VerifiedClaims } from "../token-profile.ts";
import { authenticatedAtOf, readSessionFields } from "./session-fields.ts";

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
