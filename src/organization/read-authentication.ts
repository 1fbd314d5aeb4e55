import { ConfigurationError, isOrgateError, type OrgateError } from "../errors.ts";
import { refusalOf, type StoreReply } from "../engine/call-store.ts";
import { isMisconfigured, retryAfterOf } from "../engine/ask-store.ts";
import { STORE_BUDGET } from "../engine/engine.ts";
import type { Impersonator, OrganizationChoice } from "../model.ts";
import type { Outcome, SealedSession } from "../stores/session-store.ts";
import { isOutcome } from "./store-outcome.ts";

/** What an authority answers a sign-in with: the members that a session cookie carries. */
export interface AuthenticationResultLike {
  readonly accessToken: string;
  readonly refreshToken?: string | undefined;
  readonly user?: { readonly id: string } | undefined;
  readonly organizationId?: string | undefined;
  readonly authenticationMethod?: string | undefined;
  readonly impersonator?: Impersonator | undefined;
}

/** A completed authentication, or what must be done first. */
export type Authentication = Outcome | AuthenticationResultLike;

/**
 * Waits for an authentication. What orgate's own errors say becomes a value.
 *
 * @throws whatever else the application threw, unchanged.
 */
export async function readAuthentication(
  authentication: Authentication | Promise<Authentication>,
): Promise<StoreReply<Outcome>> {
  try {
    return { status: "answered", value: toOutcome(await authentication) };
  } catch (error) {
    return toReply(error);
  }
}

function toOutcome(given: Authentication): Outcome {
  if (isOutcome(given)) return given;
  if (isResult(given)) return { status: "authenticated", credential: toCredential(given) };
  throw new ConfigurationError([
    {
      code: "authentication_invalid",
      option: "establish",
      message: "was not given an authentication.",
      suggestion: "Pass what authority.authenticate({ ... }) returns, or an Outcome of your store.",
    },
  ]);
}

function isResult(value: unknown): value is AuthenticationResultLike {
  return typeof value === "object" && value !== null && typeof Reflect.get(value, "accessToken") === "string";
}

function toCredential(result: AuthenticationResultLike): SealedSession {
  const { accessToken, refreshToken, user, organizationId, authenticationMethod, impersonator } = result;
  return {
    accessToken,
    ...(refreshToken !== undefined && { refreshToken }),
    ...(user !== undefined && { user: { ...user } }),
    ...(organizationId !== undefined && { organizationId }),
    ...(authenticationMethod !== undefined && { authenticationMethod }),
    ...(impersonator !== undefined && { impersonator }),
  };
}

function toReply(error: unknown): StoreReply<Outcome> {
  const selection = selectionOf(error);
  if (selection !== undefined) return { status: "answered", value: selection };
  const refusal = refusalOf(error);
  if (refusal !== undefined) return refusal;
  if (isOrgateError(error) && error.code === "store_unavailable") {
    const retryAfter = Math.max(1, Math.ceil(retryAfterOf(error) ?? STORE_BUDGET));
    return { status: "unavailable", retryAfter: isMisconfigured(error) ? undefined : retryAfter };
  }
  throw error;
}

/** The organizations to choose between, as the error carries them. */
function selectionOf(error: unknown): Outcome | undefined {
  if (!isOrgateError(error) || error.code !== "organization_selection_required") return undefined;
  const { pendingAuthenticationToken, organizations } = error as OrgateError & {
    readonly pendingAuthenticationToken?: unknown;
    readonly organizations?: readonly OrganizationChoice[];
  };
  if (typeof pendingAuthenticationToken !== "string" || !Array.isArray(organizations)) return undefined;
  return { status: "selection_required", pending: { pendingAuthenticationToken }, organizations };
}
