import type { ServerResponse } from "node:http";
import { sendBody } from "./http.ts";

/** A fragment of HTML in which every value from outside is escaped. */
export interface Html {
  readonly html: string;
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ['"', "&quot;"],
  ["'", "&#39;"],
]);

/** Builds HTML from a template. Escapes every value that this function did not build. */
export function html(
  strings: TemplateStringsArray,
  ...values: readonly (string | Html | readonly Html[])[]
): Html {
  return { html: strings.map((text, index) => text + toHtml(values[index] ?? "")).join("") };
}

function toHtml(value: string | Html | readonly Html[]): string {
  if (typeof value === "string")
    return value.replaceAll(/[&<>"']/g, (character) => ESCAPES.get(character) ?? "");
  return "html" in value ? value.html : value.map((part) => part.html).join("");
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1c1f26; --quiet: #5a6270; --line: #d5d9e0; --paper: #fff; --back: #f3f5f8; --accent: #2348c9; --alarm: #a3161f }
@media (prefers-color-scheme: dark) { :root { --ink: #eceff4; --quiet: #a6aebc; --line: #3b4250; --paper: #1d2129; --back: #13161b; --accent: #8fa8ff; --alarm: #ff9a9f } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--back); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 26rem; padding: 2rem; background: var(--paper); border: 1px solid var(--line); border-radius: 1rem }
h1 { margin: 0 0 .5rem; font-size: 1.375rem; line-height: 1.25 }
p { margin: 0 0 1.25rem; color: var(--quiet) }
ul { list-style: none; margin: 0; padding: 0; display: grid; gap: .5rem }
button, .button { display: flex; width: 100%; gap: .75rem; align-items: center; padding: .875rem 1rem; border: 1px solid var(--line); border-radius: .625rem; background: transparent; color: inherit; font: inherit; text-align: start; text-decoration: none; cursor: pointer; overflow-wrap: anywhere }
button:hover, .button:hover { border-color: var(--accent) }
button:focus-visible, .button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
small { margin-inline-start: auto; color: var(--quiet) }
[role=alert] { color: var(--alarm) }
header { display: flex; gap: .75rem; align-items: center; margin: 0 0 1.25rem; font-weight: 600; overflow-wrap: anywhere }
header img { max-height: 2.5rem; max-width: 50% }
`;

/** What an application puts on every page. */
export interface PageBrand {
  readonly title?: string | undefined;
  readonly logoUrl?: string | undefined;
}

/** Renders a whole page: no script, readable without style, no resource from elsewhere but the application's logo. */
export function renderPage(title: string, body: Html, { title: site, logoUrl }: PageBrand = {}): string {
  const logo = logoUrl === undefined ? "" : html`<img src="${logoUrl}" alt="" />`;
  const header =
    (site ?? logoUrl) === undefined ? "" : html`<header>${logo}<span>${site ?? ""}</span></header>`;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${site === undefined ? title : `${title} - ${site}`}</title>
        <style>
          ${{ html: STYLE }}
        </style>
      </head>
      <body>
        <main>${header}${body}</main>
      </body>
    </html> `.html;
}

const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/** The policy of a page that the application rendered: it may load what it likes, and no other site may frame it. */
export const OWN_PAGE_POLICY = "base-uri 'none'; frame-ancestors 'none'";

/** The policy of orgate's pages, with the image that a page shows. */
export function pagePolicy(imageUrl: string | undefined): string {
  if (imageUrl === undefined) return POLICY;
  return `${POLICY}; img-src ${URL.canParse(imageUrl) ? new URL(imageUrl).origin : "'self'"}`;
}

/** Sends a page. A `Content-Security-Policy` that the application set (helmet's, say) stays. */
export function sendPage(response: ServerResponse, status: number, page: string, policy = POLICY): void {
  const name = "Content-Security-Policy";
  // Responses of other servers have no `hasHeader`.
  if (response.getHeader(name) === undefined) response.setHeader(name, policy);
  sendBody(response, status, "text/html; charset=utf-8", page);
}
