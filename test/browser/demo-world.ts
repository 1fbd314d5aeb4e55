import type { RequestListener, ServerResponse } from "node:http";
import { mkdir } from "node:fs/promises";
import type { Authority } from "orgate/authority";
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from "playwright-core";
import { createDemo } from "../../examples/demo/app.ts";
import { serve } from "../support/servers.ts";

/** What a browser says by itself of a page that was refused; everything else on its console is a defect. */
const REFUSED = /^Failed to load resource: the server responded with a status of (?:400|401|403) /;

const IMAGES = new URL("../../docs/images/", import.meta.url).pathname;
const START = Date.UTC(2027, 0, 15, 8) / 1000;

/** The demo on a port of its own, with time that stands still, and tabs that are watched. */
export interface DemoWorld {
  readonly baseUrl: string;
  readonly authority: Authority;
  advance(seconds: number): void;
  /** Another browser, with cookies of its own. */
  open(options?: BrowserContextOptions): Promise<BrowserContext>;
  /** Keeps the answer to the first POST to a path from the browser until the second one has come. */
  holdFirstAnswer(path: string): void;
  /** Ends it; fails if any tab complained: of errors, scripts that threw, violations of the content security policy. */
  close(): Promise<void>;
}

/** Starts the demo. */
export async function startDemo(browser: Browser): Promise<DemoWorld> {
  let now = START;
  let handle: RequestListener = () => undefined;
  const server = await serve((request, response) => handle(request, response));
  const baseUrl = `http://localhost:${server.port}`;
  const { app, authority } = createDemo({ baseUrl, clock: () => now });
  let held: { path: string; release?: () => void } | undefined;
  handle = (request, response) => {
    if (held !== undefined && request.method === "POST" && request.url?.split("?", 1)[0] === held.path) {
      held.release?.();
      held = held.release === undefined ? { path: held.path, release: holdAnswer(response) } : undefined;
    }
    app(request, response);
  };
  const contexts: BrowserContext[] = [];
  const complaints: string[] = [];
  return {
    baseUrl,
    authority,
    advance(seconds) {
      now += seconds;
    },
    holdFirstAnswer(path) {
      held = { path };
    },
    async open(options = {}) {
      const context = await browser.newContext({
        baseURL: baseUrl,
        viewport: { width: 1100, height: 720 },
        reducedMotion: "reduce",
        ...options,
      });
      contexts.push(context);
      await watch(context, complaints);
      return context;
    },
    async close() {
      await Promise.all(contexts.map((context) => context.close()));
      await server.close();
      await authority.close();
      if (complaints.length > 0) throw new Error(`the browser complained:\n${complaints.join("\n")}`);
    },
  };
}

/** Lets the application answer, and the browser wait; returns what ends the waiting. */
function holdAnswer(response: ServerResponse): () => void {
  const end = response.end.bind(response) as (...given: unknown[]) => ServerResponse;
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  response.end = (...given: unknown[]) => {
    void gate.then(() => end(...given));
    return response;
  };
  return release;
}

async function watch(context: BrowserContext, complaints: string[]): Promise<void> {
  context.on("console", (message) => {
    const isBad = message.type() === "error" || message.type() === "warning";
    if (isBad && !REFUSED.test(message.text())) complaints.push(message.text());
  });
  context.on("weberror", (error) => complaints.push(error.error().message));
  await context.exposeFunction("complainOfViolation", (what: string) =>
    complaints.push(`violation: ${what}`),
  );
  await context.addInitScript(
    "addEventListener('securitypolicyviolation', (event) => complainOfViolation(event.violatedDirective));",
  );
}

/**
 * Does something that leads to another page, and waits until that page has loaded.
 *
 * A click alone is over when the renderer reports the new page. The browser makes it the active one a moment later, and
 * until then refuses to go back ("Not attached to an active page"); its answer can also still be on the way.
 */
export async function untilLoaded(page: Page, act: () => Promise<unknown>): Promise<void> {
  await Promise.all([page.waitForEvent("load"), act()]);
}

/** Clicks a button or a link that leads to another page. */
export async function follow(page: Page, target: Locator): Promise<void> {
  await untilLoaded(page, () => target.click());
}

/** Clicks a user's card on the sign-in page. */
export async function signInAs(page: Page, name: string): Promise<void> {
  await follow(page, page.getByRole("button", { name: new RegExp(`^${name}`) }));
}

/** Clicks a button of a menu in the head of the page. */
export async function chooseFromMenu(page: Page, menu: string, button: string): Promise<void> {
  await page.locator("summary", { hasText: menu }).click();
  await follow(page, page.getByRole("button", { name: button, exact: true }));
}

/** The path and query that the tab shows. */
export function whereIs(page: Page): string {
  const { pathname, search } = new URL(page.url());
  return pathname + search;
}

/** How much of the page is out of sight to the right, in pixels. */
export function overflowOf(page: Page): Promise<number> {
  const root = "document.documentElement";
  return page.evaluate<number>(`${root}.scrollWidth - ${root}.clientWidth`);
}

/** Keeps a picture for the documentation, where pictures are asked for; the tree stays clean otherwise. */
export async function keepPicture(page: Page | Locator, name: string): Promise<void> {
  if (process.env["UPDATE_SCREENSHOTS"] === undefined) return;
  await mkdir(IMAGES, { recursive: true });
  await page.screenshot({ path: `${IMAGES}${name}.png`, animations: "disabled" });
}
