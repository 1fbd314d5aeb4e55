import { isObject, isText, isTextList } from "../../lib/values.ts";
import type { AuthenticationFactor } from "../../model.ts";
import type { MfaMethod } from "../members/objects.ts";

/** Every second factor, in the order in which it is offered. */
export const MFA_METHODS: readonly MfaMethod[] = ["totp", "sms_otp"];

const OAUTH_DELIVERY = /^oauth_(?:exchange_)?(?<provider>\w+)$/;

/** Returns the method of a factor, as `allowedAuthMethods` names it: `sso`, `password`, `google_oauth`. */
export function authMethodOf({ type, deliveryMethod = "" }: AuthenticationFactor): string {
  const provider = type === "oauth" ? OAUTH_DELIVERY.exec(deliveryMethod)?.groups?.["provider"] : undefined;
  return provider === undefined ? type : `${provider}_oauth`;
}

/** Returns the second factor that a factor is; `undefined` for a first factor. A recovery code stands for the app that was lost. */
export function mfaMethodOf({ type, deliveryMethod = "sms" }: AuthenticationFactor): MfaMethod | undefined {
  const name = type.toLowerCase();
  if (name === "totp" || name === "recovery_codes") return "totp";
  if (name === "sms_otp") return "sms_otp";
  return name === "otp" && (deliveryMethod === "sms" || deliveryMethod === "whatsapp")
    ? "sms_otp"
    : undefined;
}

/** The names under which a factor tells of a single sign-on. */
const CONNECTION_FACTORS = ["samlSsoFactor", "oidcSsoFactor"] as const;

/**
 * Returns the single sign-on connections that a factor names: `providerId`, or `connectionId`, of `samlSsoFactor` or
 * `oidcSsoFactor` of a factor of type `sso`.
 */
export function connectionsOf(factor: AuthenticationFactor): readonly string[] {
  if (factor.type !== "sso") return [];
  const details = CONNECTION_FACTORS.map((name) => factor[name]).filter(isObject);
  return details.flatMap(({ providerId, connectionId }) => [providerId, connectionId].filter(isText));
}

/** Returns the tenants that an OAuth factor names, by provider (`slackOauthFactor.providerTenantIds`). */
export function tenantsOf(
  factor: AuthenticationFactor,
): { readonly provider: string; readonly tenants: readonly string[] } | undefined {
  const provider = OAUTH_DELIVERY.exec(factor.deliveryMethod ?? "")?.groups?.["provider"];
  if (factor.type !== "oauth" || provider === undefined) return undefined;
  const tenants = detailsOf(factor).flatMap(({ providerTenantId, providerTenantIds }) => [
    ...(isText(providerTenantId) ? [providerTenantId] : []),
    ...(isTextList(providerTenantIds) ? providerTenantIds : []),
  ]);
  return { provider, tenants };
}

function detailsOf(factor: AuthenticationFactor): readonly Readonly<Record<string, unknown>>[] {
  return Object.entries(factor).flatMap(([name, detail]) =>
    name.endsWith("Factor") && isObject(detail) ? [detail] : [],
  );
}
