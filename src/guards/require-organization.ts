import type { Engine } from "../engine/engine.ts";
import { createGuard } from "./create-guard.ts";
import { PASSED, type GuardOptions, type Middleware } from "./guard.ts";

/** Lets a member through who has chosen an organization, and the right one if the options say which. */
export function requireOrganization(engine: Engine, options?: GuardOptions): Middleware {
  return createGuard(engine, {
    name: "requireOrganization",
    options,
    needsOrganization: true,
    requirement: () => PASSED,
  });
}
