import { html, type Html } from "./html.ts";

/** A link of the navigation, and the last part of its path. */
const PAGES = [
  ["documents", "Documents"],
  ["billing", "Billing"],
  ["members", "Members"],
  ["keys", "API keys"],
  ["live", "Live roles"],
] as const;

const STYLES = ["base", "frame", "content", "members", "panel"];

/** A signed-in user, as the head of each page shows them. */
export interface Visitor {
  readonly name: string;
  readonly impersonatedBy?: string;
  readonly organization?: { readonly slug: string; readonly name: string };
  /** The user's other organizations. */
  readonly others: readonly { readonly id: string; readonly name: string }[];
}

/** The parts of a page. */
export interface Page {
  readonly title: string;
  readonly main: Html;
  /** Shown beside the content, or below it on a narrow screen. */
  readonly aside?: Html | undefined;
  readonly visitor?: Visitor | undefined;
  /** The current page of the navigation. */
  readonly current?: string;
}

/** Renders a whole page. Only the counters need a script. */
export function renderPage({ title, main, aside, visitor, current }: Page): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} - Paperclip</title>
        <link rel="icon" href="/icon.svg" type="image/svg+xml" />
        ${STYLES.map((name) => html`<link rel="stylesheet" href="/${name}.css" />`)}
        <script src="/script.js" type="module"></script>
      </head>
      <body>
        <a class="skip" href="#main">Skip to the page</a>
        ${renderHead(visitor, current)}
        <div class="columns">
          <main id="main">${main}</main>
          ${aside}
        </div>
      </body>
    </html> `.html;
}

function renderHead(visitor: Visitor | undefined, current: string | undefined): Html {
  return html`<header>
      <a class="brand" href="/"><img src="/icon.svg" alt="" width="28" height="28" />Paperclip</a>
      ${visitor !== undefined && html`${renderSwitcher(visitor)}${renderMember(visitor)}`}
    </header>
    ${
      visitor?.impersonatedBy !== undefined &&
      html`<p class="banner">
        <strong>${visitor.impersonatedBy}</strong> is acting as <strong>${visitor.name}</strong>.
      </p>`
    }
    ${visitor?.organization !== undefined && renderNavigation(visitor.organization.slug, current)}`;
}

function renderSwitcher({ organization, others }: Visitor): Html {
  if (organization === undefined) return html``;
  if (others.length === 0) return html`<span class="organization">${organization.name}</span>`;
  return html`<details class="menu organization">
    <summary>${organization.name}</summary>
    <form method="post" action="/switch-organization">
      <p>Go on in another organization</p>
      ${others.map((one) => html`<button name="organization_id" value="${one.id}">${one.name}</button>`)}
    </form>
  </details>`;
}

function renderMember({ name }: Visitor): Html {
  return html`<details class="menu member">
    <summary>
      <span class="initials" aria-hidden="true">${initialsOf(name)}</span><span class="name">${name}</span>
    </summary>
    <div>
      <a class="button" href="/mail">Your mail</a>
      <form method="post" action="/sign-out"><button>Sign out</button></form>
      <form method="post" action="/sign-out-everywhere"><button>Sign out everywhere</button></form>
    </div>
  </details>`;
}

function renderNavigation(slug: string, current: string | undefined): Html {
  const here = html` aria-current="page"`;
  return html`<nav aria-label="Pages">
    ${PAGES.map(
      ([path, label]) => html`<a href="/o/${slug}/${path}" ${path === current && here}>${label}</a>`,
    )}
  </nav>`;
}

/** `AL` for Ada Lovelace. */
export function initialsOf(name: string): string {
  const letters = name.split(" ").map((word) => word.slice(0, 1));
  return letters.slice(0, 2).join("").toUpperCase();
}
