import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { WorkosOutcome } from "../../../src/stores/workos/index.ts";
import { oauth, plain } from "../../support/fake-workos-world.ts";
import { makeWorkosHarness, type WorkosHarness } from "../../support/workos-harness.ts";

const ORIGIN = { ipAddress: "192.0.2.7", userAgent: "a browser" };
const BOB = { emailAddress: "bob@example.com", password: "pw-bob" };
const ADA = { emailAddress: "ada@example.com", password: "pw-ada" };

let harness: WorkosHarness;

beforeEach(async () => {
  harness = await makeWorkosHarness({ timeout: 1 });
});

afterEach(() => harness.close());

function pendingTokenOf(outcome: WorkosOutcome): string {
  if (!("pending" in outcome) || outcome.pending === undefined) throw new Error(outcome.status);
  return outcome.pending.pendingAuthenticationToken;
}

describe("the WorkOS grants", () => {
  it("sign in with a password, and send the browser's address and user agent", async () => {
    const outcome = await harness.store.authenticateWithPassword({
      ...BOB,
      ...ORIGIN,
      invitationToken: "inv",
    });

    expect(outcome).toMatchObject({
      status: "authenticated",
      credential: { organizationId: "org_acme", user: { id: "user_bob" }, authenticationMethod: "Password" },
    });
    expect(harness.fake.sent.at(-1)).toEqual({
      grant_type: "password",
      client_id: "client_test",
      client_secret: "sk_test_a2V5",
      email: "bob@example.com",
      password: "pw-bob",
      invitation_token: "inv",
      ip_address: "192.0.2.7",
      user_agent: "a browser",
    });
  });

  it("refuse a wrong password, with WorkOS's reason for the log", async () => {
    const outcome = await harness.store.authenticateWithPassword({ ...BOB, password: "guess" });

    expect(outcome).toEqual({ status: "refused", code: "sign_in_failed", reason: "invalid_credentials" });
  });

  it("sign in with a magic code, and refuse a wrong one", async () => {
    const { store } = harness;
    const { emailAddress } = BOB;

    expect(await store.authenticateWithMagicAuth({ emailAddress, code: "123456" })).toMatchObject({
      status: "authenticated",
      credential: { authenticationMethod: "MagicAuth" },
    });
    expect(await store.authenticateWithMagicAuth({ emailAddress, code: "000000" })).toMatchObject({
      status: "refused",
      reason: "invalid_one_time_code",
    });
  });

  it("refresh, also into another organization", async () => {
    harness.fake.world.memberships.get("user_bob")?.set("org_globex", "admin");
    const first = await harness.store.authenticateWithPassword({ ...BOB }).then((outcome) =>
      harness.store.authenticateWithOrganizationSelection({
        pendingAuthenticationToken: pendingTokenOf(outcome),
        organizationId: "org_acme",
      }),
    );
    if (first.status !== "authenticated") throw new Error(first.status);
    const refreshToken = first.credential.refreshToken ?? "";
    const second = await harness.store.authenticateWithRefreshToken({
      refreshToken,
      organizationId: "org_globex",
    });

    expect(second).toMatchObject({ status: "authenticated", credential: { organizationId: "org_globex" } });
    expect(await harness.store.authenticateWithRefreshToken({ refreshToken: "never issued" })).toEqual({
      status: "refused",
      code: "session_revoked",
      reason: "invalid_grant",
    });
  });

  it("complete a sign-in in the chosen organization", async () => {
    const outcome = await harness.store.authenticateWithPassword(ADA);

    expect(outcome).toMatchObject({
      status: "selection_required",
      pending: { userId: "user_ada" },
      organizations: [
        { id: "org_acme", name: "ACME" },
        { id: "org_globex", name: "GLOBEX" },
      ],
    });
    const pendingAuthenticationToken = pendingTokenOf(outcome);
    const choose = (organizationId: string): Promise<WorkosOutcome> =>
      harness.store.authenticateWithOrganizationSelection({ pendingAuthenticationToken, organizationId });
    expect(await choose("org_closed")).toMatchObject({ code: "organization_not_available" });
    expect(await choose("org_globex")).toMatchObject({ status: "authenticated" });
    expect(await choose("org_globex")).toMatchObject({ code: "invalid_pending_authentication" });
  });

  it("complete a sign-in with the code that verifies an e-mail address", async () => {
    const { fake, store } = harness;
    const token = fake.world.defer("user_bob");
    const more = {
      pending_authentication_token: token,
      email: BOB.emailAddress,
      email_verification_id: "ev_1",
    };
    const due = plain(403, "email_verification_required");
    fake.world.stepUps.set("user_bob", { ...due, body: { ...due.body, ...more } });
    const outcome = await store.authenticateWithPassword(BOB);

    expect(outcome).toMatchObject({
      status: "step_up_required",
      reason: "email_verification_required",
      details: { emailAddress: BOB.emailAddress, emailVerificationId: "ev_1" },
    });
    const pendingAuthenticationToken = pendingTokenOf(outcome);
    expect(
      await store.authenticateWithEmailVerification({ pendingAuthenticationToken, code: "1" }),
    ).toMatchObject({
      status: "refused",
      code: "sign_in_failed",
      reason: "invalid_one_time_code",
    });
    expect(
      await store.authenticateWithEmailVerification({ pendingAuthenticationToken, code: "123456" }),
    ).toMatchObject({ status: "authenticated" });
  });

  it("complete a sign-in with the code of an authenticator app", async () => {
    const { fake, store } = harness;
    const token = fake.world.defer("user_bob");
    const due = plain(403, "mfa_challenge");
    const factors = [{ id: "auth_factor_1", type: "totp" }, { id: 2 }];
    const challenge = { id: "auth_challenge_1", factor_id: "auth_factor_1" };
    fake.world.stepUps.set("user_bob", {
      ...due,
      body: {
        ...due.body,
        pending_authentication_token: token,
        authentication_factors: factors,
        authentication_challenge: challenge,
      },
    });
    const outcome = await store.authenticateWithPassword(BOB);

    expect(outcome).toMatchObject({
      status: "step_up_required",
      reason: "mfa_challenge",
      details: {
        authenticationFactors: [{ id: "auth_factor_1", type: "totp" }],
        authenticationChallengeId: "auth_challenge_1",
      },
    });
    const totp = {
      pendingAuthenticationToken: pendingTokenOf(outcome),
      authenticationChallengeId: "auth_challenge_1",
      code: "123456",
    };
    expect(await store.authenticateWithTotp(totp)).toMatchObject({ status: "authenticated" });
    expect(harness.fake.sent.at(-1)).toMatchObject({ authentication_challenge_id: "auth_challenge_1" });
    expect(await store.authenticateWithTotp(totp)).toMatchObject({ code: "invalid_pending_authentication" });
  });

  it("return what an organization demands as step-up details", async () => {
    harness.fake.world.stepUps.set(
      "user_bob",
      oauth(400, "sso_required", {
        email: BOB.emailAddress,
        connection_ids: ["conn_1"],
        pending_authentication_token: null,
      }),
    );
    const sso = await harness.store.authenticateWithPassword(BOB);
    expect(sso).toMatchObject({
      status: "step_up_required",
      reason: "sso_required",
      details: { connectionIds: ["conn_1"] },
    });
    expect(sso).not.toHaveProperty("pending");

    const methods = { google_oauth: true, password: false };
    harness.fake.world.stepUps.set(
      "user_bob",
      oauth(400, "organization_authentication_methods_required", {
        sso_connection_ids: ["conn_2"],
        auth_methods: methods,
      }),
    );
    expect(await harness.store.authenticateWithPassword(BOB)).toMatchObject({
      reason: "organization_authentication_methods_required",
      details: { connectionIds: ["conn_2"], authenticationMethods: ["google_oauth"] },
    });
  });
});

describe("R-44: a pending token", () => {
  it("does not appear in JSON or inspect output of an outcome", async () => {
    const outcome = await harness.store.authenticateWithPassword(ADA);
    const token = pendingTokenOf(outcome);

    expect(token).toMatch(/^pending_/);
    expect(inspect(outcome, { depth: 9 })).not.toContain(token);
    expect(JSON.stringify(outcome)).not.toContain(token);
    expect(String(Object.values(outcome))).not.toContain(token);
  });

  it("does not appear in an error", async () => {
    harness.fake.fail("organization-selection", ({ answer }) => answer({ status: 500, body: {} }));
    const failure: unknown = await harness.store
      .authenticateWithOrganizationSelection({
        pendingAuthenticationToken: "canary",
        organizationId: "org_acme",
      })
      .catch((error: unknown) => error);

    expect(failure).toMatchObject({ code: "store_unavailable" });
    expect(inspect(failure, { depth: 9, showHidden: true })).not.toContain("canary");
  });
});

describe("R-08: input that is not a text", () => {
  it.each<[string, unknown]>([
    ["nothing", undefined],
    ["an object", { $ne: "" }],
    ["a list", ["pw-bob"]],
    ["an empty string", ""],
    ["too much of it", "x".repeat(5000)],
  ])("is refused without a call: %s", async (_, password) => {
    const input = { ...BOB, password: password as string };

    expect(await harness.store.authenticateWithPassword(input)).toMatchObject({
      status: "refused",
      code: "sign_in_failed",
      reason: "invalid_request",
    });
    expect(harness.fake.calls).toEqual([]);
  });

  it("is refused like an invalid token", async () => {
    const none = undefined as unknown as string;
    const { store } = harness;

    expect(
      await store.authenticateWithEmailVerification({ pendingAuthenticationToken: none, code: "1" }),
    ).toMatchObject({ code: "invalid_pending_authentication" });
    expect(await store.authenticateWithRefreshToken({ refreshToken: none })).toMatchObject({
      code: "session_revoked",
    });
    expect(harness.fake.calls).toEqual([]);
  });
});

describe("an answer of WorkOS that says nothing about the user", () => {
  it("rejects, and is never a refusal", async () => {
    harness.breakStore();
    await expect(harness.store.authenticateWithPassword(BOB)).rejects.toMatchObject({
      reason: "unreachable",
    });
    harness.mendStore();
    harness.fake.fail("password", ({ answer }) => answer({ status: 401, body: { message: "Unauthorized" } }));
    await expect(harness.store.authenticateWithPassword(BOB)).rejects.toMatchObject({
      reason: "client_rejected",
    });
  });

  it("is misconfigured for a malformed request, except for what a user filled in", async () => {
    const malformed = plain(422, "invalid_request_parameters");
    const lost = { status: 404, body: { message: "Not found" } };
    const { fake, store } = harness;
    fake.fail("password", ({ answer }) => answer(malformed));
    expect(await store.authenticateWithPassword(BOB)).toMatchObject({
      code: "sign_in_failed",
      reason: "invalid_request_parameters",
    });
    fake.fail("password", ({ answer }) => answer(lost));
    await expect(store.authenticateWithPassword(BOB)).rejects.toMatchObject({ reason: "request_rejected" });
    fake.fail("refresh_token", ({ answer }) => answer(malformed));
    await expect(store.authenticateWithRefreshToken({ refreshToken: "r" })).rejects.toMatchObject({
      reason: "client_rejected",
      misconfigured: true,
    });

    const pendingAuthenticationToken = pendingTokenOf(await store.authenticateWithPassword(ADA));
    const choose = (organizationId: string): Promise<WorkosOutcome> =>
      store.authenticateWithOrganizationSelection({ pendingAuthenticationToken, organizationId });
    for (const refusal of [malformed, lost]) {
      fake.fail("organization-selection", ({ answer }) => answer(refusal));
      // oxlint-disable-next-line no-await-in-loop -- one fault at a time
      expect(await choose("no such id")).toMatchObject({ code: "organization_not_available" });
    }
    expect(await choose("org_globex")).toMatchObject({ status: "authenticated" });
  });

  it("is nonsense for a selection without a list or without a token", async () => {
    for (const body of [
      { organizations: [] },
      { pending_authentication_token: "p" },
      { pending_authentication_token: "p", organizations: [{ id: 1 }] },
    ]) {
      const answer = plain(403, "organization_selection_required");
      harness.fake.fail("password", (exchange) =>
        exchange.answer({ ...answer, body: { ...answer.body, ...body } }),
      );
      // oxlint-disable-next-line no-await-in-loop -- one fault at a time
      await expect(harness.store.authenticateWithPassword(BOB)).rejects.toMatchObject({ reason: "nonsense" });
    }
  });
});
