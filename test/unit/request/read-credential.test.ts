import { MAX_TOKEN_LENGTH } from "../../../src/tokens/verify-token.ts";
import { describe, expect, it } from "@jest/globals";
import {
  readCredential,
  type CredentialSource,
  type RequestHead,
} from "../../../src/request/read-credential.ts";

const BEARER: CredentialSource = { kind: "bearer" };
const COOKIE: CredentialSource = { kind: "sealed", cookieName: "__Host-orgate" };
const BOTH = [BEARER, COOKIE];

/** A request head as Node makes it: of two `Authorization` lines the first is kept, `Cookie` lines are joined. */
function headOf(lines: readonly (readonly [string, string])[]): RequestHead {
  const headers: Record<string, string> = {};
  for (const [name, value] of lines) {
    const key = name.toLowerCase();
    if (key === "cookie" && headers[key] !== undefined) headers[key] += `; ${value}`;
    else headers[key] ??= value;
  }
  return { headers, rawHeaders: lines.flat() };
}

function bearerOf(length: number): RequestHead {
  return headOf([["Authorization", `Bearer ${"x".repeat(length)}`]]);
}

function cookieOf(name: string, length: number): RequestHead {
  return headOf([["Cookie", `${name}=${"x".repeat(length)}`]]);
}

describe("readCredential", () => {
  it("finds nothing in a request that carries nothing", () => {
    expect(readCredential(headOf([["Accept", "*/*"]]), BOTH)).toEqual({ status: "none" });
  });

  it("reads a bearer token", () => {
    expect(readCredential(headOf([["Authorization", "Bearer a.b.c"]]), BOTH)).toEqual({
      status: "found",
      credential: { kind: "bearer", value: "a.b.c", cookieNames: [] },
    });
  });

  it.each(["Bearer", "bearer", "BEARER", "bEaReR"])(
    "takes the scheme %s in any case (RFC 9110)",
    (scheme) => {
      const reading = readCredential(headOf([["Authorization", `${scheme}   a.b.c`]]), BOTH);
      expect(reading).toMatchObject({ status: "found", credential: { value: "a.b.c" } });
    },
  );

  it.each(["Basic dXNlcjpwYXNz", "DPoP a.b.c", "Bearerish a.b.c", "Bearer-x a.b.c", "Negotiate", ""])(
    "ignores the foreign scheme in %j, and reads the cookie",
    (value) => {
      const head = headOf([
        ["Authorization", value],
        ["Cookie", "__Host-orgate=seal"],
      ]);
      expect(readCredential(head, BOTH)).toMatchObject({ status: "found", credential: { kind: "sealed" } });
      expect(readCredential(headOf([["Authorization", value]]), BOTH)).toEqual({ status: "none" });
    },
  );

  it.each(["Bearer", "Bearer ", "Bearer    "])("R-11: refuses %j, whatever lies in the cookie", (value) => {
    const head = headOf([
      ["Authorization", value],
      ["Cookie", "__Host-orgate=seal"],
    ]);
    expect(readCredential(head, BOTH)).toMatchObject({
      status: "rejected",
      code: "invalid_token",
      via: "bearer",
    });
  });

  it.each(["\ta.b.c", ",a.b.c", "=a.b.c", "\u00a0a.b.c"])(
    "R-11: takes Bearer before %j for ours and bad, and does not go on to the cookie",
    (value) => {
      const head = headOf([
        ["Authorization", `Bearer${value}`],
        ["Cookie", "__Host-orgate=seal"],
      ]);
      expect(readCredential(head, BOTH)).toMatchObject({
        status: "found",
        credential: { kind: "bearer", value },
      });
    },
  );

  it("R-11: lets the first source that is present decide alone, in either order", () => {
    const head = headOf([
      ["Authorization", "Bearer forged"],
      ["Cookie", "__Host-orgate=seal"],
    ]);
    expect(readCredential(head, BOTH)).toMatchObject({ credential: { kind: "bearer", value: "forged" } });
    expect(readCredential(head, [COOKIE, BEARER])).toMatchObject({ credential: { kind: "sealed" } });
    expect(readCredential(head, [COOKIE])).toMatchObject({ credential: { kind: "sealed", value: "seal" } });
    expect(readCredential(head, [BEARER])).toMatchObject({ credential: { kind: "bearer" } });
  });

  it("R-11: does not fall back from a refused source to one that would do", () => {
    const tooLong = headOf([
      ["Authorization", `Bearer ${"x".repeat(MAX_TOKEN_LENGTH + 1)}`],
      ["Cookie", "__Host-orgate=seal"],
    ]);
    expect(readCredential(tooLong, BOTH)).toMatchObject({ status: "rejected", code: "invalid_token" });
    const tossed = headOf([
      ["Authorization", "Bearer a.b.c"],
      ["Cookie", "__Host-orgate=seal; __Host-orgate=other"],
    ]);
    expect(readCredential(tossed, [COOKIE, BEARER])).toMatchObject({
      status: "rejected",
      code: "invalid_session",
      via: "cookie",
    });
  });

  it.each([
    ["two bearers", "Bearer a.b.c", "Bearer d.e.f"],
    ["the same bearer twice", "Bearer a.b.c", "Bearer a.b.c"],
    ["a foreign scheme first", "Basic dXNlcjpwYXNz", "Bearer a.b.c"],
    ["a foreign scheme second", "Bearer a.b.c", "Basic dXNlcjpwYXNz"],
    ["an empty one first", "", "Bearer a.b.c"],
  ])("R-11: refuses a duplicate Authorization line: %s", (_, first, second) => {
    const head = headOf([
      ["Authorization", first],
      ["X-Between", "Authorization"],
      ["aUTHORIZATION", second],
    ]);
    expect(readCredential(head, BOTH)).toEqual({
      status: "rejected",
      code: "ambiguous_credential",
      reason: "two_authorization_headers",
      via: "bearer",
      cookieNames: [],
    });
  });

  it("leaves two lines of foreign schemes to others", () => {
    const head = headOf([
      ["Authorization", "Basic dXNlcjpwYXNz"],
      ["Authorization", "Digest x"],
      ["Cookie", "__Host-orgate=seal"],
    ]);
    expect(readCredential(head, BOTH)).toMatchObject({ status: "found", credential: { kind: "sealed" } });
  });

  it("does not take another header's value for a second line", () => {
    const head = headOf([
      ["X-Of-Same-Size", "authorization"],
      ["Authorization", "Bearer a.b.c"],
      ["Accept", "authorization"],
    ]);
    expect(readCredential(head, BOTH)).toMatchObject({ status: "found" });
  });

  it("R-11: never reads the query, the body or other headers (RFC 6750 section 2)", () => {
    const token = "a.b.c";
    const request = {
      ...headOf([
        ["X-Authorization", `Bearer ${token}`],
        ["X-Forwarded-Authorization", `Bearer ${token}`],
        ["X-Workos-Session", token],
        ["Content-Type", "application/x-www-form-urlencoded"],
      ]),
      url: `/documents?access_token=${token}&authorization=Bearer+${token}`,
      query: { access_token: token },
      body: { access_token: token },
      cookies: { "__Host-orgate": "seal" },
      signedCookies: { "__Host-orgate": "seal" },
    };
    expect(readCredential(request, BOTH)).toEqual({ status: "none" });
  });

  it("R-14: checks sizes before anything is decoded", () => {
    expect(readCredential(bearerOf(MAX_TOKEN_LENGTH), BOTH)).toMatchObject({ status: "found" });
    expect(readCredential(bearerOf(MAX_TOKEN_LENGTH + 1), BOTH)).toMatchObject({
      code: "invalid_token",
      reason: "malformed_size",
    });

    expect(readCredential(cookieOf("__Host-orgate", 12_288), BOTH)).toMatchObject({ status: "found" });
    expect(readCredential(cookieOf("__Host-orgate", 12_289), BOTH)).toEqual({
      status: "rejected",
      code: "invalid_session",
      reason: "cookie_too_long",
      via: "cookie",
      cookieName: "__Host-orgate",
      cookieNames: ["__Host-orgate"],
    });
    const two = headOf([
      ["Cookie", `__Host-orgate=${"a".repeat(12_289)}; __Host-orgate=${"b".repeat(12_289)}`],
    ]);
    expect(readCredential(two, BOTH)).toMatchObject({ code: "invalid_session", reason: "cookie_too_long" });
  });

  it("R-14: holds a bare JWT in a cookie to the size of a bearer", () => {
    const source: CredentialSource = { kind: "jwt_cookie", cookieName: "stytch_session_jwt" };
    expect(readCredential(cookieOf("stytch_session_jwt", MAX_TOKEN_LENGTH), [source])).toMatchObject({
      status: "found",
      credential: { kind: "jwt_cookie", cookieName: "stytch_session_jwt" },
    });
    expect(readCredential(cookieOf("stytch_session_jwt", MAX_TOKEN_LENGTH + 1), [source])).toMatchObject({
      code: "invalid_session",
    });
  });

  it("names every form of a cookie that is present, so that all can be cleared", () => {
    const head = headOf([["Cookie", "__Host-orgate.0=aa; __Host-orgate.1=b~2; __Host-orgate.7=old"]]);
    expect(readCredential(head, BOTH)).toEqual({
      status: "found",
      credential: {
        kind: "sealed",
        value: "aab~2",
        cookieName: "__Host-orgate",
        cookieNames: ["__Host-orgate.0", "__Host-orgate.1", "__Host-orgate.7"],
      },
    });
  });

  it("R-12: sees two Cookie lines as one, so that a cookie tossed on a line of its own is one of several", () => {
    const head = headOf([
      ["Cookie", "__Host-orgate=mine"],
      ["Cookie", "__Host-orgate=evil"],
    ]);
    expect(readCredential(head, BOTH)).toMatchObject({ status: "rejected", code: "invalid_session" });
  });

  it("goes on to the next source where a cookie has nothing in it", () => {
    const opaque: CredentialSource = { kind: "opaque", cookieName: "stytch_session" };
    const head = headOf([["Cookie", "__Host-orgate=; stytch_session=opaque"]]);
    expect(readCredential(head, [COOKIE, opaque])).toMatchObject({
      status: "found",
      credential: { kind: "opaque", value: "opaque" },
    });
  });
});
