import { OrgateError } from "../errors.ts";
import { checkOptionalId, checkToken } from "./check-input.ts";
import type { AuthorityContext } from "./context.ts";
import type { AuthenticationResult } from "./answers.ts";
import type { AuthenticateWithRefreshTokenInput } from "./operations.ts";
import { parseRefreshToken } from "./refresh-token.ts";
import { findSealPassword, presentAuthentication } from "./results.ts";
import { useSession } from "./use-session.ts";

/**
 * Exchanges a refresh token for a new pair, with roles as they are now.
 *
 * Another organization continues the same session there; one that the user is no member of is refused, and nothing is spent.
 */
export async function authenticateWithRefreshToken(
  context: AuthorityContext,
  input: AuthenticateWithRefreshTokenInput,
): Promise<AuthenticationResult> {
  const presented = parseRefreshToken(checkToken("refreshToken", input.refreshToken));
  const organizationId = checkOptionalId("organizationId", input.organizationId);
  findSealPassword(input);
  if (presented === undefined) throw new OrgateError("invalid_token");
  const used = await useSession(context, presented.sessionId, {
    refreshToken: presented,
    rotate: true,
    organizationId,
    withoutMembership: organizationId === undefined ? "end" : "refuse",
  });
  const { record, subject, refreshToken } = used;
  if (refreshToken === undefined) throw new OrgateError("invalid_token");
  return presentAuthentication(context, { record, subject, refreshToken }, input);
}
