import type { Engine } from "../engine/engine.ts";
import type { Middleware } from "../guards/guard.ts";

/** Options of the handler. */
export interface SignOutOptions {
  /** @defaultValue as documented */
  readonly redirectTo?: string;
  readonly everywhere?: boolean;
}

/** Makes the handler. */
export function createSignOut(_engine: Engine, _options: SignOutOptions = {}): Middleware {
  return (_request, response) => {
    response.statusCode = 501;
    response.end();
  };
}
