import { formatTime } from "../lib/clock.ts";
import type { AuthenticationFactor } from "../model.ts";

type FactorKind = Pick<AuthenticationFactor, "type" | "deliveryMethod">;

const oauth = (provider: string): FactorKind => ({ type: "oauth", deliveryMethod: `oauth_${provider}` });

/** The factor of each of WorkOS's authentication methods. */
const WORKOS_FACTORS = {
  SSO: { type: "sso" },
  Password: { type: "password", deliveryMethod: "knowledge" },
  Passkey: { type: "webauthn", deliveryMethod: "webauthn_registration" },
  MagicAuth: { type: "email_otp", deliveryMethod: "email" },
  AppleOAuth: oauth("apple"),
  BitbucketOAuth: oauth("bitbucket"),
  DiscordOAuth: oauth("discord"),
  GitHubOAuth: oauth("github"),
  GitLabOAuth: oauth("gitlab"),
  GoogleOAuth: oauth("google"),
  IntuitOAuth: oauth("intuit"),
  LinkedInOAuth: oauth("linkedin"),
  MicrosoftOAuth: oauth("microsoft"),
  SalesforceOAuth: oauth("salesforce"),
  SlackOAuth: oauth("slack"),
  VercelOAuth: oauth("vercel"),
  VercelMarketplaceOAuth: oauth("vercel_marketplace"),
  XeroOAuth: oauth("xero"),
  CrossAppAuth: oauth("access_token_exchange"),
  ExternalAuth: { type: "trusted_auth_token", deliveryMethod: "trusted_token_exchange" },
  Impersonation: { type: "impersonated", deliveryMethod: "impersonation" },
  MigratedSession: { type: "imported" },
} as const satisfies Record<string, FactorKind>;

/** The factor of each method that Stytch names by its factor. */
const STYTCH_FACTORS = {
  magic_link: { type: "magic_link", deliveryMethod: "email" },
  email_otp: { type: "email_otp", deliveryMethod: "email" },
  password: { type: "password", deliveryMethod: "knowledge" },
  otp: { type: "otp", deliveryMethod: "sms" },
  sms_otp: { type: "otp", deliveryMethod: "sms" },
  totp: { type: "totp", deliveryMethod: "authenticator_app" },
  recovery_codes: { type: "recovery_codes", deliveryMethod: "recovery_code" },
  impersonated: { type: "impersonated", deliveryMethod: "impersonation" },
  trusted_auth_token: { type: "trusted_auth_token", deliveryMethod: "trusted_token_exchange" },
} as const satisfies Record<string, FactorKind>;

const FACTORS: ReadonlyMap<string, FactorKind> = new Map(
  Object.entries({ ...WORKOS_FACTORS, ...STYTCH_FACTORS }),
);

/** How a user authenticated: a name of WorkOS's list, or any other that the application chooses. */
export type AuthenticationMethod = keyof typeof WORKOS_FACTORS | (string & {});

/** Returns the factor of an authentication method. A method that is not in the list is a factor of its own name. */
export function factorOf(method: string, now: number): AuthenticationFactor {
  return {
    ...(FACTORS.get(method) ?? { type: method }),
    lastAuthenticatedAt: formatTime(now),
    sequenceOrder: "PRIMARY",
  };
}

/** Adds a factor to those of a session, in place of the one of the same type and delivery method. */
export function addFactor(
  factors: readonly AuthenticationFactor[],
  factor: AuthenticationFactor,
): readonly AuthenticationFactor[] {
  const others = factors.filter(
    ({ type, deliveryMethod }) => type !== factor.type || deliveryMethod !== factor.deliveryMethod,
  );
  const sequenceOrder = others.length === 0 ? "PRIMARY" : "SECONDARY";
  return [...others, { sequenceOrder, ...factor }];
}
