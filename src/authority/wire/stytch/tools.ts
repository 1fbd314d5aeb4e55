import type { Policy } from "../../../policy/policy.ts";
import type { AuthorityContext } from "../../context.ts";
import type { Envelope } from "./envelope.ts";
import type { SessionJwtCheck } from "./session-jwt.ts";
import type { StytchRouterOptions } from "./stytch-router-options.ts";

/** What every operation of one project works with. */
export interface StytchTools {
  /** Whose tokens are Stytch's. */
  readonly context: AuthorityContext;
  readonly policy: Policy | undefined;
  readonly options: StytchRouterOptions;
  readonly jwts: SessionJwtCheck;
  readonly envelope: Envelope;
}
