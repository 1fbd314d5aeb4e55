import { isNavigation } from "../http/navigation.ts";
import type { OrganizationChoice } from "../model.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import { callStore } from "./call-store.ts";
import { currentCredential } from "./current-credential.ts";
import type { DenialInit, Exchange } from "./deny.ts";
import type { Engine } from "./engine.ts";

/**
 * The denial `organization_selection_required`, with the organizations on offer for a program. A browser is sent to
 * the page that lists them anyway.
 */
export async function offerOrganizations(
  engine: Engine,
  { request, record }: Exchange,
  { memberSession }: VerifiedSession,
): Promise<DenialInit> {
  const { store, selectionPath } = engine.options;
  const ask = store.organizations?.bind(store, memberSession);
  const reply =
    isNavigation(request) || ask === undefined
      ? undefined
      : await callStore(engine, request, async (context) => {
          const credential = record.credential && (await currentCredential(engine, record.credential));
          return readChoices(await ask({ ...context, ...(credential !== undefined && { credential }) }));
        });
  // That an organization is required is certain, whether or not the list can be had.
  const organizations = reply?.status === "answered" ? reply.value : undefined;
  return {
    code: "organization_selection_required",
    extensions: { ...(organizations !== undefined && { organizations }), selection_url: selectionPath },
  };
}

function readChoices(answered: unknown): readonly OrganizationChoice[] | undefined {
  if (!Array.isArray(answered)) return undefined;
  return answered.flatMap((choice: Partial<OrganizationChoice> | null | undefined) => {
    const { id, name } = choice ?? {};
    return typeof id === "string" && typeof name === "string" ? [{ id, name }] : [];
  });
}
