import { isObject, isText } from "../shape.ts";
import { ORGANIZATION_CLAIM, SESSION_CLAIM } from "./interpret-claims.ts";

/** Whose session a token, or an answer, says it is. */
export interface SessionIdentity {
  readonly memberId?: string | undefined;
  readonly organizationId?: string | undefined;
  readonly sessionId?: string | undefined;
}

/**
 * Reads whose session a token is, without verifying it: to hold Stytch's answer against what was asked. Nobody is signed in
 * by it.
 */
export function peekIdentity(token: string | undefined): SessionIdentity {
  return identityOf(decode(token?.split(".")[1] ?? ""));
}

/** Whose session claims are of. */
export function identityOf(claims: unknown): SessionIdentity {
  if (!isObject(claims)) return {};
  const { sub, [SESSION_CLAIM]: session, [ORGANIZATION_CLAIM]: organization } = claims;
  return {
    memberId: textOf(sub),
    sessionId: isObject(session) ? textOf(session["id"]) : undefined,
    organizationId: isObject(organization) ? textOf(organization["organization_id"]) : undefined,
  };
}

function textOf(value: unknown): string | undefined {
  return isText(value) ? value : undefined;
}

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}
