import { isOrgateError } from "../../../errors.ts";
import { isSameSecret, sha256 } from "../../../lib/digest.ts";
import type { AuthenticationResult } from "../../authentication-result.ts";
import { type RequestOrigin, cleanOrigin } from "../../check-input.ts";
import type { AuthorityContext } from "../../context.ts";
import type { CodeRecord } from "../../records.ts";
import { endStolenSession } from "../../sessions.ts";
import { signIn } from "../../sign-in.ts";
import type { WireRefusal } from "../refusal.ts";
import { oauthError, workosError } from "./errors.ts";

/** A code, and the parameters that a client sends with it. */
export interface CodeExchange extends RequestOrigin {
  readonly code: string;
  readonly codeVerifier: string | undefined;
  readonly redirectUri: string | undefined;
  readonly invitationToken: string | undefined;
}

/**
 * Exchanges a code, once, whatever comes of it (RFC 6749 section 4.1.3).
 *
 * A code that is exchanged again ends the session that it was exchanged for (section 4.1.2). If the store is unavailable, the
 * code stays valid.
 */
export async function exchangeCode(
  context: AuthorityContext,
  exchange: CodeExchange,
): Promise<AuthenticationResult> {
  const { codes } = context.records;
  const { code } = exchange;
  // Read first: a record that cannot be read must not be spent.
  const record = (await codes.read(code)) && (await codes.spend(code));
  if (record === undefined) {
    const sessionId = await codes.takeExchange(code);
    if (sessionId !== undefined) await endStolenSession(context, sessionId);
    throw codeInvalid();
  }
  assertMeantFor(context, record, exchange);
  const { evidence, invitationToken, ...who } = record.signIn;
  try {
    const result = await signIn(
      context,
      {
        ...who,
        invitationToken: exchange.invitationToken ?? invitationToken,
        evidence: { ...evidence, ...cleanOrigin(exchange) },
      },
      {},
    );
    await codes.recordExchange(code, result.memberSession.id, record.expiresAt);
    return result;
  } catch (error) {
    if (isOrgateError(error) && error.code === "store_unavailable") await codes.restore(code, record);
    throw error;
  }
}

/** Refuses a code of another client, for another redirect URI, or without the proof of its code challenge. */
function assertMeantFor({ wire }: AuthorityContext, record: CodeRecord, exchange: CodeExchange): void {
  const { redirectUri = record.redirectUri, codeVerifier } = exchange;
  if (record.clientId !== wire?.client?.id || redirectUri !== record.redirectUri) throw codeInvalid();
  if (record.codeChallenge !== undefined) {
    if (!isSameSecret(challengeOf(codeVerifier ?? ""), record.codeChallenge)) throw codeInvalid();
  } else if (codeVerifier !== undefined) {
    // Somebody took the challenge out of the authorization request (RFC 9700 section 2.1.1).
    throw workosError("code_challenge_not_found", "The code was issued without a code challenge.");
  }
}

/** RFC 7636 section 4.2, by S256. */
function challengeOf(verifier: string): string {
  return /^[\w.~-]{43,128}$/.test(verifier) ? sha256(verifier) : "";
}

function codeInvalid(): WireRefusal {
  return oauthError("invalid_grant", "The code has expired or is invalid.");
}
