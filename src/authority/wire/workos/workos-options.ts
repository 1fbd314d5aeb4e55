import type { IncomingMessage, ServerResponse } from "node:http";
import { isConfidential } from "../../../lib/json-client.ts";
import {
  PRINTABLE,
  type Resolved,
  listWith,
  matching,
  must,
  optional,
  readOptions,
  required,
  schema,
  seconds,
  trueOrFalse,
} from "../../../lib/options.ts";
import { isObject, isString, isTextList } from "../../../lib/values.ts";
import type { Policy } from "../../../policy/policy.ts";
import type { AuthorityContext, WireDialect } from "../../context.ts";
import { rolesOf } from "../../directory.ts";
import { requireRsaKey } from "../../options.ts";
import type { WireClient } from "../../wire-client.ts";
import type { WireAnswer, WireHandler } from "../router.ts";
import type { AuthorizationRequest } from "./authorize.ts";
import type { WorkosBodies } from "./bodies.ts";

/** Options of `workosRouter()`. */
export interface WorkosRouterOptions {
  /** The id of the one client that is served; part of the path of its JWKS. */
  readonly clientId: string;
  /** The client's secret, and the key of the management endpoints (`sk_...`). */
  readonly apiKey: string;
  /**
   * `iss` of the access tokens. The authority's own middleware accepts only tokens with the authority's issuer.
   * @defaultValue the authority's `issuer`
   */
  readonly issuer?: string | undefined;
  /** Whether tokens carry the permissions of the policy as `resource:action` slugs. @defaultValue `true` */
  readonly permissions?: boolean | undefined;
  /** Where `authorize` may send a code, compared as exact strings (RFC 9700 section 2.1). Required with `signIn`. */
  readonly redirectUris?: readonly string[] | undefined;
  /** Where `logout` may send the browser, compared as exact strings; the first is the default. */
  readonly signOutRedirects?: readonly string[] | undefined;
  /**
   * Where `authorize` leads: the path of the application's sign-in page, which gets `?authorization_request=`, or a handler
   * that answers the request. @defaultValue `authorize` is not served
   */
  readonly signIn?: { readonly path: string } | WorkosSignInHandler | undefined;
  /** How long a code can be exchanged, in seconds, 60 to 600. @defaultValue 600 */
  readonly codeLifetime?: number | undefined;
}

/** Answers an authorization request, for example with a sign-in page. */
export type WorkosSignInHandler = (
  authorization: AuthorizationRequest,
  request: IncomingMessage,
  response: ServerResponse,
) => void | Promise<void>;

const secret = matching("at least 16 characters without spaces", /^[!-~]{16,512}$/, "Use a random one.");
const redirectUris = listWith(
  "https URIs without a fragment",
  isRedirectUri,
  "http is for loopback addresses only.",
);

/** How the options of `workosRouter()` are read. */
export const WORKOS_ROUTER_OPTIONS = schema<WorkosRouterOptions>()({
  clientId: required(matching("a name without spaces", PRINTABLE, "Set it.")),
  apiKey: required(secret),
  issuer: optional(matching("a string without spaces", PRINTABLE, "Leave it out for the authority's.")),
  permissions: optional(trueOrFalse, true),
  redirectUris: optional(redirectUris),
  signOutRedirects: optional(redirectUris),
  signIn: optional(must("{ path } or a function", isSignIn, 'Pass { path: "/sign-in" }.')),
  codeLifetime: optional(seconds({ min: 60, max: 600 }, "Leave it out for 600."), 600),
});

/** The options of `workosRouter()` with their defaults. */
export type ResolvedWorkosOptions = Resolved<typeof WORKOS_ROUTER_OPTIONS>;

/**
 * Checks the options of `workosRouter()`.
 *
 * @returns the options with their defaults
 * @throws ConfigurationError with every problem; secrets are not quoted
 */
export function checkWorkosOptions(options: WorkosRouterOptions, canSign: boolean): ResolvedWorkosOptions {
  const reading = readOptions(WORKOS_ROUTER_OPTIONS, options, "workosRouter", "Pass { clientId, apiKey }.");
  const { read, problems } = reading;
  const isServed = read.signIn !== undefined || problems.has("signIn");
  if (isServed && !read.redirectUris?.length && !problems.has("redirectUris")) {
    problems.missing("redirectUris", "List where authorize may send codes to.");
  }
  requireRsaKey(canSign, problems);
  return reading.complete();
}

/** Native applications have schemes of their own (RFC 8252 section 7.1); a browser must not run what it is sent to. */
function isRedirectUri(value: unknown): value is string {
  if (!isString(value) || !/^[!-~]{1,2048}$/.test(value) || !URL.canParse(value)) return false;
  const url = new URL(value);
  if (value.includes("#")) return false;
  if (url.protocol === "http:") return isConfidential(url);
  return !["javascript:", "data:", "vbscript:", "blob:", "file:", "about:"].includes(url.protocol);
}

function isSignIn(value: unknown): value is NonNullable<WorkosRouterOptions["signIn"]> {
  if (typeof value === "function") return true;
  const path = isObject(value) ? value["path"] : undefined;
  return isString(path) && /^\/(?![/\\])[!-~]*$/.test(path) && !/[\\#]/.test(path);
}

/** What every operation of the router works with. */
export interface WorkosEnvironment {
  readonly context: AuthorityContext;
  readonly options: ResolvedWorkosOptions;
  readonly bodies: WorkosBodies;
  /** Makes the dialect in which access tokens are issued to a client. */
  readonly dialectFor: (client: WireClient) => WireDialect;
}

/** Carries out one operation. Returns `undefined` if the application answers itself. */
export type WorkosHandler = WireHandler<WorkosEnvironment, WireAnswer | undefined>;

/**
 * Makes the dialect in which access tokens are issued to a client.
 *
 * WorkOS's claims are a superset of the authority's own, so one token serves both.
 */
export function createWorkosDialect(
  { clientId, issuer, permissions }: ResolvedWorkosOptions,
  policy: Policy | undefined,
): (client: WireClient) => WireDialect {
  const listPermissions = permissions ? createPermissionLister(policy) : undefined;
  return (client) => ({
    client,
    algorithm: "RS256",
    claims: (native, _record, subject) => ({
      ...native,
      ...(issuer !== undefined && { iss: issuer }),
      client_id: clientId,
      ...listGrants("entitlements", subject.organization?.["entitlements"]),
      ...listGrants("feature_flags", subject.organization?.["featureFlags"]),
      ...(subject.organization !== undefined &&
        listPermissions !== undefined && { permissions: listPermissions(rolesOf(subject)) }),
    }),
  });
}

/** What an organization has paid for, and the flags that are on for it, if the directory keeps them. */
function listGrants(claim: string, kept: unknown): Readonly<Record<string, readonly string[]>> {
  return isTextList(kept) ? { [claim]: kept } : {};
}

/**
 * Makes what lists the permission slugs of roles: `resource:action` for every action that the policy lists.
 *
 * A policy that does not list its resources has no names for what `"*"` grants, so only the actions that roles name count.
 */
function createPermissionLister(
  policy: Policy | undefined,
): ((roles: readonly string[]) => readonly string[]) | undefined {
  const described = policy?.describe?.();
  if (policy === undefined || described === undefined) return undefined;
  const resources = described.resources ?? described.roles.flatMap((role) => role.permissions);
  const grants = new Map<string, ReadonlySet<string>>();
  for (const { resource, actions } of resources) {
    for (const action of actions) {
      if (action !== "*") grants.set(`${resource}:${action}`, policy.grantingRoles(resource, action));
    }
  }
  return (roles) =>
    [...grants].filter(([, granting]) => roles.some((role) => granting.has(role))).map(([slug]) => slug);
}
