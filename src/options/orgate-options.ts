import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../clock.ts";
import type { Coordinator } from "../coordination/coordinator.ts";
import type { OrgateEvent } from "../events.ts";
import type { Denial } from "../http/denial.ts";
import type { RequestCallback } from "../http/request-callback.ts";
import type { AttachNames } from "../pipeline/attach.ts";
import type { Policy, PolicyShape } from "../policy/policy.ts";
import type { SessionStore } from "../stores/session-store.ts";

/** Cookie passwords: one, several with the newest first, or several by number, of which the highest seals. Each of at least 32 characters, at most five. */
export type CookiePassword =
  | string
  | readonly (string | undefined)[]
  | Readonly<Record<number, string | undefined>>;

/** How the session cookie is made. */
export interface CookieOptions {
  /** Seals with the newest and opens with any. Required where cookies are read; `undefined` so that `process.env.X` compiles. */
  readonly password?: CookiePassword | undefined;
  /** @defaultValue the store's own; else `__Host-orgate` on https, `orgate` on http, `__Secure-orgate` with `domain` or a `path` */
  readonly name?: string | undefined;
  /** Shares the cookie with subdomains. @defaultValue host-only */
  readonly domain?: string | undefined;
  /** @defaultValue `/` */
  readonly path?: string | undefined;
  /** @defaultValue `lax` */
  readonly sameSite?: "lax" | "strict" | "none" | undefined;
  /** Seconds the browser keeps it. @defaultValue the session's lifetime, else 400 days */
  readonly maxAge?: number | undefined;
}

/** A place to read a credential from. `jwtCookie` names a cookie that holds an unsealed JWT. */
export type CredentialOption = "bearer" | "cookie" | { readonly jwtCookie: string };

/** Options of `orgate()`. Durations are seconds. All are validated at construction. */
export interface OrgateOptions<Shape extends PolicyShape = PolicyShape> {
  /**
   * The application's public origin, `https://app.example.com`. Decides `Secure`, the cookie's default name and what is
   * same-origin; the `Host` header is never trusted.
   */
  readonly baseUrl: string;
  /** Where sessions live. */
  readonly store: SessionStore;
  readonly cookie?: CookieOptions | undefined;
  /** Which credentials are read; the first listed that is present decides alone. @defaultValue `["bearer", "cookie"]` */
  readonly credentials?: readonly CredentialOption[] | undefined;
  /** A token older than this is asked about; `0`: always. @defaultValue age does not matter */
  readonly maxTokenAge?: number | undefined;
  /** For `exp`, `nbf` and `iat`, at most 60; never stretches `maxTokenAge`. @defaultValue 5 */
  readonly clockTolerance?: number | undefined;
  /** Each call to the store extends the session to this long from now; above 0. @defaultValue never extended */
  readonly sessionDuration?: number | undefined;
  /** The RBAC policy; wins over the store's own. A function is called at first use and every five minutes. */
  readonly policy?: Policy<Shape> | (() => Promise<Policy<Shape>>) | undefined;
  /** Where a browser without a session is sent, with `?return_to=`. @defaultValue nowhere: 401 */
  readonly signIn?: { readonly path: string } | undefined;
  /** Where a browser that must choose an organization is sent. @defaultValue `{ path: "/select-organization" }` */
  readonly organizationSelection?: { readonly path: string } | undefined;
  /**
   * How long a token that is too old (never one that is expired or revoked) is still served to safe methods while the
   * store is down. @defaultValue 0
   */
  readonly staleIfUnavailable?: number | undefined;
  /** Joins several processes. @defaultValue one process, alone */
  readonly coordinator?: Coordinator | undefined;
  /** Verified credentials kept in memory; size it by the live sessions. @defaultValue `{ maxEntries: 20_000 }` */
  readonly cache?: { readonly maxEntries: number } | false | undefined;
  /** Origins, beside the application's own, whose cross-site requests are served. `false` switches the check off. @defaultValue none */
  readonly csrf?: { readonly trustedOrigins: readonly string[] } | false | undefined;
  /** Other names for what is attached to the request, or `false` for nothing. @defaultValue `member`, `organization`, `memberSession`, `verdict` */
  readonly attach?: { readonly [Property in keyof AttachNames]?: string | undefined } | false | undefined;
  /** The client's address, as told to the store. @defaultValue `req.ip`, else the socket's */
  readonly ipAddress?: RequestCallback<[request: IncomingMessage], string | undefined> | undefined;
  /** Replaces the default answer to a denial; `denial.respond()` gives the default after all. */
  readonly onDenied?:
    | RequestCallback<
        [denial: Denial, request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void],
        void | Promise<void>
      >
    | undefined;
  /** Hears every event. They are also on `node:diagnostics_channel`, as `orgate:<type>`. */
  readonly events?: ((event: OrgateEvent) => void) | undefined;
  /** For tests: the time in seconds. @defaultValue the machine's clock */
  readonly clock?: Clock | undefined;
}
