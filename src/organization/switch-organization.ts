import type { Engine } from "../engine/engine.ts";
import type { Middleware } from "../guards/guard.ts";
import { createProblems } from "../options/problems.ts";
import { openChoiceDesk } from "./choose-once.ts";
import { checkHandlerOptions } from "./handler-options.ts";
import { requireStore } from "./store-methods.ts";
import { switchPosted } from "./switch-posted.ts";
import { createHandler } from "./visit.ts";

/** Options of `auth.switchOrganization()`. */
export interface SwitchOrganizationOptions {
  /** Where the browser goes on if the request does not say `return_to`. @defaultValue `/` */
  readonly returnTo?: string | undefined;
}

/**
 * Makes the handler of `POST { organization_id }` that continues the session in another organization, under a new id. The
 * organization of the session already: nothing changes. A bearer gets the new token in `Session-Jwt`.
 *
 * @throws ConfigurationError for a store that cannot switch.
 */
export function createSwitchOrganization(
  engine: Engine,
  options: SwitchOrganizationOptions = {},
): Middleware {
  const problems = createProblems();
  checkHandlerOptions(problems, "switchOrganization", options, ["returnTo"]);
  requireStore(engine, problems, "switchOrganization", ["switchOrganization"]);
  problems.throwIfAny();
  const desk = openChoiceDesk(engine);
  return createHandler(engine, ["POST"], (arrival) =>
    switchPosted(engine, arrival, { desk, fallback: options.returnTo }),
  );
}
