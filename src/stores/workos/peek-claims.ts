import { isObject, isText } from "../shape.ts";

/** What a token says of itself. */
export interface PeekedClaims {
  readonly sub?: string;
  readonly sid?: string;
  readonly org_id?: string;
  readonly exp?: number;
}

/**
 * Reads a token without verifying it: for a token that lies in a good seal of ours, or that WorkOS has just handed out.
 * Nobody is signed in by it.
 */
export function peekClaims(token: string | undefined): PeekedClaims {
  const claims = decode(token?.split(".")[1] ?? "");
  if (!isObject(claims)) return {};
  const { sub, sid, org_id: organizationId, exp } = claims;
  return {
    ...(isText(sub) && { sub }),
    ...(isText(sid) && { sid }),
    ...(isText(organizationId) && { org_id: organizationId }),
    ...(typeof exp === "number" && { exp }),
  };
}

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}
