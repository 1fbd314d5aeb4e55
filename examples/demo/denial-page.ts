import type { CheckedVerdict, Denial } from "orgate";
import { html, type Html } from "./html.ts";
import { listOf } from "./inspector.ts";

/** What a denial page shows beside the denial. */
export interface DenialContext {
  /** For `permission_denied`: the explanation. A real application shows it to the organization's administrators only. */
  readonly check?: CheckedVerdict | undefined;
  /** For `organization_mismatch`: the organization of the page, if the user is a member of it. */
  readonly elsewhere?: { readonly id: string; readonly name: string } | undefined;
  /** The requested page, to return to; `undefined` if the request was not for a page. */
  readonly path?: string | undefined;
  readonly isSignedIn: boolean;
}

/** Renders what was denied, why, and how to continue. */
export function renderDenial(denial: Denial, context: DenialContext): Html {
  const { code, status, title, detail } = denial;
  return html`<p class="eyebrow">${status} ${code}</p>
    <h1>${title}</h1>
    <p class="lead">${detail}</p>
    ${context.check !== undefined && renderReasons(context.check)}
    ${context.elsewhere !== undefined && renderElsewhere(context.elsewhere, context.path)}
    <p>${renderWayOn(context)}</p>
    <details class="problem">
      <summary>What an API client gets</summary>
      <pre>${JSON.stringify({ title, status, detail, code, ...denial.extensions }, null, 2)}</pre>
    </details>`;
}

function renderReasons({ resource, action, explanation }: CheckedVerdict): Html {
  const held = explanation.held.length === 0 ? "no role at all" : listOf(explanation.held);
  return html`<dl class="reasons">
    <div>
      <dt>You wanted</dt>
      <dd><code>${resource}:${action}</code></dd>
    </div>
    <div>
      <dt>You hold</dt>
      <dd>${held}</dd>
    </div>
    <div>
      <dt>It would take</dt>
      <dd>${listOf(explanation.wouldGrant, "or")}</dd>
    </div>
  </dl>`;
}

function renderElsewhere({ id, name }: { id: string; name: string }, path: string | undefined): Html {
  return html`<form method="post" action="/switch-organization">
    ${path !== undefined && html`<input type="hidden" name="return_to" value="${path}" />`}
    <button class="primary" name="organization_id" value="${id}">Go on as a member of ${name}</button>
  </form>`;
}

function renderWayOn({ isSignedIn, path }: DenialContext): Html {
  if (isSignedIn) return html`<a class="button" href="/">Back to your documents</a>`;
  const query = path === undefined ? "" : `?${new URLSearchParams({ return_to: path }).toString()}`;
  return html`<a class="button" href="/sign-in${query}">Sign in</a>`;
}
