import type { Clock } from "../clock.ts";
import type { Outcome, SessionStore } from "../stores/session-store.ts";

/** A store with what a test needs beside it. Every case gets a harness, and a store, of its own. */
export interface StoreHarness {
  readonly store: SessionStore;
  /** The time that the store lives by. */
  readonly clock: Clock;
  /**
   * Signs in a member of so many organizations, as an application's sign-in handler would: another user for each
   * number, the same user for the same number, a new session each time.
   *
   * Of one organization: `authenticated`. Of two: `selection_required`. Of none: whatever the store answers.
   */
  signIn(request: { readonly organizations: 0 | 1 | 2 }): Promise<Outcome>;
  /** Lets so many seconds pass. */
  advance(seconds: number): void | Promise<void>;
  /** Ends a session behind the store's back, as an administrator would. @defaultValue cases that need it are skipped */
  revoke?(sessionId: string): Promise<void>;
  /** Takes away what the store depends on (its database, its service). @defaultValue cases that need it are skipped */
  breakStore?(): void | Promise<void>;
  /** Brings it back. Required with `breakStore`. */
  mendStore?(): void | Promise<void>;
  /** An organization that exists and that no member signed in here belongs to. @defaultValue an id that nobody has */
  readonly foreignOrganizationId?: string;
  close(): void | Promise<void>;
}
