/** Whose sessions end. */
export type EndSessionTarget = { readonly sessionId: string } | { readonly memberId: string };

/** What became of a credential's session. `unknown`: it is nobody's, or over already. */
export type PresentedEnd =
  | {
      readonly status: "ended";
      /** Whose it was, where the store learned it on the way. */
      readonly sessionId?: string;
      readonly memberId?: string;
      /** Where the store wants the browser to go. */
      readonly redirectTo?: string;
    }
  | { readonly status: "unknown" };
