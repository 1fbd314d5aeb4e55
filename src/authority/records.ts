import {
  type MemberChecks,
  absentOr,
  arrayOf,
  isFiniteNumber,
  isObject,
  isString,
  isText,
  nullOr,
  objectWith,
  isOneOf,
} from "../lib/predicates.ts";
import type { AuthenticationFactor, Impersonator } from "../model.ts";
import type { Predecessor, RefreshFamily } from "./refresh-token.ts";
import { type WireClient, isWireClient } from "./wire-client.ts";

/** How and from where a user authenticated. Times are seconds since the epoch. */
export interface AuthenticationRecord {
  readonly authenticationMethod: string;
  readonly authenticationFactors: readonly AuthenticationFactor[];
  readonly impersonator?: Impersonator;
  readonly customClaims: Readonly<Record<string, unknown>> | null;
  /** The wire client that it was opened for; absent if the application opened it. */
  readonly client?: WireClient;
  readonly ipAddress?: string;
  readonly userAgent?: string;
  /** When the member authenticated; unchanged by renewals, moved by a step-up. */
  readonly authenticatedAt: number;
}

/** A session. */
export interface SessionRecord extends AuthenticationRecord {
  readonly version: 1;
  readonly id: string;
  readonly userId: string;
  /** The organization used most recently; absent while the user has none. */
  readonly organizationId?: string;
  /** Every member that the session acts or has acted as, the current one first: revoking any of them ends it. */
  readonly memberIds: readonly string[];
  readonly startedAt: number;
  readonly lastAccessedAt: number;
  readonly expiresAt: number;
  readonly family: RefreshFamily;
}

/** Returns the time at which the session ends if nothing happens. @param idleTimeout - in seconds */
export function deadlineOf(
  { expiresAt, lastAccessedAt }: SessionRecord,
  idleTimeout: number | undefined,
): number {
  return Math.min(expiresAt, lastAccessedAt + (idleTimeout ?? Infinity));
}

/** A user who authenticated and must still choose an organization. */
export interface PendingRecord {
  readonly version: 1;
  readonly userId: string;
  readonly evidence: AuthenticationRecord;
  readonly expiresAt: number;
}

/** An invitation to an organization. */
export interface InvitationRecord {
  readonly version: 1;
  readonly id: string;
  readonly state: "pending";
  readonly emailAddress: string;
  readonly organizationId: string;
  readonly roles: readonly string[];
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** Who signs in, to which organization, and how they authenticated. */
export interface SignInRecord {
  readonly userId: string;
  readonly organizationId?: string | undefined;
  readonly invitationToken?: string | undefined;
  readonly evidence: AuthenticationRecord;
}

/** An authorization code (RFC 6749 section 4.1.2). */
export interface CodeRecord {
  readonly version: 1;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly codeChallenge?: string;
  readonly signIn: SignInRecord;
  readonly expiresAt: number;
}

/** Checks that a value is an authentication factor. */
export const isFactor = objectWith<AuthenticationFactor>({
  type: isText,
  deliveryMethod: absentOr(isString),
  lastAuthenticatedAt: absentOr(isString),
  createdAt: absentOr(isString),
  updatedAt: absentOr(isString),
  sequenceOrder: isOneOf(undefined, "PRIMARY", "SECONDARY"),
});

const AUTHENTICATION_CHECKS: MemberChecks<AuthenticationRecord> = {
  authenticationMethod: isText,
  authenticationFactors: arrayOf(isFactor),
  impersonator: absentOr(objectWith<Impersonator>({ email: isText, reason: absentOr(isString) })),
  customClaims: nullOr(isObject),
  client: absentOr(isWireClient),
  ipAddress: absentOr(isString),
  userAgent: absentOr(isString),
  authenticatedAt: isFiniteNumber,
};

const isPredecessor = objectWith<Predecessor>({
  generation: isFiniteNumber,
  hash: isText,
  sealedSuccessor: isText,
  organizationId: nullOr(isText),
  rotatedAt: isFiniteNumber,
  successorPresentedAt: absentOr(isFiniteNumber),
});

const isFamily = objectWith<RefreshFamily>({
  key: isText,
  generation: isFiniteNumber,
  current: isText,
  predecessors: arrayOf(isPredecessor),
});

export const isSessionRecord = objectWith<SessionRecord>({
  ...AUTHENTICATION_CHECKS,
  version: isOneOf(1),
  id: isText,
  userId: isText,
  organizationId: absentOr(isText),
  memberIds: arrayOf(isText),
  startedAt: isFiniteNumber,
  lastAccessedAt: isFiniteNumber,
  expiresAt: isFiniteNumber,
  family: isFamily,
});

export const isPendingRecord = objectWith<PendingRecord>({
  version: isOneOf(1),
  userId: isText,
  evidence: objectWith(AUTHENTICATION_CHECKS),
  expiresAt: isFiniteNumber,
});

export const isInvitationRecord = objectWith<InvitationRecord>({
  version: isOneOf(1),
  id: isText,
  state: isOneOf("pending"),
  emailAddress: isText,
  organizationId: isText,
  roles: arrayOf(isString),
  createdAt: isFiniteNumber,
  expiresAt: isFiniteNumber,
});

export const isCodeRecord = objectWith<CodeRecord>({
  version: isOneOf(1),
  clientId: isText,
  redirectUri: isText,
  codeChallenge: absentOr(isText),
  signIn: objectWith<SignInRecord>({
    userId: isText,
    organizationId: absentOr(isText),
    invitationToken: absentOr(isString),
    evidence: objectWith(AUTHENTICATION_CHECKS),
  }),
  expiresAt: isFiniteNumber,
});
