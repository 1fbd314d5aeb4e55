import { isText } from "../../lib/values.ts";
import type { StytchClient } from "./client.ts";
import type { StytchOutcome } from "./outcome.ts";

/**
 * Sends the code that a due second step asks for, where Stytch has not sent it: to the member's phone, if that is the only
 * second factor or the one that the member prefers. An authenticator app needs no challenge.
 *
 * If the code cannot be sent now, the step goes on without `secondaryAuthInitiated`: the application can still send it.
 */
export async function challengeMember(
  client: StytchClient,
  outcome: StytchOutcome,
  signal: AbortSignal,
): Promise<StytchOutcome> {
  if (outcome.status !== "step_up_required" || outcome.reason !== "mfa_required") return outcome;
  const { pending, details } = outcome;
  const { memberId, organizationId, mfaPhoneNumber, totpRegistrationId, defaultMfaMethod } = details;
  const takesPhone =
    isText(mfaPhoneNumber) && (!isText(totpRegistrationId) || defaultMfaMethod === "sms_otp");
  const isSent = details.secondaryAuthInitiated !== undefined;
  if (!takesPhone || isSent || pending === undefined) return outcome;
  const body = {
    organization_id: organizationId,
    member_id: memberId,
    intermediate_session_token: pending.pendingAuthenticationToken,
  };
  const [sent] = await Promise.allSettled([client.post("/v1/b2b/otps/sms/send", body, { signal })]);
  if (sent.status === "rejected" || sent.value.status === "refused") return outcome;
  return { ...outcome, details: { ...details, secondaryAuthInitiated: "sms_otp" } };
}
