import type { DirectoryMembership, DirectoryUser, InvitationSummary, SessionSummary } from "orgate/authority";
import { ROLES } from "./company.ts";
import { html, type Html } from "./html.ts";

/** A member as the administrators see them. */
export interface ListedMember {
  readonly user: DirectoryUser;
  readonly membership: DirectoryMembership;
  readonly sessions: readonly SessionSummary[];
}

/** What the page of the members shows. */
export interface MembersPage {
  readonly organization: { readonly slug: string; readonly name: string };
  readonly members: readonly ListedMember[];
  readonly invitations: readonly InvitationSummary[];
  /** The session of the administrator who looks. */
  readonly own: { readonly userId: string; readonly sessionId: string };
  readonly problem?: string | undefined;
}

/** Renders the page on which administrators manage members, sessions and invitations. */
export function renderMembers(page: MembersPage): Html {
  const { organization, members, problem } = page;
  return html`<h1>Members of ${organization.name}</h1>
    <p class="lead">
      A changed role counts at the member's next renewal. A lock counts at once and signs nobody out:
      unlocked, they go on. An ended session stays ended.
    </p>
    ${problem !== undefined && html`<p role="alert">${problem}</p>`}
    <ul class="members">
      ${members.map((member) => renderMember(member, page))}
    </ul>
    ${renderInvitations(page)}`;
}

function renderMember(
  { user, membership, sessions }: ListedMember,
  { organization, own }: MembersPage,
): Html {
  const { name = user.emailAddress } = user;
  const path = `/o/${organization.slug}/members/${user.id}`;
  const isLocked = membership.isLocked === true;
  return html`<li aria-label="${name}">
    <div class="row">
      <p class="grow">
        <strong>${name}</strong> ${isLocked && html`<span class="chip locked">locked</span>`}
        <span class="quiet">${user.emailAddress}</span>
      </p>
      ${
        user.id !== own.userId &&
        html`<form method="post" action="${path}/lock">
          <button name="locked" value="${isLocked ? "no" : "yes"}">${isLocked ? "Unlock" : "Lock"}</button>
        </form>`
      }
    </div>
    ${renderRoles(membership, path, name)}
    <ul class="sessions">
      ${sessions.map((session) => renderSession(session, path, own.sessionId))}
    </ul>
  </li>`;
}

function renderRoles({ roles }: DirectoryMembership, path: string, name: string): Html {
  const [held = "none"] = roles;
  const pressed = html` aria-pressed="true"`;
  return html`<form class="segments" method="post" action="${path}/role" aria-label="Role of ${name}">
    ${ROLES.map(
      (role) => html`<button name="role" value="${role}" ${role === held && pressed}>${role}</button>`,
    )}
  </form>`;
}

function renderSession(session: SessionSummary, path: string, ownSession: string): Html {
  const { id, startedAt = "", authenticationMethod = "", ipAddress = "" } = session;
  const what = html`${authenticationMethod}, ${ipAddress}, since
    <time datetime="${startedAt}">${timeOf(startedAt)}</time>`;
  if (id === ownSession) return html`<li><span class="grow quiet">${what}: this one</span></li>`;
  return html`<li>
    <span class="grow quiet">${what}</span>
    <form method="post" action="${path}/sessions/${id}/end">
      <button class="quiet-button">End this session</button>
    </form>
  </li>`;
}

function timeOf(date: string): string {
  const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: "UTC" } as const;
  return `${new Date(date).toLocaleTimeString("en-GB", clock)} UTC`;
}

function renderInvitations({ organization, invitations }: MembersPage): Html {
  const path = `/o/${organization.slug}/invitations`;
  return html`<h2>Invitations</h2>
    <form class="row" method="post" action="${path}">
      <label class="grow"
        ><span class="label">E-mail address</span
        ><input name="email_address" type="email" required placeholder="nora@example.com"
      /></label>
      <button class="primary">Invite as a viewer</button>
    </form>
    <ul class="sessions">
      ${invitations.map(
        ({ id, emailAddress }) =>
          html`<li>
            <span class="grow">${emailAddress}</span>
            <form method="post" action="${path}/${id}/revoke">
              <button class="quiet-button">Revoke</button>
            </form>
          </li>`,
      )}
    </ul>`;
}
