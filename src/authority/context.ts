import type { Clock } from "../lib/clock.ts";
import type { DependableDirectory } from "./directory.ts";
import type { Issuer } from "./issuer.ts";
import type { AuthoritySettings } from "./options.ts";
import type { Repository } from "./repository.ts";
import type { AuthorityEvents, RecentInvalidations } from "./revoke.ts";
import type { WireDialect } from "./wire-client.ts";

/** What every operation of one authority works with. */
export interface AuthorityContext {
  readonly settings: AuthoritySettings;
  readonly clock: Clock;
  readonly events: AuthorityEvents;
  readonly directory: DependableDirectory;
  readonly repository: Repository;
  readonly issuer: Issuer;
  readonly invalidations: RecentInvalidations;
  /** The wire protocol that the operation came by; absent for the application's own calls. */
  readonly wire?: WireDialect;
}
