import { randomBytes } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { exchangeRefreshToken, mintRefreshToken } from "../../../src/authority/refresh-token.ts";
import type { RefreshFamily } from "../../../src/authority/refresh-token.ts";
import { makeSessionId } from "../../../src/authority/secrets.ts";

const KEY = randomBytes(32).toString("base64url");
const SESSION = makeSessionId();
const REQUEST = { rotate: true, organizationId: undefined, mostRecent: "org_acme" };
const FIRST = mintRefreshToken(SESSION, 0, KEY);
const FAMILY: RefreshFamily = { key: KEY, generation: 0, current: FIRST.hash, predecessors: [] };

describe("exchangeRefreshToken", () => {
  it("makes a client that rotates too often wait for the grace window, and loses nothing", () => {
    let family = FAMILY;
    let token = FIRST;
    let rotations = 0;
    const rotate = (now: number): void => {
      const result = exchangeRefreshToken(family, token, REQUEST, { now, grace: 30 });
      if (result.status !== "accepted") throw new Error(result.status);
      ({ family, token } = result);
      rotations += 1;
    };
    const rotateOften = (): void => {
      for (let time = 0; time < 2000; time += 1) rotate(100);
    };
    expect(rotateOften).toThrow(
      expect.objectContaining({ code: "store_unavailable", reason: "rotating_too_fast" }),
    );
    expect(rotations).toBe(1024);
    rotate(130);
    expect(rotations).toBe(1025);
    expect(family.predecessors).toHaveLength(1);
  });

  it("is unavailable when the sealed successor cannot be opened", () => {
    const next = mintRefreshToken(SESSION, 1, KEY);
    const predecessor = {
      generation: 0,
      hash: FIRST.hash,
      sealedSuccessor: "spoilt",
      organizationId: null,
      rotatedAt: 100,
    };
    const family = { key: KEY, generation: 1, current: next.hash, predecessors: [predecessor] };
    const exchange = (): unknown => exchangeRefreshToken(family, FIRST, REQUEST, { now: 100, grace: 30 });
    expect(exchange).toThrow(expect.objectContaining({ code: "store_unavailable" }));
  });

  it("returns the same family when nothing is rotated and nothing is new", () => {
    const request = { ...REQUEST, rotate: false };
    const result = exchangeRefreshToken(FAMILY, FIRST, request, { now: 100, grace: 30 });
    expect(result).toEqual({ status: "accepted", token: FIRST, family: FAMILY });
    expect(result.status === "accepted" && result.family).toBe(FAMILY);
  });
});
