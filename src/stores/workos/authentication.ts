import type { JsonObject } from "../../lib/json-client.ts";
import { isObject, isText } from "../../lib/values.ts";
import type { Impersonator } from "../../model.ts";
import type { SealedSession } from "../../store.ts";
import { type FieldTable, type Reader, asText, readKnownFields } from "../hosted-store.ts";

/** A session as WorkOS has just issued it. The access token is empty where a renewal's answer has none that is a text. */
export interface WorkosAuthentication extends SealedSession {
  readonly refreshToken: string;
}

/**
 * Reads the answer to a grant, in the form in which WorkOS's SDKs seal it. Other fields of the answer (provider tokens,
 * another seal) are left out: they would only fill the cookie.
 *
 * @returns `undefined` for an incomplete answer. A renewal has spent a refresh token: whatever else its answer lacks, the new one
 * must not be lost.
 */
export function readWorkosAuthentication(
  body: JsonObject,
  { sealed = SEALABLE_FIELDS, isRenewal }: AuthenticationReading,
): WorkosAuthentication | undefined {
  const { access_token: accessToken, refresh_token: refreshToken } = body;
  const user = readUser(body["user"], sealed);
  if (!isText(refreshToken)) return undefined;
  if (!isRenewal && (!isText(accessToken) || user === undefined)) return undefined;
  const impersonator = readImpersonator(body["impersonator"]);
  return {
    ...readKnownFields(body, { organizationId: asText, authenticationMethod: asText }),
    ...(user !== undefined && { user }),
    accessToken: isText(accessToken) ? accessToken : "",
    refreshToken,
    ...(impersonator !== undefined && { impersonator }),
  };
}

/** How an answer is read. */
export interface AuthenticationReading {
  /** The fields of the user that are kept. @defaultValue all that WorkOS's SDKs seal */
  readonly sealed?: readonly string[] | undefined;
  /** Whether a refresh token was presented. */
  readonly isRenewal: boolean;
}

function readUser(user: unknown, sealed: readonly string[]): WorkosAuthentication["user"] {
  if (!isObject(user) || !isText(user["id"])) return undefined;
  return { ...readKnownFields(user, pickFields(sealed)), id: user["id"] };
}

const asScalar: Reader<string | boolean | null> = (value) =>
  value === null || typeof value === "string" || typeof value === "boolean" ? value : undefined;

/** WorkOS allows up to 30 KB of metadata; a cookie holds less. */
const MAX_METADATA_LENGTH = 1024;

const asSmallObject: Reader<JsonObject> = (value) =>
  isObject(value) && JSON.stringify(value).length <= MAX_METADATA_LENGTH ? value : undefined;

/** The fields of a user that WorkOS's SDKs seal. */
const USER_FIELDS = {
  object: asScalar,
  id: asScalar,
  email: asScalar,
  emailVerified: asScalar,
  name: asScalar,
  firstName: asScalar,
  profilePictureUrl: asScalar,
  lastName: asScalar,
  lastSignInAt: asScalar,
  locale: asScalar,
  createdAt: asScalar,
  updatedAt: asScalar,
  externalId: asScalar,
  metadata: asSmallObject,
};

/** The fields of a user that can be sealed. */
export type SealableField = keyof typeof USER_FIELDS;

/** Their names. */
export const SEALABLE_FIELDS: readonly string[] = Object.keys(USER_FIELDS);

function pickFields(names: readonly string[]): FieldTable {
  return Object.fromEntries(Object.entries(USER_FIELDS).filter(([name]) => names.includes(name)));
}

/** Reads who impersonates the user, in an answer and in a seal alike. */
export function readImpersonator(value: unknown): Impersonator | undefined {
  if (!isObject(value) || !isText(value["email"])) return undefined;
  return { email: value["email"], ...readKnownFields(value, { reason: asText }) };
}
