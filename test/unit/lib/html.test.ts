import { describe, expect, it } from "@jest/globals";
import { createServer } from "node:http";
import request from "supertest";
import { html, renderPage, sendPage } from "../../../src/lib/html.ts";

describe("html", () => {
  it("escapes every character that could end a text or an attribute", () => {
    const text = `&<>"'`;
    expect(html`<p title="${text}">${text}</p>`.html).toBe(
      `<p title="&amp;&lt;&gt;&quot;&#39;">&amp;&lt;&gt;&quot;&#39;</p>`,
    );
  });

  it("escapes values that look escaped once more", () => {
    expect(html`${"&amp;"}`.html).toBe("&amp;amp;");
  });

  it("keeps HTML that it built, and lists of it", () => {
    const items = ["a", "<b>"].map((item) => html`<li>${item}</li>`);
    expect(
      html`<ul>
        ${items}
      </ul>`.html.replaceAll(/\s/g, ""),
    ).toBe("<ul><li>a</li><li>&lt;b&gt;</li></ul>");
    expect(html`${[]}${html``}`.html).toBe("");
  });
});

describe("a page", () => {
  it("has a language, a title and a viewport; runs and loads nothing", () => {
    const page = renderPage("A <title>", html`<h1>Hello</h1>`);
    expect(page).toMatch(/^<!doctype html>\s*<html lang="en">/);
    expect(page).toContain("<title>A &lt;title&gt;</title>");
    expect(page).toContain('<meta name="viewport" content="width=device-width, initial-scale=1" />');
    expect(page).toContain("<h1>Hello</h1>");
    expect(page).not.toMatch(/<script|<link|<img|src=|url\(|@import|http/i);
  });

  it("has a dark color scheme", () => {
    expect(renderPage("", html``)).toContain("prefers-color-scheme: dark");
  });

  const serve = async (csp?: string): Promise<request.Response> => {
    const server = createServer((_request, response) => {
      if (csp !== undefined) response.setHeader("Content-Security-Policy", csp);
      sendPage(response, 403, "<p>page</p>");
    });
    return await request(server).get("/");
  };

  it("is sent with a Content-Security-Policy that allows nothing else", async () => {
    const { status, headers, text } = await serve();
    expect([status, text]).toEqual([403, "<p>page</p>"]);
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(headers["content-security-policy"]).toBe(
      "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    );
  });

  it("keeps the application's own Content-Security-Policy", async () => {
    expect((await serve("default-src 'self'")).headers["content-security-policy"]).toBe("default-src 'self'");
  });
});
