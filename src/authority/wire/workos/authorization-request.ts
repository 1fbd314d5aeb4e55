import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { invalidRequest } from "../../check-input.ts";
import type { AuthorityContext } from "../../context.ts";

/** What the client asked for at `authorize`, for the application's sign-in page. */
export interface AuthorizationRequest {
  /** Names the request to `completeAuthorization`; good for ten minutes, and for one completion. */
  readonly token: string;
  readonly clientId: string;
  /** One of the `redirectUris`. */
  readonly redirectUri: string;
  readonly organizationId?: string;
  readonly provider?: string;
  readonly connectionId?: string;
  readonly loginHint?: string;
  readonly domainHint?: string;
  readonly screenHint?: string;
  readonly prompt?: string;
  readonly invitationToken?: string;
  /** Seconds since the last authentication that the client accepts. */
  readonly maxAge?: number;
}

/** The request with what only the router reads. */
export interface SealedRequest extends Omit<AuthorizationRequest, "token"> {
  /** Marks the request as completed, once it is. */
  readonly id: string;
  readonly expiresAt: number;
  readonly state?: string;
  /** RFC 7636 section 4.2, by S256. */
  readonly codeChallenge?: string;
}

/** Seconds that a request waits for the user to sign in. */
export const REQUEST_LIFETIME = 600;

const PURPOSE = "orgate authorization request";
const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Seals a request into the token that stands for it.
 *
 * Nothing is stored until somebody has signed in: anybody can ask to authorize, and must not be able to fill the repository.
 */
export async function sealRequest({ issuer }: AuthorityContext, request: SealedRequest): Promise<string> {
  const [key] = await issuer.secrets(PURPOSE);
  if (key === undefined) throw new TypeError("An issuer has at least one key.");
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  const sealed = [cipher.update(JSON.stringify(request), "utf8"), cipher.final(), cipher.getAuthTag()];
  return Buffer.concat([iv, ...sealed]).toString("base64url");
}

/** Opens a request that has not expired; throws `invalid_request` for everything else. */
export async function openRequest(
  { issuer, clock }: AuthorityContext,
  token: unknown,
  clientId: string,
): Promise<SealedRequest> {
  const bytes = Buffer.from(typeof token === "string" ? token : "", "base64url");
  for (const key of await issuer.secrets(PURPOSE)) {
    const request = decipher(bytes, key);
    if (request !== undefined && request.clientId === clientId && clock() < request.expiresAt) return request;
  }
  throw invalidRequest(
    "The authorization request is unknown or has expired.",
    "authorization_request_invalid",
  );
}

/** What the application may know of a request. */
export function describeRequest(token: string, request: SealedRequest): AuthorizationRequest {
  const { id: _id, expiresAt: _expiresAt, state: _state, codeChallenge: _codeChallenge, ...told } = request;
  return { token, ...told };
}

function decipher(bytes: Buffer, key: Buffer): SealedRequest | undefined {
  if (bytes.length < IV_BYTES + TAG_BYTES) return undefined;
  const opener = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, IV_BYTES));
  opener.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const text = Buffer.concat([opener.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), opener.final()]);
    const request: SealedRequest = JSON.parse(text.toString("utf8"));
    return request;
  } catch {
    return undefined;
  }
}
