import { randomBytes } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { presentRefreshToken } from "../../../src/authority/refresh-token.ts";
import type { RefreshFamily } from "../../../src/authority/refresh-token.ts";
import { mintRefreshToken } from "../../../src/authority/refresh-token.ts";
import { makeSessionId, parseSessionId } from "../../../src/authority/session-id.ts";

const KEY = randomBytes(32).toString("base64url");
const SESSION = parseSessionId(makeSessionId()) ?? Buffer.alloc(0);
const REQUEST = { rotate: true, organizationId: undefined, mostRecent: "org_acme" };
const FIRST = mintRefreshToken(SESSION, 0, KEY);
const FAMILY: RefreshFamily = { key: KEY, generation: 0, current: FIRST.hash, predecessors: [] };

describe("presentRefreshToken", () => {
  it("is bounded: whoever rotates more than a member ever would waits for the grace window, and loses nothing", () => {
    let family = FAMILY;
    let token = FIRST;
    let rotations = 0;
    const rotate = (now: number): void => {
      const presentation = presentRefreshToken(family, token, REQUEST, { now, grace: 30 });
      if (presentation.status !== "accepted") throw new Error(presentation.status);
      ({ family, token } = presentation);
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

  it("cannot know what a record means whose sealed successor does not open", () => {
    const next = mintRefreshToken(SESSION, 1, KEY);
    const predecessor = {
      generation: 0,
      hash: FIRST.hash,
      sealedSuccessor: "spoilt",
      organizationId: null,
      rotatedAt: 100,
    };
    const family = { key: KEY, generation: 1, current: next.hash, predecessors: [predecessor] };
    const present = (): unknown => presentRefreshToken(family, FIRST, REQUEST, { now: 100, grace: 30 });
    expect(present).toThrow(expect.objectContaining({ code: "store_unavailable" }));
  });

  it("changes nothing where nothing is rotated and nothing is news", () => {
    const request = { ...REQUEST, rotate: false };
    const presentation = presentRefreshToken(FAMILY, FIRST, request, { now: 100, grace: 30 });
    expect(presentation).toEqual({ status: "accepted", token: FIRST, family: FAMILY, isRotated: false });
    expect(presentation.status === "accepted" && presentation.family).toBe(FAMILY);
  });
});
