import type { IncomingMessage, ServerResponse } from "node:http";
import { type Problems, createProblems, isOptionObject, isSeconds } from "../../../lib/problems.ts";
import type { AuthorizationRequest } from "./authorization-request.ts";

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

const KNOWN = [
  "clientId",
  "apiKey",
  "issuer",
  "permissions",
  "redirectUris",
  "signOutRedirects",
  "signIn",
  "codeLifetime",
] as const satisfies readonly (keyof WorkosRouterOptions)[];

/** Throws one `ConfigurationError` with every mistake in the options. Nothing of their values is quoted. */
export function checkWorkosOptions(options: WorkosRouterOptions, canSign: boolean): void {
  const problems = createProblems();
  if (!isOptionObject(options)) {
    problems.missing("workosRouter", "Pass { clientId, apiKey }.");
    problems.throwIfAny();
  }
  problems.unknown(options, KNOWN);
  if (!isToken(options.clientId)) problems.invalid("clientId", "must be a name without spaces.", "Set it.");
  if (!isToken(options.apiKey) || options.apiKey.length < 16) {
    problems.invalid("apiKey", "must be at least 16 characters without spaces.", "Use a random one.");
  }
  if (options.issuer !== undefined && !isToken(options.issuer)) {
    problems.invalid("issuer", "must be a string without spaces.", "Leave it out for the authority's.");
  }
  if (options.permissions !== undefined && typeof options.permissions !== "boolean") {
    problems.invalid("permissions", "must be a boolean.", "Leave it out for true.");
  }
  checkUris(problems, "redirectUris", options.redirectUris, isRedirectUri);
  checkUris(problems, "signOutRedirects", options.signOutRedirects, isRedirectUri);
  checkSignIn(problems, options);
  const { codeLifetime } = options;
  if (codeLifetime !== undefined && !(isSeconds(codeLifetime) && codeLifetime >= 60 && codeLifetime <= 600)) {
    problems.invalid("codeLifetime", "must be a number of seconds from 60 to 600.", "Leave it out for 600.");
  }
  if (!canSign) {
    problems.invalid(
      "keys",
      "of the authority hold no RSA key.",
      "Add an RS256 private JWK: the SDKs expect one.",
    );
  }
  problems.throwIfAny();
}

function checkSignIn(problems: Problems, { signIn, redirectUris }: WorkosRouterOptions): void {
  if (signIn === undefined) return;
  const isPath = isOptionObject(signIn) && typeof signIn["path"] === "string" && isLocalPath(signIn["path"]);
  if (typeof signIn !== "function" && !isPath) {
    problems.invalid("signIn", "must be { path } or a function.", 'Pass { path: "/sign-in" }.');
  }
  if (redirectUris === undefined || redirectUris.length === 0) {
    problems.missing("redirectUris", "List where authorize may send codes to.");
  }
}

function checkUris(
  problems: Problems,
  name: string,
  value: unknown,
  isGood: (uri: unknown) => boolean,
): void {
  if (value === undefined || (Array.isArray(value) && value.every(isGood))) return;
  problems.invalid(
    name,
    "must be a list of https URIs without a fragment.",
    "http is for loopback addresses only.",
  );
}

/** Native applications have schemes of their own (RFC 8252 section 7.1); what a browser would run is no address. */
function isRedirectUri(value: unknown): boolean {
  if (typeof value !== "string" || !/^[!-~]{1,2048}$/.test(value) || !URL.canParse(value)) return false;
  const { protocol, hostname, hash } = new URL(value);
  if (hash !== "" || value.includes("#")) return false;
  if (protocol === "http:") return ["127.0.0.1", "[::1]", "localhost"].includes(hostname);
  return !["javascript:", "data:", "vbscript:", "blob:", "file:", "about:"].includes(protocol);
}

function isLocalPath(path: string): boolean {
  return /^\/(?![/\\])[!-~]*$/.test(path) && !path.includes("\\") && !path.includes("#");
}

function isToken(value: unknown): value is string {
  return typeof value === "string" && /^[!-~]{1,512}$/.test(value);
}
