import type { IncomingMessage, ServerResponse } from "node:http";
import type { Engine } from "../engine/engine.ts";
import type { Middleware } from "../guards/guard.ts";
import type { OrganizationChoice } from "../model.ts";

/** What a page for choosing an organization shows. Names come from outside: escape them. */
export interface OrganizationSelectionView {
  readonly organizations: readonly OrganizationChoice[];
  /** The organization of the session, where there is one already. */
  readonly current?: string;
  /** Where the form posts `organization_id` to. */
  readonly action: string;
  readonly returnTo: string;
  /** What went wrong with the choice before. */
  readonly error?: "organization_not_available";
}

/** Options of `auth.organizationSelection()`. */
export interface OrganizationSelectionOptions {
  /** Shows a page of your own. @defaultValue orgate's page */
  readonly render?: (
    view: OrganizationSelectionView,
    request: IncomingMessage,
    response: ServerResponse,
  ) => void | Promise<void>;
}

/** The page on which an organization is chosen, and its POST. */
export function createOrganizationSelection(
  _engine: Engine,
  _options: OrganizationSelectionOptions = {},
): Middleware {
  return (_request, response) => {
    response.statusCode = 501;
    response.end();
  };
}
