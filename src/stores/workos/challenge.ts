import { isText } from "../../lib/values.ts";
import type { Origin, WorkosClient } from "./client.ts";
import type { WorkosOutcome } from "./outcome.ts";

/**
 * Makes the challenge that a code answers, where WorkOS lists the user's factors without one. If it cannot be made now, the
 * step goes on without: the application can still make it by the factor's id.
 */
export async function challengeFactor(
  client: WorkosClient,
  outcome: WorkosOutcome,
  { signal }: Origin,
): Promise<WorkosOutcome> {
  if (outcome.status !== "step_up_required") return outcome;
  const { authenticationChallengeId, authenticationFactors: factors = [] } = outcome.details;
  const factor = factors.find(({ type }) => type === "totp") ?? factors[0];
  if (authenticationChallengeId !== undefined || factor === undefined) return outcome;
  const path = `/auth/factors/${encodeURIComponent(factor.id)}/challenge`;
  const [made] = await Promise.allSettled([client.call({ method: "POST", path, body: {}, signal })]);
  const id = made.status === "fulfilled" && made.value.httpStatus < 300 ? made.value.body["id"] : undefined;
  if (!isText(id)) return outcome;
  return { ...outcome, details: { ...outcome.details, authenticationChallengeId: id } };
}
