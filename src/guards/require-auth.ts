import type { Engine } from "../engine/engine.ts";
import { createGuard } from "./create-guard.ts";
import { PASSED, type GuardOptions, type Middleware } from "./guard.ts";

/** Lets a signed-in member through. */
export function requireAuth(engine: Engine, options?: GuardOptions): Middleware {
  return createGuard(engine, {
    name: "requireAuth",
    options,
    needsOrganization: false,
    requirement: () => PASSED,
  });
}
