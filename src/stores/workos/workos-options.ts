import type { Clock } from "../../clock.ts";

/** Options of `workos()`. Nothing is read from the environment: pass `process.env.WORKOS_API_KEY` and the like. */
export interface WorkosOptions {
  /** `client_...`. Typed so that `process.env.WORKOS_CLIENT_ID` compiles; checked at construction. */
  readonly clientId: string | undefined;
  /** `sk_...`. Typed so that `process.env.WORKOS_API_KEY` compiles; checked at construction. */
  readonly apiKey: string | undefined;
  /** Where AuthKit sends browsers back to (`auth.callback()`). @defaultValue must be given to `auth.signIn()` */
  readonly redirectUri?: string;
  /** Who signs in: `authkit` (the hosted page), `GoogleOAuth`, ... @defaultValue "authkit" */
  readonly provider?: string;
  /** Sends browsers through WorkOS's own logout after `auth.signOut()`, so that AuthKit forgets them too. @defaultValue undefined: they stay here */
  readonly logout?: {
    /** Where WorkOS sends them then; one of the sign-out redirects of the dashboard. @defaultValue the dashboard's */
    readonly returnTo?: string;
  };
  /** Accepted `iss` values. An empty list: `iss` is not checked. @defaultValue every form WorkOS is known to use */
  readonly issuers?: readonly string[];
  /** Your custom authentication domain (`https://auth.example.com`), whose issuer forms are then accepted too. */
  readonly authDomain?: string;
  /** One of these must be in `aud`. @defaultValue undefined: `aud` is not checked, AuthKit's tokens have none */
  readonly audience?: readonly string[];
  /** Where the API is; http on this machine alone. @defaultValue "https://api.workos.com" */
  readonly baseUrl?: string;
  /** As in WorkOS's SDK, in place of `baseUrl`. @defaultValue "api.workos.com" */
  readonly apiHostname?: string;
  /** As in WorkOS's SDK, in place of `baseUrl`. @defaultValue the scheme's */
  readonly port?: number;
  /** As in WorkOS's SDK, in place of `baseUrl`. @defaultValue true */
  readonly https?: boolean;
  /** Seconds that one operation may take, waiting for others included, from 0.05 to 5. @defaultValue 5 */
  readonly timeout?: number;
  /** Fetches in place of the global one: for proxies, and for tests. */
  readonly fetch?: typeof fetch;
  /** Tells the time. @defaultValue the machine's */
  readonly clock?: Clock;
}
