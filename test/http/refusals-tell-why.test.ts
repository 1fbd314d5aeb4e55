import { describe, expect, it } from "@jest/globals";
import type { OrgateEvent } from "../../src/events.ts";
import { MAX_SEAL_LENGTH } from "../../src/lib/crypto.ts";
import { MAX_TOKEN_LENGTH } from "../../src/tokens/verify-token.ts";
import { closeAfterEach, start, withBearer, withCookie } from "../support/apps.ts";
import { cookieOf } from "../support/world.ts";

closeAfterEach();

const rejections = (events: readonly OrgateEvent[]): unknown[] =>
  events.flatMap((event) => (event.type === "rejected" ? [[event.code, event.reason]] : []));

describe("a credential that is refused unread", () => {
  const LONG = "a".repeat(MAX_SEAL_LENGTH + 1);

  it.each<[string, Record<string, string>, string, string]>([
    [
      "a bearer that is too long",
      withBearer("a".repeat(MAX_TOKEN_LENGTH + 1)),
      "invalid_token",
      "malformed_size",
    ],
    ["a bearer scheme without a token", { Authorization: "Bearer" }, "invalid_token", "bearer_empty"],
    ["a cookie that is too long", withCookie(LONG), "invalid_session", "cookie_too_long"],
    [
      "two cookies of which none is well formed",
      { Cookie: `${cookieOf("garbage")}; ${cookieOf("rubbish")}` },
      "invalid_session",
      "cookies_malformed",
    ],
    [
      "two cookies, one too long and one malformed",
      { Cookie: `${cookieOf(LONG)}; ${cookieOf("rubbish")}` },
      "invalid_session",
      "cookies_malformed",
    ],
  ])("has a reason of its own: %s", async (_what, headers, code, reason) => {
    const { world, send, reached } = await start();
    const answer = await send({ headers });
    expect([answer.status, JSON.parse(answer.body)["code"], reached]).toEqual([401, code, []]);
    expect(answer.body).not.toContain(reason);
    expect(rejections(world.events)).toEqual([[code, reason]]);
  });

  it("has a reason of its own: two Authorization headers", async () => {
    const { world, sendRaw } = await start();
    const lines = [
      "GET /documents HTTP/1.1",
      "Host: a",
      "Authorization: Bearer a",
      "Authorization: Bearer b",
    ];
    const answer = await sendRaw(`${[...lines, "Connection: close"].join("\r\n")}\r\n\r\n`);
    expect(answer).toContain("401");
    expect(rejections(world.events)).toEqual([["ambiguous_credential", "two_authorization_headers"]]);
  });
});

describe("cross_site_request", () => {
  it.each<[string, Record<string, string>, string]>([
    ["another site, by Sec-Fetch-Site", { "Sec-Fetch-Site": "cross-site" }, "fetch_site_cross_site"],
    ["another origin of the site", { "Sec-Fetch-Site": "same-site" }, "fetch_site_same_site"],
    ["a Sec-Fetch-Site that no browser sends", { "Sec-Fetch-Site": "Same-Origin" }, "fetch_site_unknown"],
    ["a foreign Origin", { Origin: "https://evil.example" }, "origin_foreign"],
    ["an Origin of null", { Origin: "null" }, "origin_null"],
    [
      "an Origin of null, from another site",
      { Origin: "null", "Sec-Fetch-Site": "cross-site" },
      "origin_null",
    ],
    [
      "a foreign Origin, from another site",
      { Origin: "https://evil.example", "Sec-Fetch-Site": "cross-site" },
      "fetch_site_cross_site",
    ],
  ])("tells what gave it away: %s", async (_what, headers, reason) => {
    const { world, send, reached } = await start();
    const { seal } = await world.signIn();
    world.events.length = 0;
    const answer = await send({ method: "POST", headers: { ...withCookie(seal), ...headers } });
    expect([answer.status, JSON.parse(answer.body)["code"], reached]).toEqual([
      403,
      "cross_site_request",
      [],
    ]);
    expect(answer.body).not.toContain(reason);
    expect(rejections(world.events)).toEqual([["cross_site_request", reason]]);
    expect(JSON.stringify(world.events)).not.toContain("evil");
  });
});
