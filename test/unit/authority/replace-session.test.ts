import { describe, expect, it } from "@jest/globals";
import type { AuthenticationResult, ExchangeInput } from "../../../src/authority/index.ts";
import type { SealedSession } from "../../../src/store.ts";
import type { VerifiedClaims } from "../../../src/store.ts";
import { claimsOf, context, makeWorld, refusedWith, signInAda, START } from "./set-up.ts";
import type { World } from "./set-up.ts";

async function countSessions({ repository }: World): Promise<number> {
  return (await repository.find("sessions", "user:user_ada")).length;
}

function credentialOf({ accessToken, refreshToken, user }: AuthenticationResult): SealedSession {
  return { accessToken, refreshToken, user };
}

describe("exchange", () => {
  it.each(["sessionId", "sessionJwt", "refreshToken", "sessionToken"] as const)(
    "R-13: continues the session that a %s names under a new id, and leaves one row",
    async (name) => {
      const world = makeWorld();
      const first = await signInAda(world);
      const { sessionToken = "" } = await world.authority.authenticateJwt({
        sessionJwt: first.accessToken,
        maxTokenAgeSeconds: 0,
      });
      const references = {
        sessionId: first.memberSession.id,
        sessionJwt: first.accessToken,
        refreshToken: first.refreshToken,
        sessionToken,
      };
      world.clock.now += 100;
      const second = await world.authority.exchange({
        [name]: references[name],
        organizationId: "org_globex",
      });
      expect(second.memberSession).toEqual({
        ...first.memberSession,
        id: expect.not.stringMatching(first.memberSession.id),
        memberId: "user_ada:org_globex",
        organizationId: "org_globex",
        organizationSlug: "globex",
        roles: ["viewer"],
        lastAccessedAt: "2027-01-15T08:01:40.000Z",
      });
      expect(claimsOf(second.accessToken)["auth_time"]).toBe(START);
      expect(await countSessions(world)).toBe(1);
      expect(world.invalidated).toEqual([{ sessionId: first.memberSession.id }]);
      const { refreshToken } = first;
      const ended = "session_revoked revoked";
      expect(await refusedWith(world.authority.authenticateWithRefreshToken({ refreshToken }))).toBe(ended);
      expect(await refusedWith(world.authority.authenticateJwt({ sessionJwt: first.accessToken }))).toBe(
        ended,
      );
    },
  );

  it("R-13: leaves exactly one session when it is exchanged many times at once", async () => {
    const world = makeWorld();
    const { memberSession } = await signInAda(world);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, index) =>
        world.authority.exchange({
          sessionId: memberSession.id,
          organizationId: index % 2 === 0 ? "org_acme" : "org_globex",
        }),
      ),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await countSessions(world)).toBe(1);
  });

  it("refuses another organization, and ends nothing", async () => {
    const world = makeWorld();
    const { memberSession } = await signInAda(world);
    const exchanging = world.authority.exchange({
      sessionId: memberSession.id,
      organizationId: "org_closed",
    });
    expect(await refusedWith(exchanging)).toBe("organization_not_available");
    expect(await world.authority.listSessions({ userId: "user_ada" })).toMatchObject([
      { id: memberSession.id },
    ]);
  });

  it("R-24: detects a copied refresh token", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    const second = await world.authority.authenticateWithRefreshToken({ refreshToken: first.refreshToken });
    await world.authority.authenticateWithRefreshToken({ refreshToken: second.refreshToken });
    world.clock.now += 30;
    const exchanging = world.authority.exchange({
      refreshToken: first.refreshToken,
      organizationId: "org_globex",
    });
    expect(await refusedWith(exchanging)).toBe("session_revoked reuse_detected");
    expect(await countSessions(world)).toBe(0);
  });

  it("refuses a token that has been expired for too long", async () => {
    const world = makeWorld({ expiredTokenRenewal: 0 });
    const { accessToken: sessionJwt } = await signInAda(world);
    world.clock.now += 300;
    expect(await refusedWith(world.authority.exchange({ sessionJwt, organizationId: "org_globex" }))).toBe(
      "token_expired",
    );
  });

  it.each<[string, Partial<ExchangeInput>, string]>([
    ["nothing", {}, "invalid_request"],
    ["two references", { sessionId: "x", sessionJwt: "y" }, "invalid_request"],
    ["an unknown session", { sessionId: "session_AAAAAAAAAAAAAAAAAAAAAAAA" }, "session_revoked revoked"],
    ["a session id of another's making", { sessionId: "__proto__" }, "session_revoked revoked"],
    ["no token", { sessionJwt: "x" }, "invalid_token malformed"],
    ["no refresh token", { refreshToken: "x" }, "invalid_token"],
    ["a made-up refresh token", { refreshToken: "A".repeat(96) }, "session_revoked revoked"],
    ["no session token", { sessionToken: "x" }, "invalid_token"],
    ["a reference that is no text", { sessionId: 7 as unknown as string }, "invalid_request"],
  ])("R-13: does not adopt a session from %s", async (_case, reference, expected) => {
    const { authority } = makeWorld();
    expect(await refusedWith(authority.exchange({ ...reference, organizationId: "org_acme" }))).toBe(
      expected,
    );
  });

  it("removes the new session when the old one cannot be ended", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    let isDown = true;
    const repository: typeof world.repository = {
      ...world.repository,
      compareAndSet: async (...change) => {
        if (isDown) throw new Error("down");
        return world.repository.compareAndSet(...change);
      },
    };
    const other = makeWorld({ repository }, world.clock);
    const exchanging = other.authority.exchange({
      sessionId: first.memberSession.id,
      organizationId: "org_globex",
    });
    expect(await refusedWith(exchanging)).toBe("store_unavailable dependency_failed");
    isDown = false;
    expect(await world.authority.listSessions({ userId: "user_ada" })).toMatchObject([
      { id: first.memberSession.id },
    ]);
  });

  it("seals the session, and records where the request came from", async () => {
    const world = makeWorld();
    const { memberSession } = await signInAda(world);
    const result = await world.authority.exchange({
      sessionId: memberSession.id,
      organizationId: "org_globex",
      ipAddress: "2001:db8::1",
      session: { sealSession: true, cookiePassword: "a password of more than thirty-two characters" },
    });
    expect(result.sealedSession).toMatch(/^Fe26\.2\*/);
    expect(await world.authority.listSessions({ userId: "user_ada" })).toMatchObject([
      { ipAddress: "2001:db8::1" },
    ]);
  });
});

describe("stepUp", () => {
  it("R-13: adds the factor under a new id, and moves the time of authentication", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    world.clock.now += 100;
    const factor = {
      type: "totp",
      deliveryMethod: "authenticator_app",
      authenticatorAppFactor: { totpId: "t1" },
    };
    const second = await world.authority.stepUp({ sessionId: first.memberSession.id, factor });
    expect(second.memberSession.authenticationFactors).toEqual([
      ...first.memberSession.authenticationFactors,
      { ...factor, lastAuthenticatedAt: "2027-01-15T08:01:40.000Z", sequenceOrder: "SECONDARY" },
    ]);
    expect(second.memberSession).toMatchObject({
      id: expect.not.stringMatching(first.memberSession.id),
      organizationId: "org_acme",
      expiresAt: first.memberSession.expiresAt,
    });
    expect(claimsOf(second.accessToken)["auth_time"]).toBe(START + 100);
    expect(await countSessions(world)).toBe(1);
    const { sessionJwt } = await world.authority.authenticateJwt({
      sessionJwt: second.accessToken,
      maxTokenAgeSeconds: 0,
    });
    expect(claimsOf(sessionJwt)["auth_time"]).toBe(START + 100);
  });

  it("replaces the factor of the same type", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    world.clock.now += 50;
    const factor = { type: "password", deliveryMethod: "knowledge" };
    const { memberSession } = await world.authority.stepUp({ sessionId: first.memberSession.id, factor });
    expect(memberSession.authenticationFactors).toEqual([
      { ...factor, lastAuthenticatedAt: "2027-01-15T08:00:50.000Z", sequenceOrder: "PRIMARY" },
    ]);
  });

  it("ends the session of a user who is no longer a member", async () => {
    const world = makeWorld();
    const { memberSession } = await signInAda(world);
    world.directory.removeMembership("user_ada", "org_acme");
    const steppingUp = world.authority.stepUp({ sessionId: memberSession.id, factor: { type: "totp" } });
    expect(await refusedWith(steppingUp)).toBe("session_revoked membership_removed");
    expect(await countSessions(world)).toBe(0);
  });

  it.each([undefined, null, {}, { type: "" }, "totp"])("refuses the factor %j", async (factor) => {
    const world = makeWorld();
    const { memberSession } = await signInAda(world);
    const steppingUp = world.authority.stepUp({ sessionId: memberSession.id, factor: factor as never });
    expect(await refusedWith(steppingUp)).toBe("invalid_request");
    expect(await countSessions(world)).toBe(1);
  });
});

describe("switchOrganization", () => {
  it("returns outcomes", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    const claims = claimsOf(first.accessToken) as unknown as VerifiedClaims;
    const stale = {
      reason: "asked",
      accessToken: first.accessToken,
      claims,
      sealed: credentialOf(first),
    } as const;
    const switchTo = (organizationId: string): unknown =>
      world.authority.switchOrganization(stale, organizationId, context());
    expect(await switchTo("org_closed")).toEqual({ status: "refused", code: "organization_not_available" });
    for (const impossible of ["__proto__", "x".repeat(10_000), "\ud800", ""]) {
      expect(await switchTo(impossible)).toEqual({ status: "refused", code: "organization_not_available" });
    }
    expect(await switchTo("org_globex")).toMatchObject({
      status: "authenticated",
      credential: { organizationId: "org_globex", refreshToken: expect.any(String) },
    });
    expect(await switchTo("org_acme")).toEqual({
      status: "refused",
      code: "session_revoked",
      reason: "revoked",
    });
    expect(await countSessions(world)).toBe(1);
  });

  it("accepts a bare token, and no credential whose parts contradict each other", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    const second = await signInAda(world);
    const claims = claimsOf(first.accessToken) as unknown as VerifiedClaims;
    const mismatch = { status: "refused", code: "session_revoked", reason: "credential_mismatch" };
    const mixed = { reason: "asked", claims, sealed: credentialOf(second) } as const;
    expect(await world.authority.switchOrganization(mixed, "org_globex", context())).toEqual(mismatch);
    const another = {
      reason: "asked",
      claims,
      sealed: { ...credentialOf(first), user: { id: "user_bob" } },
    } as const;
    expect(await world.authority.switchOrganization(another, "org_globex", context())).toEqual(mismatch);
    const bare = { reason: "asked", claims } as const;
    expect(await world.authority.switchOrganization(bare, "org_globex", context())).toMatchObject({
      status: "authenticated",
    });
  });
});
