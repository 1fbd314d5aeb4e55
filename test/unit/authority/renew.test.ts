import { describe, expect, it } from "@jest/globals";
import type { AuthenticationResult } from "../../../src/authority/index.ts";
import { isOrgateError } from "../../../src/errors.ts";
import type { Renewal, SealedSession, StaleCredential } from "../../../src/store.ts";
import type { VerifiedClaims } from "../../../src/store.ts";
import { claimsOf, context, makeDirectory, makeWorld, refusedWith, signInAda, START } from "./set-up.ts";
import type { World } from "./set-up.ts";

function verified(token: string): VerifiedClaims {
  return claimsOf(token) as unknown as VerifiedClaims;
}

function bearer(
  result: Pick<AuthenticationResult, "accessToken">,
  reason: StaleCredential["reason"],
): StaleCredential {
  return { reason, accessToken: result.accessToken, claims: verified(result.accessToken) };
}

function cookie(
  result: AuthenticationResult | SealedSession,
  reason: StaleCredential["reason"],
): StaleCredential {
  const { accessToken, refreshToken, user, organizationId } = result as SealedSession & {
    refreshToken: string;
  };
  const sealed = {
    accessToken,
    refreshToken,
    ...(user && { user }),
    ...(organizationId && { organizationId }),
  };
  return { ...bearer(result, reason), sealed };
}

async function renewed(
  renewing: Promise<Renewal>,
): Promise<Extract<Renewal, { status: "active" }> & { credential: SealedSession }> {
  const renewal = await renewing;
  if (renewal.status !== "active" || renewal.credential === undefined)
    throw new Error(`Not active: ${renewal.status}`);
  return { ...renewal, credential: renewal.credential };
}

describe("renew, with a refresh token", () => {
  it("rotates an expired credential, and keeps what others sealed", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    world.clock.now += 300;
    const stale = cookie(first, "expired");
    const sealed = {
      ...stale.sealed,
      accessToken: first.accessToken,
      locale: "en",
      impersonator: { email: "gone@example.com" },
    };
    const renewal = await renewed(world.authority.renew({ ...stale, sealed }, context()));
    expect(renewal).toMatchObject({
      status: "active",
      verifiedAt: START + 300,
      member: { id: "user_ada:org_acme", roles: ["admin", "viewer"], locale: "en" },
      organization: { id: "org_acme", slug: "acme", name: "Acme", plan: "pro" },
    });
    expect(renewal.credential).toEqual({
      accessToken: expect.any(String),
      refreshToken: expect.any(String),
      user: first.user,
      organizationId: "org_acme",
      authenticationMethod: "Password",
      locale: "en",
    });
    expect(renewal.credential.refreshToken).not.toBe(first.refreshToken);
  });

  it.each(["too_old", "asked"] as const)("spends nothing for a credential that is %s", async (reason) => {
    const world = makeWorld();
    const first = await signInAda(world);
    world.clock.now += 60;
    const { credential } = await renewed(world.authority.renew(cookie(first, reason), context()));
    expect(credential.refreshToken).toBe(first.refreshToken);
    expect(claimsOf(credential.accessToken)).toMatchObject({ iat: START + 60, sid: first.memberSession.id });
  });

  it.each(["too_old", "asked", "expired"] as const)(
    "hands the successor to a credential that is %s and was rotated meanwhile",
    async (reason) => {
      const world = makeWorld();
      const first = await signInAda(world);
      const second = await renewed(world.authority.renew(cookie(first, "expired"), context()));
      const late = await renewed(world.authority.renew(cookie(first, reason), context()));
      expect(late.credential.refreshToken).toBe(second.credential.refreshToken);
    },
  );

  it.each(["too_old", "asked", "expired"] as const)("R-24: finds the copy out that is %s", async (reason) => {
    const world = makeWorld();
    const first = await signInAda(world);
    const second = await renewed(world.authority.renew(cookie(first, "expired"), context()));
    await world.authority.renew(cookie(second.credential, "asked"), context());
    world.clock.now += 30;
    const ended = { status: "ended", reason: "reuse_detected" };
    expect(await world.authority.renew(cookie(first, reason), context())).toEqual(ended);
    expect(world.events.filter(({ type }) => type === "reuse_detected")).toHaveLength(1);
  });

  it("renews a sealed credential whose signing key is gone", async () => {
    const world = makeWorld();
    const { refreshToken, accessToken, user } = await signInAda(world);
    const sealed = { refreshToken, accessToken, user, organizationId: "org_acme" };
    const { credential } = await renewed(
      world.authority.renew({ reason: "expired", accessToken, sealed }, context()),
    );
    expect(credential.organizationId).toBe("org_acme");
  });

  it("keeps the organization of the credential when the session continued in another", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    await world.authority.authenticateWithRefreshToken({
      refreshToken: first.refreshToken,
      organizationId: "org_globex",
    });
    const { credential } = await renewed(world.authority.renew(cookie(first, "asked"), context()));
    expect(credential.organizationId).toBe("org_acme");
    const expired = await renewed(world.authority.renew(cookie(first, "expired"), context()));
    expect(expired.credential.organizationId).toBe("org_acme");
  });

  it("keeps a session without an organization", async () => {
    const world = makeWorld();
    const nora = await world.authority.authenticate({ userId: "user_nora", authenticationMethod: "SSO" });
    await world.directory.addMembership({
      userId: "user_nora",
      organizationId: "org_acme",
      roles: ["viewer"],
    });
    world.clock.now += 300;
    const renewal = await renewed(world.authority.renew(cookie(nora, "expired"), context()));
    expect(renewal).not.toHaveProperty("organization");
    expect(renewal.credential).not.toHaveProperty("organizationId");
    expect(renewal.credential.refreshToken).not.toBe(nora.refreshToken);
  });

  it.each([
    ["another session's refresh token", async (world: World) => (await signInAda(world)).refreshToken],
    [
      "another user's refresh token",
      async ({ authority }: World) =>
        (await authority.authenticate({ userId: "user_bob", authenticationMethod: "SSO" })).refreshToken,
    ],
    ["what is no refresh token", async () => "rt_of_somebody_else"],
  ])("R-13: ignores a credential with %s, and ends no session", async (_case, other) => {
    const world = makeWorld();
    const first = await signInAda(world);
    const stale = cookie({ ...first, refreshToken: await other(world) }, "expired");
    expect(await world.authority.renew(stale, context())).toEqual({
      status: "ended",
      reason: "credential_mismatch",
    });
    expect((await renewed(world.authority.renew(cookie(first, "expired"), context()))).status).toBe("active");
  });

  it("R-13: ignores a seal that names another user", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    const user = { id: "user_bob" };
    const mismatch = { status: "ended", reason: "credential_mismatch" };
    const stale = cookie(first, "expired");
    const sealed = { ...stale.sealed, accessToken: first.accessToken, user };
    expect(await world.authority.renew({ ...stale, sealed }, context())).toEqual(mismatch);
    const unknownKey = { reason: "expired", accessToken: first.accessToken, sealed } as const;
    expect(await world.authority.renew(unknownKey, context())).toEqual(mismatch);
    expect((await renewed(world.authority.renew(cookie(first, "expired"), context()))).status).toBe("active");
  });
});

describe("renew, with a bare token", () => {
  it("renews an expired one for as long as the session lives, without a refresh token", async () => {
    const world = makeWorld({ sessionLifetime: 10_000 });
    const first = await signInAda(world);
    world.clock.now += 9999;
    const { credential, member } = await renewed(world.authority.renew(bearer(first, "expired"), context()));
    expect(credential).toEqual({
      accessToken: expect.any(String),
      user: first.user,
      organizationId: "org_acme",
      authenticationMethod: "Password",
    });
    expect(member?.roles).toEqual(["admin", "viewer"]);
    world.clock.now += 1;
    expect(await world.authority.renew(bearer(first, "expired"), context())).toEqual({
      status: "ended",
      reason: "expired",
    });
  });

  it.each([
    [999.999, "active"],
    [1000, "unrenewable"],
  ])("%d seconds past exp, with expiredTokenRenewal of 1000, is %s", async (seconds, status) => {
    const world = makeWorld({ expiredTokenRenewal: 1000 });
    const first = await signInAda(world);
    world.clock.now += 300 + seconds;
    expect((await world.authority.renew(bearer(first, "expired"), context())).status).toBe(status);
  });

  it("does not renew an expired token when only refresh tokens may renew", async () => {
    const world = makeWorld({ expiredTokenRenewal: 0 });
    expect(world.authority.capabilities.renewsBareToken).toBe(false);
    expect(makeWorld().authority.capabilities.renewsBareToken).toBe(true);
    const first = await signInAda(world);
    expect((await world.authority.renew(bearer(first, "too_old"), context())).status).toBe("active");
    world.clock.now += 300;
    expect((await world.authority.renew(bearer(first, "expired"), context())).status).toBe("unrenewable");
    expect((await world.authority.renew(cookie(first, "expired"), context())).status).toBe("active");
  });

  it("names no session without claims", async () => {
    const { authority } = makeWorld();
    const renewal = await authority.renew(
      { reason: "expired", accessToken: "x", sealed: { accessToken: "x" } },
      context(),
    );
    expect(renewal).toEqual({ status: "ended", reason: "credential_mismatch" });
  });
});

describe("renew", () => {
  it("extends the session from now, and never shortens it", async () => {
    const world = makeWorld({ sessionLifetime: 1000 });
    const first = await signInAda(world);
    const endOf = async (extendBy?: number): Promise<unknown> => {
      const renewing = world.authority.renew(
        bearer(first, "asked"),
        context(extendBy === undefined ? {} : { extendBy }),
      );
      const { credential } = await renewed(renewing);
      return Reflect.get(Object(claimsOf(credential.accessToken)["session"]), "expires_at");
    };
    world.clock.now += 100;
    expect(await endOf()).toBe(START + 1000);
    expect(await endOf(500)).toBe(START + 1000);
    expect(await endOf(2000)).toBe(START + 2100);
    expect(await endOf()).toBe(START + 2100);
    for (const impossible of [NaN, Infinity, -1]) await expect(endOf(impossible)).rejects.toThrow("extendBy");
  });

  it("R-28: applies a change of roles, and the end of a membership, at once", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    world.directory.setRoles("user_ada", "org_acme", []);
    expect(world.invalidated).toContainEqual({ memberId: "user_ada:org_acme" });
    expect((await renewed(world.authority.renew(bearer(first, "asked"), context()))).member?.roles).toEqual(
      [],
    );
    world.directory.removeMembership("user_ada", "org_acme");
    expect(await world.authority.renew(bearer(first, "asked"), context())).toEqual({
      status: "ended",
      reason: "membership_removed",
    });
  });

  it("R-28: keeps a session that continued in another organization when the first membership ends", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    const second = await world.authority.authenticateWithRefreshToken({
      refreshToken: first.refreshToken,
      organizationId: "org_globex",
    });
    world.directory.removeMembership("user_ada", "org_acme");
    expect((await world.authority.renew(bearer(first, "asked"), context())).status).toBe("ended");
    expect((await world.authority.renew(bearer(second, "asked"), context())).status).toBe("active");
  });

  it("R-22: is unavailable, and not ended, while directory or repository are down", async () => {
    const directory = makeDirectory();
    let isDown = false;
    const user = async (id: string): ReturnType<typeof directory.user> => {
      if (isDown) throw new Error("connect ECONNREFUSED secret-host");
      return directory.user(id);
    };
    const world = makeWorld({ directory: { ...directory, user } });
    const first = await signInAda(world);
    isDown = true;
    const renewing = world.authority.renew(cookie(first, "expired"), context());
    expect(await refusedWith(renewing)).toBe("store_unavailable dependency_failed");
    isDown = false;
    expect((await renewed(world.authority.renew(cookie(first, "expired"), context()))).status).toBe("active");
  });

  it("spends nothing when the caller has given up", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    const renewing = world.authority.renew(cookie(first, "expired"), { signal: AbortSignal.abort() });
    expect(await refusedWith(renewing)).toBe("store_unavailable aborted");
    const next = await world.authority.authenticateWithRefreshToken({ refreshToken: first.refreshToken });
    expect(Buffer.from(next.refreshToken, "base64url").readUInt32BE(18)).toBe(1);
  });

  it("writes at most once a second for a storm of readers", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    let writes = 0;
    const counting = {
      ...world.repository,
      compareAndSet: async (...change: Parameters<typeof world.repository.compareAndSet>) => {
        const isWritten = await world.repository.compareAndSet(...change);
        if (isWritten) writes += 1;
        return isWritten;
      },
    };
    const reader = makeWorld({ repository: counting }, world.clock);
    world.clock.now += 10;
    await Promise.all(
      Array.from({ length: 100 }, () => reader.authority.renew(bearer(first, "asked"), context())),
    );
    expect(writes).toBe(1);
  });

  it("R-37: is unavailable when the stored session is corrupt or of a newer version, and reports it", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    const { id } = first.memberSession;
    const stored = await world.repository.read("sessions", id);
    const rows: unknown[] = [
      null,
      "text",
      [],
      {},
      { ...Object(stored?.value), version: 2 },
      { ...Object(stored?.value), id: "session_of_somebody_else" },
      {
        ...Object(stored?.value),
        family: { ...Object(Reflect.get(Object(stored?.value), "family")), predecessors: [{}] },
      },
      JSON.parse('{"__proto__":{"version":1}}'),
    ];
    for (const row of rows) {
      const version = (await world.repository.read("sessions", id))?.version ?? 0;
      await world.repository.compareAndSet("sessions", id, version, row, { expiresAt: START + 1e6 });
      const renewing = world.authority.renew(cookie(first, "expired"), context());
      expect(await refusedWith(renewing)).toBe("store_unavailable session_unreadable");
      expect(await world.repository.read("sessions", id)).toMatchObject({ value: row });
    }
    expect(world.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "session_unreadable" }),
    );
  });
});

describe("profile", () => {
  it("returns the full member and organization, and spends nothing", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    const profile = await world.authority.profile(cookie(first, "asked"), context());
    expect(profile).toEqual({ member: first.member, organization: first.organization });
    world.directory.removeMembership("user_ada", "org_acme");
    expect(await world.authority.profile(bearer(first, "asked"), context())).toBeUndefined();
    await world.authority.revoke({ sessionId: first.memberSession.id });
    expect(await world.authority.profile(bearer(first, "asked"), context())).toBeUndefined();
  });

  it("is unavailable, and not absent, while the repository is down", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    const down = makeWorld({
      repository: { ...world.repository, read: () => Promise.reject(new Error("down")) },
    });
    const error = await down.authority
      .profile(bearer(first, "asked"), context())
      .catch((thrown: unknown) => thrown);
    expect(isOrgateError(error) && error.code).toBe("store_unavailable");
  });
});
