import { createProblems, isOptionObject } from "../../../lib/problems.ts";

/** What `authority.stytchRouter()` is made of. */
export interface StytchRouterOptions {
  /** Names the project: the audience of its session JWTs, and part of the path of its JWKS. */
  readonly projectId: string;
  /** The project's secret. */
  readonly secret: string;
}

const KNOWN = ["projectId", "secret"] as const satisfies readonly (keyof StytchRouterOptions)[];

/** Throws one `ConfigurationError` with every mistake in the options. Nothing of their values is quoted. */
export function checkStytchOptions(options: StytchRouterOptions, canSign: boolean): void {
  const problems = createProblems();
  if (!isOptionObject(options)) {
    problems.missing("stytchRouter", "Pass { projectId, secret }.");
    problems.throwIfAny();
  }
  problems.unknown(options, KNOWN);
  // A colon would end the user name of Basic authentication (RFC 7617 section 2).
  if (!isToken(options.projectId) || options.projectId.includes(":")) {
    problems.invalid("projectId", "must be a name without spaces and colons.", "Set it.");
  }
  if (!isToken(options.secret) || options.secret.length < 16) {
    problems.invalid("secret", "must be at least 16 characters without spaces.", "Use a random one.");
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

function isToken(value: unknown): value is string {
  return typeof value === "string" && /^[!-~]{1,512}$/.test(value);
}
