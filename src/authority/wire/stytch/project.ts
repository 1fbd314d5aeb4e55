import type { AuthorityContext } from "../../context.ts";
import type { WireHandler } from "../router.ts";
import type { SessionJwtCheck } from "./session-jwt.ts";
import type { StytchRouterOptions } from "./stytch-options.ts";

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
