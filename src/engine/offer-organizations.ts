import { isNavigation } from "../http/navigation.ts";
import type { OrganizationChoice } from "../model.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import { describeClient } from "./client-context.ts";
import type { DenialInit, Exchange } from "./deny.ts";
import { STORE_BUDGET, type Engine } from "./engine.ts";

/**
 * The denial `organization_selection_required`, with the organizations on offer for a program. A browser is sent to
 * the page that lists them anyway.
 */
export async function offerOrganizations(
  engine: Engine,
  { request }: Exchange,
  { memberSession }: VerifiedSession,
): Promise<DenialInit> {
  const { store, selectionPath } = engine.options;
  let organizations: readonly OrganizationChoice[] | undefined;
  if (!isNavigation(request) && store.organizations !== undefined) {
    const context = {
      ...describeClient(engine.options, request),
      signal: AbortSignal.timeout(STORE_BUDGET * 1000),
    };
    // That an organization is required is certain, whether or not the list can be had.
    organizations = await store.organizations(memberSession, context).catch(() => undefined);
  }
  return {
    code: "organization_selection_required",
    extensions: {
      ...(organizations !== undefined && {
        organizations: organizations.map(({ id, name }) => ({ id, name })),
      }),
      selection_url: selectionPath,
    },
  };
}
