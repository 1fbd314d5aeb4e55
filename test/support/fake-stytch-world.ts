import { createHash, randomBytes } from "node:crypto";
import type { Clock } from "../../src/lib/clock.ts";
import { generateSigningKey, signToken, type SigningKey } from "./tokens.ts";

export const PROJECT_ID = "project-test-00000000-0000-4000-8000-000000000000";
export const SECRET = "secret-test-c2VjcmV0LXNlY3JldA==";
export const ISSUER = `stytch.com/${PROJECT_ID}`;
const MINUTE = 60;
const JWT_LIFETIME = 300;
const INTERMEDIATE_LIFETIME = 600;

export type Fields = Readonly<Record<string, unknown>>;

/** What Stytch answers. */
export interface Answer {
  readonly status: number;
  readonly body: Fields;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface FakeMember {
  readonly id: string;
  readonly email: string;
  readonly organizationId: string;
  readonly roles: readonly string[];
}

export interface FakeSession {
  readonly id: string;
  readonly token: string;
  readonly member: FakeMember;
  readonly startedAt: number;
  roles: readonly string[];
  factors: readonly Fields[];
  customClaims: Fields;
  expiresAt: number;
  revoked: boolean;
}

// 2048-bit RSA takes a while to make.
const KEY = generateSigningKey("RS256", "jwk-test-1");

export const POLICY_DOCUMENT = {
  roles: [
    { role_id: "stytch_member", description: "", permissions: [] },
    {
      role_id: "viewer",
      description: "",
      permissions: [{ resource_id: "documents", actions: ["read"] }],
    },
    {
      role_id: "editor",
      description: "",
      permissions: [{ resource_id: "documents", actions: ["read", "write"] }],
    },
    { role_id: "admin", description: "", permissions: [{ resource_id: "documents", actions: ["*"] }] },
  ],
  resources: [{ resource_id: "documents", description: "", actions: ["read", "write", "delete"] }],
  scopes: [{ scope: "read:documents", description: "", permissions: [] }],
} as const;

/** What Stytch knows, and what it does with it. No transport. Ada is a member of two organizations, Bob of one, Nora of none. */
export class FakeStytchWorld {
  readonly clock: Clock;
  readonly organizations = new Map<string, { readonly name: string; readonly slug: string }>();
  readonly members = new Map<string, FakeMember>();
  readonly sessions = new Map<string, FakeSession>();
  /** By intermediate session token. */
  readonly intermediates = new Map<string, { readonly email: string; readonly expiresAt: number }>();
  /** By organization: its own roles. */
  readonly organizationPolicies = new Map<string, Fields>();
  /** By member: the step that is due, as the answer says it. */
  readonly stepUps = new Map<string, Fields>();
  /** The members to whose phones a code was sent. */
  readonly codesSent: string[] = [];
  policy: Fields = POLICY_DOCUMENT;
  /** What signs. */
  key: SigningKey = KEY;
  /** What is published, and what Stytch itself still accepts. */
  published: SigningKey[] = [KEY];
  /** Claims beside the usual ones. */
  template: Fields = {};

  constructor(clock: Clock) {
    this.clock = clock;
    for (const slug of ["acme", "globex", "closed"]) {
      this.organizations.set(organizationId(slug), { name: slug.toUpperCase(), slug });
    }
    this.#addMember("bob", "acme", ["stytch_member", "viewer"]);
    this.#addMember("ada", "acme", ["stytch_member", "admin", "editor"]);
    this.#addMember("ada", "globex", ["stytch_member", "viewer"]);
  }

  membersOf(email: string): FakeMember[] {
    return [...this.members.values()].filter((member) => member.email === email);
  }

  startSession(member: FakeMember, minutes = 60): FakeSession {
    const now = Math.floor(this.clock());
    const session: FakeSession = {
      id: `member-session-test-${random()}`,
      token: random(),
      member,
      roles: member.roles,
      startedAt: now,
      factors: [emailFactor(member, timestamp(now))],
      customClaims: {},
      expiresAt: now + minutes * MINUTE,
      revoked: false,
    };
    this.sessions.set(session.id, session);
    return session;
  }

  startDiscovery(email: string): Answer {
    const token = random();
    this.intermediates.set(token, { email, expiresAt: this.clock() + INTERMEDIATE_LIFETIME });
    return done({
      intermediate_session_token: token,
      email_address: email,
      discovered_organizations: this.discovered(email),
    });
  }

  discovered(email: string): Fields[] {
    return this.membersOf(email).map((member) => ({
      member_authenticated: true,
      organization: this.describeOrganization(member.organizationId),
      membership: { type: "active_member", details: null, member: this.describeMember(member) },
      primary_required: null,
      mfa_required: null,
    }));
  }

  /** The live session that a request names. */
  find({ session_token: token, session_jwt: jwt }: Fields): FakeSession | Answer {
    if (token !== undefined && jwt !== undefined) return refused(400, "too_many_session_arguments");
    if (token === undefined && jwt === undefined) return refused(400, "no_session_arguments");
    const id = jwt === undefined ? undefined : sessionIdOf(textOf(jwt));
    if (jwt !== undefined && id === undefined) return refused(400, "unable_to_parse_session_jwt");
    const found =
      id === undefined
        ? [...this.sessions.values()].find((session) => session.token === token)
        : this.sessions.get(id);
    const isLive = found !== undefined && !found.revoked && found.expiresAt > this.clock();
    return isLive ? found : refused(404, "session_not_found");
  }

  authenticate(fields: Fields): Answer {
    const session = this.find(fields);
    if ("status" in session) return session;
    const { session_duration_minutes: minutes, session_custom_claims: claims } = fields;
    const isImpersonated = session.factors.some(({ type }) => type === "impersonated");
    if (isImpersonated && (minutes !== undefined || claims !== undefined)) {
      return refused(400, "session_not_mutable_impersonated");
    }
    const check = fields["authorization_check"] as Record<string, string> | undefined;
    const verdict = check === undefined ? undefined : this.#decide(session, check);
    if (verdict !== undefined && "status" in verdict) return verdict as Answer;
    if (typeof minutes === "number") session.expiresAt = Math.floor(this.clock()) + minutes * MINUTE;
    if (claims !== undefined) session.customClaims = { ...session.customClaims, ...(claims as Fields) };
    return done({ ...this.issue(session), ...(verdict !== undefined && { verdict }) });
  }

  exchange(fields: Fields): Answer {
    const session = this.find(fields);
    return "status" in session ? session : this.enter(session.member.email, fields);
  }

  exchangeIntermediate(fields: Fields): Answer {
    const token = textOf(fields["intermediate_session_token"]);
    const known = this.intermediates.get(token);
    if (known === undefined || known.expiresAt <= this.clock()) {
      return refused(404, "intermediate_session_not_found");
    }
    const answer = this.enter(known.email, fields);
    if (answer.status === 200) this.intermediates.delete(token);
    return answer;
  }

  /** Lets somebody into an organization, which may be named by its slug. */
  enter(email: string, fields: Fields): Answer {
    const named = textOf(fields["organization_id"]);
    const member = this.membersOf(email).find(
      ({ organizationId: id }) => id === named || this.organizations.get(id)?.slug === named,
    );
    if (member === undefined) return refused(404, "organization_not_found");
    const common = {
      member_id: member.id,
      member: this.describeMember(member),
      organization: this.describeOrganization(member.organizationId),
    };
    const due = this.stepUps.get(member.id);
    if (due !== undefined) {
      const token = random();
      this.intermediates.set(token, { email, expiresAt: this.clock() + INTERMEDIATE_LIFETIME });
      const pending = { session_jwt: "", session_token: "", intermediate_session_token: token };
      return done({ ...common, ...pending, member_authenticated: false, ...due });
    }
    const minutes = fields["session_duration_minutes"];
    const session = this.startSession(member, typeof minutes === "number" ? minutes : 60);
    return done({
      ...common,
      ...this.issue(session),
      member_authenticated: true,
      intermediate_session_token: "",
    });
  }

  /** The member that a step is due for, by the intermediate session. */
  findPending(fields: Fields): FakeMember | Answer {
    const known = this.intermediates.get(textOf(fields["intermediate_session_token"]));
    const member = this.members.get(textOf(fields["member_id"]));
    if (known === undefined || known.expiresAt <= this.clock()) {
      return refused(404, "intermediate_session_not_found");
    }
    return member?.email === known.email && member.organizationId === fields["organization_id"]
      ? member
      : refused(404, "member_not_found");
  }

  /** Sends a code to the member's phone. */
  sendCode(fields: Fields): Answer {
    const member = this.findPending(fields);
    if ("status" in member) return member;
    this.codesSent.push(member.id);
    return done({ member_id: member.id });
  }

  /** Completes the step that is due for a member, for whoever holds an intermediate session. */
  authenticateTotp(fields: Fields): Answer {
    const member = this.findPending(fields);
    if ("status" in member) return member;
    if (fields["code"] !== "123456") return refused(400, "invalid_totp_code");
    this.intermediates.delete(textOf(fields["intermediate_session_token"]));
    return done({ ...this.issue(this.startSession(member)), member_id: member.id });
  }

  revoke({ member_session_id: id, member_id: memberId, session_token: token }: Fields): Answer {
    const own = [...this.sessions.values()].filter(
      (session) => session.id === id || session.member.id === memberId || session.token === token,
    );
    if (own.length === 0) return refused(404, "session_not_found");
    for (const session of own) session.revoked = true;
    return done({});
  }

  /** The fields of every answer with a session. */
  issue(session: FakeSession): Fields {
    return {
      member_session: this.describeSession(session),
      session_token: session.token,
      session_jwt: this.sign(session),
      member: this.describeMember(session.member),
      organization: this.describeOrganization(session.member.organizationId),
    };
  }

  sign(session: FakeSession, claims: Fields = {}, key: SigningKey = this.key): string {
    return signToken(key, { ...this.claimsOf(session), ...claims });
  }

  claimsOf(session: FakeSession): Fields {
    const now = Math.floor(this.clock());
    const { organizationId: id } = session.member;
    return {
      iss: ISSUER,
      aud: [PROJECT_ID],
      sub: session.member.id,
      iat: now,
      nbf: now,
      exp: now + JWT_LIFETIME,
      "https://stytch.com/session": {
        id: session.id,
        started_at: timestamp(session.startedAt),
        last_accessed_at: timestamp(now),
        expires_at: timestamp(session.expiresAt),
        attributes: { ip_address: "", user_agent: "" },
        authentication_factors: session.factors,
        roles: session.roles,
      },
      "https://stytch.com/organization": { organization_id: id, slug: this.organizations.get(id)?.slug },
      ...session.customClaims,
      ...this.template,
    };
  }

  describeSession(session: FakeSession): Fields {
    const { organizationId: id } = session.member;
    return {
      member_session_id: session.id,
      member_id: session.member.id,
      organization_id: id,
      organization_slug: this.organizations.get(id)?.slug,
      started_at: timestamp(session.startedAt),
      last_accessed_at: timestamp(this.clock()),
      expires_at: timestamp(session.expiresAt),
      authentication_factors: session.factors,
      roles: session.roles,
      custom_claims: session.customClaims,
    };
  }

  describeMember({ id, email, organizationId: place, roles }: FakeMember): Fields {
    return {
      member_id: id,
      organization_id: place,
      email_address: email,
      name: email.slice(0, 3),
      status: "active",
      roles: roles.map((role) => ({ role_id: role, sources: [{ type: "direct_assignment", details: {} }] })),
    };
  }

  describeOrganization(id: string): Fields {
    const { name, slug } = this.organizations.get(id) ?? {};
    return { organization_id: id, organization_name: name, organization_slug: slug, mfa_policy: "OPTIONAL" };
  }

  #addMember(name: string, slug: string, roles: readonly string[]): void {
    const place = organizationId(slug);
    const id = `member-test-${name}-${slug}`;
    this.members.set(id, { id, email: `${name}@example.com`, organizationId: place, roles });
  }

  #decide({ member, roles }: FakeSession, check: Record<string, string>): Fields | Answer {
    if (check["organization_id"] !== member.organizationId)
      return refused(403, "session_authorization_tenancy_error");
    const listed = this.policy["roles"] as (typeof POLICY_DOCUMENT)["roles"];
    const granting = listed.filter(
      ({ role_id: id, permissions }) =>
        roles.includes(id) &&
        (permissions as readonly { resource_id: string; actions: readonly string[] }[]).some(
          ({ resource_id: resource, actions }) =>
            resource === check["resource_id"] &&
            (actions.includes("*") || actions.includes(check["action"] ?? "")),
        ),
    );
    if (granting.length === 0) return refused(403, "session_authorization_error");
    return { authorized: true, granting_roles: granting.map(({ role_id: id }) => id) };
  }
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function organizationId(slug: string): string {
  return `organization-test-${slug}`;
}

export function done(body: Fields): Answer {
  return { status: 200, body: { request_id: requestId(), status_code: 200, ...body } };
}

export function refused(status: number, type: string): Answer {
  return {
    status,
    body: {
      status_code: status,
      request_id: requestId(),
      error_type: type,
      error_message: "canary-message",
      error_url: `https://stytch.com/docs/api/errors/${status}#${type}`,
    },
  };
}

export function timestamp(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}

function emailFactor({ email }: FakeMember, at: string): Fields {
  const id = createHash("sha256").update(email).digest("hex").slice(0, 8);
  return {
    type: "magic_link",
    delivery_method: "email",
    last_authenticated_at: at,
    email_factor: { email_id: `email-test-${id}`, email_address: email },
  };
}

/** Stytch verifies by keys that it no longer publishes, too; forged signatures are not this fake's concern. */
function sessionIdOf(jwt: string): string | undefined {
  try {
    const claims = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString()) as Fields;
    return (claims["https://stytch.com/session"] as { id: string }).id;
  } catch {
    return undefined;
  }
}

function requestId(): string {
  return `request-id-test-${random()}`;
}

function random(): string {
  return randomBytes(16).toString("hex");
}
