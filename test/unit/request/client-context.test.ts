import { describe, expect, it } from "@jest/globals";
import { describeClient, reportUntrustedProxy } from "../../../src/request/call-store.ts";
import { createEventSink, type OrgateEvent } from "../../../src/events.ts";
import type { OrgateOptions } from "../../../src/options/options.ts";
import { makeBench } from "../../support/engine-bench.ts";
import { makeRequest } from "../../support/exchange.ts";

const TOLD: OrgateEvent[] = [];

/** What the store is told of a client. */
function tell(ipAddress: OrgateOptions["ipAddress"], request = makeRequest()) {
  return describeClient(
    { options: { ipAddress }, events: createEventSink((event) => TOLD.push(event)) },
    request,
  );
}

function addressOf(address: unknown): string | undefined {
  const ipAddress = (): string => address as string;
  return tell(ipAddress).ipAddress;
}

describe("R-49: the client's address", () => {
  it.each([
    ["192.0.2.7", "192.0.2.7"],
    ["2001:db8::1", "2001:db8::1"],
    ["2001:DB8::1", "2001:DB8::1"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["::FFFF:192.0.2.7", "192.0.2.7"],
    ["::ffff:c000:207", "::ffff:c000:207"],
  ])("tells %s as %s", (given, expected) => {
    expect(addressOf(given)).toBe(expected);
  });

  it.each([
    "",
    "unknown",
    "192.0.2.7, 203.0.113.9",
    "192.0.2.7\r\nX: y",
    "fe80::1%eth0",
    "1".repeat(46),
    7,
    null,
    undefined,
    ["192.0.2.7"],
  ])("tells nothing of %p", (given) => {
    expect(addressOf(given)).toBeUndefined();
  });

  it("is Express's, else the socket's, never a header's", () => {
    const headers = {
      "X-Forwarded-For": "203.0.113.9",
      Forwarded: "for=203.0.113.9",
      "X-Real-IP": "203.0.113.9",
    };
    const request = makeRequest({ headers });
    expect(tell(undefined, request)).toEqual({});
    Object.defineProperty(request.socket, "remoteAddress", { value: "192.0.2.1" });
    expect(tell(undefined, request)).toEqual({ ipAddress: "192.0.2.1" });
    Object.assign(request, { ip: "192.0.2.2" });
    expect(tell(undefined, request)).toEqual({ ipAddress: "192.0.2.2" });
  });

  it("R-45: is left out where the application's function throws, and the error is told", () => {
    const error = new Error("down");
    const ipAddress = (): string => {
      throw error;
    };
    TOLD.length = 0;
    expect(tell(ipAddress)).toEqual({});
    expect(TOLD).toEqual([{ type: "misconfigured", reason: "ip_address_failed", error }]);
  });
});

describe("R-49: the user agent", () => {
  it.each([
    ["Test/1.0", "Test/1.0"],
    ["a\r\nb\u0000c\u001bd\u007fe", "abcde"],
    ["x".repeat(600), "x".repeat(512)],
    ["\u0007", undefined],
    ["", undefined],
  ])("tells %j as %j", (given, expected) => {
    const request = makeRequest({ headers: { "User-Agent": given } });
    expect(tell(() => undefined, request).userAgent).toBe(expected);
  });
});

describe("reportUntrustedProxy", () => {
  const proxied = { headers: { "X-Forwarded-For": "203.0.113.9" } };

  it("reports once that every client has the address of a private proxy", () => {
    const { engine, events } = makeBench();
    for (let time = 0; time < 3; time++) {
      const request = makeRequest(proxied);
      Object.defineProperty(request.socket, "remoteAddress", { value: "::ffff:10.0.0.7" });
      reportUntrustedProxy(engine, request);
    }
    expect(events).toEqual([{ type: "misconfigured", reason: "proxy_not_trusted" }]);
  });

  it.each([
    ["the header is missing", {}, "10.0.0.7", {}],
    ["the socket's address is public", proxied, "203.0.113.1", {}],
    ["Express trusts the proxy", proxied, "10.0.0.7", { ip: "203.0.113.9" }],
  ])("reports nothing where %s", (_, init, remoteAddress, more) => {
    const { engine, events } = makeBench();
    const request = Object.assign(makeRequest(init), more);
    Object.defineProperty(request.socket, "remoteAddress", { value: remoteAddress });
    reportUntrustedProxy(engine, request);
    expect(events).toEqual([]);
  });
});
