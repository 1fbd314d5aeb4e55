import { randomBytes } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import {
  isGenuine,
  mintRefreshToken,
  openSuccessor,
  parseRefreshToken,
  sealSuccessor,
} from "../../../src/authority/refresh-token.ts";
import { makeSessionId } from "../../../src/authority/secrets.ts";

const KEY = randomBytes(32).toString("base64url");
const SESSION = makeSessionId();

function flip(token: string, index: number): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const at = alphabet.indexOf(token.charAt(index));
  return token.slice(0, index) + alphabet.charAt((at + 1) % 64) + token.slice(index + 1);
}

describe("a refresh token", () => {
  it("is parsed into the parts it was made of", () => {
    const minted = mintRefreshToken(SESSION, 4_000_000_000, KEY);
    expect(parseRefreshToken(minted.token)).toEqual(minted);
    expect(minted.generation).toBe(4_000_000_000);
    expect(isGenuine(minted, KEY)).toBe(true);
  });

  it("carries 256 random bits of its own", () => {
    const tokens = new Set(Array.from({ length: 100 }, () => mintRefreshToken(SESSION, 0, KEY).token));
    expect(tokens.size).toBe(100);
  });

  it("R-24: is rejected when any one of its characters is changed", () => {
    const { token } = mintRefreshToken(SESSION, 7, KEY);
    const accepted = Array.from({ length: token.length }, (_, index) => flip(token, index)).filter(
      (forged) => {
        const parsed = parseRefreshToken(forged);
        return parsed !== undefined && isGenuine(parsed, KEY);
      },
    );
    expect(accepted).toEqual([]);
    expect(isGenuine(mintRefreshToken(SESSION, 7, randomBytes(32).toString("base64url")), KEY)).toBe(false);
  });

  it.each([
    ["nothing", () => ""],
    ["padding", (token: string) => `${token}=`],
    ["white space", (token: string) => ` ${token}`],
    ["a line break at the end", (token: string) => `${token}\n`],
    ["the other alphabet", (token: string) => `${token.slice(0, -1)}+`],
    ["a character too few", (token: string) => token.slice(1)],
    ["a character too many", (token: string) => `${token}A`],
    ["a long text", () => "A".repeat(100_000)],
  ])("is not read from %s", (_case, spoil) => {
    expect(parseRefreshToken(spoil(mintRefreshToken(SESSION, 0, KEY).token))).toBeUndefined();
  });
});

describe("a sealed successor", () => {
  const first = mintRefreshToken(SESSION, 0, KEY);
  const second = mintRefreshToken(SESSION, 1, KEY);
  const sealed = sealSuccessor(first, second);
  const opens = (predecessor: typeof first, successor: string): boolean => {
    try {
      openSuccessor(predecessor, successor, KEY);
      return true;
    } catch (error) {
      expect(error).toMatchObject({ code: "store_unavailable", reason: "session_unreadable" });
      return false;
    }
  };

  it("is opened by its predecessor", () => {
    expect(openSuccessor(first, sealed, KEY)).toEqual(second);
  });

  it("R-24: is opened by nothing that is stored: not by another token, not by the key of the family", () => {
    expect(opens(mintRefreshToken(SESSION, 0, KEY), sealed)).toBe(false);
    expect(opens(second, sealed)).toBe(false);
    expect(opens(mintRefreshToken(makeSessionId(), 0, KEY), sealed)).toBe(false);
  });

  it("is not opened after it was changed", () => {
    const changed = Array.from({ length: sealed.length }, (_, index) => flip(sealed, index));
    expect(changed.filter((value) => opens(first, value))).toEqual([]);
    expect(opens(first, "")).toBe(false);
    expect(opens(first, sealed.slice(4))).toBe(false);
  });
});
