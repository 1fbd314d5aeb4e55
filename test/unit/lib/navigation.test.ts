import { describe, expect, it } from "@jest/globals";
import {
  acceptsHtml,
  isJsonClient,
  isNavigation,
  pathOf,
  queryOf,
  requestedUrl,
} from "../../../src/lib/http.ts";
import { makeRequest } from "../../support/exchange.ts";

const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

describe("isNavigation", () => {
  it.each([
    ["a browser that opens a page", "GET", { Accept: BROWSER, "Sec-Fetch-Mode": "navigate" }, true],
    ["a browser without Sec-Fetch headers", "GET", { Accept: BROWSER }, true],
    ["HTML in other letters", "GET", { Accept: "Text/HTML" }, true],
    ["a fetch that accepts HTML", "GET", { Accept: BROWSER, "Sec-Fetch-Mode": "cors" }, false],
    ["a same-origin fetch", "GET", { Accept: BROWSER, "Sec-Fetch-Mode": "same-origin" }, false],
    ["a wildcard", "GET", { Accept: "*/*" }, false],
    ["any text", "GET", { Accept: "text/*" }, false],
    ["JSON", "GET", { Accept: "application/json" }, false],
    ["no Accept", "GET", {}, false],
    ["a form", "POST", { Accept: BROWSER, "Sec-Fetch-Mode": "navigate" }, false],
    ["HEAD", "HEAD", { Accept: BROWSER }, false],
  ])("says of %s (%s): %#", (_, method, headers, expected) => {
    expect(isNavigation(makeRequest({ method, headers: headers }))).toBe(expected);
  });
});

describe("acceptsHtml and isJsonClient", () => {
  it.each([
    [{ Accept: BROWSER }, true, false],
    [{ Accept: "application/json" }, false, true],
    [{ Accept: "application/problem+json; q=1" }, false, true],
    [{ Accept: "application/vnd.api+json, */*" }, false, true],
    [{ Accept: `application/json, ${BROWSER}` }, true, false],
    [{ Accept: "*/*" }, false, false],
    [{ Accept: "*/*", "Content-Type": "application/json; charset=utf-8" }, false, true],
    [{ "Content-Type": "application/x-www-form-urlencoded" }, false, false],
    [{ Accept: BROWSER, "Content-Type": "application/json" }, true, false],
    [{ Accept: "application/jsonp" }, false, false],
    [{ Accept: "text/application/json5" }, false, false],
    [{}, false, false],
  ])("of %j: HTML %s, JSON %s", (headers, html, json) => {
    const request = makeRequest({ headers: headers });
    expect([acceptsHtml(request), isJsonClient(request)]).toEqual([html, json]);
  });
});

describe("requestedUrl, pathOf and queryOf", () => {
  it("return what the client asked for, also inside a mounted application", () => {
    const request = makeRequest({ url: "/inner?a=1&b=x%26y" });
    expect([requestedUrl(request), pathOf(request)]).toEqual(["/inner?a=1&b=x%26y", "/inner"]);
    Object.assign(request, { originalUrl: "/outer/inner?a=1&b=x%26y" });
    expect([requestedUrl(request), pathOf(request)]).toEqual(["/outer/inner?a=1&b=x%26y", "/outer/inner"]);
    expect(queryOf(request).get("b")).toBe("x&y");
  });

  it("ignore an original URL that is not a string", () => {
    const request = Object.assign(makeRequest({ url: "/real" }), {
      originalUrl: { toString: () => "/forged" },
    });
    expect(requestedUrl(request)).toBe("/real");
  });

  it("have a default without a URL or a query", () => {
    const request = makeRequest({ url: "/plain" });
    expect([...queryOf(request)]).toEqual([]);
    Reflect.deleteProperty(request, "url");
    expect([requestedUrl(request), pathOf(request)]).toEqual(["/", "/"]);
  });
});
