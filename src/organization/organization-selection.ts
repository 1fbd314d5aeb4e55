import type { IncomingMessage, ServerResponse } from "node:http";
import type { Engine } from "../engine/engine.ts";
import type { Middleware } from "../guards/guard.ts";
import type { RequestCallback } from "../http/request-callback.ts";
import { createProblems } from "../options/problems.ts";
import { choosePending } from "./choose-pending.ts";
import { checkHandlerOptions } from "./handler-options.ts";
import { openChoiceDesk } from "./choose-once.ts";
import type { OrganizationSelectionView } from "./selection-page.ts";
import { showSelection } from "./show-selection.ts";
import { requireStore } from "./store-methods.ts";
import { switchPosted } from "./switch-posted.ts";
import { createHandler } from "./visit.ts";

/** Options of `auth.organizationSelection()`. */
export interface OrganizationSelectionOptions {
  /**
   * Shows a page of your own, also after a choice that was not available (`view.error`; the status is set already).
   * What it throws goes to `next`. @defaultValue orgate's page
   */
  readonly render?:
    | RequestCallback<
        [view: OrganizationSelectionView, request: IncomingMessage, response: ServerResponse],
        void | Promise<void>
      >
    | undefined;
}

/**
 * Makes the page on which an organization is chosen (`GET`), and what its form is sent to (`POST { organization_id }`).
 * Completes a pending authentication where this browser has one; else switches the session.
 *
 * @throws ConfigurationError for a store that knows neither `organizations` nor `selectOrganization`, or without a password.
 */
export function createOrganizationSelection(
  engine: Engine,
  options: OrganizationSelectionOptions = {},
): Middleware {
  validate(engine, options);
  const desk = openChoiceDesk(engine);
  const page = { render: options.render };
  return createHandler(engine, ["GET", "HEAD", "POST"], async (arrival) => {
    if (arrival.request.method !== "POST") await showSelection(engine, arrival, page);
    else if (!(await choosePending(engine, arrival, { desk, page })))
      await switchPosted(engine, arrival, { desk, page });
  });
}

function validate(engine: Engine, options: OrganizationSelectionOptions): void {
  const problems = createProblems();
  checkHandlerOptions(problems, "organizationSelection", options, ["render"]);
  if (options.render !== undefined && typeof options.render !== "function") {
    problems.invalid("render", "is not a function.", "Leave it out for the page of orgate.");
  }
  requireStore(engine, problems, "organizationSelection", ["organizations", "selectOrganization"]);
  if (engine.sealer === undefined) {
    problems.missing("cookie.password", "A pending authentication is sealed with it.");
  }
  problems.throwIfAny();
}
