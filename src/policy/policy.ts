import { type Problems, configurationError, createProblems, readGiven } from "../lib/problems.ts";
import { isObject, isString, isTextList } from "../lib/values.ts";
import type { RoleAssignment, RoleSource, Verdict } from "../model.ts";
import {
  EVERY_ACTION,
  type PolicyDefinition,
  type PolicyStatements,
  type ResourceActions,
  type StytchPolicyDocument,
  membersOf,
  readObjectForm,
  readStytchForm,
} from "./policy-forms.ts";
import { MEMBER_ROLE, addPredefinedRoles } from "./predefined-roles.ts";

/** Resources and their actions, as a type: `{ documents: "read" | "write" }`. */
export type PolicyShape = Readonly<Record<string, string>>;

declare const shape: unique symbol;
declare const roleNames: unique symbol;

/**
 * An RBAC policy, compiled once into what answers "which roles grant this?" directly.
 *
 * Make one with `definePolicy`. `Shape` and `RoleName` let the guards refuse, at compile time, a resource, action or role that is not
 * in it.
 */
export interface Policy<Shape extends PolicyShape = PolicyShape, RoleName extends string = string> {
  readonly [shape]?: Shape;
  readonly [roleNames]?: RoleName;
  /** Whether the policy lists this resource and action. `undefined`: it does not list its resources (Stytch's form without `resources`). */
  declares(resource: string, action: string): boolean | undefined;
  /** Every role that grants the action on the resource, wildcards included. The set is shared: do not write to it. */
  grantingRoles(resource: string, action: string): ReadonlySet<string>;
  /** Every role the policy knows. */
  readonly roles: ReadonlySet<string>;
  /** Roles that an authority gives to every active member of an organization. @defaultValue none */
  readonly memberRoles?: readonly string[];
  /** The policy written out: what an authority tells others of it. Policies that `definePolicy` made have it. */
  describe?(): PolicyDescription;
}

/** A resource and actions of it; `"*"`, as a whole action, stands for every action. */
export interface ResourceDescription {
  readonly resource: string;
  readonly actions: readonly string[];
}

/** What a policy says, as a list. */
export interface PolicyDescription {
  readonly roles: readonly { readonly role: string; readonly permissions: readonly ResourceDescription[] }[];
  /** `undefined`: the policy does not list its resources. */
  readonly resources: readonly ResourceDescription[] | undefined;
}

/** Resources that a policy's type lists. */
export type ResourceOf<Shape extends PolicyShape> = keyof Shape & string;

/** Actions that a policy's type lists for a resource. */
export type ActionOf<Shape extends PolicyShape, Resource extends ResourceOf<Shape>> = Shape[Resource];

/** Options of `definePolicy` for a policy in Stytch's form. */
export interface StytchPolicyOptions {
  /**
   * Adds Stytch's roles `stytch_member`, which an authority then gives to every active member, and `stytch_admin`, with Stytch's
   * resources, as a project has them at first. What the policy says of one of them itself is left as it is.
   *
   * @defaultValue `false`
   */
  readonly predefinedRoles?: boolean | undefined;
}

/**
 * Compiles a policy in Stytch's JSON form.
 *
 * Names are compared as exact strings. `"*"` is a wildcard only as a whole action: it grants any action of that
 * resource, and asking for the action `"*"` is granted by it alone. Permissions of a role id that occurs twice
 * add up. `resources` never decides.
 *
 * @throws ConfigurationError naming everything that is malformed.
 */
export function definePolicy(document: StytchPolicyDocument, options?: StytchPolicyOptions): Policy;
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
export function definePolicy<const Resources extends ResourceActions, const RoleName extends string>(
  definition: PolicyDefinition<Resources, RoleName>,
): Policy<{ readonly [Resource in keyof Resources]: Resources[Resource][number] }, RoleName>;
export function definePolicy(
  source: StytchPolicyDocument | PolicyDefinition<ResourceActions>,
  options: StytchPolicyOptions = {},
): Policy {
  return readGiven("definePolicy", () => parsePolicy(source, options));
}

/**
 * Compiles a policy that comes from outside, in either form.
 *
 * @throws ConfigurationError with every problem
 */
export function parsePolicy(source: unknown, options: StytchPolicyOptions = {}): Policy {
  const members = membersOf(source);
  if (members === undefined) {
    const suggestion = "Write { resources: { ... }, roles: { ... } }.";
    throw configurationError("option_invalid", "policy", "must be a plain object.", suggestion);
  }
  const problems = createProblems();
  const isStytchForm = Array.isArray(members.get("roles"));
  const statements = (isStytchForm ? readStytchForm : readObjectForm)(members, problems);
  const hasPredefinedRoles = readPredefinedRoles(options, isStytchForm, problems);
  problems.throwIfAny();
  if (!hasPredefinedRoles) return compilePolicy(statements);
  return Object.freeze({ ...compilePolicy(addPredefinedRoles(statements)), memberRoles: [MEMBER_ROLE] });
}

function readPredefinedRoles(options: unknown, isStytchForm: boolean, problems: Problems): boolean {
  if (!isObject(options)) {
    problems.invalid("options", "must be an object.", "Pass { predefinedRoles: true }, or nothing.");
    return false;
  }
  problems.unknown(options, ["predefinedRoles"]);
  const { predefinedRoles = false } = options;
  if (predefinedRoles !== true && predefinedRoles !== false) {
    problems.invalid("predefinedRoles", "must be a boolean.", "Pass true or false.");
  } else if (predefinedRoles && !isStytchForm) {
    const suggestion = "Add the roles to the policy, or write it in Stytch's form.";
    problems.invalid("predefinedRoles", "is for policies in Stytch's form.", suggestion);
  }
  return predefinedRoles === true;
}

/** Whether a value can be asked what a {@link Policy} is asked. */
export function isPolicy(value: unknown): value is Policy {
  if (!isObject(value)) return false;
  const { declares, grantingRoles, describe, memberRoles } = value;
  return (
    (memberRoles === undefined || isTextList(memberRoles)) &&
    typeof declares === "function" &&
    typeof grantingRoles === "function" &&
    (describe === undefined || typeof describe === "function") &&
    isNameSet(value["roles"])
  );
}

/** Sets of another realm are sets too. */
function isNameSet(value: unknown): value is ReadonlySet<string> {
  return (
    isObject(value) && typeof value["has"] === "function" && isIterable(value) && [...value].every(isString)
  );
}

function isIterable(value: object): value is Iterable<unknown> {
  return typeof Reflect.get(value, Symbol.iterator) === "function";
}

type RoleSet = ReadonlySet<string>;

/** The empty set of roles. */
export const NO_ROLES: RoleSet = new Set();

interface ResourceGrants {
  readonly everyAction: RoleSet;
  /** Holds the roles of `everyAction` as well, so that one lookup is the whole answer. */
  readonly byAction: ReadonlyMap<string, RoleSet>;
}

interface Role {
  readonly name: string;
  readonly place: number;
}

/** Compiles a policy so that a check is two `Map` lookups at any size. */
export function compilePolicy({ permissions, declared }: PolicyStatements): Policy {
  const grants = compileGrants(permissions);
  const roles = new Set(permissions.keys());
  return Object.freeze({
    roles,
    declares: (resource: string, action: string) =>
      declared === undefined ? undefined : (declared.get(resource)?.has(action) ?? false),
    grantingRoles(resource: string, action: string) {
      const granted = grants.get(resource);
      return granted === undefined ? NO_ROLES : (granted.byAction.get(action) ?? granted.everyAction);
    },
    describe: () => ({
      roles: [...roles].map((role) => ({ role, permissions: describeRole(role, grants) })),
      resources: declared && describeDeclared(declared),
    }),
  });
}

function describeDeclared(
  declared: ReadonlyMap<string, ReadonlySet<string>>,
): NonNullable<PolicyDescription["resources"]> {
  return [...declared].map(([resource, actions]) => ({
    resource,
    actions: [...actions].filter((action) => action !== EVERY_ACTION),
  }));
}

/** Describes a role from the compiled grants, so that the policy's source need not be kept. */
function describeRole(role: string, grants: ReadonlyMap<string, ResourceGrants>): ResourceDescription[] {
  return [...grants].flatMap(([resource, { everyAction, byAction }]) => {
    const named = [...byAction].filter(([, roles]) => roles.has(role)).map(([action]) => action);
    const actions = everyAction.has(role) ? [EVERY_ACTION] : named;
    return actions.length === 0 ? [] : [{ resource, actions }];
  });
}

function compileGrants(permissions: PolicyStatements["permissions"]): ReadonlyMap<string, ResourceGrants> {
  const share = createGrantsSharer();
  const grants = new Map<string, ResourceGrants>();
  for (const [resource, holders] of collectHolders(permissions)) grants.set(resource, share(holders));
  return grants;
}

/** The roles that hold each action of one resource. */
type Holders = Map<string, Role[]>;

function collectHolders(permissions: PolicyStatements["permissions"]): ReadonlyMap<string, Holders> {
  const resources = new Map<string, Holders>();
  let place = 0;
  for (const [name, granted] of permissions) {
    const role = { name, place };
    place += 1;
    for (const { resource, actions } of granted) {
      const holders = getOrMake(resources, resource, (): Holders => new Map());
      for (const action of actions) getOrMake(holders, action, (): Role[] => []).push(role);
    }
  }
  return resources;
}

/** Keeps equal sets of roles, and equal grants of resources, only once: large policies repeat a few of them. */
function createGrantsSharer(): (holders: Holders) => ResourceGrants {
  const roleSets = new Map<string, RoleSet>();
  const resources = new Map<string, ResourceGrants>();

  function shareRoles(roles: readonly Role[]): { readonly key: string; readonly names: RoleSet } {
    const key = roles.map(({ place }) => place).join();
    return { key, names: getOrMake(roleSets, key, () => nameInOrder(roles)) };
  }

  return (holders) => {
    const wild = holders.get(EVERY_ACTION) ?? [];
    const actions = [...holders].map(([action, roles]) => ({ action, ...shareRoles([...wild, ...roles]) }));
    return getOrMake(resources, JSON.stringify(actions.map(({ action, key }) => [action, key])), () => ({
      everyAction: shareRoles(wild).names,
      byAction: new Map(actions.map(({ action, names }) => [action, names])),
    }));
  };
}

function nameInOrder(roles: readonly Role[]): RoleSet {
  return new Set(roles.toSorted((one, other) => one.place - other.place).map(({ name }) => name));
}

function getOrMake<Value>(known: Map<string, Value>, key: string, make: () => Value): Value {
  const found = known.get(key);
  if (found !== undefined) return found;
  const made = make();
  known.set(key, made);
  return made;
}

type NamesIn<Shape> = Shape extends unknown ? keyof Shape & string : never;

type ActionsIn<Shape, Resource> = Shape extends unknown
  ? Resource extends keyof Shape
    ? Shape[Resource] & string
    : never
  : never;

/** Every resource and action of several policies. */
export type MergedShape<Shapes extends readonly PolicyShape[]> = {
  readonly [Resource in NamesIn<Shapes[number]>]: ActionsIn<Shapes[number], Resource>;
};

/**
 * One policy that grants what any of the given ones grants, such as a project's roles and an organization's own.
 *
 * The given policies stay as they are, and are asked at each check: merging costs next to nothing, however large
 * they are. A role that occurs in several holds the permissions of all. Of no policies at all: one that grants nothing.
 */
export function mergePolicies<
  const Shapes extends readonly PolicyShape[],
  const RoleName extends string = string,
>(
  ...policies: { readonly [Index in keyof Shapes]: Policy<Shapes[Index], RoleName> }
): Policy<MergedShape<Shapes>, RoleName>;
export function mergePolicies(...policies: readonly Policy[]): Policy {
  return policies.reduce((merged, policy) => mergeTwo(merged, policy), GRANTS_NOTHING);
}

const GRANTS_NOTHING: Policy = Object.freeze({
  roles: NO_ROLES,
  declares: () => false,
  grantingRoles: () => NO_ROLES,
  describe: () => ({ roles: [], resources: [] }),
});

function mergeTwo(one: Policy, other: Policy): Policy {
  const unite = createUniter();
  return Object.freeze({
    roles: new Set([...one.roles, ...other.roles]),
    declares(resource: string, action: string) {
      const [first, second] = [one.declares(resource, action), other.declares(resource, action)];
      if (first === true || second === true) return true;
      return first === undefined || second === undefined ? undefined : false;
    },
    grantingRoles: (resource: string, action: string) =>
      unite(one.grantingRoles(resource, action), other.grantingRoles(resource, action)),
    ...describeBoth(one, other),
    ...joinMemberRoles(one, other),
  });
}

function joinMemberRoles(one: Policy, other: Policy): Pick<Policy, "memberRoles"> {
  const memberRoles = [...new Set([...(one.memberRoles ?? []), ...(other.memberRoles ?? [])])];
  return memberRoles.length === 0 ? {} : { memberRoles };
}

/** Describes two policies; if one of them cannot be described, the result cannot either. */
function describeBoth(one: Policy, other: Policy): Pick<Policy, "describe"> {
  if (typeof one.describe !== "function" || typeof other.describe !== "function") return {};
  const [first, second] = [one.describe.bind(one), other.describe.bind(other)];
  return { describe: () => joinDescriptions(first(), second()) };
}

/** Lists what both describe. A role or a resource that occurs twice has the permissions of both entries. */
function joinDescriptions(one: PolicyDescription, other: PolicyDescription): PolicyDescription {
  const resources = one.resources && other.resources && [...one.resources, ...other.resources];
  return { roles: [...one.roles, ...other.roles], resources };
}

/** Unites sets of roles and caches the unions: policies share their sets, so that there are few pairs. */
function createUniter(): (one: ReadonlySet<string>, other: ReadonlySet<string>) => ReadonlySet<string> {
  const united = new WeakMap<ReadonlySet<string>, WeakMap<ReadonlySet<string>, ReadonlySet<string>>>();
  return (one, other) => {
    if (other.size === 0) return one;
    if (one.size === 0) return other;
    const partners = united.get(one) ?? new WeakMap<ReadonlySet<string>, ReadonlySet<string>>();
    united.set(one, partners);
    const union = partners.get(other) ?? new Set([...one, ...other]);
    partners.set(other, union);
    return union;
  };
}

/** What a verdict is asked for. */
export interface PermissionQuestion {
  /** `undefined`: there is no policy, and only permission slugs decide. */
  readonly policy: Policy | undefined;
  /** The roles that the session holds. */
  readonly roles: readonly string[];
  /** Permission slugs carried by the token: `documents:read`. */
  readonly permissions?: readonly string[] | undefined;
  readonly organizationId?: string | undefined;
  readonly resource: string;
  readonly action: string;
  readonly source: Verdict["source"];
  /** Why the session holds those of its roles that were not assigned directly. */
  readonly roleAssignments?: readonly RoleAssignment[] | undefined;
}

/** Explains a verdict to the administrators of the organization. Never show it to the member who was denied. */
export interface VerdictExplanation {
  /** The roles that the session holds. */
  readonly held: readonly string[];
  /** Every role of the policy that grants the permission, in the order of the policy. */
  readonly wouldGrant: readonly string[];
  /**
   * Why the session holds those of its roles that were not assigned directly, as sentences: `admin, by the SSO connection
   * saml-connection-1`. Absent if there are none, or if the store does not tell.
   */
  readonly sources?: readonly string[];
}

const EMPTY_LIST: readonly string[] = Object.freeze([]);

/**
 * Decides whether the roles of a session, or else its permission slugs, grant an action on a resource.
 *
 * Roles that the policy does not know are ignored. Names are compared as whole strings.
 */
export function decideVerdict(question: PermissionQuestion): Verdict {
  const { policy, roles, permissions, organizationId, resource, action, source, roleAssignments } = question;
  const granting = policy === undefined ? NO_ROLES : policy.grantingRoles(resource, action);
  const grantingRoles = selectGranting(granting, roles);
  const byRole = grantingRoles.length > 0;
  const bySlug = !byRole && listOf(permissions).includes(`${resource}:${action}`);
  const authorized = byRole || bySlug;
  const via = bySlug ? "permission" : "role";
  const grantingAssignments = roleAssignments?.filter(({ role }) => grantingRoles.includes(role)) ?? [];
  return Object.freeze<Verdict>({
    authorized,
    grantingRoles,
    ...(grantingAssignments.length > 0 && { grantingAssignments }),
    resource,
    action,
    ...(organizationId !== undefined && { organizationId }),
    via,
    source,
  });
}

/** Whether {@link decideVerdict} would authorize the permission. Guards ask this for every request. */
export function isAuthorized({ policy, roles, permissions, resource, action }: PermissionQuestion): boolean {
  if (policy !== undefined) {
    const granting = policy.grantingRoles(resource, action);
    for (const role of listOf(roles)) if (granting.has(role)) return true;
  }
  return listOf(permissions).includes(`${resource}:${action}`);
}

/** Returns a function that decides the verdict when it is first called. */
export function deferVerdict(question: PermissionQuestion): () => Verdict {
  let verdict: Verdict | undefined;
  return () => (verdict ??= decideVerdict(question));
}

/** Lists the roles that are held, with their sources, and those that would grant the permission. */
export function explainVerdict(
  question: Pick<PermissionQuestion, "policy" | "roles" | "resource" | "action" | "roleAssignments">,
): VerdictExplanation {
  const { policy, roles, resource, action, roleAssignments = [] } = question;
  return Object.freeze({
    held: Object.freeze([...listOf(roles)]),
    wouldGrant: Object.freeze([...(policy?.grantingRoles(resource, action) ?? [])]),
    ...(roleAssignments.length > 0 && { sources: Object.freeze(roleAssignments.map(describeAssignment)) }),
  });
}

/** Names a role and why it is held: `admin, by the SSO connection saml-connection-1`. */
function describeAssignment({ role, sources }: RoleAssignment): string {
  return `${role}, ${sources.map(describeSource).join(" and ")}`;
}

function describeSource(source: RoleSource): string {
  switch (source.type) {
    case "direct_assignment":
      return "assigned directly";
    case "email_assignment":
      return `by the e-mail domain ${source.emailDomain}`;
    case "sso_connection":
      return `by the SSO connection ${source.connectionId}`;
    case "sso_connection_group":
      return `by the group ${source.group} of the SSO connection ${source.connectionId}`;
    default:
      return `by the group ${source.groupId} of the SCIM connection ${source.connectionId}`;
  }
}

function selectGranting(granting: ReadonlySet<string>, held: readonly string[]): readonly string[] {
  const selected = new Set(listOf(held).filter((role) => granting.has(role)));
  return selected.size === 0 ? EMPTY_LIST : Object.freeze([...selected]);
}

/** Guards against a string in place of the list: `includes` would match any part of it. */
function listOf(names: readonly string[] | undefined): readonly string[] {
  return Array.isArray(names) ? names : EMPTY_LIST;
}
