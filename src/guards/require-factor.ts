import type { Engine } from "../engine/engine.ts";
import { createGuard } from "./create-guard.ts";
import { PASSED, type GuardOptions, type Middleware } from "./guard.ts";

/** Lets a member through whose session holds this authentication factor (`totp`, `sso`, ...). */
export function requireFactor(engine: Engine, type: string, options?: GuardOptions): Middleware {
  return createGuard(engine, {
    name: "requireFactor",
    options,
    needsOrganization: false,
    requirement: ({ memberSession }) =>
      memberSession.authenticationFactors.some((factor) => factor.type === type)
        ? PASSED
        : { status: "denied", code: "factor_required" },
    validate(problems) {
      if (typeof type !== "string" || type === "") {
        problems.invalid("requireFactor", "names no factor.", 'Pass its type: "totp", "sso", ...');
      }
      if (!engine.options.store.capabilities.factors) {
        problems.invalid(
          "requireFactor",
          "cannot be answered: the store's sessions list no factors.",
          "Remove it.",
        );
      }
    },
  });
}
