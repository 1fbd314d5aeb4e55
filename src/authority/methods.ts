import { formatTime } from "../clock.ts";
import type { AuthenticationFactor } from "../model.ts";

type FactorKind = Pick<AuthenticationFactor, "type" | "deliveryMethod">;

const oauth = (provider: string): FactorKind => ({ type: "oauth", deliveryMethod: `oauth_${provider}` });

/** Which factor each authentication method is. A method that does not say how it was delivered has no delivery method. */
const FACTORS: ReadonlyMap<string, FactorKind> = new Map([
  ["SSO", { type: "sso" }],
  ["Password", { type: "password", deliveryMethod: "knowledge" }],
  ["Passkey", { type: "webauthn", deliveryMethod: "webauthn_registration" }],
  ["MagicAuth", { type: "email_otp", deliveryMethod: "email" }],
  ["AppleOAuth", oauth("apple")],
  ["BitbucketOAuth", oauth("bitbucket")],
  ["DiscordOAuth", oauth("discord")],
  ["GitHubOAuth", oauth("github")],
  ["GitLabOAuth", oauth("gitlab")],
  ["GoogleOAuth", oauth("google")],
  ["IntuitOAuth", oauth("intuit")],
  ["LinkedInOAuth", oauth("linkedin")],
  ["MicrosoftOAuth", oauth("microsoft")],
  ["SalesforceOAuth", oauth("salesforce")],
  ["SlackOAuth", oauth("slack")],
  ["VercelOAuth", oauth("vercel")],
  ["VercelMarketplaceOAuth", oauth("vercel_marketplace")],
  ["XeroOAuth", oauth("xero")],
  ["CrossAppAuth", oauth("access_token_exchange")],
  ["ExternalAuth", { type: "trusted_auth_token", deliveryMethod: "trusted_token_exchange" }],
  ["Impersonation", { type: "impersonated", deliveryMethod: "impersonation" }],
  ["MigratedSession", { type: "imported" }],
  ["magic_link", { type: "magic_link", deliveryMethod: "email" }],
  ["email_otp", { type: "email_otp", deliveryMethod: "email" }],
  ["password", { type: "password", deliveryMethod: "knowledge" }],
  ["totp", { type: "totp", deliveryMethod: "authenticator_app" }],
  ["recovery_codes", { type: "recovery_codes", deliveryMethod: "recovery_code" }],
  ["impersonated", { type: "impersonated", deliveryMethod: "impersonation" }],
  ["trusted_auth_token", { type: "trusted_auth_token", deliveryMethod: "trusted_token_exchange" }],
]);

/**
 * The factor of an authentication method, authenticated at `now`.
 *
 * A method that the table does not list is a factor of its own name.
 */
export function factorOf(method: string, now: number): AuthenticationFactor {
  return {
    ...(FACTORS.get(method) ?? { type: method }),
    lastAuthenticatedAt: formatTime(now),
    sequenceOrder: "PRIMARY",
  };
}
