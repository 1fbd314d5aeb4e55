import { expect, it } from "@jest/globals";
import { factorOf } from "../../../src/authority/authentication-factors.ts";

it.each([
  ["SSO", "sso", undefined],
  ["Password", "password", "knowledge"],
  ["Passkey", "webauthn", "webauthn_registration"],
  ["MagicAuth", "email_otp", "email"],
  ["GoogleOAuth", "oauth", "oauth_google"],
  ["VercelMarketplaceOAuth", "oauth", "oauth_vercel_marketplace"],
  ["Impersonation", "impersonated", "impersonation"],
  ["MigratedSession", "imported", undefined],
  ["totp", "totp", "authenticator_app"],
  ["carrier_pigeon", "carrier_pigeon", undefined],
  ["__proto__", "__proto__", undefined],
])("the method %s is a factor of type %s", (method, type, deliveryMethod) => {
  expect(factorOf(method, 0)).toEqual({
    type,
    ...(deliveryMethod !== undefined && { deliveryMethod }),
    lastAuthenticatedAt: "1970-01-01T00:00:00.000Z",
    sequenceOrder: "PRIMARY",
  });
});
