import { checkId, checkOptionalId, invalidRequest } from "../../check-input.ts";
import type { AuthorityContext } from "../../context.ts";
import type { AuthenticateInput } from "../../operations.ts";
import { checkEvidence } from "../../sign-in.ts";
import { issueCode } from "./authorization-code.ts";
import { openRequest } from "./authorization-request.ts";
import type { SealedRequest } from "./authorization-request.ts";
import { addressOf } from "./authorize.ts";
import type { WorkosRouterOptions } from "./workos-router-options.ts";

/** Whom the application has authenticated for an authorization request, and how. */
export type AuthorizationSubject = Omit<AuthenticateInput, "session">;

/** Why the application refuses an authorization request. */
export interface AuthorizationRefusal {
  /** A code of the protocol. @defaultValue `access_denied` */
  readonly error?: string | undefined;
  /** For the client's developers; printable ASCII without quotes. */
  readonly errorDescription?: string | undefined;
}

/** Where the browser goes next. */
export interface AuthorizationAnswer {
  readonly redirectTo: string;
}

/**
 * Answers an authorization request with a code for the user, once.
 *
 * The code is stored by its hash, and is bound to the client, the redirect URI and the code challenge.
 */
export async function completeAuthorization(
  context: AuthorityContext,
  { clientId, codeLifetime = 600 }: WorkosRouterOptions,
  token: string,
  subject: AuthorizationSubject,
): Promise<AuthorizationAnswer> {
  const request = await openRequest(context, token, clientId);
  const userId = checkId("userId", subject.userId);
  const organizationId = checkOptionalId("organizationId", subject.organizationId) ?? request.organizationId;
  const invitationToken =
    checkOptionalId("invitationToken", subject.invitationToken) ?? request.invitationToken;
  const evidence = checkEvidence(context, subject);
  const { redirectUri, codeChallenge } = request;
  const issued = await issueCode(context, {
    version: 1,
    clientId,
    redirectUri,
    ...(codeChallenge !== undefined && { codeChallenge }),
    signIn: {
      userId,
      ...(organizationId !== undefined && { organizationId }),
      ...(invitationToken !== undefined && { invitationToken }),
      evidence,
    },
    expiresAt: context.clock() + codeLifetime,
  });
  if (!(await spendRequest(context, request))) {
    await context.repository.consume("authorizations", issued.name);
    throw spent();
  }
  return { redirectTo: addressOf(request, { code: issued.code }) };
}

/** Answers an authorization request with an error, once. */
export async function refuseAuthorization(
  context: AuthorityContext,
  { clientId }: WorkosRouterOptions,
  token: string,
  { error = "access_denied", errorDescription }: AuthorizationRefusal = {},
): Promise<AuthorizationAnswer> {
  const request = await openRequest(context, token, clientId);
  if (!/^[a-z_]{1,64}$/.test(error)) throw invalidRequest("error must be a code of the protocol.");
  if (!(await spendRequest(context, request))) throw spent();
  const description = errorDescription === undefined ? {} : { error_description: errorDescription };
  return { redirectTo: addressOf(request, { error, ...description }) };
}

/** Of several completions at once, exactly one is told `true`. */
function spendRequest({ repository }: AuthorityContext, { id, expiresAt }: SealedRequest): Promise<boolean> {
  return repository.insert("authorizations", `request:${id}`, { version: 1 }, { expiresAt });
}

function spent(): Error {
  return invalidRequest("The authorization request was answered before.", "authorization_request_spent");
}
