import { isString } from "../../../lib/values.ts";
import { normalizeTime } from "../../../lib/clock.ts";
import type { AuthenticationFactor, Impersonator } from "../../../model.ts";
import { type FieldReaders, objectField, snakeCaseMembers, textField } from "../entity-fields.ts";

type Body = Readonly<Record<string, unknown>>;

/** Every delivery method that Stytch's SDKs know. In typed languages they fail on any other. */
const DELIVERY_METHODS: ReadonlySet<string> = new Set([
  "email",
  "sms",
  "whatsapp",
  "embedded",
  "oauth_google",
  "oauth_microsoft",
  "oauth_apple",
  "webauthn_registration",
  "authenticator_app",
  "oauth_github",
  "recovery_code",
  "oauth_facebook",
  "crypto_wallet",
  "oauth_amazon",
  "oauth_bitbucket",
  "oauth_coinbase",
  "oauth_discord",
  "oauth_figma",
  "oauth_gitlab",
  "oauth_instagram",
  "oauth_linkedin",
  "oauth_shopify",
  "oauth_slack",
  "oauth_snapchat",
  "oauth_spotify",
  "oauth_steam",
  "oauth_tiktok",
  "oauth_twitch",
  "oauth_twitter",
  "knowledge",
  "biometric",
  "sso_saml",
  "sso_oidc",
  "oauth_salesforce",
  "oauth_yahoo",
  "oauth_hubspot",
  "imported_auth0",
  "oauth_exchange_slack",
  "oauth_exchange_hubspot",
  "oauth_exchange_github",
  "oauth_exchange_google",
  "impersonation",
  "oauth_access_token_exchange",
  "trusted_token_exchange",
]);

/** The delivery method of a factor that says nothing more of itself, by its type. */
const USUAL_DELIVERY: ReadonlyMap<string, string> = new Map([
  ["magic_link", "email"],
  ["email_otp", "email"],
  ["otp", "sms"],
  ["password", "knowledge"],
  ["totp", "authenticator_app"],
  ["recovery_codes", "recovery_code"],
  ["sso", "sso_saml"],
  // A provider that Stytch has no name for.
  ["oauth", "oauth_access_token_exchange"],
  ["webauthn", "webauthn_registration"],
  ["crypto", "crypto_wallet"],
  ["signature_challenge", "biometric"],
  ["impersonated", "impersonation"],
  ["imported", "imported_auth0"],
  ["trusted_auth_token", "trusted_token_exchange"],
]);

/** The details of a factor that name its delivery method. Those of OAuth providers follow from their names. */
const DELIVERY_OF_DETAIL: ReadonlyMap<string, string> = new Map([
  ["saml_sso_factor", "sso_saml"],
  ["oidc_sso_factor", "sso_oidc"],
  ["embeddable_magic_link_factor", "embedded"],
  ["biometric_factor", "biometric"],
  ["webauthn_factor", "webauthn_registration"],
]);

const text = textField("");

/** What the SDKs require of a detail. */
const DETAIL_FIELDS: ReadonlyMap<string, FieldReaders> = new Map([
  ["email_factor", { email_id: text, email_address: text }],
  ["phone_number_factor", { phone_id: text, phone_number: text }],
  ["saml_sso_factor", { id: text, provider_id: text, external_id: text }],
  ["oidc_sso_factor", { id: text, provider_id: text, external_id: text }],
  ["authenticator_app_factor", { totp_id: text }],
  ["recovery_code_factor", { totp_recovery_code_id: text }],
  ["webauthn_factor", { webauthn_registration_id: text, domain: text }],
  ["biometric_factor", { biometric_registration_id: text }],
  ["crypto_wallet_factor", { crypto_wallet_id: text, crypto_wallet_address: text, crypto_wallet_type: text }],
  ["embeddable_magic_link_factor", { embedded_id: text }],
  ["impersonated_factor", { impersonator_id: text, impersonator_email_address: text }],
  ["oauth_access_token_exchange_factor", { client_id: text }],
  ["trusted_auth_token_factor", { token_id: text }],
]);

const OAUTH_FIELDS: FieldReaders = { id: text, provider_subject: text, email_id: textField(null) };
const OAUTH_EXCHANGE_FIELDS: FieldReaders = { email_id: text };

/**
 * Describes a factor in Stytch's words, with the details that the application gave.
 *
 * A factor of a type that Stytch does not have is the application's own, and keeps its name.
 */
export function toStytchFactor(
  factor: AuthenticationFactor,
  { impersonator }: { readonly impersonator?: Impersonator | undefined } = {},
): Body {
  const { type, deliveryMethod, lastAuthenticatedAt, createdAt, updatedAt, ...rest } = factor;
  const details = new Map(Object.entries(snakeCaseMembers(rest)));
  if (type === "impersonated" && impersonator !== undefined && !details.has("impersonated_factor")) {
    details.set("impersonated_factor", { impersonator_email_address: impersonator.email });
  }
  return {
    ...Object.fromEntries([...details].flatMap(([name, detail]) => describeDetail(name, detail))),
    type,
    delivery_method: deliveryOf(type, deliveryMethod, details),
    ...timeOf("last_authenticated_at", lastAuthenticatedAt),
    ...timeOf("created_at", createdAt),
    ...timeOf("updated_at", updatedAt),
  };
}

function deliveryOf(type: string, given: string | undefined, details: ReadonlyMap<string, unknown>): string {
  const named = [given, ...[...details.keys()].map(deliveryOfDetail)];
  const usual = USUAL_DELIVERY.get(type);
  if (usual === undefined) return given ?? type;
  return named.find((method) => method !== undefined && DELIVERY_METHODS.has(method)) ?? usual;
}

/** `google_oauth_factor` is of `oauth_google`, `git_lab_oauth_factor` of `oauth_gitlab`. */
function deliveryOfDetail(name: string): string | undefined {
  const [, provider, exchange] = /^(\w+)_oauth(_exchange)?_factor$/.exec(name) ?? [];
  if (provider === undefined) return DELIVERY_OF_DETAIL.get(name);
  return `oauth${exchange ?? ""}_${provider.replaceAll("_", "")}`;
}

function describeDetail(name: string, detail: unknown): readonly (readonly [string, unknown])[] {
  if (!name.endsWith("_factor")) return [[name, detail]];
  const described = objectField(undefined, fieldsOfDetail(name))(detail);
  return described === undefined ? [] : [[name, described]];
}

function fieldsOfDetail(name: string): FieldReaders {
  const fields = DETAIL_FIELDS.get(name);
  if (fields !== undefined) return fields;
  if (name.endsWith("_oauth_exchange_factor")) return OAUTH_EXCHANGE_FIELDS;
  return name.endsWith("_oauth_factor") ? OAUTH_FIELDS : {};
}

function timeOf(name: string, given: string | undefined): Body {
  const time = normalizeTime(given);
  return isString(time) ? { [name]: toSeconds(time) } : {};
}

/** Writes a time as Stytch does: without fractions of a second. */
export function toSeconds(timestamp: string): string {
  return timestamp.replace(/\.\d+Z$/, "Z");
}
