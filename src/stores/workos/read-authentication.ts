import type { JsonObject } from "../json-reply.ts";
import type { SealedSession } from "../session-store.ts";
import { isObject, isText } from "../shape.ts";

/** A session as WorkOS has just handed it out. */
export interface Authentication extends SealedSession {
  readonly refreshToken: string;
  readonly user: { readonly id: string; readonly [field: string]: unknown };
}

/** WorkOS's fields of a user, and their names in the sealed session: those of its SDKs. */
const USER_FIELDS: readonly (readonly [wire: string, sealed: string])[] = [
  ["object", "object"],
  ["id", "id"],
  ["email", "email"],
  ["email_verified", "emailVerified"],
  ["name", "name"],
  ["first_name", "firstName"],
  ["profile_picture_url", "profilePictureUrl"],
  ["last_name", "lastName"],
  ["last_sign_in_at", "lastSignInAt"],
  ["locale", "locale"],
  ["created_at", "createdAt"],
  ["updated_at", "updatedAt"],
  ["external_id", "externalId"],
];

/** Up to 30 KB of metadata are allowed; a cookie holds less. */
const MOST_METADATA = 1024;

/**
 * Reads the answer to a grant, as it is sealed: the fields of WorkOS's SDKs and no others, for whatever else an answer
 * carries (provider tokens, a seal of somebody else's) would only fill the cookie.
 *
 * @returns `undefined` for whatever is not a complete answer.
 */
export function readAuthentication(body: JsonObject): Authentication | undefined {
  const { access_token: accessToken, refresh_token: refreshToken, user } = body;
  if (!isText(accessToken) || !isText(refreshToken) || !isObject(user) || !isText(user["id"]))
    return undefined;
  const { organization_id: organizationId, authentication_method: authenticationMethod, impersonator } = body;
  return {
    ...(isText(organizationId) && { organizationId }),
    user: toSealedUser(user, user["id"]),
    accessToken,
    refreshToken,
    ...(isText(authenticationMethod) && { authenticationMethod }),
    ...toSealedImpersonator(impersonator),
  };
}

function toSealedUser(user: JsonObject, id: string): Authentication["user"] {
  const fields = USER_FIELDS.filter(([wire]) => isScalar(user[wire]));
  const { metadata } = user;
  const isSmall = isObject(metadata) && JSON.stringify(metadata).length <= MOST_METADATA;
  return {
    ...Object.fromEntries(fields.map(([wire, sealed]) => [sealed, user[wire]])),
    id,
    ...(isSmall && { metadata }),
  };
}

function toSealedImpersonator(value: unknown): Pick<SealedSession, "impersonator"> {
  if (!isObject(value) || !isText(value["email"])) return {};
  const { email, reason } = value;
  return { impersonator: { email, ...(isText(reason) && { reason }) } };
}

function isScalar(value: unknown): boolean {
  return value === null || typeof value === "string" || typeof value === "boolean";
}
