import type { DenialInit } from "../engine/deny.ts";
import type { Engine } from "../engine/engine.ts";
import type { Denial } from "../http/denial.ts";
import { acceptsHtml } from "../http/navigation.ts";
import { sendPage } from "../http/page.ts";
import { renderDenial } from "./selection-page.ts";
import { refuse, type Visit } from "./visit.ts";

/** Ends a visit with a denial that a person can read, where a person waits for a page. */
export function refuseOnPage(engine: Engine, visit: Visit, init: DenialInit): void {
  refuse(engine, visit, { ...init, ...pageFor(engine, visit, init.returnTo) });
}

/** The part of a denial that makes it a page. */
export function pageFor(
  { options }: Engine,
  { request, response }: Visit,
  returnTo = "/",
): Pick<DenialInit, "answer" | "returnTo"> {
  if (!acceptsHtml(request)) return { returnTo };
  return {
    returnTo,
    answer: (denial) =>
      sendPage(response, denial.status, renderDenial(denial, onward(options, denial, returnTo))),
  };
}

function onward(
  { signInPath, selectionPath }: Engine["options"],
  { status, extensions }: Denial,
  returnTo: string,
): { readonly href: string; readonly text: string } | undefined {
  const { sign_in_url: signInUrl } = extensions;
  const query = new URLSearchParams({ return_to: returnTo }).toString();
  if (typeof signInUrl === "string") {
    const [path, own] = signInUrl.split("?", 2);
    const href = `${signInUrl}${own === undefined ? "?" : "&"}${query}`;
    return { href: path === signInPath ? href : signInUrl, text: "Sign in again" };
  }
  if (status === 401 || status === 400) {
    return signInPath === undefined ? undefined : { href: `${signInPath}?${query}`, text: "Sign in" };
  }
  return status === 403 || status === 503 ? { href: selectionPath, text: "Try again" } : undefined;
}
