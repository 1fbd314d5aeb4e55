import type { Clock } from "../../clock.ts";

/** Options of `stytch()`. Nothing is read from the environment: pass `process.env.STYTCH_SECRET` and the like. */
export interface StytchOptions {
  /** `project-live-...` or `project-test-...`. Typed so that `process.env.X` compiles; checked at construction. */
  readonly projectId: string | undefined;
  /** `secret-live-...`. Typed so that `process.env.X` compiles; checked at construction. */
  readonly secret: string | undefined;
  /** Where the API is: your custom domain; http on this machine alone. @defaultValue Stytch's, live or test by the project id */
  readonly baseUrl?: string;
  /** Accepted `iss` values. @defaultValue `stytch.com/${projectId}` and the base URL */
  readonly issuers?: readonly string[];
  /** Claims that each renewal adds to the session; `null` deletes one. At most 4 KB. @defaultValue none */
  readonly sessionCustomClaims?: Readonly<Record<string, unknown>>;
  /** Seconds that a session lasts which organization selection or switching makes here, from 300 to 31,622,400; whole minutes. @defaultValue Stytch's, an hour */
  readonly sessionDuration?: number;
  /** Adds each organization's own roles to the project's policy (Stytch's private beta). @defaultValue false */
  readonly organizationPolicies?: boolean;
  /**
   * A JWT that no known key has signed: sessions can outlive the keys. `"ask"` asks Stytch, once for each distinct JWT;
   * `"reject"` refuses it without a call. @defaultValue "reject"
   */
  readonly unknownKey?: "reject" | "ask";
  /** The cookie in which Stytch's front ends keep the session token. Read where `credentials` names a `jwtCookie`. @defaultValue "stytch_session" */
  readonly opaqueCookieName?: string;
  /** Seconds that one call may take, from 0.05 to 5. @defaultValue 5 */
  readonly timeout?: number;
  /** Fetches in place of the global one: for proxies, and for tests. */
  readonly fetch?: typeof fetch;
  /** Tells the time. @defaultValue the machine's */
  readonly clock?: Clock;
}
