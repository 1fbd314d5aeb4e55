import type { AuthenticationFactor } from "../../model.ts";
import { isObject, isText } from "../shape.ts";
import { isTimestamp } from "../timestamp.ts";

/** An OAuth registration at a provider. */
export interface OauthFactor {
  readonly id: string;
  readonly providerSubject: string;
  readonly emailId?: string;
}

/** A registration at an organization's identity provider. */
export interface SsoFactor {
  readonly id: string;
  readonly providerId: string;
  readonly externalId: string;
}

/** An address that a provider's account was exchanged for. */
export interface OauthExchangeFactor {
  readonly emailId: string;
}

/**
 * An authentication factor as Stytch tells of it; which of the details is there depends on `deliveryMethod`.
 *
 * Providers that are not listed have details of the same form, under `${provider}OauthFactor`.
 */
export interface StytchAuthenticationFactor extends AuthenticationFactor {
  readonly emailFactor?: { readonly emailId: string; readonly emailAddress: string };
  readonly phoneNumberFactor?: { readonly phoneId: string; readonly phoneNumber: string };
  readonly googleOauthFactor?: OauthFactor;
  readonly microsoftOauthFactor?: OauthFactor;
  readonly hubspotOauthFactor?: OauthFactor;
  readonly slackOauthFactor?: OauthFactor;
  readonly githubOauthFactor?: OauthFactor;
  readonly samlSsoFactor?: SsoFactor;
  readonly oidcSsoFactor?: SsoFactor;
  readonly authenticatorAppFactor?: { readonly totpId: string };
  readonly recoveryCodeFactor?: { readonly totpRecoveryCodeId: string };
  readonly googleOauthExchangeFactor?: OauthExchangeFactor;
  readonly githubOauthExchangeFactor?: OauthExchangeFactor;
  readonly hubspotOauthExchangeFactor?: OauthExchangeFactor;
  readonly slackOauthExchangeFactor?: OauthExchangeFactor;
  readonly impersonatedFactor?: {
    readonly impersonatorId: string;
    readonly impersonatorEmailAddress: string;
  };
  readonly oauthAccessTokenExchangeFactor?: { readonly clientId: string };
  readonly trustedAuthTokenFactor?: { readonly tokenId: string };
  readonly webauthnFactor?: {
    readonly webauthnRegistrationId: string;
    readonly domain: string;
    readonly userAgent?: string;
  };
  readonly biometricFactor?: { readonly biometricRegistrationId: string };
  readonly cryptoWalletFactor?: {
    readonly cryptoWalletId: string;
    readonly cryptoWalletAddress: string;
    readonly cryptoWalletType: string;
  };
  readonly embeddableMagicLinkFactor?: { readonly embeddedId: string };
}

/** Reads the factors of a session; `undefined` for whatever is not a list of them. */
export function readFactors(value: unknown): readonly StytchAuthenticationFactor[] | undefined {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) return undefined;
  const factors = value.map(readFactor);
  return factors.every((factor) => factor !== undefined) ? factors : undefined;
}

function readFactor(value: unknown): StytchAuthenticationFactor | undefined {
  if (!isObject(value)) return undefined;
  const { type, delivery_method: deliveryMethod, sequence_order: sequenceOrder } = value;
  const { last_authenticated_at: lastAuthenticatedAt, created_at: createdAt, updated_at: updatedAt } = value;
  if (!isText(type)) return undefined;
  const details = Object.entries(value).filter(([name, detail]) => DETAIL.test(name) && isObject(detail));
  return {
    type,
    ...(isText(deliveryMethod) && { deliveryMethod }),
    ...(isTimestamp(lastAuthenticatedAt) && { lastAuthenticatedAt }),
    ...(isTimestamp(createdAt) && { createdAt }),
    ...(isTimestamp(updatedAt) && { updatedAt }),
    ...((sequenceOrder === "PRIMARY" || sequenceOrder === "SECONDARY") && { sequenceOrder }),
    ...Object.fromEntries(details.map(([name, detail]) => [toCamelCase(name), renameMembers(detail)])),
  };
}

const DETAIL = /^[a-z][a-z\d_]{0,60}_factor$/;

function renameMembers(detail: unknown): unknown {
  if (!isObject(detail)) return undefined;
  return Object.fromEntries(Object.entries(detail).map(([name, value]) => [toCamelCase(name), value]));
}

function toCamelCase(name: string): string {
  return name.replaceAll(/(?<=[a-z\d])_([a-z\d])/g, (_, letter: string) => letter.toUpperCase());
}
