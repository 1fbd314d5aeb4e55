import { isListOf, isObject, isString } from "../lib/predicates.ts";
import type { MemberSession, OrganizationChoice } from "../model.ts";
import { type StoreReply, callStore, checkAnswer } from "../request/call-store.ts";
import { currentCredential } from "../request/renew.ts";
import { requestAuthOf } from "../request/request-auth.ts";
import type { PendingAuthentication } from "../store.ts";
import type { ReceivedRequest } from "./denial.ts";

/** Who chooses an organization: by a pending authentication, or a member by a session. */
export type Chooser = PendingAuthentication | MemberSession;

/** Loads the organizations that can be chosen now; none from a store that cannot list them. */
export function listChoices(
  { instance, request }: ReceivedRequest,
  chooser: Chooser,
): Promise<StoreReply<readonly OrganizationChoice[]>> {
  const { store } = instance.options;
  const presented =
    "pendingAuthenticationToken" in chooser ? undefined : requestAuthOf(request, instance)?.credential;
  return callStore(instance, request, async (context) => {
    if (store.organizations === undefined) return [];
    const credential = presented && (await currentCredential(instance, presented));
    const listed = await store.organizations(chooser, {
      ...context,
      ...(credential !== undefined && { credential }),
    });
    return checkAnswer(listed, isChoiceList).map(({ id, name }) => ({ id, name }));
  });
}

function isChoiceList(value: unknown): value is readonly OrganizationChoice[] {
  return isListOf(value, isOrganizationChoice);
}

/** Whether a value is an organization on offer. */
export function isOrganizationChoice(value: unknown): value is OrganizationChoice {
  return isObject(value) && isString(value["id"]) && isString(value["name"]);
}
