import { afterEach, describe, expect, it } from "@jest/globals";
import { isOrgateError } from "../../../src/errors.ts";
import type { StytchAuthenticateJwtInput, StytchOptions } from "../../../src/stores/stytch/index.ts";
import {
  organizationId,
  PROJECT_ID,
  refused,
  type FakeSession,
  type Fields,
} from "../../support/fake-stytch-world.ts";
import { makeStytchHarness, type StytchHarness } from "../../support/stytch-harness.ts";
import { generateSigningKey } from "../../support/tokens.ts";

const AUTHENTICATE = "POST /v1/b2b/sessions/authenticate";
const POLICY = "GET /v1/b2b/rbac/policy";
const ACME = organizationId("acme");
const RETIRED = generateSigningKey("RS256", "jwk-test-retired");
const CHECK = { organizationId: ACME, resource: "documents", action: "write" };
const harnesses: StytchHarness[] = [];

afterEach(() => {
  for (const harness of harnesses.splice(0)) void harness.close();
});

interface Setup extends StytchHarness {
  readonly pass: (seconds: number) => void;
  readonly session: FakeSession;
  readonly jwt: string;
  readonly authenticate: (input?: Partial<StytchAuthenticateJwtInput>) => Promise<unknown>;
}

async function setUp(options: Partial<StytchOptions> = {}, name = "ada"): Promise<Setup> {
  const harness = await makeStytchHarness(options);
  harnesses.push(harness);
  const { world } = harness.fake;
  const [member] = world.membersOf(`${name}@example.com`);
  if (member === undefined) throw new Error("there is no such member");
  const session = world.startSession(member);
  const jwt = world.sign(session);
  return {
    ...harness,
    pass: (seconds) => void harness.advance(seconds),
    session,
    jwt,
    authenticate: (input = {}) =>
      harness.store
        .authenticateJwt({ sessionJwt: jwt, ...input })
        .catch((error: unknown) => (isOrgateError(error) ? error.code : error)),
  };
}

describe("authenticateJwt with a fresh JWT", () => {
  it("accepts a fresh JWT without a call", async () => {
    const { authenticate, fake, jwt } = await setUp();
    const result = await authenticate({ maxTokenAgeSeconds: 60 });
    expect(result).toEqual({
      memberSession: expect.objectContaining({ memberId: "member-test-ada-acme", organizationId: ACME }),
      sessionJwt: jwt,
    });
    expect(fake.asked()).toEqual([]);
  });

  it("returns a verdict with every granting role, and fetches the policy once", async () => {
    const { authenticate, fake } = await setUp();
    const results = await Promise.all(
      Array.from({ length: 50 }, () => authenticate({ authorizationCheck: CHECK })),
    );
    for (const result of results) {
      expect(result).toMatchObject({
        verdict: { authorized: true, grantingRoles: ["admin", "editor"], source: "local", via: "role" },
      });
    }
    expect(fake.asked()).toEqual([POLICY]);
  });

  it.each([
    [{ ...CHECK, resource: "billing" }, "permission_denied", [POLICY]],
    [{ ...CHECK, resource: "*" }, "permission_denied", [POLICY]],
    [{ ...CHECK, organizationId: organizationId("globex") }, "organization_mismatch", []],
    [{ ...CHECK, organizationId: "acme" }, "organization_mismatch", []],
  ])("R-40: denies %j without asking about the session", async (authorizationCheck, code, calls) => {
    const { authenticate, fake } = await setUp();
    expect(await authenticate({ authorizationCheck })).toBe(code);
    expect(fake.asked()).toEqual(calls);
  });

  it("R-40: refuses another organization's resource without a call, also for a stale JWT", async () => {
    const { authenticate, fake, pass } = await setUp();
    pass(600);
    const authorizationCheck = { ...CHECK, organizationId: organizationId("globex") };
    expect(await authenticate({ authorizationCheck })).toBe("organization_mismatch");
    expect(fake.asked()).toEqual([]);
  });

  const FORGED: readonly (readonly [string, (setup: Setup) => string])[] = [
    ["garbage", () => "garbage"],
    ["a bad signature", ({ jwt }) => `${jwt.slice(0, -8)}AAAAAAAA`],
    [
      "another project's audience",
      ({ fake, session }) => fake.world.sign(session, { aud: ["project-test-x"] }),
    ],
    ["another issuer", ({ fake, session }) => fake.world.sign(session, { iss: `${PROJECT_ID}/` })],
    [
      "no session",
      ({ fake, session }) => fake.world.sign(session, { "https://stytch.com/session": undefined }),
    ],
    [
      "no organization",
      ({ fake, session }) => fake.world.sign(session, { "https://stytch.com/organization": undefined }),
    ],
    ["no exp", ({ fake, session }) => fake.world.sign(session, { exp: undefined })],
    ["a retired key", ({ fake, session }) => fake.world.sign(session, {}, RETIRED)],
  ];
  it.each(FORGED)("R-09: %s never costs a call, expired or not", async (_what, forge) => {
    const setup = await setUp();
    const sessionJwt = forge(setup);
    expect(await setup.authenticate({ sessionJwt })).toBe("invalid_token");
    setup.pass(600);
    expect(await setup.authenticate({ sessionJwt, maxTokenAgeSeconds: 0 })).toBe("invalid_token");
    expect(setup.fake.asked()).toEqual([]);
  });

  it.each([
    [299, undefined, 0],
    [300, undefined, 1],
    [59, 60, 0],
    [60, 60, 1],
    [0, 0, 1],
    [299, 301, 0],
  ])("a JWT of %d s with a maximum age of %s costs %d calls", async (age, maxTokenAgeSeconds, calls) => {
    const { authenticate, fake, pass } = await setUp();
    pass(age);
    await authenticate(maxTokenAgeSeconds === undefined ? {} : { maxTokenAgeSeconds });
    expect(fake.asked()).toHaveLength(calls);
  });

  it.each([
    { maxTokenAgeSeconds: Number.NaN },
    { maxTokenAgeSeconds: -1 },
    { maxTokenAgeSeconds: Infinity },
    { maxTokenAgeSeconds: "60" as unknown as number },
    { sessionDurationMinutes: 4 },
    { sessionDurationMinutes: 527_041 },
    { sessionJwt: undefined as unknown as string },
    { authorizationCheck: { ...CHECK, resource: undefined as unknown as string } },
    { sessionCustomClaims: "x" as unknown as Fields },
  ])("R-40: refuses the input %j", async (input) => {
    const { authenticate, fake } = await setUp();
    expect(await authenticate(input)).toBe("invalid_request");
    expect(fake.calls).toEqual([]);
  });

  it.each([undefined, null, "a.b.c", []])("refuses %j in place of an input object", async (input) => {
    const { store } = await setUp();
    const asked = store.authenticateJwt(input as unknown as StytchAuthenticateJwtInput);
    await expect(asked).rejects.toMatchObject({ code: "invalid_request" });
  });

  it("tolerates a clock that is 5 s behind, and answers clock_skew beyond that", async () => {
    const { authenticate, fake, pass } = await setUp();
    pass(-5);
    expect(await authenticate()).toMatchObject({ memberSession: { organizationId: ACME } });
    pass(-1);
    expect(await authenticate()).toBe("clock_skew");
    expect(fake.asked()).toEqual([]);
  });
});

describe("authenticateJwt with a stale JWT", () => {
  it("returns the same shape as a local result, with the member and the organization", async () => {
    const { authenticate, fake, pass, session, jwt } = await setUp();
    const local = (await authenticate()) as { memberSession: object };
    pass(301);
    const remote = (await authenticate({
      sessionDurationMinutes: 120,
      sessionCustomClaims: { plan: "gold", old: null },
      authorizationCheck: CHECK,
    })) as Record<string, object>;
    expect(remote).toMatchObject({
      sessionToken: session.token,
      member: { id: "member-test-ada-acme", emailAddress: "ada@example.com" },
      organization: { id: ACME, name: "ACME" },
      verdict: { ...CHECK, authorized: true, source: "store" },
    });
    expect((remote["verdict"] as { grantingRoles: string[] }).grantingRoles.toSorted()).toEqual([
      "admin",
      "editor",
    ]);
    expect(Object.keys(remote["memberSession"] ?? {}).toSorted()).toEqual(
      Object.keys(local.memberSession).toSorted(),
    );
    expect(remote["memberSession"]).toMatchObject({ customClaims: { plan: "gold" } });
    expect(fake.sent.at(-1)).toEqual({
      session_jwt: jwt,
      session_duration_minutes: 120,
      session_custom_claims: { plan: "gold", old: null },
      authorization_check: { organization_id: ACME, resource_id: "documents", action: "write" },
    });
    expect(fake.asked()).toEqual([AUTHENTICATE]);
  });

  it("decides by the session's roles, not by the member's", async () => {
    const { authenticate, pass, session } = await setUp();
    session.roles = ["stytch_member"];
    pass(301);
    expect(await authenticate({ authorizationCheck: CHECK })).toBe("permission_denied");
    expect(await authenticate()).toMatchObject({
      member: { roles: ["stytch_member"], roleAssignments: [{}, { roleId: "admin" }, { roleId: "editor" }] },
    });
  });

  it("decides by the policy when Stytch returns no verdict", async () => {
    const { authenticate, fake, pass } = await setUp({}, "bob");
    pass(301);
    fake.fail("/sessions/authenticate", (exchange) => {
      const { authorization_check: _left, ...fields } = exchange.fields;
      exchange.answer(fake.world.authenticate(fields));
    });
    expect(await authenticate({ authorizationCheck: CHECK })).toBe("permission_denied");
  });

  it.each([
    [refused(404, "session_not_found"), "session_revoked"],
    [refused(403, "session_authorization_error"), "permission_denied"],
    [refused(403, "session_authorization_tenancy_error"), "organization_mismatch"],
    [refused(400, "jwt_invalid_issuer"), "store_unavailable"],
    [refused(401, "unauthorized_credentials"), "store_unavailable"],
    [refused(429, "too_many_requests"), "store_unavailable"],
    [refused(500, "internal_server_error"), "store_unavailable"],
  ])("turns %j into an error that carries the request id", async (answer, code) => {
    const { store, fake, pass, jwt } = await setUp();
    pass(301);
    fake.fail("/sessions/authenticate", (exchange) => exchange.answer(answer));
    const error: unknown = await store
      .authenticateJwt({ sessionJwt: jwt })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, requestId: answer.body["request_id"] });
    expect(JSON.stringify(error)).not.toMatch(/canary|secret|eyJ/);
    expect((error as { misconfigured?: true }).misconfigured).toBe(answer.status === 401 ? true : undefined);
  });

  it("R-35: returns no new JWT of another session", async () => {
    const { authenticate, fake, pass, session } = await setUp();
    pass(301);
    const [other] = fake.world.membersOf("bob@example.com");
    if (other === undefined) throw new Error("there is no Bob");
    for (const session_jwt of [
      fake.world.sign(session, {}, RETIRED),
      fake.world.sign(session, { exp: 1_700_000_000 }),
      fake.world.sign(fake.world.startSession(other)),
    ]) {
      fake.fail("/sessions/authenticate", (exchange) => {
        exchange.answer({ status: 200, body: { ...exchange.perform().body, session_jwt } });
      });
      // oxlint-disable-next-line no-await-in-loop -- one fault after the other
      expect(await authenticate()).toBe("store_unavailable");
    }
  });

  it("makes one call for many callers with one expired JWT, and one for each different check", async () => {
    const { authenticate, fake, pass } = await setUp();
    pass(301);
    // Verifying fifty tokens takes longer than an answer of the fake: it waits until all have asked.
    fake.fail("/sessions/authenticate", ({ perform, answer }) => {
      setTimeout(() => answer(perform()), 500);
    });
    await Promise.all(Array.from({ length: 50 }, () => authenticate()));
    expect(fake.asked()).toHaveLength(1);
    await Promise.all([authenticate(), authenticate({ authorizationCheck: CHECK })]);
    expect(fake.asked()).toHaveLength(3);
  });

  it("asks about a JWT of a retired key if unknownKey is ask, and compares the answer with it", async () => {
    const { authenticate, fake, session } = await setUp({ unknownKey: "ask" });
    const sessionJwt = fake.world.sign(session, {}, RETIRED);
    expect(await authenticate({ sessionJwt })).toMatchObject({ member: { id: "member-test-ada-acme" } });
    const lying = fake.world.sign(session, { sub: "member-test-bob-acme" }, RETIRED);
    expect(await authenticate({ sessionJwt: lying })).toBe("store_unavailable");
    fake.fail("/sessions/authenticate", ({ answer }) => answer(refused(400, "unable_to_parse_session_jwt")));
    expect(await authenticate({ sessionJwt })).toBe("invalid_token");
  });

  it("does not change an impersonated session", async () => {
    const { authenticate, fake, pass, session } = await setUp();
    session.factors = [
      {
        type: "impersonated",
        impersonated_factor: { impersonator_id: "i", impersonator_email_address: "e@x.co" },
      },
    ];
    const end = session.expiresAt;
    pass(301);
    expect(await authenticate({ sessionDurationMinutes: 500 })).toMatchObject({
      memberSession: { impersonator: { email: "e@x.co" } },
    });
    expect(session.expiresAt).toBe(end);
    expect(fake.asked()).toHaveLength(2);
  });
});
