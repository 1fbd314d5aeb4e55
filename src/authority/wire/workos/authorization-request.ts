import { OrgateError } from "../../../errors.ts";
import { absentOr, isFiniteNumber, isText, objectWith } from "../../../lib/predicates.ts";
import type { AuthorityContext } from "../../context.ts";
import { decrypt, encrypt, makeSecret } from "../../secrets.ts";

/** An authorization request of a client, as the application's sign-in page sees it. */
export interface AuthorizationRequest {
  /** Names the request to `completeAuthorization`. Valid for ten minutes and one completion. */
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
  /** The longest time since the last authentication that the client accepts, in seconds. */
  readonly maxAge?: number;
}

/** A request with what only the router reads. */
export interface SealedRequest extends Omit<AuthorizationRequest, "token"> {
  /** Marks the request as answered, once it is. */
  readonly id: string;
  readonly expiresAt: number;
  readonly state?: string;
  /** RFC 7636 section 4.2, by S256. */
  readonly codeChallenge?: string;
}

/** Seconds within which the user must sign in. */
const REQUEST_LIFETIME = 600;
const PURPOSE = "orgate authorization request";

/**
 * Encrypts a request into the token that stands for it.
 *
 * Nothing is stored until the user has signed in: anybody may call `authorize`, and must not be able to fill the repository.
 */
export async function sealRequest(
  { issuer, clock }: AuthorityContext,
  asked: Omit<SealedRequest, "id" | "expiresAt">,
): Promise<AuthorizationRequest> {
  const request = { ...asked, id: makeSecret(18), expiresAt: clock() + REQUEST_LIFETIME };
  const [key] = await issuer.secrets(PURPOSE);
  return describeRequest(encrypt(key, JSON.stringify(request)), request);
}

/** Decrypts a request that has not expired; throws `invalid_request` for anything else. */
export async function openRequest(
  { issuer, clock }: AuthorityContext,
  token: string,
  clientId: string,
): Promise<SealedRequest> {
  let cause: unknown;
  for (const key of await issuer.secrets(PURPOSE)) {
    try {
      const request: unknown = JSON.parse(decrypt(key, token).toString("utf8"));
      if (!isSealedRequest(request)) continue;
      if (request.clientId === clientId && clock() < request.expiresAt) return request;
    } catch (error) {
      // Encrypted by another key, or not by us.
      cause = error;
    }
  }
  const message = "The authorization request is unknown or has expired.";
  throw new OrgateError("invalid_request", { message, reason: "authorization_request_invalid", cause });
}

/** Describes a request to the application. */
export function describeRequest(token: string, request: SealedRequest): AuthorizationRequest {
  const { id: _id, expiresAt: _expiresAt, state: _state, codeChallenge: _codeChallenge, ...rest } = request;
  return { token, ...rest };
}

const isSealedRequest = objectWith<SealedRequest>({
  id: isText,
  expiresAt: isFiniteNumber,
  clientId: isText,
  redirectUri: isText,
  state: absentOr(isText),
  codeChallenge: absentOr(isText),
  organizationId: absentOr(isText),
  provider: absentOr(isText),
  connectionId: absentOr(isText),
  loginHint: absentOr(isText),
  domainHint: absentOr(isText),
  screenHint: absentOr(isText),
  prompt: absentOr(isText),
  invitationToken: absentOr(isText),
  maxAge: absentOr(isFiniteNumber),
});
