import type { Member, MemberSession, Organization, Verdict } from "./model.ts";

/** The properties that orgate adds to a request, under their default names. */
export interface RequestProperties {
  /** The signed-in member. */
  readonly member?: Member;
  /** The organization that was chosen. */
  readonly organization?: Organization;
  readonly memberSession?: MemberSession;
  /** After a permission guard. */
  readonly verdict?: Verdict;
}

declare global {
  // Express's own place for additions: a global namespace, which exists whether or not its types are installed.
  // oxlint-disable-next-line typescript/no-namespace
  namespace Express {
    // oxlint-disable-next-line typescript/no-empty-object-type
    interface Request extends RequestProperties {}
  }
}
