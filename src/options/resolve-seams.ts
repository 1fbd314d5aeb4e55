import type { Coordinator } from "../coordination/coordinator.ts";
import { inProcessCoordinator } from "../coordination/in-process.ts";
import type { SessionStore } from "../stores/session-store.ts";
import type { OrgateOptions } from "./orgate-options.ts";
import { isOptionObject, type Problems } from "./problems.ts";

/** Validates `store` by its shape. */
export function resolveStore(given: unknown, problems: Problems): SessionStore {
  const isStore =
    isOptionObject(given) &&
    isOptionObject(given["tokens"]) &&
    isOptionObject(given["capabilities"]) &&
    typeof given["interpret"] === "function" &&
    typeof given["renew"] === "function";
  if (given === undefined) {
    problems.missing(
      "store",
      "Pass createAuthority({...}) of orgate/authority, or a SessionStore of your own.",
    );
  } else if (!isStore) {
    problems.invalid(
      "store",
      "is not a SessionStore.",
      "It has tokens, capabilities, interpret() and renew().",
    );
  }
  return isStore ? (given as unknown as SessionStore) : ({} as SessionStore);
}

/** Validates `policy` by its shape. */
export function resolvePolicy(given: unknown, problems: Problems): OrgateOptions["policy"] {
  const isPolicy = isOptionObject(given) && typeof given["grantingRoles"] === "function";
  if (given !== undefined && typeof given !== "function" && !isPolicy) {
    problems.invalid(
      "policy",
      "is not a policy.",
      "Pass definePolicy({...}) or a function that resolves to one.",
    );
  }
  return given as OrgateOptions["policy"];
}

/** Validates `coordinator` by its shape. */
export function resolveCoordinator(given: unknown, problems: Problems): Coordinator {
  if (given === undefined) return inProcessCoordinator();
  const methods = ["acquire", "remember", "recall", "publish", "subscribe", "close"];
  if (!isOptionObject(given) || methods.some((method) => typeof given[method] !== "function")) {
    problems.invalid("coordinator", "is not a Coordinator.", `It has ${methods.join("(), ")}().`);
  }
  return given as unknown as Coordinator;
}
