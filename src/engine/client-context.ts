import type { IncomingMessage } from "node:http";
import type { StoreContext } from "../stores/session-store.ts";
import type { ResolvedOptions } from "../options/resolve-options.ts";

const MAX_ADDRESS_LENGTH = 45;
const MAX_USER_AGENT_LENGTH = 512;
const ADDRESS = /^[\da-f.:]+$/i;

/** What the store is told of the client; sanitised, because both come from outside. */
export function describeClient(
  { ipAddress }: Pick<ResolvedOptions, "ipAddress">,
  request: IncomingMessage,
): Pick<StoreContext, "ipAddress" | "userAgent"> {
  const address = readAddress(ipAddress, request);
  const userAgent = request.headers["user-agent"]?.replaceAll(/\p{Cc}/gu, "").slice(0, MAX_USER_AGENT_LENGTH);
  return {
    ...(address !== undefined && { ipAddress: address }),
    ...(userAgent !== undefined && userAgent !== "" && { userAgent }),
  };
}

function readAddress(ipAddress: ResolvedOptions["ipAddress"], request: IncomingMessage): string | undefined {
  const given = askForAddress(ipAddress, request);
  if (typeof given !== "string" || given.length > MAX_ADDRESS_LENGTH) return undefined;
  const unmapped = given.replace(/^::ffff:(?=\d+\.)/i, "");
  return ADDRESS.test(unmapped) ? unmapped : undefined;
}

function askForAddress(ipAddress: ResolvedOptions["ipAddress"], request: IncomingMessage): unknown {
  try {
    // Express's `req.ip` obeys its "trust proxy" setting.
    return ipAddress === undefined
      ? ((request as { ip?: unknown }).ip ?? request.socket.remoteAddress)
      : ipAddress(request);
  } catch {
    return undefined;
  }
}
