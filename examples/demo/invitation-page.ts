import { html } from "./html.ts";
import type { Mail } from "./mailbox.ts";

/** Whose mail is shown. */
export interface MailReader {
  readonly name: string;
  readonly emailAddress: string;
  /** Whether the user is in no organization. */
  readonly isNowhere: boolean;
}

/** Renders a user's mail, which is where an invitation arrives. */
export function renderMail({ name, emailAddress, isNowhere }: MailReader, mails: readonly Mail[]) {
  return html`<div class="narrow">
    ${
      isNowhere
        ? html`<h1>Welcome, ${name}</h1>
            <p class="lead">
              You are signed in, and not a member of any organization yet. That is a session too: every page
              of a company asks for an organization first, and there is none to choose.
            </p>
            <form method="post" action="/mail/invite-me">
              <button class="${mails.length === 0 ? "primary" : ""}">Have Globex Labs invite you</button>
            </form>`
        : html`<h1>Mail for ${name}</h1>`
    }
    <div class="stand-in">
      <h2>In place of the mail for ${emailAddress}</h2>
      ${mails.length === 0 && html`<p class="quiet">Nothing yet.</p>`}
      <ul class="mails">
        ${mails.map(
          ({ subject, href }) =>
            html`<li>${subject} <a class="button" href="${href}">Open the invitation</a></li>`,
        )}
      </ul>
    </div>
  </div>`;
}
