import { randomBytes } from "node:crypto";
import { OrgateError } from "../errors.ts";
import type { AuthenticationFactor, Impersonator } from "../model.ts";
import type { AuthorityContext } from "./context.ts";
import { hashToken } from "./refresh-token.ts";
import { isWireClient, mayUse } from "./wire-client.ts";
import type { WireClient } from "./wire-client.ts";

/** Somebody who authenticated and must still choose an organization, as it is stored. */
export interface PendingRecord {
  readonly version: 1;
  readonly userId: string;
  readonly authenticationMethod: string;
  readonly authenticationFactors: readonly AuthenticationFactor[];
  readonly impersonator?: Impersonator;
  readonly customClaims: Readonly<Record<string, unknown>> | null;
  /** The wire's client that it was begun for; absent for the application's own. */
  readonly client?: WireClient;
  readonly ipAddress?: string;
  readonly userAgent?: string;
  readonly authenticatedAt: number;
  readonly expiresAt: number;
}

const TOKEN_BYTES = 32;
const TOKEN_SHAPE = /^[\w-]{43}$/;

/** Makes a random token of 256 bits that is stored by its hash alone. */
export function makeSingleUseToken(): string {
  return randomBytes(TOKEN_BYTES).toString("base64url");
}

/** The name that a token is stored under; `undefined`: it is none of ours. */
export function nameOfToken(token: string): string | undefined {
  return TOKEN_SHAPE.test(token) ? hashToken(token) : undefined;
}

/** Stores a pending authentication; answers with the token that completes it, once. */
export async function openPending(
  { repository, clock, settings, wire }: AuthorityContext,
  pending: Omit<PendingRecord, "version" | "expiresAt">,
): Promise<string> {
  const token = makeSingleUseToken();
  const expiresAt = clock() + settings.pendingLifetime;
  const client = wire?.client;
  const record: PendingRecord = {
    ...pending,
    ...(client !== undefined && { client }),
    version: 1,
    expiresAt,
  };
  await repository.insert("pending", hashToken(token), record, { expiresAt });
  return token;
}

/** Reads a pending authentication without spending it; throws `invalid_pending_authentication` where there is none. */
export async function readPending(context: AuthorityContext, token: string): Promise<PendingRecord> {
  const name = nameOfToken(token);
  const found = name === undefined ? undefined : await context.repository.read("pending", name);
  const record = found?.value;
  // Not every repository keeps time as exactly as the record does.
  const isGood = isPending(record) && context.clock() < record.expiresAt;
  if (isGood && mayUse(record.client, context.wire?.client)) return record;
  throw pendingIsSpent();
}

/** Spends a pending authentication: of several at once, exactly one is told `true`. */
export async function spendPending(context: AuthorityContext, token: string): Promise<boolean> {
  return (await context.repository.consume("pending", hashToken(token))) !== undefined;
}

/** The pending authentication is expired, spent, or was never made. */
export function pendingIsSpent(): OrgateError {
  return new OrgateError("invalid_pending_authentication");
}

function isPending(value: unknown): value is PendingRecord {
  return (
    typeof value === "object" &&
    value !== null &&
    Reflect.get(value, "version") === 1 &&
    typeof Reflect.get(value, "userId") === "string" &&
    typeof Reflect.get(value, "authenticationMethod") === "string" &&
    Array.isArray(Reflect.get(value, "authenticationFactors")) &&
    typeof Reflect.get(value, "customClaims") === "object" &&
    (Reflect.get(value, "client") === undefined || isWireClient(Reflect.get(value, "client"))) &&
    typeof Reflect.get(value, "authenticatedAt") === "number" &&
    typeof Reflect.get(value, "expiresAt") === "number"
  );
}
