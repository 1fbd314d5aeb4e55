import type { IncomingMessage, ServerResponse } from "node:http";
import { findCookie, ownCookieAttributes, ownCookieName, setCookieLine } from "../lib/cookies.ts";
import { sha256 } from "../lib/digest.ts";
import { html, renderPage, sendPage } from "../lib/html.ts";
import { requestedUrl } from "../lib/navigation.ts";
import { redirect } from "../lib/send.ts";
import type { Instance } from "../request/instance.ts";
import type { RequestAuth } from "../request/request-auth.ts";

/** What a page says of a denial. */
interface DenialText {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
}

/** Sends a page that says why something did not happen, and offers a way on. */
export function sendDenialPage(
  response: ServerResponse,
  { status, title, detail }: DenialText,
  link?: { readonly href: string; readonly text: string },
): void {
  const wayOn = link === undefined ? "" : html`<a class="button" href="${link.href}">${link.text}</a>`;
  const body = html`<h1>${title}</h1>
    <p role="alert">${detail}</p>
    ${wayOn}`;
  sendPage(response, status, renderPage(title, body));
}

/** Seconds within which a second redirect from the same page is a loop. */
const LOOP_WINDOW = 10;

/** The cookie that remembers where the browser was last redirected from. */
export function loopCookieName(secure: boolean): string {
  return ownCookieName(secure, "bounce");
}

interface RedirectedRequest {
  readonly instance: Instance;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly auth: RequestAuth;
}

/** Redirects the browser; one that was redirected from the same page a moment ago gets a page that explains the loop. */
export function redirectUnlessLooping(
  { instance, request, response, auth }: RedirectedRequest,
  { status, title, detail }: DenialText,
  target: string,
): void {
  const { cookie, secure, clock } = instance.options;
  const name = loopCookieName(secure);
  const page = sha256(requestedUrl(request)).slice(0, 16);
  const seen = findCookie(request.headers.cookie, name);
  const [lastPage, lastAt] = seen.status === "found" ? seen.value.split(".") : [];
  const age = clock() - Number(lastAt);
  if (lastPage === page && age >= 0 && age < LOOP_WINDOW) {
    const body = html`<h1>${title}</h1>
      <p>
        You were sent away from this page and came straight back. ${detail} If you have just signed in, check
        that your browser accepts cookies from this site.
      </p>
      <a class="button" href="${target}">Continue</a>`;
    sendPage(response, status, renderPage(title, body));
    return;
  }
  const attributes = { ...ownCookieAttributes(secure), sameSite: cookie.attributes.sameSite };
  auth.queueCookie(name, setCookieLine(name, `${page}.${Math.floor(clock())}`, attributes, LOOP_WINDOW));
  redirect(response, target);
}
