import { matching, readOptions, required, schema } from "../../../lib/options.ts";
import type { AuthorityContext } from "../../context.ts";
import { requireRsaKey } from "../../options.ts";
import type { WireHandler } from "../router.ts";
import type { SessionJwtCheck } from "./session-jwt.ts";

/** Options of `stytchRouter()`. */
export interface StytchRouterOptions {
  /** The id of the project: the audience of its session JWTs, and part of the path of its JWKS. */
  readonly projectId: string;
  /** The project's secret. */
  readonly secret: string;
}

const secret = matching("at least 16 characters without spaces", /^[!-~]{16,512}$/, "Use a random one.");
// A colon would end the user name of Basic authentication (RFC 7617 section 2).
const projectId = matching("a name without spaces and colons", /^[!-9;-~]{1,512}$/, "Set it.");

/** How the options of `stytchRouter()` are read. */
export const STYTCH_ROUTER_OPTIONS = schema<StytchRouterOptions>()({
  projectId: required(projectId),
  secret: required(secret),
});

/**
 * Checks the options of `stytchRouter()`.
 *
 * @returns the options as they are used
 * @throws ConfigurationError with every problem; secrets are not quoted
 */
export function checkStytchOptions(options: StytchRouterOptions, canSign: boolean): StytchRouterOptions {
  const reading = readOptions(STYTCH_ROUTER_OPTIONS, options, "stytchRouter", "Pass { projectId, secret }.");
  requireRsaKey(canSign, reading.problems);
  return reading.complete();
}

/** What every operation of a project works with. */
export interface StytchProject {
  /** Issues Stytch's session JWTs. */
  readonly context: AuthorityContext;
  readonly options: StytchRouterOptions;
  readonly jwts: SessionJwtCheck;
}

/** The members of an answer, without those that every answer has. */
export type Body = Readonly<Record<string, unknown>>;

/** Carries out one operation; returns the members of its answer. */
export type StytchHandler = WireHandler<StytchProject, Body>;
