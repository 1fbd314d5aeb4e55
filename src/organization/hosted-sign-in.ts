import type { Engine } from "../engine/engine.ts";
import type { Middleware } from "../guards/guard.ts";
import type { BeginSignInOptions } from "../stores/session-store.ts";

/** Options of `auth.signIn()`. */
export type SignInOptions = BeginSignInOptions;

/** Options of `auth.callback()`. */
export interface CallbackOptions {
  readonly returnTo?: string;
}

/** The redirect out. */
export function createSignIn(_engine: Engine, _options: SignInOptions = {}): Middleware {
  return (_request, response) => {
    response.statusCode = 501;
    response.end();
  };
}

/** The way back. */
export function createCallback(_engine: Engine, _options: CallbackOptions = {}): Middleware {
  return (_request, response) => {
    response.statusCode = 501;
    response.end();
  };
}
