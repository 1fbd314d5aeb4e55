import type { RenewContext, Renewal, StaleCredential } from "../session-store.ts";
import { ENDED, STEP_UP } from "./error-codes.ts";
import { peekClaims } from "./peek-claims.ts";
import { isText } from "../shape.ts";
import type { RefreshDesk } from "./refresh-desk.ts";
import { readRedirectUrl } from "./redirect-url.ts";
import { rejected } from "./trouble.ts";

/**
 * Renews by `grant_type=refresh_token`, in the organization of the token presented.
 *
 * @throws StoreUnavailableError for every answer that does not say what became of the session.
 */
export async function renewCredential(
  desk: RefreshDesk,
  stale: StaleCredential,
  context: RenewContext,
): Promise<Renewal> {
  const named = nameStale(stale);
  if (named === undefined) return { status: "unrenewable" };
  const reply = await desk.refresh({ ...named, mayShare: stale.reason === "expired", origin: context });
  if (reply.status === "authenticated") {
    return { status: "active", credential: reply.authentication, verifiedAt: reply.settledAt };
  }
  const { code: reason, body } = reply;
  if (ENDED.has(reason)) return { status: "ended", reason };
  if (!STEP_UP.has(reason)) throw rejected(reason);
  const { organizationId } = named;
  const url = readRedirectUrl(body["authkit_redirect_url"]);
  return {
    status: "reauthenticate",
    reason,
    ...(url !== undefined && { url }),
    ...(organizationId !== undefined && { organizationId }),
  };
}

/** What a stale credential can be refreshed by; `undefined` where nothing was sealed that can be. */
export function nameStale({
  sealed,
  claims,
  accessToken,
}: StaleCredential):
  | { readonly refreshToken: string; readonly userId?: string; readonly organizationId?: string }
  | undefined {
  const refreshToken = sealed?.refreshToken;
  if (!isText(refreshToken)) return undefined;
  // Where the key is no longer known, the seal vouches for the token in it.
  const { sub, org_id: organizationId } = claims ?? peekClaims(accessToken);
  const userId = sub ?? sealed?.user?.id;
  return {
    refreshToken,
    ...(userId !== undefined && { userId }),
    ...(isText(organizationId) && { organizationId }),
  };
}
