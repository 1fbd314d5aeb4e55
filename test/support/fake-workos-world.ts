import { createHash, randomBytes } from "node:crypto";
import type { Clock } from "../../src/lib/clock.ts";
import { generateSigningKey, signToken, type SigningKey } from "./tokens.ts";

export const CLIENT_ID = "client_test";
export const API_KEY = "sk_test_a2V5";

export type Fields = Readonly<Record<string, unknown>>;

/** What WorkOS answers. */
export interface Answer {
  readonly status: number;
  readonly body: Fields;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface FakeUser {
  readonly id: string;
  readonly email: string;
  readonly password: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly impersonator?: { readonly email: string; readonly reason?: string };
}

export interface FakeSession {
  readonly id: string;
  readonly userId: string;
  readonly authenticationMethod: string;
  readonly authTime: number;
  organizationId: string | undefined;
  status: "active" | "revoked";
}

interface RefreshToken {
  readonly sessionId: string;
  spentAt?: number;
  successor?: string;
}

interface Pending {
  readonly userId: string;
  readonly method: string;
  /** Chosen already. */
  readonly organizationId: string | undefined;
  readonly issuedAt: number;
}

interface Code {
  readonly userId: string;
  readonly challenge: string | undefined;
  readonly organizationId: string | undefined;
}

// 2048-bit RSA takes a while to make.
const KEY = generateSigningKey("RS256", "workos-key");
const PENDING_LIFETIME = 600;

export const PERMISSIONS: Readonly<Record<string, readonly string[]>> = {
  admin: ["documents:read", "documents:write"],
  viewer: ["documents:read"],
};

/** What WorkOS knows, and what it does with it. No transport. */
export class FakeWorkosWorld {
  readonly clock: Clock;
  readonly users = new Map<string, FakeUser>();
  readonly organizations = new Map<string, string>();
  /** By user, then by organization: the role. */
  readonly memberships = new Map<string, Map<string, string>>();
  readonly sessions = new Map<string, FakeSession>();
  readonly refreshTokens = new Map<string, RefreshToken>();
  readonly pendings = new Map<string, Pending>();
  readonly codes = new Map<string, Code>();
  /** By user: a step that is due before any session. */
  readonly stepUps = new Map<string, Answer>();
  /** Organizations that are entered with a further factor alone. */
  readonly guarded = new Set<string>();
  key: SigningKey = KEY;
  issuer = "https://api.workos.com";
  accessTokenLifetime = 300;
  /** Seconds for which a spent refresh token is answered with its successor. */
  replayGrace = 0;
  /** Claims beside the usual ones, as a JWT template adds them. */
  template: Fields = {};

  constructor(clock: Clock) {
    this.clock = clock;
    for (const id of ["nora", "bob", "ada"]) {
      const userId = `user_${id}`;
      this.users.set(userId, { id: userId, email: `${id}@example.com`, password: `pw-${id}` });
    }
    for (const id of ["acme", "globex", "closed"]) this.organizations.set(`org_${id}`, id.toUpperCase());
    this.memberships.set("user_bob", new Map([["org_acme", "viewer"]]));
    this.memberships.set(
      "user_ada",
      new Map([
        ["org_acme", "admin"],
        ["org_globex", "viewer"],
      ]),
    );
  }

  /** What every grant ends in: a step that is due, the choice, or a session. */
  finish(userId: string, method: string, organizationId?: string): Answer {
    const due = this.stepUps.get(userId);
    if (due !== undefined) return due;
    const memberships = [...(this.memberships.get(userId)?.keys() ?? [])];
    if (organizationId === undefined && memberships.length > 1)
      return this.#askToChoose(userId, method, memberships);
    const chosen = organizationId ?? memberships[0];
    if (chosen !== undefined && !memberships.includes(chosen)) return noMembership();
    const session: FakeSession = {
      id: name("session"),
      userId,
      authenticationMethod: method,
      authTime: Math.floor(this.clock()),
      organizationId: chosen,
      status: "active",
    };
    this.sessions.set(session.id, session);
    return this.issue(session);
  }

  /** A new pair for a session. */
  issue(session: FakeSession): Answer {
    const refreshToken = name("refresh");
    this.refreshTokens.set(refreshToken, { sessionId: session.id });
    const user = this.users.get(session.userId);
    return {
      status: 200,
      body: {
        user: this.describeUser(session.userId),
        ...(session.organizationId !== undefined && { organization_id: session.organizationId }),
        access_token: signToken(this.key, this.claimsOf(session), { typ: undefined }),
        refresh_token: refreshToken,
        authentication_method: session.authenticationMethod,
        ...(user?.impersonator !== undefined && { impersonator: user.impersonator }),
        oauth_tokens: { provider: "GoogleOAuth", access_token: "ya29-canary", refresh_token: "1//canary" },
        sealed_session: "bogus-canary",
      },
    };
  }

  claimsOf({ id, userId, organizationId, authTime }: FakeSession): Fields {
    const now = Math.floor(this.clock());
    const role = organizationId === undefined ? undefined : this.memberships.get(userId)?.get(organizationId);
    const impersonator = this.users.get(userId)?.impersonator;
    return {
      iss: this.issuer,
      sub: userId,
      sid: id,
      jti: name("jti"),
      iat: now,
      exp: now + this.accessTokenLifetime,
      auth_time: authTime,
      client_id: CLIENT_ID,
      ...(organizationId !== undefined && { org_id: organizationId }),
      ...(role !== undefined && { role, roles: [role], permissions: PERMISSIONS[role] ?? [] }),
      ...(impersonator !== undefined && { act: { sub: impersonator.email } }),
      ...this.template,
    };
  }

  describeUser(userId: string): Fields {
    const user = this.users.get(userId);
    return {
      object: "user",
      id: userId,
      email: user?.email,
      email_verified: true,
      first_name: userId.slice(5),
      last_name: null,
      profile_picture_url: null,
      last_sign_in_at: "2026-01-01T00:00:00.000Z",
      locale: "en-US",
      external_id: null,
      metadata: user?.metadata ?? {},
      created_at: "2025-01-01T00:00:00.000Z",
      updated_at: "2025-01-01T00:00:00.000Z",
    };
  }

  refresh(token: string, organizationId: string | undefined): Answer {
    const known = this.refreshTokens.get(token);
    const session = known === undefined ? undefined : this.sessions.get(known.sessionId);
    if (known === undefined || session?.status !== "active") return invalidGrant("Invalid refresh token.");
    if (known.spentAt !== undefined && this.clock() - known.spentAt >= this.replayGrace) {
      return invalidGrant("Refresh token already exchanged.");
    }
    const target = organizationId ?? session.organizationId;
    if (target !== undefined && !this.memberships.get(session.userId)?.has(target)) return noMembership();
    const due = this.stepUps.get(session.userId);
    if (due !== undefined) return due;
    session.organizationId = target;
    known.spentAt ??= this.clock();
    return this.issue(session);
  }

  select(token: string, organizationId: string): Answer {
    const pending = this.pendings.get(token);
    if (pending === undefined || this.clock() - pending.issuedAt >= PENDING_LIFETIME) {
      return plain(400, "invalid_pending_authentication_token");
    }
    if (!this.memberships.get(pending.userId)?.has(organizationId)) return noMembership();
    this.pendings.delete(token);
    if (this.guarded.has(organizationId)) return this.#challenge(pending, organizationId);
    return this.finish(pending.userId, pending.method, organizationId);
  }

  exchangeCode(code: string, verifier: unknown): Answer {
    const known = this.codes.get(code);
    if (known === undefined) return invalidGrant("The code is invalid.");
    const challenge = createHash("sha256").update(String(verifier)).digest("base64url");
    if (known.challenge !== undefined && challenge !== known.challenge) return invalidGrant("Bad verifier.");
    this.codes.delete(code);
    return this.finish(known.userId, "GoogleOAuth", known.organizationId);
  }

  /** Remembers that a user still has something to do. */
  defer(userId: string, method = "Password", organizationId?: string): string {
    const token = name("pending");
    this.pendings.set(token, { userId, method, organizationId, issuedAt: this.clock() });
    return token;
  }

  #challenge({ userId, method }: Pending, organizationId: string): Answer {
    return {
      status: 403,
      body: {
        code: "mfa_challenge",
        message: "The user must complete an MFA challenge to finish authenticating.",
        pending_authentication_token: this.defer(userId, method, organizationId),
        authentication_factors: [{ id: "auth_factor_1", type: "totp" }],
        user: this.describeUser(userId),
      },
    };
  }

  #askToChoose(userId: string, method: string, organizations: readonly string[]): Answer {
    return {
      status: 403,
      body: {
        code: "organization_selection_required",
        message: "The user must choose an organization to finish their authentication.",
        pending_authentication_token: this.defer(userId, method),
        organizations: organizations.map((id) => ({ id, name: this.organizations.get(id) })),
        user: this.describeUser(userId),
      },
    };
  }
}

export function name(prefix: string): string {
  return `${prefix}_${randomBytes(12).toString("hex")}`;
}

export function plain(status: number, code: string): Answer {
  return { status, body: { code, message: "canary-message" } };
}

export function oauth(status: number, error: string, more: Fields = {}): Answer {
  return { status, body: { error, error_description: "canary-description", ...more } };
}

function invalidGrant(description: string): Answer {
  return { status: 400, body: { error: "invalid_grant", error_description: description } };
}

function noMembership(): Answer {
  return plain(400, "organization_membership_not_found");
}
