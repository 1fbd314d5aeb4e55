import { expect, it } from "@jest/globals";
import { factorOf } from "../../../../../src/authority/authentication-factors.ts";
import { toStytchFactor } from "../../../../../src/authority/wire/stytch/factors.ts";

it.each([
  ["SSO", "sso", "sso_saml"],
  ["MigratedSession", "imported", "imported_auth0"],
  ["IntuitOAuth", "oauth", "oauth_access_token_exchange"],
  ["VercelOAuth", "oauth", "oauth_access_token_exchange"],
  ["VercelMarketplaceOAuth", "oauth", "oauth_access_token_exchange"],
  ["XeroOAuth", "oauth", "oauth_access_token_exchange"],
  ["GoogleOAuth", "oauth", "oauth_google"],
  ["GitLabOAuth", "oauth", "oauth_gitlab"],
  ["CrossAppAuth", "oauth", "oauth_access_token_exchange"],
  ["Passkey", "webauthn", "webauthn_registration"],
  ["carrier_pigeon", "carrier_pigeon", "carrier_pigeon"],
  ["__proto__", "__proto__", "__proto__"],
])("words the method %s as %s by %s", (method, type, delivery_method) => {
  expect(toStytchFactor(factorOf(method, 1_800_000_000))).toEqual({
    type,
    delivery_method,
    sequence_order: "PRIMARY",
    last_authenticated_at: "2027-01-15T08:00:00Z",
  });
});

it.each([
  [{ type: "sso", oidcSsoFactor: { providerId: "c" } }, "sso_oidc"],
  [{ type: "sso", samlSsoFactor: {} }, "sso_saml"],
  [{ type: "sso", deliveryMethod: "saml", oidcSsoFactor: {} }, "sso_oidc"],
  [{ type: "otp" }, "sms"],
  [{ type: "otp", deliveryMethod: "whatsapp" }, "whatsapp"],
  [{ type: "magic_link", embeddableMagicLinkFactor: {} }, "embedded"],
  [{ type: "oauth", tikTokOauthFactor: {} }, "oauth_tiktok"],
  [{ type: "oauth", slackOauthExchangeFactor: {} }, "oauth_exchange_slack"],
  [{ type: "oauth", deliveryMethod: "oauth_intuit" }, "oauth_access_token_exchange"],
  [{ type: "own", deliveryMethod: "by hand" }, "by hand"],
])("finds the delivery method of %j", (factor, delivery_method) => {
  expect(toStytchFactor(factor)).toMatchObject({ type: factor.type, delivery_method });
});

it("completes the details that the SDKs require, and drops one that is no object", () => {
  const factor = {
    type: "oauth",
    googleOauthFactor: { providerSubject: "s", extraField: 1 },
    emailFactor: "text",
  };

  expect(toStytchFactor(factor)).toEqual({
    type: "oauth",
    delivery_method: "oauth_google",
    google_oauth_factor: { id: "", provider_subject: "s", email_id: null, extra_field: 1 },
  });
});

it("names the impersonator of a session in its factor, unless the application did", () => {
  const impersonator = { email: "support@example.com" };
  const mine = { impersonatorId: "i", impersonatorEmailAddress: "mine@example.com" };

  expect(toStytchFactor({ type: "impersonated" }, { impersonator })).toMatchObject({
    impersonated_factor: { impersonator_id: "", impersonator_email_address: "support@example.com" },
  });
  expect(toStytchFactor({ type: "impersonated", impersonatedFactor: mine }, { impersonator })).toMatchObject({
    impersonated_factor: { impersonator_id: "i", impersonator_email_address: "mine@example.com" },
  });
});

it("writes times without fractions of a second, and leaves out what is no time", () => {
  const factor = { type: "password", createdAt: "2026-11-28 10:00:00.5+02", updatedAt: "soon" };

  expect(toStytchFactor(factor)).toEqual({
    type: "password",
    delivery_method: "knowledge",
    created_at: "2026-11-28T08:00:00Z",
  });
});
