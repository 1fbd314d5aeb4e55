import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { RenewContext, Renewal, SealedSession, StaleCredential } from "../../../src/store.ts";
import { oauth, plain, type Answer } from "../../support/fake-workos-world.ts";
import { makeWorkosHarness, type WorkosHarness } from "../../support/workos-harness.ts";

const CONTEXT: RenewContext = {
  ipAddress: "192.0.2.7",
  userAgent: "a browser",
  signal: new AbortController().signal,
};

let harness: WorkosHarness;
let credential: SealedSession;

beforeEach(async () => {
  harness = await makeWorkosHarness({ timeout: 1 });
  credential = await signIn(1);
});

afterEach(() => harness.close());

async function signIn(organizations: 0 | 1): Promise<SealedSession> {
  const outcome = await harness.signIn({ organizations });
  if (outcome.status !== "authenticated") throw new Error(outcome.status);
  return outcome.credential;
}

function claimsOf({ accessToken }: SealedSession): NonNullable<StaleCredential["claims"]> {
  const [, payload = ""] = accessToken.split(".");
  return JSON.parse(Buffer.from(payload, "base64url").toString()) as NonNullable<StaleCredential["claims"]>;
}

function staleOf(sealed: SealedSession, reason: StaleCredential["reason"] = "expired"): StaleCredential {
  return { reason, sealed, accessToken: sealed.accessToken, claims: claimsOf(sealed) };
}

function renew(reason: StaleCredential["reason"] = "expired"): Promise<Renewal> {
  return harness.store.renew(staleOf(credential, reason), CONTEXT);
}

function answerNext(answer: Answer, times = 1): void {
  harness.fake.fail("refresh_token", (exchange) => exchange.answer(answer), times);
}

function refreshes(): number {
  return harness.fake.calls.filter((call) => call.endsWith(" refresh_token")).length;
}

describe("a renewal at WorkOS", () => {
  it("sends the refresh token, the organization of the access token, and the browser's address and user agent", async () => {
    await renew();

    expect(harness.fake.sent.at(-1)).toEqual({
      grant_type: "refresh_token",
      client_id: "client_test",
      client_secret: "sk_test_a2V5",
      refresh_token: credential.refreshToken,
      organization_id: "org_acme",
      ip_address: "192.0.2.7",
      user_agent: "a browser",
    });
  });

  it("takes the organization from the access token and never from the seal", async () => {
    const sealed = { ...credential, organizationId: "org_globex" };
    await harness.store.renew({ reason: "expired", sealed, accessToken: credential.accessToken }, CONTEXT);

    expect(harness.fake.sent.at(-1)).toMatchObject({ organization_id: "org_acme" });
  });

  it("sends no organization where the token names none", async () => {
    credential = await signIn(0);
    await renew();

    expect(harness.fake.sent.at(-1)).not.toHaveProperty("organization_id");
  });

  it("returns the user as they are now", async () => {
    const user = { id: "user_bob", email: "robert@example.com", password: "pw-bob" };
    harness.fake.world.users.set("user_bob", user);

    expect(await renew()).toMatchObject({
      status: "active",
      credential: { user: { email: "robert@example.com" } },
    });
  });

  it("is unrenewable without a refresh token, and makes no call", async () => {
    const { refreshToken: _none, ...bare } = credential;

    expect(await harness.store.renew(staleOf(bare), CONTEXT)).toEqual({ status: "unrenewable" });
    expect(refreshes()).toBe(0);
  });
});

describe("an answer of WorkOS to a renewal", () => {
  it.each([
    oauth(400, "invalid_grant"),
    oauth(400, "expired_token"),
    plain(400, "organization_membership_not_found"),
    plain(404, "organization_not_found"),
    plain(400, "invalid_organization_id"),
  ])("ends the session: %j", async (answer) => {
    answerNext(answer);

    expect(await renew()).toEqual({ status: "ended", reason: answer.body["error"] ?? answer.body["code"] });
  });

  it.each([
    oauth(400, "sso_required", { connection_ids: ["conn_1"] }),
    oauth(400, "mfa_enrollment"),
    plain(403, "mfa_enrollment"),
    plain(403, "mfa_challenge"),
    oauth(400, "organization_authentication_methods_required"),
    plain(403, "authentication_method_not_allowed"),
    plain(403, "email_verification_required"),
    plain(403, "organization_selection_required"),
    plain(403, "radar_email_challenge"),
  ])("requires another authentication: %j", async (answer) => {
    answerNext(answer);

    expect(await renew()).toEqual({
      status: "reauthenticate",
      reason: answer.body["error"] ?? answer.body["code"],
      organizationId: "org_acme",
    });
  });

  it("carries the URL only if it is safe to send a browser there", async () => {
    const url = "https://auth.example.com/sso?x=1";
    answerNext(oauth(400, "sso_required", { authkit_redirect_url: url }));
    expect(await renew()).toMatchObject({ status: "reauthenticate", url });

    for (const bad of [
      "javascript:alert(1)",
      "http://auth.example.com/",
      "/relative",
      42,
      `https://a/${"x".repeat(3000)}`,
    ]) {
      answerNext(oauth(400, "sso_required", { authkit_redirect_url: bad }));
      expect(await renew()).not.toHaveProperty("url");
    }
  });

  it.each<[Answer, string]>([
    [oauth(401, "invalid_client"), "client_rejected"],
    [oauth(400, "unauthorized_client"), "client_rejected"],
    [{ status: 401, body: { message: "Unauthorized" } }, "client_rejected"],
    [plain(422, "invalid_request_parameters"), "client_rejected"],
    [{ status: 404, body: { message: "Not Found" } }, "request_rejected"],
    [{ status: 400, body: { error: ["invalid_grant"] } }, "request_rejected"],
    [oauth(400, "token_too_big"), "request_rejected"],
    [oauth(400, "something_new"), "request_rejected"],
    [oauth(400, "constructor"), "request_rejected"],
    [{ status: 200, body: {} }, "nonsense"],
    [{ status: 200, body: { access_token: "a", user: { id: "user_ada" } } }, "nonsense"],
    [{ status: 500, body: { error: "invalid_grant" } }, "server_error"],
    [{ status: 503, body: {} }, "server_error"],
    [{ status: 408, body: {} }, "upstream_timeout"],
    [plain(429, "daily_quota_exceeded"), "rate_limited"],
  ])("is unavailable and keeps the session: %j", async (answer, reason) => {
    answerNext(answer);

    await expect(renew()).rejects.toMatchObject({ code: "store_unavailable", reason });
    expect(await renew()).toMatchObject({ status: "active" });
  });

  it("is misconfigured when WorkOS refuses the application itself", async () => {
    answerNext(oauth(401, "invalid_client"));

    await expect(renew()).rejects.toMatchObject({ reason: "client_rejected", misconfigured: true });
  });

  it("carries the seconds of Retry-After", async () => {
    answerNext({ status: 503, body: {}, headers: { "retry-after": "17" } });

    await expect(renew()).rejects.toMatchObject({ retryAfter: 17 });
  });
});

describe("two concurrent exchanges of one refresh token", () => {
  const contended = { ...oauth(429, "too_many_requests"), headers: { "retry-after": "0" } };

  it("retry after contention with another process", async () => {
    answerNext(contended, 2);

    expect(await renew()).toMatchObject({ status: "active" });
    expect(refreshes()).toBe(3);
  });

  it("accept the answer of the retry as the session's", async () => {
    answerNext(contended);
    harness.fake.world.replayGrace = 10;
    harness.fake.world.refresh(credential.refreshToken ?? "", "org_acme");

    expect(await renew()).toMatchObject({ status: "active" });
  });

  it("do not end the session when another process has spent the token", async () => {
    answerNext(contended);
    answerNext(oauth(400, "invalid_grant"));

    await expect(renew()).rejects.toMatchObject({
      reason: "refresh_contended",
      contended: true,
      retryAfter: 1,
    });
    expect(refreshes()).toBe(2);
    answerNext(oauth(400, "invalid_grant"));
    expect(await renew()).toMatchObject({ status: "ended" });
  });

  it("keep the session for ten seconds when another process has exchanged the token, and ask once", async () => {
    harness.fake.world.refresh(credential.refreshToken ?? "", "org_acme");
    const isContended = { reason: "refresh_contended", contended: true, retryAfter: 1 };

    await expect(renew()).rejects.toMatchObject(isContended);
    harness.advance(9);
    await expect(renew()).rejects.toMatchObject(isContended);
    expect(refreshes()).toBe(1);

    harness.advance(1);
    expect(await renew()).toEqual({ status: "ended", reason: "invalid_grant" });
    expect(refreshes()).toBe(2);
  });

  it("give up after four attempts", async () => {
    answerNext(contended, 9);

    await expect(renew()).rejects.toMatchObject({ code: "store_unavailable", reason: "refresh_contended" });
    expect(refreshes()).toBe(4);
  });

  it("do not wait longer than the timeout", async () => {
    answerNext({ ...contended, headers: { "retry-after": "30" } });

    await expect(renew()).rejects.toMatchObject({ reason: "refresh_contended", retryAfter: 30 });
    expect(refreshes()).toBe(1);
  });

  it("share one call and its answer within a process", async () => {
    const renewals = await Promise.all([renew(), renew(), renew()]);

    expect(new Set(renewals.map((renewal) => JSON.stringify(renewal))).size).toBe(1);
    expect(refreshes()).toBe(1);
  });

  it("exchange the successor for a caller who needs a current answer", async () => {
    const [expired, asked] = await Promise.all([renew("expired"), renew("asked")]);

    expect(expired).toMatchObject({ status: "active" });
    expect(asked).toMatchObject({ status: "active" });
    expect(harness.fake.sent.at(-1)?.["refresh_token"]).toBe(
      expired.status === "active" ? expired.credential?.refreshToken : undefined,
    );
  });

  it("share one failed call within a process", async () => {
    harness.fake.fail("refresh_token", ({ request }) => request.socket.destroy());
    const renewals = await Promise.allSettled([renew(), renew(), renew("asked")]);

    expect(renewals.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(refreshes()).toBe(1);
  });

  it("exchange the successor when they ask for two organizations", async () => {
    harness.fake.world.memberships.get("user_bob")?.set("org_globex", "admin");
    const { store } = harness;
    const [renewed, switched] = await Promise.all([
      renew(),
      store.switchOrganization(staleOf(credential), "org_globex", CONTEXT),
    ]);

    expect(renewed).toMatchObject({ status: "active", credential: { organizationId: "org_acme" } });
    expect(switched).toMatchObject({ status: "authenticated", credential: { organizationId: "org_globex" } });
  });
});

describe("a lost reply", () => {
  it("is repaired by WorkOS while it accepts the spent token", async () => {
    harness.fake.world.replayGrace = 10;
    harness.fake.fail("refresh_token", ({ perform, request }) => {
      perform();
      request.socket.destroy();
    });

    await expect(renew()).rejects.toMatchObject({ reason: "unreachable" });
    expect(await renew()).toMatchObject({ status: "active" });
  });

  it("is used by the next caller when the first one stopped waiting", async () => {
    // A budget that does not run out here: it is the signal that ends the wait.
    harness.close();
    harness = await makeWorkosHarness();
    credential = await signIn(1);
    let release = (): void => undefined;
    const arrived = new Promise<void>((resolve) => {
      harness.fake.fail("refresh_token", ({ perform, answer }) => {
        release = () => answer(perform());
        resolve();
      });
    });
    const aborting = new AbortController();
    const first = harness.store.renew(staleOf(credential), { ...CONTEXT, signal: aborting.signal });
    await arrived;
    aborting.abort();
    const nextTurn = new Promise((resolve) => setImmediate(resolve, "still waiting"));
    const given = await Promise.race([first.catch((error: unknown) => error), nextTurn]);
    expect(given).toMatchObject({ reason: "timeout" });
    const second = renew();
    release();

    expect(await second).toMatchObject({ status: "active" });
    expect(refreshes()).toBe(1);
  });

  it("is waited for and not requested again, however late it comes within the grace", async () => {
    harness.close();
    harness = await makeWorkosHarness({ timeout: 0.1 });
    credential = await signIn(1);
    let release = (): void => undefined;
    harness.fake.fail("refresh_token", ({ perform, answer }) => {
      release = () => answer(perform());
    });
    await expect(renew()).rejects.toMatchObject({ reason: "timeout" });
    // More than six timeouts: the shared single flight would give up on any other work.
    await new Promise((resolve) => setTimeout(resolve, 800));
    const late = renew();
    release();

    expect(await late).toMatchObject({ status: "active" });
    expect(refreshes()).toBe(1);
  });

  it("lets a spent token lead to its successor for 30 s, and no longer", async () => {
    await renew();
    harness.advance(29);
    expect(await renew()).toMatchObject({ status: "active" });

    harness.advance(31);
    expect(await renew()).toEqual({ status: "ended", reason: "invalid_grant" });
  });
});

describe("R-20: an answer about another user or organization", () => {
  it("is refused for another user", async () => {
    const other = await signIn(0);
    harness.fake.fail("refresh_token", ({ perform, answer }) => {
      const { body } = perform();
      const user = harness.fake.world.describeUser("user_nora");
      answer({ status: 200, body: { ...body, access_token: other.accessToken, user } });
    });

    await expect(renew()).rejects.toMatchObject({ reason: "foreign_renewal" });
  });

  it("is refused for another organization", async () => {
    harness.fake.fail("refresh_token", ({ perform, answer }) =>
      answer({ status: 200, body: { ...perform().body, organization_id: "org_globex" } }),
    );

    await expect(renew()).rejects.toMatchObject({ reason: "foreign_renewal" });
  });

  it("leaves no successor behind", async () => {
    harness.fake.fail("refresh_token", ({ answer }) => {
      const user = harness.fake.world.describeUser("user_nora");
      answer({ status: 200, body: { access_token: "x.y.z", refresh_token: "somebody-elses", user } });
    });
    await expect(renew()).rejects.toMatchObject({ reason: "foreign_renewal" });

    expect(await renew()).toMatchObject({ status: "active" });
    expect(harness.fake.sent.at(-1)).toMatchObject({ refresh_token: credential.refreshToken });
  });
});
