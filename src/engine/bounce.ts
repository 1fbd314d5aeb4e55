import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setCookieLine } from "../http/cookies.ts";
import type { Denial } from "../http/denial.ts";
import { requestedUrl } from "../http/navigation.ts";
import { html, renderPage, sendPage } from "../http/page.ts";
import { redirect } from "../http/send.ts";
import { findCookie } from "../pipeline/find-cookie.ts";
import type { RequestRecord } from "../pipeline/attach.ts";
import { setCookie } from "./deliver.ts";
import type { Engine } from "./engine.ts";

const BOUNCE_SECONDS = 10;

/** Who is sent away, and on what. */
interface Bounced {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: RequestRecord;
}

/** The cookie that notices a browser going round in circles. */
export function bounceCookieName(secure: boolean): string {
  return secure ? "__Host-orgate-bounce" : "orgate-bounce";
}

/** Redirects; but a browser that was sent away from this very page a moment ago is in a loop, and is told so. */
export function bounce(
  engine: Engine,
  { request, response, record }: Bounced,
  denial: Pick<Denial, "title" | "detail" | "status">,
  target: string,
): void {
  const { cookie, secure, clock } = engine.options;
  const name = bounceCookieName(secure);
  const page = createHash("sha256").update(requestedUrl(request)).digest("base64url").slice(0, 16);
  const seen = findCookie(request.headers.cookie, name);
  const [lastPage, lastAt] = seen.status === "found" ? seen.value.split(".") : [];
  const age = clock() - Number(lastAt);
  if (lastPage === page && age >= 0 && age < BOUNCE_SECONDS) {
    const body = html`<h1>${denial.title}</h1>
      <p>
        You were sent away from this page and came straight back. ${denial.detail} If you have just signed in,
        check that your browser accepts cookies from this site.
      </p>
      <a class="button" href="${target}">Continue</a>`;
    sendPage(response, denial.status, renderPage(denial.title, body));
    return;
  }
  const { domain: _none, ...attributes } = cookie.attributes;
  const line = setCookieLine(
    name,
    `${page}.${Math.floor(clock())}`,
    { ...attributes, path: "/" },
    BOUNCE_SECONDS,
  );
  setCookie(record, name, line);
  redirect(response, target);
}
