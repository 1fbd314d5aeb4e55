import type { Engine } from "../engine/engine.ts";
import type { Middleware } from "../guards/guard.ts";

/** Options of the handler. */
export interface SwitchOrganizationOptions {
  /** @defaultValue as documented */
  readonly redirectTo?: string;
  readonly everywhere?: boolean;
}

/** Makes the handler. */
export function createSwitchOrganization(
  _engine: Engine,
  _options: SwitchOrganizationOptions = {},
): Middleware {
  return (_request, response) => {
    response.statusCode = 501;
    response.end();
  };
}
