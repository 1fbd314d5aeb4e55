/** What a store's sessions can answer; guards check it at construction. */
export interface Capabilities {
  /** Sessions list their authentication factors. */
  readonly factors: boolean;
  /** Sessions say when the member authenticated. */
  readonly authenticationTime: boolean;
  /** Sessions say who impersonates. */
  readonly impersonation: boolean;
  /** Tokens carry permission slugs. @defaultValue false */
  readonly permissions?: boolean;
  /** A bare JWT can be renewed, without a refresh token. */
  readonly renewsBareToken: boolean;
  /** A renewal spends what was presented: what takes its place must not be lost, whatever it is. @defaultValue true */
  readonly renewalSpends?: boolean;
  /** A session keeps its id when it is switched to another organization: the upstream's choice. @defaultValue false */
  readonly switchKeepsSessionId?: boolean;
  /** A switch to another organization keeps the token's `sub`: it names the user, not the member. @defaultValue true */
  readonly switchKeepsSubject?: boolean;
  /** The store's policy differs between organizations, and is loaded for each. @defaultValue true */
  readonly policyByOrganization?: boolean;
}
