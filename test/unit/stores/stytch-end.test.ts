import { afterEach, describe, expect, it } from "@jest/globals";
import { refused } from "../../support/fake-stytch-world.ts";
import { makeStytchHarness, type StytchHarness } from "../../support/stytch-harness.ts";
import { generateSigningKey } from "../../support/tokens.ts";

const CONTEXT = { signal: new AbortController().signal };
const REVOKE = "POST /v1/b2b/sessions/revoke";
const AUTHENTICATE = "POST /v1/b2b/sessions/authenticate";
let harness: StytchHarness | undefined;

afterEach(() => harness?.close());

async function setUp() {
  harness = await makeStytchHarness();
  const { fake, store } = harness;
  const [bob] = fake.world.membersOf("bob@example.com");
  const session = fake.world.startSession(bob!);
  return { fake, store, session };
}

describe("endPresented", () => {
  it("revokes the session of a session token", async () => {
    const { fake, store, session } = await setUp();
    const of = { reason: "asked", opaqueToken: session.token } as const;
    expect(await store.endPresented(of, "session", CONTEXT)).toEqual({ status: "ended" });
    expect([session.revoked, fake.asked(), fake.sent]).toEqual([
      true,
      [REVOKE],
      [{ session_token: session.token }],
    ]);
  });

  it("revokes the session of a JWT whose key is withdrawn, and of a seal by its session token", async () => {
    const { fake, store, session } = await setUp();
    const accessToken = fake.world.sign(session, {}, generateSigningKey("RS256", "jwk-test-retired"));
    await store.endPresented({ reason: "asked", accessToken }, "session", CONTEXT);
    const sealed = { accessToken, refreshToken: session.token };
    await store.endPresented({ reason: "asked", accessToken, sealed }, "session", CONTEXT);
    expect(fake.sent).toEqual([{ session_jwt: accessToken }, { session_token: session.token }]);
  });

  it("revokes all sessions of the member after asking whose session it is", async () => {
    const { fake, store, session } = await setUp();
    const other = fake.world.startSession(session.member);
    const of = { reason: "asked", opaqueToken: session.token } as const;
    expect(await store.endPresented(of, "member", CONTEXT)).toEqual({
      status: "ended",
      sessionId: session.id,
      memberId: session.member.id,
    });
    expect([session.revoked, other.revoked, fake.asked()]).toEqual([true, true, [AUTHENTICATE, REVOKE]]);
  });

  it.each(["session", "member"] as const)(
    "answers unknown for a credential of no session, with the scope %s",
    async (scope) => {
      const { fake, store } = await setUp();
      const madeUp = { reason: "asked", opaqueToken: "made-up" } as const;
      expect(await store.endPresented(madeUp, scope, CONTEXT)).toEqual({ status: "unknown" });
      fake.fail("/sessions/", ({ answer }) => answer(refused(400, "invalid_session_token")));
      expect(await store.endPresented(madeUp, scope, CONTEXT)).toEqual({ status: "unknown" });
      const calls = fake.asked().length;
      expect(await store.endPresented({ reason: "asked" }, scope, CONTEXT)).toEqual({ status: "unknown" });
      expect(fake.asked()).toHaveLength(calls);
    },
  );

  it.each(["session", "member"] as const)(
    "rejects when Stytch gives no clear answer, with the scope %s",
    async (scope) => {
      const { fake, store, session } = await setUp();
      const of = { reason: "asked", opaqueToken: session.token } as const;
      for (const answered of [refused(429, "too_many_requests"), refused(400, "something_new")]) {
        fake.fail("/sessions/", ({ answer }) => answer(answered));
        // oxlint-disable-next-line no-await-in-loop -- one answer after the other
        await expect(store.endPresented(of, scope, CONTEXT)).rejects.toMatchObject({
          code: "store_unavailable",
        });
      }
      expect(session.revoked).toBe(false);
    },
  );

  it("revokes nothing when the JWT names another member than Stytch does", async () => {
    const { fake, store, session } = await setUp();
    const key = generateSigningKey("RS256", "jwk-test-retired");
    const accessToken = fake.world.sign(session, { sub: "member-test-ada-acme" }, key);
    const end = store.endPresented({ reason: "asked", accessToken }, "member", CONTEXT);
    await expect(end).rejects.toMatchObject({ code: "store_unavailable", reason: "foreign_renewal" });
    expect(fake.asked()).toEqual([AUTHENTICATE]);
  });
});
