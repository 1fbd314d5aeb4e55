/** What `beginSignIn` is asked for. */
export interface BeginSignInOptions {
  /** The organization to sign in to. @defaultValue the store, or the person, chooses */
  readonly organizationId?: string;
  /** Who is expected: an e-mail address that the page is filled in with. */
  readonly loginHint?: string;
  /** Which page comes first. @defaultValue the store's own */
  readonly screenHint?: "sign-in" | "sign-up";
  /** Seconds: whoever authenticated longer ago does so again. @defaultValue the store's own session counts */
  readonly maxAge?: number;
  /** The invitation that the person followed. */
  readonly invitationToken?: string;
  /** Where the store sends the browser back to. @defaultValue the store's own option */
  readonly redirectUri?: string;
}
