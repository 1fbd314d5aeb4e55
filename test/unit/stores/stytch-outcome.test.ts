import { inspect } from "node:util";
import { afterEach, describe, expect, it } from "@jest/globals";
import type {
  B2BDiscoveryIntermediateSessionsExchangeResponse,
  B2BMagicLinksAuthenticateResponse,
  B2BMagicLinksDiscoveryAuthenticateResponse,
  B2BSessionsAuthenticateResponse,
} from "stytch";
import { fromStytch, type StytchOutcome } from "../../../src/stores/stytch/index.ts";
import { done, organizationId, refused, type Fields } from "../../support/fake-stytch-world.ts";
import { makeStytchHarness, type StytchHarness } from "../../support/stytch-harness.ts";

const CONTEXT = { signal: new AbortController().signal };
const GLOBEX = organizationId("globex");
let harness: StytchHarness | undefined;

afterEach(() => harness?.close());

const SIGNED_IN = {
  member_id: "member-test-1",
  session_jwt: "the.session.jwt",
  session_token: "the-session-token",
  member_authenticated: true,
  intermediate_session_token: "",
  member: {
    member_id: "member-test-1",
    organization_id: "organization-test-1",
    email_address: "a@acme.co",
    name: "Ada",
  },
  organization: { organization_id: "organization-test-1" },
};

describe("fromStytch", () => {
  it("accepts the result of every authenticate() call of Stytch's SDK", () => {
    const takes = (
      response:
        | B2BMagicLinksAuthenticateResponse
        | B2BMagicLinksDiscoveryAuthenticateResponse
        | B2BSessionsAuthenticateResponse
        | B2BDiscoveryIntermediateSessionsExchangeResponse,
    ): StytchOutcome => fromStytch(response);
    expect(takes).toBeInstanceOf(Function);
  });

  it("turns a session into an authenticated outcome", () => {
    expect(fromStytch(SIGNED_IN)).toEqual({
      status: "authenticated",
      credential: {
        accessToken: "the.session.jwt",
        refreshToken: "the-session-token",
        user: { id: "member-test-1", email: "a@acme.co", name: "Ada" },
        organizationId: "organization-test-1",
      },
    });
  });

  it.each<readonly [string, object, object, object]>([
    [
      "mfa_required",
      {
        member_options: { mfa_phone_number: "+1555", totp_registration_id: "" },
        secondary_auth_initiated: "sms_otp",
      },
      { mfa_required: true },
      { mfaPhoneNumber: "+1555", totpRegistrationId: "", secondaryAuthInitiated: "sms_otp" },
    ],
    ["primary_required", { allowed_auth_methods: ["sso"] }, {}, { allowedAuthMethods: ["sso"] }],
  ])("turns %s into a step-up with its details", (reason, due, _more, details) => {
    const response = {
      ...SIGNED_IN,
      member_authenticated: false,
      session_jwt: "",
      session_token: "",
      intermediate_session_token: "the-canary",
      [reason]: due,
    };
    const outcome = fromStytch(response);
    expect(outcome).toMatchObject({
      status: "step_up_required",
      reason,
      details: { memberId: "member-test-1", organizationId: "organization-test-1", ...details },
    });
    expect(outcome.status === "step_up_required" && outcome.pending?.pendingAuthenticationToken).toBe(
      "the-canary",
    );
    expect(inspect(outcome, { depth: 9 }) + JSON.stringify(outcome)).not.toContain("canary");
  });

  it.each([
    undefined,
    null,
    {},
    { session_jwt: "" },
    { discovered_organizations: "x" },
    { discovered_organizations: [] },
  ])("throws for %j", (response) => {
    expect(() => fromStytch(response as object)).toThrow("was not given an authentication");
  });
});

async function pendingOf(email: string): Promise<{ readonly pendingAuthenticationToken: string }> {
  harness ??= await makeStytchHarness();
  const outcome = fromStytch(harness.fake.world.startDiscovery(email).body);
  if (outcome.status !== "selection_required") throw new Error(outcome.status);
  return outcome.pending;
}

describe("organization selection at Stytch", () => {
  it.each<readonly [string, Fields, object]>([
    [
      "404",
      refused(404, "organization_not_found").body,
      { status: "refused", code: "organization_not_available" },
    ],
    ["403", refused(403, "some_rule").body, { status: "refused", code: "organization_not_available" }],
    [
      "400",
      refused(400, "invalid_email_for_jit_provisioning").body,
      { status: "refused", code: "organization_not_available", reason: "invalid_email_for_jit_provisioning" },
    ],
    [
      "404",
      refused(404, "intermediate_session_not_found").body,
      { status: "refused", code: "invalid_pending_authentication" },
    ],
    [
      "403",
      refused(403, "insufficient_factors").body,
      { status: "step_up_required", reason: "insufficient_factors" },
    ],
  ])("turns a %s with %j into an outcome", async (status, body, expected) => {
    harness = await makeStytchHarness();
    const pending = await pendingOf("ada@example.com");
    harness.fake.fail("/exchange", ({ answer }) => answer({ status: Number(status), body }));
    expect(await harness.store.selectOrganization(pending, GLOBEX, CONTEXT)).toMatchObject(expected);
  });

  it("requests the configured session duration", async () => {
    harness = await makeStytchHarness({ sessionDuration: 7_200 });
    await harness.store.selectOrganization(await pendingOf("ada@example.com"), GLOBEX, CONTEXT);
    expect(harness.fake.sent.at(-1)).toMatchObject({ session_duration_minutes: 120 });
  });

  it("R-19: refuses a session of another organization than the chosen one, even if named by its slug", async () => {
    harness = await makeStytchHarness();
    const pending = await pendingOf("ada@example.com");
    await expect(harness.store.selectOrganization(pending, "globex", CONTEXT)).rejects.toMatchObject({
      code: "store_unavailable",
      reason: "identity",
    });
  });

  it.each([
    done({ discovered_organizations: "x" }),
    refused(400, "something_new"),
    refused(500, "internal_server_error"),
  ])("rejects when the list is missing: %j", async (answer) => {
    harness = await makeStytchHarness();
    const pending = await pendingOf("ada@example.com");
    harness.fake.fail("/discovery/organizations", (exchange) => exchange.answer(answer));
    await expect(harness.store.organizations(pending, CONTEXT)).rejects.toMatchObject({
      code: "store_unavailable",
    });
  });

  it("lists nothing for an expired token, and rejects for a session without its credential", async () => {
    harness = await makeStytchHarness();
    const lapsed = { pendingAuthenticationToken: "lapsed" };
    expect(await harness.store.organizations(lapsed, CONTEXT)).toEqual([]);
    const session = {
      id: "s",
      memberId: "m",
      organizationId: GLOBEX,
      authenticationFactors: [],
      roles: [],
      customClaims: null,
    };
    await expect(harness.store.organizations(session, CONTEXT)).rejects.toMatchObject({
      reason: "organizations_unknown",
    });
  });
});
