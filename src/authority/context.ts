import type { Clock } from "../lib/clock.ts";
import type { Policy } from "../policy/policy.ts";
import type { Algorithm } from "../store.ts";
import type { TokenCheck } from "./access-token.ts";
import type { CheckedDirectory, Subject } from "./directory.ts";
import type { AuthorityEvents, RecentInvalidations } from "./invalidations.ts";
import type { Issuer } from "./issuer.ts";
import type { AuthoritySettings } from "./options.ts";
import type { AuthorityRecords, SessionRecord } from "./records.ts";
import type { SignInRules } from "./rules/sign-in-rules.ts";
import type { WireClient } from "./wire-client.ts";

/** What every operation of one authority works with. */
export interface AuthorityContext {
  readonly settings: AuthoritySettings;
  readonly clock: Clock;
  readonly events: AuthorityEvents;
  readonly directory: CheckedDirectory;
  readonly records: AuthorityRecords;
  readonly issuer: Issuer;
  /** Verifies this authority's access tokens. */
  readonly tokens: TokenCheck;
  readonly invalidations: RecentInvalidations;
  /** Answers authorization checks. */
  readonly policy: Policy | undefined;
  /** The application's own rule about sessions that begin or go on. */
  readonly signInRules: SignInRules | undefined;
  /** The wire protocol that the operation came by; absent for the application's own calls. */
  readonly wire?: WireDialect;
}

/** What a wire protocol may change of a session that it opens or uses. */
export type AmendableSession = Pick<SessionRecord, "customClaims" | "expiresAt">;

/** How a wire protocol changes the authority's operations. */
export interface WireDialect {
  /** The client that the operation is for: sessions it opens are bound to it, and sessions of others are refused. */
  readonly client?: WireClient;
  /** Signs its access tokens. */
  readonly algorithm: Algorithm;
  /** Makes the claims of its access tokens from the authority's own. */
  claims(
    native: Readonly<Record<string, unknown>>,
    record: SessionRecord,
    subject: Subject,
  ): Record<string, unknown>;
  /** Changes a session before it is stored; returns the same values if nothing is to change. */
  readonly amend?: (session: AmendableSession) => AmendableSession;
}
