import type { IncomingMessage, ServerResponse } from "node:http";
import type { Engine } from "../engine/engine.ts";
import type { Outcome, SealedSession } from "../stores/session-store.ts";

/** What an authority answers a sign-in with; the members that a session cookie carries. */
export interface AuthenticationResultLike {
  readonly accessToken: string;
  readonly refreshToken?: string | undefined;
  readonly user?: SealedSession["user"] | object | undefined;
  readonly organizationId?: string | undefined;
  readonly authenticationMethod?: string | undefined;
  readonly impersonator?: SealedSession["impersonator"];
}

/** A completed authentication, or what must be done first. */
export type Authentication = Outcome | AuthenticationResultLike;

/** Options of `auth.establish()`. */
export interface EstablishOptions {
  /** Where the browser goes on, on this origin. @defaultValue `return_to` of the query, then of a parsed body, then `/` */
  readonly returnTo?: string;
}

/** Ends a sign-in handler. */
// oxlint-disable-next-line max-params -- the method's own four, and the engine it is bound to
export async function establish(
  _engine: Engine,
  _request: IncomingMessage,
  response: ServerResponse,
  authentication: Authentication | Promise<Authentication>,
  _options?: EstablishOptions,
): Promise<void> {
  await authentication;
  response.statusCode = 501;
  response.end();
}
