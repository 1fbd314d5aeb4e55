import { describe, expect, it } from "@jest/globals";
import { parseStrictJson } from "../../../src/lib/strict-json.ts";
import { interpretStytchClaims } from "../../../src/stores/stytch/claims.ts";
import type { Interpretation } from "../../../src/store.ts";
import type { VerifiedClaims } from "../../../src/store.ts";
import { isFrozenThrough } from "../../support/frozen.ts";

const SESSION = "https://stytch.com/session";
const ORGANIZATION = "https://stytch.com/organization";

const SESSION_FIELDS = {
  id: "member-session-test-1",
  started_at: "2026-11-20T08:16:39Z",
  last_accessed_at: "2026-11-20T08:20:00Z",
  expires_at: "2026-11-20T09:16:39Z",
  attributes: { ip_address: "", user_agent: "" },
  authentication_factors: [
    {
      type: "magic_link",
      delivery_method: "email",
      last_authenticated_at: "2026-11-20T08:16:39Z",
      email_factor: { email_id: "email-test-1", email_address: "a@acme.co" },
    },
  ],
  roles: ["stytch_member", "editor"],
};

const CLAIMS: VerifiedClaims = {
  iss: "stytch.com/project-test-1",
  aud: ["project-test-1"],
  sub: "member-test-1",
  iat: 1_795_162_599,
  nbf: 1_795_162_599,
  exp: 1_795_162_899,
  [SESSION]: SESSION_FIELDS,
  [ORGANIZATION]: { organization_id: "organization-test-1", slug: "acme" },
};

function read(claims: object = {}, session: object = {}): Interpretation | undefined {
  return interpretStytchClaims({ ...CLAIMS, [SESSION]: { ...SESSION_FIELDS, ...session }, ...claims });
}

describe("the claims of a Stytch session JWT", () => {
  it("are read from the two nested claims into camelCase", () => {
    expect(read()).toEqual({
      memberSession: {
        id: "member-session-test-1",
        memberId: "member-test-1",
        organizationId: "organization-test-1",
        organizationSlug: "acme",
        startedAt: "2026-11-20T08:16:39Z",
        lastAccessedAt: "2026-11-20T08:20:00Z",
        expiresAt: "2026-11-20T09:16:39Z",
        authenticationFactors: [
          {
            type: "magic_link",
            deliveryMethod: "email",
            lastAuthenticatedAt: "2026-11-20T08:16:39Z",
            emailFactor: { emailId: "email-test-1", emailAddress: "a@acme.co" },
          },
        ],
        roles: ["stytch_member", "editor"],
        customClaims: null,
      },
      member: {
        id: "member-test-1",
        organizationId: "organization-test-1",
        roles: ["stytch_member", "editor"],
      },
      organization: { id: "organization-test-1", slug: "acme" },
      sessionExpiresAt: Date.parse("2026-11-20T09:16:39Z") / 1000,
      authenticatedAt: Date.parse("2026-11-20T08:16:39Z") / 1000,
      isFrozen: true,
    });
  });

  it("freeze the whole interpretation", () => {
    const factors = [
      { type: "magic_link", email_factor: { email_id: "e", email_address: "a@acme.co" } },
      { type: "oauth", acme_oauth_factor: { id: "o", scopes: [{ name: "calendar" }] } },
      { type: "impersonated", impersonated_factor: { impersonator_email_address: "sam@support.example" } },
    ];
    const session = { ...SESSION_FIELDS, authentication_factors: factors };
    const claims = { ...CLAIMS, [SESSION]: session, plan: { limits: [1] } };
    const json = parseStrictJson(JSON.stringify(claims)) as { readonly value: VerifiedClaims };
    const interpretation = interpretStytchClaims(json.value);

    expect(interpretation?.memberSession).toMatchObject({
      authenticationFactors: [{}, { acmeOauthFactor: { scopes: [{}] } }, {}],
      impersonator: { email: "sam@support.example" },
      customClaims: { plan: {} },
    });
    expect(Object.entries(interpretation ?? {}).filter(([, part]) => !isFrozenThrough(part))).toEqual([]);
  });

  it("R-39: do not let custom claims decide anything, whatever their names", () => {
    const custom = {
      roles: ["admin"],
      organization_id: "organization-test-2",
      member_id: "member-test-2",
      "https://stytch.com/other": { roles: ["admin"] },
      constructor: 1,
    };
    const interpretation = read(custom);
    expect(interpretation?.memberSession.customClaims).toEqual(custom);
    const { memberSession, member, organization } = interpretation ?? {};
    expect([memberSession?.roles, member?.roles]).toEqual([SESSION_FIELDS.roles, SESSION_FIELDS.roles]);
    expect([memberSession?.organizationId, organization?.id, member?.id]).toEqual([
      "organization-test-1",
      "organization-test-1",
      "member-test-1",
    ]);
  });

  it.each([
    ["a Connected App's", { [SESSION]: undefined, scope: "openid" }],
    ["a consumer's", { [ORGANIZATION]: undefined }],
    ["a machine's", { [SESSION]: undefined, [ORGANIZATION]: undefined, scope: "read:documents" }],
    ["one whose session is a string", { [SESSION]: "member-session-test-1" }],
    ["one whose organization is a list", { [ORGANIZATION]: ["organization-test-1"] }],
    ["one whose organization has no id", { [ORGANIZATION]: { slug: "acme" } }],
    ["one whose slug is an object", { [ORGANIZATION]: { organization_id: "o", slug: {} } }],
  ])("R-09: are not a session if they are %s", (_whose, claims) => {
    expect(read(claims)).toBeUndefined();
  });

  it.each([
    ["no id", { id: "" }],
    ["roles that are a string", { roles: "stytch_admin" }],
    ["a role that is no string", { roles: ["editor", 1] }],
    ["factors that are no list", { authentication_factors: {} }],
    ["a factor without a type", { authentication_factors: [{ delivery_method: "email" }] }],
    ["an end that is no time", { expires_at: "soon" }],
    ["an end that is a number", { expires_at: 1_795_162_899 }],
    ["a start without a zone", { started_at: "2026-11-20T08:16:39" }],
    ["an impersonation by nobody", { authentication_factors: [{ type: "impersonated" }] }],
  ])("R-09: are not a session if it has %s", (_what, session) => {
    expect(read({}, session)).toBeUndefined();
  });

  it("take the session's end from the token if the session does not say it", () => {
    const interpretation = read({}, { expires_at: undefined });
    expect(interpretation?.memberSession.expiresAt).toBe("2026-11-20T08:21:39.000Z");
    expect(interpretation?.sessionExpiresAt).toBe(CLAIMS.exp);
  });

  it("name the impersonator", () => {
    const impersonated = {
      type: "impersonated",
      delivery_method: "impersonation",
      impersonated_factor: { impersonator_id: "support-1", impersonator_email_address: "eve@acme.co" },
    };
    const { memberSession } = read({}, { authentication_factors: [impersonated] }) ?? {};
    expect(memberSession?.impersonator).toEqual({ email: "eve@acme.co" });
    expect(memberSession?.authenticationFactors).toEqual([
      {
        type: "impersonated",
        deliveryMethod: "impersonation",
        impersonatedFactor: { impersonatorId: "support-1", impersonatorEmailAddress: "eve@acme.co" },
      },
    ]);
  });

  it("take the authentication time from the newest factor, else from the session's start", () => {
    const at = (time: string): object => ({ type: "otp", last_authenticated_at: time });
    const times = ["2026-11-20T08:16:39Z", "2026-11-20T08:19:00Z", "2026-11-20T08:17:00Z"];
    expect(read({}, { authentication_factors: times.map(at) })?.authenticatedAt).toBe(
      Date.parse("2026-11-20T08:19:00Z") / 1000,
    );
    expect(read({}, { authentication_factors: [] })?.authenticatedAt).toBe(
      Date.parse("2026-11-20T08:16:39Z") / 1000,
    );
    const unknown = read({}, { authentication_factors: [], started_at: undefined });
    expect(unknown).not.toHaveProperty("authenticatedAt");
  });

  it("take the e-mail address and the name from a seal of the same member only", () => {
    const sealed = { accessToken: "x", user: { id: "member-test-1", email: "a@acme.co", name: "Ada" } };
    expect(interpretStytchClaims(CLAIMS, sealed)?.member).toMatchObject({
      emailAddress: "a@acme.co",
      name: "Ada",
    });
    const other = { ...sealed, user: { ...sealed.user, id: "member-test-2" } };
    expect(interpretStytchClaims(CLAIMS, other)?.member).not.toHaveProperty("emailAddress");
  });
});

const DETAILS: readonly (readonly [string, object, string, object])[] = [
  [
    "phone_number_factor",
    { phone_id: "p", phone_number: "+1" },
    "phoneNumberFactor",
    { phoneId: "p", phoneNumber: "+1" },
  ],
  [
    "google_oauth_factor",
    { id: "o", provider_subject: "s", email_id: "e" },
    "googleOauthFactor",
    { id: "o", providerSubject: "s", emailId: "e" },
  ],
  [
    "git_lab_oauth_factor",
    { id: "o", provider_subject: "s" },
    "gitLabOauthFactor",
    { id: "o", providerSubject: "s" },
  ],
  [
    "saml_sso_factor",
    { id: "i", provider_id: "p", external_id: "x" },
    "samlSsoFactor",
    { id: "i", providerId: "p", externalId: "x" },
  ],
  [
    "oidc_sso_factor",
    { id: "i", provider_id: "p", external_id: "x" },
    "oidcSsoFactor",
    { id: "i", providerId: "p", externalId: "x" },
  ],
  ["authenticator_app_factor", { totp_id: "t" }, "authenticatorAppFactor", { totpId: "t" }],
  ["recovery_code_factor", { totp_recovery_code_id: "t" }, "recoveryCodeFactor", { totpRecoveryCodeId: "t" }],
  ["github_oauth_exchange_factor", { email_id: "e" }, "githubOauthExchangeFactor", { emailId: "e" }],
  [
    "oauth_access_token_exchange_factor",
    { client_id: "c" },
    "oauthAccessTokenExchangeFactor",
    { clientId: "c" },
  ],
  ["trusted_auth_token_factor", { token_id: "t" }, "trustedAuthTokenFactor", { tokenId: "t" }],
  [
    "webauthn_factor",
    { webauthn_registration_id: "w", domain: "d" },
    "webauthnFactor",
    { webauthnRegistrationId: "w", domain: "d" },
  ],
  [
    "biometric_factor",
    { biometric_registration_id: "b" },
    "biometricFactor",
    { biometricRegistrationId: "b" },
  ],
  ["embeddable_magic_link_factor", { embedded_id: "m" }, "embeddableMagicLinkFactor", { embeddedId: "m" }],
];

describe("an authentication factor", () => {
  it.each(DETAILS)(
    "is read without %s where a required member is missing or not a string",
    (wire, detail, name) => {
      const [member = ""] = Object.keys(detail);
      const factors = [undefined, 42].map((value) => ({ type: "t", [wire]: { ...detail, [member]: value } }));
      const factorsRead = read({}, { authentication_factors: factors })?.memberSession.authenticationFactors;
      // Stytch does not list the providers of consumers: their details are passed on as they are.
      const isListed = name !== "gitLabOauthFactor";
      expect(factorsRead?.map((factor) => name in factor)).toEqual([!isListed, !isListed]);
    },
  );

  it("names the impersonator by the id where there is no e-mail address", () => {
    const factor = { type: "impersonated", impersonated_factor: { impersonator_id: "support-1" } };
    const { impersonator } = read({}, { authentication_factors: [factor] })?.memberSession ?? {};
    expect(impersonator).toEqual({ email: "support-1" });
  });

  it.each(DETAILS)("keeps the details of a %s", (wire, detail, name, expected) => {
    const factor = {
      type: "some_type",
      delivery_method: "some_method",
      sequence_order: "SECONDARY",
      last_authenticated_at: "2026-11-20T08:16:39Z",
      created_at: "2026-11-20T08:16:38Z",
      updated_at: "2026-11-20T08:16:37Z",
      [wire]: detail,
    };
    expect(read({}, { authentication_factors: [factor] })?.memberSession.authenticationFactors).toEqual([
      {
        type: "some_type",
        deliveryMethod: "some_method",
        sequenceOrder: "SECONDARY",
        lastAuthenticatedAt: "2026-11-20T08:16:39Z",
        createdAt: "2026-11-20T08:16:38Z",
        updatedAt: "2026-11-20T08:16:37Z",
        [name]: expected,
      },
    ]);
  });
});
