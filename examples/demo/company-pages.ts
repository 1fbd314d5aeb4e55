import type { Member, Organization } from "orgate";
import type { Document } from "./documents.ts";
import { html, type Html } from "./html.ts";
import { rolesOf } from "./inspector.ts";

/** Renders the documents. Every member sees every form: a denied action leads to the denial page. */
export function renderDocuments(
  { slug = "", name = "" }: Organization,
  documents: readonly Document[],
): Html {
  return html`<h1>Documents of ${name}</h1>
    <form class="row" method="post" action="/o/${slug}/documents">
      <label class="grow"
        ><span class="label">A new document</span
        ><input name="title" required maxlength="80" autocomplete="off" placeholder="Its title"
      /></label>
      <button class="primary">Write</button>
    </form>
    ${documents.length === 0 && html`<p class="quiet">Nothing here yet.</p>`}
    <ul class="documents">
      ${documents.map((document) => renderDocument(slug, document))}
    </ul>`;
}

function renderDocument(slug: string, { id, title, author, writtenAt }: Document): Html {
  return html`<li>
    <span class="grow"
      ><strong>${title}</strong>
      <span class="quiet"
        >${author}, <time datetime="${writtenAt.toISOString()}">${dayOf(writtenAt)}</time></span
      ></span
    >
    <form method="post" action="/o/${slug}/documents/${id}/delete">
      <button class="quiet-button" aria-label="Delete ${title}">Delete</button>
    </form>
  </li>`;
}

function dayOf(date: Date): string {
  return date.toLocaleDateString("en-GB", { day: "numeric", month: "long", timeZone: "UTC" });
}

/** Renders a page for administrators that impersonators cannot open. */
export function renderBilling({ name = "" }: Organization): Html {
  return html`<h1>Billing of ${name}</h1>
    <p class="lead">
      You are here because a role of yours grants <code>billing:manage</code>, and because nobody is acting in
      your name.
    </p>
    <table>
      <thead>
        <tr>
          <th>Invoice</th>
          <th>Seats</th>
          <th class="number">Amount</th>
        </tr>
      </thead>
      <tbody>
        ${[
          ["October", "14", "168.00"],
          ["September", "14", "168.00"],
          ["August", "11", "132.00"],
        ].map(
          ([month = "", seats = "", amount = ""]) =>
            html`<tr>
              <td>${month}</td>
              <td>${seats}</td>
              <td class="number">${amount}</td>
            </tr>`,
        )}
      </tbody>
    </table>`;
}

/** Renders a page that requires a recent sign-in. */
export function renderKeys({ name = "" }: Organization, maxAge: number): Html {
  return html`<h1>API keys of ${name}</h1>
    <p class="lead">
      You signed in less than ${maxAge} seconds ago, so you may see this. Come back later, and you are asked
      to sign in again: <code>requireRecentAuth({ maxAge: ${maxAge} })</code>.
    </p>
    <p><code class="key">paperclip_demo_not_a_real_key</code></p>`;
}

/** Renders a page whose guard asks the store each time. */
export function renderLive({ name = "" }: Organization, member: Member): Html {
  return html`<h1>Live roles</h1>
    <p class="lead">
      The store was asked a moment ago, for this very page: <code>maxTokenAge: 0</code>. In ${name} you hold
      <strong>${rolesOf(member)}</strong>, whatever your token said before.
    </p>
    <p>Change your role beside this, and look here again: there is nothing to wait for.</p>`;
}
