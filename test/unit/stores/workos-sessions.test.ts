import { afterEach, describe, expect, it } from "@jest/globals";
import type { SealedSession, StaleCredential } from "../../../src/store.ts";
import type { WorkosOptions } from "../../../src/stores/workos/index.ts";
import { oauth, plain, type Answer } from "../../support/fake-workos-world.ts";
import { makeWorkosHarness, type WorkosHarness } from "../../support/workos-harness.ts";

const CONTEXT = { signal: new AbortController().signal };
const harnesses: WorkosHarness[] = [];

afterEach(() => {
  for (const harness of harnesses.splice(0)) harness.close();
});

async function start(options: Partial<WorkosOptions> = {}): Promise<WorkosHarness> {
  const harness = await makeWorkosHarness(options);
  harnesses.push(harness);
  return harness;
}

async function signIn(harness: WorkosHarness, organizationId?: string): Promise<SealedSession> {
  let outcome = await harness.signIn({ organizations: organizationId === undefined ? 1 : 2 });
  if (outcome.status === "selection_required") {
    outcome = await harness.store.selectOrganization(outcome.pending, organizationId ?? "", CONTEXT);
  }
  if (outcome.status !== "authenticated") throw new Error(outcome.status);
  return outcome.credential;
}

function claimsOf({ accessToken }: SealedSession): NonNullable<StaleCredential["claims"]> {
  const [, payload = ""] = accessToken.split(".");
  return JSON.parse(Buffer.from(payload, "base64url").toString()) as NonNullable<StaleCredential["claims"]>;
}

function staleOf(sealed: SealedSession): StaleCredential {
  return { reason: "asked", sealed, accessToken: sealed.accessToken, claims: claimsOf(sealed) };
}

describe("the list of organizations", () => {
  it("holds the user's active memberships, by the pending authentication and by the session", async () => {
    const { store, fake } = await start();
    const outcome = await store.authenticateWithPassword({
      emailAddress: "ada@example.com",
      password: "pw-ada",
    });
    if (outcome.status !== "selection_required") throw new Error(outcome.status);
    const acme = { id: "org_acme", name: "ACME" };

    expect(await store.organizations(outcome.pending, CONTEXT)).toEqual([
      acme,
      { id: "org_globex", name: "GLOBEX" },
    ]);
    fake.world.memberships.get("user_ada")?.delete("org_globex");
    expect(await store.organizations(outcome.pending, CONTEXT)).toEqual([acme]);
    fake.fail("memberships", ({ answer }) => {
      const memberships = [
        { organization_id: "org_acme", status: "active" },
        { organization_id: "org_globex", organization_name: "Globex", status: "inactive" },
        { organization_id: "org_closed", organization_name: "Closed", status: "pending" },
        { status: "active" },
        "nonsense",
      ];
      answer({ status: 200, body: { data: memberships, list_metadata: {} } });
    });
    expect(await store.organizations(outcome.pending, CONTEXT)).toEqual([
      { id: "org_acme", name: "org_acme" },
    ]);
  });

  it("is fetched page by page", async () => {
    const { store, fake } = await start();
    const many = Array.from({ length: 250 }, (_, index) => [`org_${index}`, "viewer"] as const);
    fake.world.memberships.set("user_ada", new Map(many));
    const outcome = await store.authenticateWithPassword({
      emailAddress: "ada@example.com",
      password: "pw-ada",
    });
    if (outcome.status !== "selection_required") throw new Error(outcome.status);

    expect(await store.organizations(outcome.pending, CONTEXT)).toHaveLength(250);
    expect(fake.calls.filter((call) => call.includes("memberships"))).toHaveLength(3);
  });

  it("is the one that came with the pending authentication where WorkOS named no user", async () => {
    const { store, fake, advance } = await start();
    const choice = plain(403, "organization_selection_required");
    const organizations = [{ id: "org_acme", name: "Acme", domains: [] }];
    fake.fail("password", ({ answer }) =>
      answer({
        ...choice,
        body: { ...choice.body, pending_authentication_token: "pending_1", organizations },
      }),
    );
    const outcome = await store.authenticateWithPassword({
      emailAddress: "ada@example.com",
      password: "pw-ada",
    });
    if (outcome.status !== "selection_required") throw new Error(outcome.status);

    expect(outcome.pending).not.toHaveProperty("userId");
    expect(await store.organizations(outcome.pending, CONTEXT)).toEqual([{ id: "org_acme", name: "Acme" }]);
    await expect(
      store.organizations({ pendingAuthenticationToken: "another" }, CONTEXT),
    ).rejects.toMatchObject({ reason: "organizations_unknown" });
    advance(601);
    await expect(store.organizations(outcome.pending, CONTEXT)).rejects.toMatchObject({
      code: "store_unavailable",
    });
  });

  it("is unavailable while WorkOS gives no usable answer", async () => {
    const { store, fake } = await start();
    const pending = { pendingAuthenticationToken: "p", userId: "user_ada" };

    for (const answer of [
      { status: 200, body: {} },
      { status: 400, body: {} },
      plain(401, "unauthorized"),
      { status: 503, body: {} },
    ]) {
      fake.fail("memberships", (exchange) => exchange.answer(answer));
      // oxlint-disable-next-line no-await-in-loop -- one fault at a time
      await expect(store.organizations(pending, CONTEXT)).rejects.toMatchObject({
        code: "store_unavailable",
      });
    }
  });
});

describe("switchOrganization", () => {
  it("keeps the session's id and the fields that others sealed", async () => {
    const harness = await start();
    const before = { ...(await signIn(harness, "org_acme")), theme: "dark" };
    const outcome = await harness.store.switchOrganization(staleOf(before), "org_globex", CONTEXT);

    expect(outcome).toMatchObject({
      status: "authenticated",
      credential: { theme: "dark", organizationId: "org_globex" },
    });
    if (outcome.status !== "authenticated") throw new Error(outcome.status);
    expect(claimsOf(outcome.credential)).toMatchObject({
      sid: claimsOf(before)["sid"],
      org_id: "org_globex",
      role: "viewer",
    });
  });

  it("requires a step-up with its URL when the other organization demands more", async () => {
    const harness = await start();
    const before = await signIn(harness, "org_acme");
    const url = "https://auth.example.com/sso";
    harness.fake.fail("refresh_token", ({ answer }) =>
      answer(oauth(400, "sso_required", { authkit_redirect_url: url })),
    );
    expect(await harness.store.switchOrganization(staleOf(before), "org_globex", CONTEXT)).toMatchObject({
      status: "step_up_required",
      reason: "sso_required",
      url,
    });

    harness.fake.fail("refresh_token", ({ answer }) => answer(oauth(400, "mfa_enrollment")));
    expect(await harness.store.switchOrganization(staleOf(before), "org_globex", CONTEXT)).toMatchObject({
      status: "step_up_required",
      reason: "mfa_enrollment",
    });
  });

  it.each<[string, Answer]>([
    ["not found", { status: 404, body: { message: "Organization not found." } }],
    ["not found, by a code", plain(404, "entity_not_found")],
    ["malformed", plain(422, "invalid_request_parameters")],
    ["not the user's", oauth(400, "organization_membership_not_found")],
  ])("refuses an organization that is %s, without counting it as an outage", async (_what, refusal) => {
    const harness = await start();
    const before = await signIn(harness, "org_acme");
    harness.fake.fail("refresh_token", ({ answer }) => answer(refusal));

    expect(await harness.store.switchOrganization(staleOf(before), "org_globex", CONTEXT)).toMatchObject({
      status: "refused",
      code: "organization_not_available",
    });
  });

  it("rejects for an unknown code, and does not refuse", async () => {
    const harness = await start();
    const before = await signIn(harness, "org_acme");
    harness.fake.fail("refresh_token", ({ answer }) => answer(oauth(400, "something_new")));

    await expect(
      harness.store.switchOrganization(staleOf(before), "org_globex", CONTEXT),
    ).rejects.toMatchObject({ code: "store_unavailable" });
  });

  it("refuses a bearer token, which has no refresh token", async () => {
    const harness = await start();
    const { sealed: _none, ...bare } = staleOf(await signIn(harness, "org_acme"));

    expect(await harness.store.switchOrganization(bare, "org_globex", CONTEXT)).toMatchObject({
      code: "session_revoked",
      reason: "no_refresh_token",
    });
  });
});

describe("signing out", () => {
  it("revokes the session, with the API key", async () => {
    const harness = await start();
    const sessionId = String(claimsOf(await signIn(harness))["sid"]);

    expect(await harness.store.endSession({ sessionId }, CONTEXT)).toEqual({});
    expect(harness.fake.world.sessions.get(sessionId)?.status).toBe("revoked");
  });

  it("makes WorkOS's logout URL without asking WorkOS, unless the option switches it off", async () => {
    const harness = await start();
    const sealed = await signIn(harness);
    const sessionId = String(claimsOf(sealed)["sid"]);
    const url = `${harness.fake.url}/user_management/sessions/logout?session_id=${sessionId}`;
    expect(harness.store.logoutUrl({ sessionId }, {})).toBe(url);
    const of = { reason: "asked", accessToken: sealed.accessToken } as const;
    expect(harness.store.logoutUrl({ ...of, sealed }, {})).toBe(url);
    expect(harness.store.logoutUrl(of, {})).toBeUndefined();

    const { store } = await start({ logout: { returnTo: "https://www.example.com/bye?a=1&b=2" } });
    const returnToOf = (options: { returnTo?: string }): string | null =>
      new URL(store.logoutUrl({ sessionId }, options) ?? "").searchParams.get("return_to");
    expect(returnToOf({})).toBe("https://www.example.com/bye?a=1&b=2");
    expect(returnToOf({ returnTo: "https://app.example.com/" })).toBe("https://app.example.com/");
    expect((await start({ logout: false })).store.logoutUrl({ sessionId }, {})).toBeUndefined();
  });

  it("revokes all sessions of the user, and no others", async () => {
    const harness = await start();
    const sessions = await Promise.all(Array.from({ length: 120 }, () => signIn(harness)));
    const other = String(claimsOf(await signIn(harness, "org_acme"))["sid"]);
    await harness.store.endSession({ memberId: "user_bob" }, CONTEXT);
    const statuses = sessions.map(
      (session) => harness.fake.world.sessions.get(String(claimsOf(session)["sid"]))?.status,
    );

    expect(new Set(statuses)).toEqual(new Set(["revoked"]));
    expect(harness.fake.world.sessions.get(other)?.status).toBe("active");
  });

  it("revokes the session in an authentic seal whose token's key is withdrawn", async () => {
    const harness = await start({ logout: {} });
    const sealed = await signIn(harness);
    const { accessToken } = sealed;
    const of = { reason: "asked", accessToken, sealed } as const;
    const { sid: sessionId, sub: memberId } = claimsOf(sealed);

    expect(await harness.store.endPresented(of, "session", CONTEXT)).toEqual({
      status: "ended",
      sessionId,
      memberId,
    });
    expect(harness.fake.world.sessions.get(String(sessionId))?.status).toBe("revoked");
    const other = String(claimsOf(await signIn(harness))["sid"]);
    expect(await harness.store.endPresented(of, "member", CONTEXT)).toMatchObject({
      status: "ended",
      memberId,
    });
    expect(harness.fake.world.sessions.get(other)?.status).toBe("revoked");
  });

  it("makes no call without a seal, or for a seal that names no session", async () => {
    const harness = await start();
    const sealed = await signIn(harness);
    harness.fake.calls.length = 0;
    const { accessToken } = sealed;

    for (const presented of [{ accessToken }, { accessToken: "a.b.c", sealed }, { sealed }]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect(await harness.store.endPresented({ reason: "asked", ...presented }, "session", CONTEXT)).toEqual(
        {
          status: "unknown",
        },
      );
    }
    expect(harness.fake.calls).toEqual([]);
  });

  it("rejects when WorkOS does not confirm the end", async () => {
    const { store, fake } = await start();
    for (const answer of [
      { status: 500, body: {} },
      plain(401, "unauthorized"),
      plain(403, "forbidden"),
      { status: 409, body: {} },
    ]) {
      fake.fail("revoke", (exchange) => exchange.answer(answer));
      // oxlint-disable-next-line no-await-in-loop -- one fault at a time
      await expect(store.endSession({ sessionId: "s" }, CONTEXT)).rejects.toMatchObject({
        code: "store_unavailable",
      });
    }
  });
});

describe("R-35: an API key that WorkOS rejects", () => {
  it.each([401, 403])("is reported as client_rejected (%i), and ends no session", async (status) => {
    const { store, fake } = await start();
    fake.fail("/user_management/", ({ answer }) => answer({ status, body: { message: "Unauthorized" } }), 2);

    const rejected = { code: "store_unavailable", reason: "client_rejected" };
    await expect(store.endSession({ sessionId: "s" }, CONTEXT)).rejects.toMatchObject(rejected);
    const pending = { pendingAuthenticationToken: "p", userId: "user_ada" };
    await expect(store.organizations(pending, CONTEXT)).rejects.toMatchObject(rejected);
  });
});

describe("the full profile", () => {
  it("holds the user and the organization as they are now, and the session's roles", async () => {
    const harness = await start();
    const credential = await signIn(harness, "org_acme");

    expect(await harness.store.profile(staleOf(credential), CONTEXT)).toEqual({
      member: {
        id: "user_ada",
        userId: "user_ada",
        organizationId: "org_acme",
        roles: ["admin"],
        emailAddress: "ada@example.com",
        emailVerified: true,
        name: "ada",
        firstName: "ada",
        locale: "en-US",
        metadata: {},
        lastSignInAt: "2026-01-01T00:00:00.000Z",
        createdAt: "2025-01-01T00:00:00.000Z",
        updatedAt: "2025-01-01T00:00:00.000Z",
      },
      organization: { id: "org_acme", name: "ACME" },
    });
  });

  it("is undefined for a deleted user, and rejects while WorkOS is down", async () => {
    const harness = await start();
    const stale = staleOf(await signIn(harness));
    harness.fake.world.users.delete("user_bob");
    expect(await harness.store.profile(stale, CONTEXT)).toBeUndefined();

    harness.breakStore();
    await expect(harness.store.profile(stale, CONTEXT)).rejects.toMatchObject({ code: "store_unavailable" });
  });

  it("R-20: is refused when it names another user", async () => {
    const harness = await start();
    const stale = staleOf(await signIn(harness));
    harness.fake.fail("users", ({ answer }) =>
      answer({ status: 200, body: harness.fake.world.describeUser("user_ada") }),
    );

    await expect(harness.store.profile(stale, CONTEXT)).rejects.toMatchObject({ reason: "identity" });
  });
});
