import type { Coordinator } from "../coordination/coordinator.ts";
import { inProcessCoordinator } from "../coordination/in-process.ts";
import type { SessionStore } from "../stores/session-store.ts";
import type { Algorithm } from "../stores/token-profile.ts";
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
  if (!isStore) return {} as SessionStore;
  checkTokens(given["tokens"] as Record<string, unknown>, problems);
  return given as unknown as SessionStore;
}

const ALGORITHMS: readonly unknown[] = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"] satisfies Algorithm[];

function checkTokens(tokens: Record<string, unknown>, problems: Problems): void {
  const { keys, issuers, audience, algorithms, types, sessionClaim } = tokens;
  if (!isOptionObject(keys) || typeof keys["load"] !== "function") {
    problems.invalid("store.tokens.keys", "is not a source of keys.", "It has load(). See remoteKeys().");
  }
  if (!isListOfStrings(issuers)) {
    problems.invalid("store.tokens.issuers", "is not a list.", "List every iss that is accepted.");
  }
  if (audience !== undefined && !(isListOfStrings(audience) && audience.length > 0)) {
    problems.invalid("store.tokens.audience", "is not a list.", "List every aud that is accepted.");
  }
  if (
    !isListOfStrings(algorithms) ||
    algorithms.length === 0 ||
    !algorithms.every((name) => ALGORITHMS.includes(name))
  ) {
    problems.invalid(
      "store.tokens.algorithms",
      "is not a list of algorithms.",
      `Known: ${ALGORITHMS.join(", ")}.`,
    );
  }
  if (!isListOfStrings(types) || types.length === 0) {
    problems.invalid("store.tokens.types", "is not a list.", 'List every typ that is accepted: "JWT".');
  }
  if (typeof sessionClaim !== "string" || sessionClaim === "") {
    problems.invalid("store.tokens.sessionClaim", "names no claim.", 'Pass "sid", say.');
  }
}

function isListOfStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

/** Validates `policy` by its shape. */
export function resolvePolicy(given: unknown, problems: Problems): OrgateOptions["policy"] {
  const isPolicy =
    isOptionObject(given) &&
    typeof given["grantingRoles"] === "function" &&
    typeof given["declares"] === "function";
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
