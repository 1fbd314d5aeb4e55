/** What `beginSignIn` is asked for. */
export interface BeginSignInOptions {
  readonly organizationId?: string;
  readonly loginHint?: string;
  readonly screenHint?: "sign-in" | "sign-up";
  readonly maxAge?: number;
  readonly invitationToken?: string;
  readonly redirectUri?: string;
}
