import { html, type Html } from "./html.ts";
import { initialsOf, renderPage } from "./layout.ts";
import { PERSONAS, type Persona } from "./people.ts";

/** Renders the sign-in page with the sample users. */
export function renderSignIn(action: string, problem?: string): string {
  const main = html`<div class="narrow">
    <h1>Who are you today?</h1>
    <p class="lead">
      Paperclip keeps the documents of four companies. Pick somebody: there are no passwords, because checking
      one is your application's part, and sessions are orgate's.
    </p>
    ${problem !== undefined && html`<p role="alert">${problem}</p>`}
    <form method="post" action="${action}">
      <ul class="cards">
        ${[...PERSONAS].map(renderCard)}
      </ul>
    </form>
  </div>`;
  return renderPage({ title: "Sign in", main });
}

function renderCard([key, { name, about, places }]: [string, Persona]): Html {
  return html`<li>
    <button class="card" name="as" value="${key}">
      <span class="initials" aria-hidden="true">${initialsOf(name)}</span>
      <span class="who">
        <strong>${name}</strong>
        <span class="about">${about}</span>
        <span class="chips">${places.map((place) => html`<span class="chip">${place}</span>`)}</span>
      </span>
    </button>
  </li>`;
}
