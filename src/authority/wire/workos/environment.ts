import type { AuthorityContext, WireDialect } from "../../context.ts";
import type { WireClient } from "../../wire-client.ts";
import type { WireAnswer } from "../refusal.ts";
import type { WireHandler } from "../router.ts";
import type { ResolvedWorkosOptions } from "./workos-options.ts";

/** What every operation of the router works with. */
export interface WorkosEnvironment {
  readonly context: AuthorityContext;
  readonly options: ResolvedWorkosOptions;
  /** Makes the dialect in which access tokens are issued to a client. */
  readonly dialectFor: (client: WireClient) => WireDialect;
}

/** Carries out one operation. Returns `undefined` if the application answers itself. */
export type WorkosHandler = WireHandler<WorkosEnvironment, WireAnswer | undefined>;
