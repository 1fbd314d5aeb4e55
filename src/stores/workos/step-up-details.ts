import type { JsonObject } from "../json-reply.ts";
import { isObject, isText, isTextList } from "../shape.ts";

/** What the step after an unfinished authentication needs; which of it is there depends on the reason. */
export interface StepUpDetails {
  readonly emailAddress?: string;
  /** For `email_verification_required`. */
  readonly emailVerificationId?: string;
  /** For `mfa_challenge`, where WorkOS has sent the challenge already. */
  readonly authenticationChallengeId?: string;
  /** For `mfa_challenge`: the factors that can be challenged. */
  readonly authenticationFactors?: readonly { readonly id: string; readonly type: string }[];
  /** For `radar_email_challenge`. */
  readonly radarChallengeId?: string;
  /** For `sso_required`: the connections one of which must be used. */
  readonly connectionIds?: readonly string[];
  /** For `organization_authentication_methods_required`: the methods that the organization allows. */
  readonly authenticationMethods?: readonly string[];
}

/** Reads what a refusal says of the next step. */
export function readStepUpDetails(body: JsonObject): StepUpDetails {
  const challengeId = isObject(body["authentication_challenge"])
    ? body["authentication_challenge"]["id"]
    : undefined;
  const details = {
    emailAddress: textOf(body["email"]),
    emailVerificationId: textOf(body["email_verification_id"]),
    authenticationChallengeId: textOf(challengeId),
    authenticationFactors: readFactors(body["authentication_factors"]),
    radarChallengeId: textOf(body["radar_challenge_id"]),
    connectionIds: listOf(body["connection_ids"] ?? body["sso_connection_ids"]),
    authenticationMethods: readMethods(body["auth_methods"]),
  };
  return Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined));
}

function textOf(value: unknown): string | undefined {
  return isText(value) ? value : undefined;
}

function listOf(value: unknown): readonly string[] | undefined {
  return isTextList(value) ? value : undefined;
}

function readFactors(value: unknown): StepUpDetails["authenticationFactors"] {
  if (!Array.isArray(value)) return undefined;
  return value.flatMap((factor: unknown) => {
    if (!isObject(factor)) return [];
    const { id, type } = factor;
    return isText(id) && isText(type) ? [{ id, type }] : [];
  });
}

function readMethods(value: unknown): readonly string[] | undefined {
  if (!isObject(value)) return undefined;
  return Object.entries(value).flatMap(([method, isAllowed]) => (isAllowed === true ? [method] : []));
}
