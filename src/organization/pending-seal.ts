import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { PendingAuthentication } from "../stores/session-store.ts";

/** Seconds that somebody has to go on. */
export const PENDING_LIFETIME = 600;
const BROWSER_SECRET = /^[\w-]{43}$/;

/** What is due before there is a session, where it is more than a choice. */
export interface DueStep {
  readonly reason: string;
  readonly details?: object;
  /** Whether somebody was signing in, or a member was switching and is signed in meanwhile. */
  readonly by: "sign_in" | "switch";
}

/** Somebody who began to authenticate in this browser, and has not finished. */
export interface Pending {
  readonly authentication: PendingAuthentication;
  /** As it was sealed: make it safe again. */
  readonly returnTo: unknown;
  /** In seconds since the epoch. */
  readonly expiresAt: number;
  /** Absent while it is an organization that must be chosen. */
  readonly step?: DueStep;
}

/** What is left with a browser. */
export interface NewPending {
  readonly pending: PendingAuthentication;
  readonly returnTo: string;
  readonly step?: DueStep;
  /** What it goes on from: the same token, sealed once more, gets no older than it may. */
  readonly before?: Pending | undefined;
}

/** What lies in the sealed cookie. */
export interface PendingSeal {
  readonly kind: "pending";
  readonly token: string;
  readonly userId?: string;
  readonly returnTo: string;
  readonly step?: DueStep;
  /** The hash of what the browser's other cookie holds. */
  readonly binding: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** Makes what is sealed, and the secret of the browser that it is bound to. */
export function makePendingSeal(
  { pending, returnTo, step, before }: NewPending,
  issuedAt: number,
): { readonly seal: PendingSeal; readonly secret: string } {
  const { pendingAuthenticationToken: token, userId } = pending;
  const isSame = token === before?.authentication.pendingAuthenticationToken;
  const expiresAt = issuedAt + PENDING_LIFETIME;
  const secret = randomBytes(32).toString("base64url");
  const seal: PendingSeal = {
    kind: "pending",
    token,
    ...(userId !== undefined && { userId }),
    returnTo,
    ...(step !== undefined && { step }),
    binding: bind(secret),
    issuedAt,
    expiresAt: isSame ? Math.min(expiresAt, before.expiresAt) : expiresAt,
  };
  return { seal, secret };
}

/** What is pending by an opened seal; `undefined` where it is none of ours, too old, or another browser's. */
export function readPendingSeal(
  value: unknown,
  secret: string,
  { now, clockTolerance }: { readonly now: number; readonly clockTolerance: number },
): Pending | undefined {
  if (!isPendingSeal(value) || !isBound(value, secret)) return undefined;
  const { issuedAt, expiresAt } = value;
  const isAlive = issuedAt <= now + clockTolerance && now < Math.min(expiresAt, issuedAt + PENDING_LIFETIME);
  return isAlive ? toPending(value) : undefined;
}

/** What is pending by a seal. */
export function toPending({ token, userId, returnTo, expiresAt, step }: PendingSeal): Pending {
  return {
    authentication: { pendingAuthenticationToken: token, ...(userId !== undefined && { userId }) },
    returnTo,
    expiresAt,
    ...(step !== undefined && { step }),
  };
}

function isBound({ binding }: PendingSeal, secret: string): boolean {
  if (!BROWSER_SECRET.test(secret)) return false;
  const expected = Buffer.from(binding);
  const actual = Buffer.from(bind(secret));
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

function bind(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}

function isPendingSeal(value: unknown): value is PendingSeal {
  if (typeof value !== "object" || value === null) return false;
  const { kind, token, userId, step, binding, issuedAt, expiresAt } = value as Partial<
    Record<keyof PendingSeal, unknown>
  >;
  return (
    kind === "pending" &&
    typeof token === "string" &&
    (userId === undefined || typeof userId === "string") &&
    (step === undefined || isDueStep(step)) &&
    typeof binding === "string" &&
    typeof issuedAt === "number" &&
    typeof expiresAt === "number"
  );
}

function isDueStep(value: unknown): value is DueStep {
  if (typeof value !== "object" || value === null) return false;
  const { reason, details, by } = value as Partial<Record<keyof DueStep, unknown>>;
  return (
    typeof reason === "string" &&
    (details === undefined || (typeof details === "object" && details !== null)) &&
    (by === "sign_in" || by === "switch")
  );
}
