import { describe, expect, it } from "@jest/globals";
import { acceptIssued, type ExpectedIdentity } from "../../../src/request/accept-credential.ts";
import type { SealedSession } from "../../../src/store.ts";
import type { Verification } from "../../../src/tokens/verify-token.ts";
import { cookieOf, makeBench, sealedIn, send, type EngineBench } from "../../support/engine-bench.ts";
import { issueToken, NOW } from "../../support/fake-store.ts";

const EXPIRED = { iat: NOW - 400, exp: NOW - 100 };
const FRESH = { iat: NOW, exp: NOW + 300 };

/** Makes tokens unverifiable, as if their key were unknown, from the moment a renewal begins until told otherwise. */
function hideKeys(bench: EngineBench): { reveal: () => void } {
  const { verifier } = bench.engine;
  const unknown: Verification = { status: "rejected", reason: "unknown_key" };
  let isHidden = false;
  const answer = bench.store.answer;
  bench.store.answer = (stale, context) => {
    isHidden = true;
    return answer(stale, context);
  };
  Object.assign(bench.engine, {
    verifier: { ...verifier, verify: (token: string) => (isHidden ? unknown : verifier.verify(token)) },
  });
  const reveal = (): void => {
    isHidden = false;
    bench.store.answer = answer;
  };
  return { reveal };
}

async function renewTwice(renewed: SealedSession) {
  const bench = makeBench();
  bench.store.answer = () => ({ status: "active", credential: renewed, verifiedAt: NOW });
  const keys = hideKeys(bench);
  const headers = {
    Cookie: await cookieOf({ accessToken: issueToken(EXPIRED), refreshToken: "r1", user: { id: "user_1" } }),
  };
  const first = await send(bench, { headers });
  keys.reveal();
  bench.clock.now += 1;
  const second = await send(bench, { headers });
  return { bench, first, second };
}

describe("a renewed token whose key is unknown at first", () => {
  it("R-20: leaves its refresh token with the client beside the old access token, and is asked for again", async () => {
    const { bench, first, second } = await renewTwice({ accessToken: issueToken(FRESH), refreshToken: "r2" });
    expect(first.record?.state).toMatchObject({ status: "unavailable" });
    expect(await sealedIn(first.cookies)).toMatchObject({
      accessToken: issueToken(EXPIRED),
      refreshToken: "r2",
    });
    expect(second.record?.session?.member.id).toBe("user_1");
    expect(bench.store.asked.map(({ stale }) => stale.sealed?.refreshToken)).toEqual(["r1", "r2"]);
  });

  it.each([
    ["member", { sub: "user_2" }],
    ["organization", { org: "org_2" }],
  ])("R-20: reaches nobody when it turns out to be another %s's", async (_, claims) => {
    const { bench, second } = await renewTwice({
      accessToken: issueToken({ ...FRESH, ...claims }),
      refreshToken: "r2",
    });
    expect(second.record?.state).toMatchObject({ status: "unavailable", code: "store_unavailable" });
    expect(second.record?.session).toBeUndefined();
    expect(bench.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "foreign_renewal" }),
    );
  });
});

describe("acceptIssued", () => {
  const accept = async (claims: Readonly<Record<string, unknown>>, expected: ExpectedIdentity = {}) => {
    const bench = makeBench();
    const credential = { accessToken: issueToken(claims), refreshToken: "r1" };
    const acceptance = await acceptIssued(bench.engine, {
      credential,
      kind: "sealed",
      expected,
      calledAt: NOW,
    });
    return { acceptance, events: bench.events };
  };

  it("adopts a good session, sealed as the client will send it", async () => {
    const { acceptance, events } = await accept(FRESH, { subject: "user_1", organizationId: "org_1" });
    expect(acceptance).toMatchObject({
      status: "adopted",
      session: { subject: "user_1", via: "cookie" },
      successor: { kind: "sealed", cookieValue: expect.any(String), claims: { sub: "user_1" } },
    });
    expect(events).toEqual([]);
  });

  it.each([
    ["another subject", FRESH, { subject: "user_2" }, "foreign", "identity"],
    ["another organization", FRESH, { organizationId: "org_2" }, "foreign", "identity"],
    ["an organization where none may be", FRESH, { organizationId: null }, "foreign", "identity"],
    ["a token that has expired", EXPIRED, {}, "refused", "expired"],
    ["a token of the future", { iat: NOW + 60, exp: NOW + 300 }, {}, "keep_refresh_token", "not_yet_valid"],
    ["claims that name nobody", { ...FRESH, sid: "" }, {}, "refused", "claims"],
  ])("answers and reports %s", async (_, claims, expected, status, reason) => {
    const { acceptance, events } = await accept(claims, expected);
    const code = reason === "not_yet_valid" ? "clock_skew" : "store_unavailable";
    expect(acceptance).toMatchObject({ status, reason, code });
    expect(events).toEqual([
      { type: "misconfigured", reason: `issued_token_${reason}` },
      expect.objectContaining({ type: "unavailable", code, reason }),
    ]);
  });
});
