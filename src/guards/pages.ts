import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorCode } from "../errors.ts";
import { type Html, OWN_PAGE_POLICY, pagePolicy, renderPage, sendPage } from "../lib/html.ts";
import { isText } from "../lib/values.ts";
import type { Instance } from "../request/instance.ts";
import { reportMisconfigured } from "../request/request-auth.ts";

/** A page that is shown to a person. */
export interface Page {
  readonly status: number;
  readonly title: string;
  readonly code?: ErrorCode;
  /** What stands in `<main>`, the heading included. */
  readonly body: Html;
}

/** Reports what the application's own `onDenied` threw, and passes it on. */
export function reportOnDenied({
  instance,
  next,
}: {
  readonly instance: Instance;
  readonly next: (error?: unknown) => void;
}): (cause: unknown) => void {
  return (cause) => {
    reportMisconfigured(instance.events, { reason: "on_denied_failed", cause });
    next(cause);
  };
}

interface PageContext {
  readonly instance: Instance;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Sends a page as the application brands it: with its title and logo, or as its own `pages.render` renders it. */
export function showPage({ instance, request, response }: PageContext, page: Page): void {
  const { title, logoUrl, render } = instance.options.pages;
  const { status, body } = page;
  const showDefault = (): void => {
    if (response.headersSent) return;
    sendPage(response, status, renderPage(page.title, body, { title, logoUrl }), pagePolicy(logoUrl));
  };
  if (render === undefined) {
    showDefault();
    return;
  }
  const view = { status, title: page.title, ...(page.code && { code: page.code }), content: body.html };
  const renderOwn = async (): Promise<void> => {
    const own: unknown = await render(Object.freeze(view), request, response);
    if (response.headersSent) return;
    if (!isText(own)) throw new TypeError("pages.render returned no HTML");
    sendPage(response, status, own, OWN_PAGE_POLICY);
  };
  renderOwn().catch((cause: unknown) => {
    reportMisconfigured(instance.events, { reason: "page_render_failed", cause });
    showDefault();
  });
}
