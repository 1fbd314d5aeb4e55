import { configurationError, describeValue } from "../lib/problems.ts";
import { isFunction, isObject } from "../lib/values.ts";
import type { AuthorityContext } from "./context.ts";

/** What a wire router needs from the authority that it serves. */
export interface WireAuthority {
  readonly context: AuthorityContext;
  /** Calls `close` when the authority is closed. */
  onClose(close: () => void): void;
}

// Registered, so that a router from another copy of the package finds it too.
const WIRE_ACCESS = Symbol.for("orgate.authority.wire");

/** Makes the member of an authority by which the wire routers reach its inside. A function, so that printing the authority shows none of it. */
export function wireAccess(wire: WireAuthority): object {
  return { [WIRE_ACCESS]: () => wire };
}

/**
 * Returns the inside of an authority; of a copy of it, too.
 *
 * @throws `ConfigurationError` for anything that `createAuthority` did not make
 */
export function requireWireAuthority(authority: unknown): WireAuthority {
  const access: unknown = isObject(authority) ? Reflect.get(authority, WIRE_ACCESS) : undefined;
  if (isWireAccess(access)) return access();
  const message = `must be made by createAuthority, but is ${describeValue(authority)}.`;
  const suggestion = "Pass the authority first, then the options.";
  throw configurationError("option_invalid", "authority", message, suggestion);
}

/** The symbol is the brand: nothing else puts a function there. */
function isWireAccess(value: unknown): value is () => WireAuthority {
  return isFunction(value);
}
