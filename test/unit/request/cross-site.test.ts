import { describe, expect, it } from "@jest/globals";
import { createOriginCheck, isSafeMethod } from "../../../src/request/read-credential.ts";
import { makeRequest } from "../../support/exchange.ts";

const OWN = "https://app.example.com";
const TRUSTED = "https://admin.example.net";
const PATTERN = "https://*.example.org";

const check = createOriginCheck({ origin: OWN, trustedOrigins: [TRUSTED, PATTERN] });

function crossSiteReason(site: string | undefined, origin: string | undefined): string | undefined {
  return check.crossSiteReason(
    makeRequest({
      method: "POST",
      headers: {
        ...(site !== undefined && { "Sec-Fetch-Site": site }),
        ...(origin !== undefined && { Origin: origin }),
      },
    }),
  );
}

const SITES = [
  undefined,
  "same-origin",
  "none",
  "same-site",
  "cross-site",
  "Same-Origin",
  "same-origin, none",
  "",
];
const ORIGINS: readonly (readonly [string | undefined, "own" | "trusted" | "foreign" | "none"])[] = [
  [undefined, "none"],
  [OWN, "own"],
  [TRUSTED, "trusted"],
  ["https://eu.example.org", "trusted"],
  ["null", "foreign"],
  ["", "foreign"],
  ["https://evil.example", "foreign"],
  ["http://app.example.com", "foreign"],
  ["https://app.example.com:8443", "foreign"],
  ["https://app.example.com.evil.example", "foreign"],
  ["https://app.example.com/", "foreign"],
  ["https://app.example.com, https://evil.example", "foreign"],
  ["https://example.org", "foreign"],
  ["https://a.b.example.org", "foreign"],
  ["https://evil.example/.example.org", "foreign"],
  ["https://evil.example#.example.org", "foreign"],
  ["https://axexample.org", "foreign"],
  ["https://eu.example.org.evil.example", "foreign"],
  ["https://.example.org", "foreign"],
];

/** What the section on cross-site requests says, line by line. */
function expected(
  site: string | undefined,
  origin: string | undefined,
  kind: "own" | "trusted" | "foreign" | "none",
): string | undefined {
  if (site === "same-origin" || site === "none" || kind === "trusted") return undefined;
  if (origin === "null") return "origin_null";
  if (site === "cross-site") return "fetch_site_cross_site";
  if (site === "same-site") return "fetch_site_same_site";
  if (site !== undefined) return "fetch_site_unknown";
  return kind === "foreign" ? "origin_foreign" : undefined;
}

describe("R-17: crossSiteReason", () => {
  const table = SITES.flatMap((site) =>
    ORIGINS.map(([origin, kind]) => ({ site, origin, answer: expected(site, origin, kind) })),
  );

  it.each(table)("with Sec-Fetch-Site $site and Origin $origin: $answer", ({ site, origin, answer }) => {
    expect(crossSiteReason(site, origin)).toBe(answer);
  });

  it("does not read the Host, or what proxies say of it", () => {
    const request = makeRequest({
      method: "POST",
      headers: {
        Host: "evil.example",
        "X-Forwarded-Host": "evil.example",
        Forwarded: "host=evil.example",
        Origin: "https://evil.example",
      },
    });
    expect(check.crossSiteReason(request)).toBe("origin_foreign");
  });

  it("trusts nobody by default", () => {
    const strict = createOriginCheck({ origin: OWN, trustedOrigins: [] });
    expect(strict.isTrusted(OWN)).toBe(false);
    expect(strict.isTrusted(TRUSTED)).toBe(false);
  });

  it("takes the dots of a pattern for dots, and a port with it", () => {
    const ported = createOriginCheck({ origin: OWN, trustedOrigins: ["http://*.local.test:3000"] });
    expect(ported.isTrusted("http://a.local.test:3000")).toBe(true);
    expect(ported.isTrusted("http://a.localxtest:3000")).toBe(false);
    expect(ported.isTrusted("http://a.local.test")).toBe(false);
    expect(ported.isTrusted("http://a.local.test:3000\n")).toBe(false);
  });
});

describe("isSafeMethod", () => {
  it.each([
    ["GET", true],
    ["HEAD", true],
    ["OPTIONS", true],
    ["POST", false],
    ["PUT", false],
    ["PATCH", false],
    ["DELETE", false],
    ["CONNECT", false],
    ["TRACE", false],
    ["PROPFIND", false],
    ["get", false],
    ["", false],
  ])("says of %s: %s", (method, safe) => {
    expect(isSafeMethod(makeRequest({ method }))).toBe(safe);
  });

  it("R-18: takes no other method from a header", () => {
    const request = makeRequest({ method: "POST", headers: { "X-HTTP-Method-Override": "GET" } });
    expect(isSafeMethod(request)).toBe(false);
  });

  it("R-47: counts an upgrade among the unsafe, whatever its method", () => {
    expect(isSafeMethod(makeRequest({ headers: { Connection: "Upgrade", Upgrade: "websocket" } }))).toBe(
      false,
    );
    expect(isSafeMethod(makeRequest({ headers: { Upgrade: "" } }))).toBe(false);
  });
});
