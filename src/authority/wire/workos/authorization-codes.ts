import { isOrgateError } from "../../../errors.ts";
import { isSameSecret, sha256 } from "../../../lib/digest.ts";
import type { AuthenticationResult, RequestOrigin } from "../../operations.ts";
import type { AuthorityContext } from "../../options.ts";
import { recordOrigin, removeSession } from "../../sessions.ts";
import { type SignIn, makeSingleUseToken, nameOfToken, signIn } from "../../sign-in.ts";
import type { WireRefusal } from "../refusal.ts";
import { oauthError, workosError } from "./errors.ts";

/** What a code stands for. It is stored under the code's hash. */
export interface CodeRecord {
  readonly version: 1;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly codeChallenge?: string;
  readonly signIn: SignIn;
  readonly expiresAt: number;
}

/** What came with a code. */
export interface CodeExchange extends RequestOrigin {
  readonly code: string;
  readonly codeVerifier?: string | undefined;
  readonly redirectUri?: string | undefined;
  readonly invitationToken?: string | undefined;
}

/** Stores what a code stands for; answers with the code. */
export async function issueCode(
  { repository }: AuthorityContext,
  record: CodeRecord,
): Promise<{ code: string; name: string }> {
  const code = makeSingleUseToken();
  const name = `code:${nameOfToken(code) ?? ""}`;
  await repository.insert("authorizations", name, record, { expiresAt: record.expiresAt });
  return { code, name };
}

/**
 * Exchanges a code, once, whatever comes of it (RFC 6749 section 4.1.3).
 *
 * A code that comes back ends the session that it was exchanged for (section 4.1.2). Trouble of the store puts it back.
 */
export async function exchangeCode(
  context: AuthorityContext,
  exchange: CodeExchange,
): Promise<AuthenticationResult> {
  const hash = nameOfToken(exchange.code);
  const found =
    hash === undefined ? undefined : await context.repository.consume("authorizations", `code:${hash}`);
  if (hash === undefined || !isCodeRecord(found) || context.clock() >= found.expiresAt) {
    if (hash !== undefined) await endReplayed(context, hash);
    throw codeInvalid();
  }
  assertMeantFor(context, found, exchange);
  const { evidence, ...who } = found.signIn;
  const keep = { expiresAt: found.expiresAt };
  const invitationToken = exchange.invitationToken ?? who.invitationToken;
  try {
    const origin = { ...evidence, ...recordOrigin(exchange) };
    const result = await signIn(context, { ...who, invitationToken, evidence: origin }, {});
    const spent = { sessionId: result.memberSession.id };
    await context.repository.insert("authorizations", `spent:${hash}`, spent, keep);
    return result;
  } catch (error) {
    if (isTrouble(error)) await context.repository.insert("authorizations", `code:${hash}`, found, keep);
    throw error;
  }
}

function assertMeantFor(
  { wire }: AuthorityContext,
  { clientId, redirectUri, codeChallenge }: CodeRecord,
  exchange: CodeExchange,
): void {
  if (clientId !== wire?.client?.id) throw codeInvalid();
  if (exchange.redirectUri !== undefined && exchange.redirectUri !== redirectUri) throw codeInvalid();
  if (codeChallenge === undefined) {
    // A verifier without a challenge: somebody took the challenge out of the authorization request (RFC 9700 section 2.1.1).
    if (exchange.codeVerifier !== undefined)
      throw workosError("code_challenge_not_found", "The code was issued without a code challenge.");
    return;
  }
  if (
    exchange.codeVerifier === undefined ||
    !isSameSecret(challengeOf(exchange.codeVerifier), codeChallenge)
  ) {
    throw codeInvalid();
  }
}

async function endReplayed(context: AuthorityContext, hash: string): Promise<void> {
  const spent = await context.repository.consume("authorizations", `spent:${hash}`);
  const sessionId: unknown =
    typeof spent === "object" && spent !== null ? Reflect.get(spent, "sessionId") : undefined;
  if (typeof sessionId !== "string") return;
  if (await removeSession(context, sessionId)) context.events.emit({ type: "reuse_detected", sessionId });
}

function challengeOf(verifier: string): string {
  return /^[\w.~-]{43,128}$/.test(verifier) ? sha256(verifier) : "";
}

function codeInvalid(): WireRefusal {
  return oauthError("invalid_grant", "The code has expired or is invalid.");
}

function isTrouble(error: unknown): boolean {
  return isOrgateError(error) && error.code === "store_unavailable";
}

function isCodeRecord(value: unknown): value is CodeRecord {
  return (
    typeof value === "object" &&
    value !== null &&
    Reflect.get(value, "version") === 1 &&
    typeof Reflect.get(value, "clientId") === "string" &&
    typeof Reflect.get(value, "redirectUri") === "string" &&
    typeof Reflect.get(value, "signIn") === "object" &&
    typeof Reflect.get(value, "expiresAt") === "number"
  );
}
