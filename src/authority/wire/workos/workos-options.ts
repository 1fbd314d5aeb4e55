import type { IncomingMessage, ServerResponse } from "node:http";
import { isConfidential } from "../../../lib/json-client.ts";
import {
  PRINTABLE,
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
import { isObject, isString } from "../../../lib/predicates.ts";
import { requireRsaKey } from "../../options.ts";
import type { AuthorizationRequest } from "./authorize.ts";

/** What `authority.workosRouter()` is made of. */
export interface WorkosRouterOptions {
  /** Names the one client that is served; part of the path of its JWKS. */
  readonly clientId: string;
  /** The client's secret, and the key of the management endpoints (`sk_...`). */
  readonly apiKey: string;
  /**
   * `iss` of the access tokens. Tokens of another issuer than the authority's are not sessions to the authority's own
   * middleware. @defaultValue the authority's `issuer`
   */
  readonly issuer?: string | undefined;
  /** Whether tokens carry what the policy grants, as `resource:action` slugs. @defaultValue `true` */
  readonly permissions?: boolean | undefined;
  /** Where `authorize` may send a code to, compared as exact strings (RFC 9700 section 2.1). Needed with `signIn`. */
  readonly redirectUris?: readonly string[] | undefined;
  /** Where `logout` may send the browser to, as exact strings; the first is the default. */
  readonly signOutRedirects?: readonly string[] | undefined;
  /**
   * Where `authorize` leads: the path of the application's sign-in page, which is given `?authorization_request=`, or a
   * handler that answers itself. @defaultValue `authorize` is not served
   */
  readonly signIn?: { readonly path: string } | WorkosSignInHandler | undefined;
  /** Seconds that a code can be exchanged for, 60 to 600. @defaultValue 600 */
  readonly codeLifetime?: number | undefined;
}

/** Answers an authorization request, for example with the application's sign-in page. */
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

/**
 * Checks the options of `workosRouter()`.
 *
 * @returns the options with their defaults
 * @throws ConfigurationError with every problem; secrets are not quoted
 */
export function checkWorkosOptions(options: WorkosRouterOptions, canSign: boolean): WorkosRouterOptions {
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
