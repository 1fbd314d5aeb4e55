import { html, type Html } from "./html.ts";
import { renderPage } from "./layout.ts";

/** The step that is due, for whom, and which organization demands it. */
export interface DueStep {
  readonly reason: "primary_required" | "mfa_required";
  readonly emailAddress: string;
  readonly organization: string;
  /** What the user's authenticator app shows now. */
  readonly code: string;
}

/** Renders the step that an organization demands before its session begins. */
export function renderStep(due: DueStep, problem?: string): string {
  const [title, body] =
    due.reason === "mfa_required"
      ? ["Enter your code", renderCode(due)]
      : ["Single sign-on", renderSingleSignOn(due)];
  const main = html`<div class="narrow">
    <h1>${title}</h1>
    ${problem !== undefined && html`<p role="alert">${problem}</p>`} ${body}
    <p><a href="/sign-in">Sign in as somebody else</a></p>
  </div>`;
  return renderPage({ title, main });
}

function renderCode({ organization, emailAddress, code }: DueStep): Html {
  return html`<p class="lead">
      <strong>${organization}</strong> demands a second factor. What you did so far is kept in this browser;
      there is no session yet.
    </p>
    <form class="row" method="post" action="/sign-in/code">
      <label
        ><span class="label">Code for ${emailAddress}</span
        ><input name="code" required inputmode="numeric" autocomplete="one-time-code" maxlength="7" autofocus
      /></label>
      <button class="primary">Go on</button>
    </form>
    <div class="stand-in">
      <h2>In place of an authenticator app</h2>
      <p class="code"><code>${code.slice(0, 3)} ${code.slice(3)}</code></p>
      <p class="quiet">It changes every 30 seconds.</p>
    </div>`;
}

function renderSingleSignOn({ organization, emailAddress }: DueStep): Html {
  return html`<p class="lead">
      <strong>${organization}</strong> accepts only its own single sign-on. A password is not enough, and
      neither is a session of another organization.
    </p>
    <div class="stand-in">
      <h2>In place of the identity provider of ${organization}</h2>
      <form method="post" action="/sign-in/sso">
        <button class="primary">Go on as ${emailAddress}</button>
      </form>
    </div>`;
}
