import type { Engine } from "../engine/engine.ts";
import { createGuard } from "./create-guard.ts";
import { PASSED, type GuardOptions, type Middleware } from "./guard.ts";

/** Lets a member through who is not being impersonated. */
export function denyImpersonation(engine: Engine, options?: GuardOptions): Middleware {
  return createGuard(engine, {
    name: "denyImpersonation",
    options,
    needsOrganization: false,
    requirement: ({ memberSession }) =>
      memberSession.impersonator === undefined ? PASSED : { status: "denied", code: "impersonation_denied" },
    validate(problems) {
      if (!engine.options.store.capabilities.impersonation) {
        const message = "cannot be answered: the store's sessions do not say who impersonates.";
        problems.invalid("denyImpersonation", message, "Remove it.");
      }
    },
  });
}
