import type { Engine } from "../engine/engine.ts";
import { createGuard } from "./create-guard.ts";
import { PASSED, type GuardOptions, type Middleware } from "./guard.ts";

/** Lets a member through whose session holds one of the roles. */
export function requireRole(
  engine: Engine,
  role: string | readonly string[],
  options?: GuardOptions,
): Middleware {
  const roles: readonly unknown[] = typeof role === "string" ? [role] : Array.isArray(role) ? role : [];
  const accepted = new Set(roles);
  return createGuard(engine, {
    name: "requireRole",
    options,
    needsOrganization: true,
    requirement: ({ roles: held }) =>
      held.some((name) => accepted.has(name)) ? PASSED : { status: "denied", code: "role_required" },
    validate(problems) {
      if (roles.length === 0 || roles.some((name) => typeof name !== "string" || name === "")) {
        problems.invalid(
          "requireRole",
          "names no role.",
          'Pass "admin", or ["admin", "owner"] for any of them.',
        );
      }
    },
  });
}
