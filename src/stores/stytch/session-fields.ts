import type { Impersonator } from "../../model.ts";
import type { JsonObject } from "../json-reply.ts";
import { isText, isTextList } from "../shape.ts";
import { isTimestamp, secondsOf } from "../timestamp.ts";
import { readFactors, type StytchAuthenticationFactor } from "./factors.ts";

/** What a session says of itself, in a token and in an answer alike. */
export interface SessionFields {
  readonly startedAt?: string;
  readonly lastAccessedAt?: string;
  readonly expiresAt?: string;
  readonly authenticationFactors: readonly StytchAuthenticationFactor[];
  /** A role from an SSO connection is among them only with that connection's factor: Stytch has seen to it. */
  readonly roles: readonly string[];
  readonly impersonator?: Impersonator;
}

/** Reads them; `undefined` for whatever is not a session, down to the type of each field. */
export function readSessionFields(session: JsonObject): SessionFields | undefined {
  const { started_at: startedAt, last_accessed_at: lastAccessedAt, expires_at: expiresAt, roles } = session;
  const authenticationFactors = readFactors(session["authentication_factors"]);
  if (authenticationFactors === undefined || !isTextList(roles)) return undefined;
  if (![startedAt, lastAccessedAt, expiresAt].every((time) => time === undefined || isTimestamp(time)))
    return undefined;
  const impersonator = findImpersonator(authenticationFactors);
  if (impersonator === "malformed") return undefined;
  return {
    ...(isTimestamp(startedAt) && { startedAt }),
    ...(isTimestamp(lastAccessedAt) && { lastAccessedAt }),
    ...(isTimestamp(expiresAt) && { expiresAt }),
    authenticationFactors,
    roles,
    ...(impersonator !== undefined && { impersonator }),
  };
}

/** When the member last proved who they are: the newest factor, else the session's start; `undefined` when unknown. */
export function authenticatedAtOf({ authenticationFactors, startedAt }: SessionFields): number | undefined {
  const times = authenticationFactors.flatMap(({ lastAuthenticatedAt }) =>
    lastAuthenticatedAt === undefined ? [] : [secondsOf(lastAuthenticatedAt)],
  );
  if (times.length > 0) return Math.max(...times);
  return startedAt === undefined ? undefined : secondsOf(startedAt);
}

/** Better no session than an impersonation that nobody sees. */
function findImpersonator(
  factors: readonly StytchAuthenticationFactor[],
): Impersonator | undefined | "malformed" {
  const factor = factors.find((one) => one.type === "impersonated" || one.impersonatedFactor !== undefined);
  if (factor === undefined) return undefined;
  const { impersonatorEmailAddress: email, impersonatorId: id } = factor.impersonatedFactor ?? {};
  if (isText(email)) return { email };
  return isText(id) ? { email: id } : "malformed";
}
