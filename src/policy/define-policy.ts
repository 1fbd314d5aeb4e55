import { ConfigurationError, type ConfigurationProblem } from "../errors.ts";
import { compilePolicy } from "./compile-policy.ts";
import { readObjectForm, type PolicyDefinition, type ResourceActions } from "./object-form.ts";
import { createPolicyProblems, membersOf } from "./policy-problems.ts";
import type { Policy } from "./policy.ts";
import { readStytchForm, type StytchPolicyDocument } from "./stytch-form.ts";

const NOT_AN_OBJECT: ConfigurationProblem = {
  code: "option_invalid",
  option: "policy",
  message: "must be a plain object.",
  suggestion: "Write { resources: { ... }, roles: { ... } }.",
};

/**
 * Compiles a policy in Stytch's JSON form.
 *
 * Names are compared as exact strings. `"*"` is a wildcard only as a whole action: it grants any action of that
 * resource, and asking for the action `"*"` is granted by it alone. Permissions of a role id that occurs twice
 * add up. `resources` never decides.
 *
 * @throws ConfigurationError naming everything that is malformed.
 */
export function definePolicy(document: StytchPolicyDocument): Policy;
/**
 * Compiles a policy whose resources, actions and roles are written in code.
 *
 * The types are inferred: a guard that asks for a resource or action that is not declared does not compile.
 * `"*"` in place of a role's list of actions grants every action of that resource, whatever it is called.
 *
 * @example
 * ```ts
 * const policy = definePolicy({
 *   resources: { documents: ["read", "write"], billing: ["manage"] },
 *   roles: { viewer: { documents: ["read"] }, admin: { documents: "*", billing: ["manage"] } },
 * });
 * ```
 * @throws ConfigurationError naming every mistake, and the resource or action that was probably meant.
 */
export function definePolicy<const Resources extends ResourceActions>(
  definition: PolicyDefinition<Resources>,
): Policy<{ readonly [Resource in keyof Resources]: Resources[Resource][number] }>;
export function definePolicy(source: StytchPolicyDocument | PolicyDefinition<ResourceActions>): Policy {
  const members = membersOf(source);
  if (members === undefined) throw new ConfigurationError([NOT_AN_OBJECT]);
  const problems = createPolicyProblems();
  const read = Array.isArray(members.get("roles")) ? readStytchForm : readObjectForm;
  const statements = read(members, problems);
  problems.throwIfAny();
  return compilePolicy(statements);
}
