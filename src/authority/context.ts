import type { Clock } from "../clock.ts";
import type { AuthorityEvents } from "./authority-events.ts";
import type { DependableDirectory } from "./dependable.ts";
import type { Issuer } from "./issuer.ts";
import type { Repository } from "./repository.ts";
import type { RecentInvalidations } from "./recent-invalidations.ts";
import type { AuthoritySettings } from "./settings.ts";
import type { WireDialect } from "./wire-dialect.ts";

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
