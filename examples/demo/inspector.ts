import type { CheckedVerdict, MemberSession, Verdict } from "orgate";
import type { Activity } from "./activity.ts";
import { ROLES } from "./company.ts";
import { html, type Html } from "./html.ts";

/** What the panel beside each page shows about a session. */
export interface Inspection {
  readonly memberSession: MemberSession;
  readonly organizationSlug: string;
  readonly now: number;
  readonly tokenLifetime: number;
  /** The verdict of the guard on this route. */
  readonly verdict?: Verdict | undefined;
  readonly checks: readonly CheckedVerdict[];
  readonly activity: ReturnType<Activity["read"]>;
  readonly mayChangeRole: boolean;
}

/** Renders the panel that shows what orgate does. A script updates the counters; without it, a reload does. */
export function renderInspector(inspection: Inspection): Html {
  return html`<aside aria-label="What orgate did">
    ${renderToken(inspection)} ${renderChecks(inspection)}
    ${inspection.mayChangeRole ? renderRoles(inspection) : IMPERSONATED} ${renderRecent(inspection)}
  </aside>`;
}

const IMPERSONATED = html`<section>
  <h2>Your role</h2>
  <p class="quiet">Whoever acts for somebody else cannot change their role.</p>
</section>`;

/** Seconds until the access token expires: it was issued when the session was last used at the store. */
export function secondsLeft({
  memberSession,
  now,
  tokenLifetime,
}: Pick<Inspection, "memberSession" | "now" | "tokenLifetime">): number {
  const issuedAt = Date.parse(memberSession.lastAccessedAt ?? "") / 1000;
  return Math.max(0, Math.min(tokenLifetime, Math.ceil(issuedAt + tokenLifetime - now)));
}

function renderToken(inspection: Inspection): Html {
  const { tokenLifetime, activity } = inspection;
  const left = secondsLeft(inspection);
  return html`<section>
    <h2>Your access token</h2>
    <p class="big"><span data-live="left">${left}</span> s <span class="quiet">until it is renewed</span></p>
    <progress
      data-live="bar"
      max="${tokenLifetime}"
      value="${left}"
      aria-label="Life of the token"
    ></progress>
    <dl class="counters">
      <div>
        <dt>local answers</dt>
        <dd data-live="local">${activity.local}</dd>
      </div>
      <div>
        <dt>store calls</dt>
        <dd data-live="store">${activity.store}</dd>
      </div>
    </dl>
    <noscript><a class="button" href="">Look again</a></noscript>
  </section>`;
}

function renderChecks({ checks, verdict, memberSession }: Inspection): Html {
  return html`<section>
    <h2>What you may do</h2>
    <p>Your roles here: <strong data-live="roles">${rolesOf(memberSession)}</strong></p>
    <ul class="checks">
      ${checks.map(renderCheck)}
    </ul>
    ${(checks[0]?.explanation.sources ?? []).map((source) => html`<p class="quiet">${source}</p>`)}
    ${verdict !== undefined && html`<p class="quiet">${describeVerdict(verdict)}</p>`}
  </section>`;
}

function renderCheck({ authorized, resource, action, grantingRoles, explanation }: CheckedVerdict): Html {
  const why = authorized
    ? `granted by ${listOf(grantingRoles)}`
    : `would take ${listOf(explanation.wouldGrant, "or")}`;
  return html`<li class="${authorized ? "allowed" : "denied"}">
    <span class="mark" aria-hidden="true"></span>
    <span
      ><code>${resource}:${action}</code>
      <span class="quiet">${authorized ? "" : "denied, "}${why}</span></span
    >
  </li>`;
}

function describeVerdict({ resource, action, authorized, source }: Verdict): string {
  const what = authorized ? "let this request through" : "stopped this request";
  return `${resource}:${action} ${what}, by the roles ${source === "store" ? "fetched for it" : "in the token"}.`;
}

function renderRoles({ organizationSlug, memberSession, tokenLifetime }: Inspection): Html {
  const [held = "none"] = memberSession.roles;
  const pressed = html` aria-pressed="true"`;
  return html`<section>
    <h2>Change your role</h2>
    <form class="segments" method="post" action="/o/${organizationSlug}/role">
      ${ROLES.map(
        (role) => html`<button name="role" value="${role}" ${role === held && pressed}>${role}</button>`,
      )}
    </form>
    <p class="quiet">
      In force at your next renewal, at most ${tokenLifetime} s from now; or at once, where a route
      <a href="/o/${organizationSlug}/live">asks the store</a>.
    </p>
  </section>`;
}

function renderRecent({ activity }: Inspection): Html {
  return html`<section>
    <h2>Events</h2>
    <ol class="events" data-live="recent">
      ${activity.recent.map((line) => html`<li>${line}</li>`)}
    </ol>
  </section>`;
}

/** The roles of a session, in words. */
export function rolesOf({ roles }: Pick<MemberSession, "roles">): string {
  return roles.length === 0 ? "none" : roles.join(", ");
}

/** `editor`, `editor or admin`, `a, b or c`. */
export function listOf(names: readonly string[], conjunction = "and"): string {
  if (names.length === 0) return "a role that nobody has";
  return names.length === 1
    ? (names[0] ?? "")
    : `${names.slice(0, -1).join(", ")} ${conjunction} ${names.at(-1)}`;
}
