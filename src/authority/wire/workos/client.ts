import type { IncomingMessage } from "node:http";
import type { WireClient } from "../../wire-client.ts";
import { isSameSecret, readBearer } from "../client-secret.ts";
import { readOptionalText, readText } from "../read-fields.ts";
import type { Fields } from "../read-fields.ts";
import { oauthError, unauthorized } from "./errors.ts";
import type { WorkosRouterOptions } from "./workos-router-options.ts";

/**
 * Says who asks for a grant (RFC 6749 section 2.3): the client by its secret, in the body, in the header or in both, or a
 * public client by its name alone. Throws `invalid_client`.
 */
export function authenticateClient(
  { clientId, apiKey }: WorkosRouterOptions,
  request: IncomingMessage,
  fields: Fields,
): WireClient {
  const isKnown = isSameSecret(readText(fields, "client_id"), clientId);
  const secrets = [readOptionalText(fields, "client_secret"), readBearer(request)].filter(
    (secret) => secret !== undefined,
  );
  // All are compared, so that the time tells nothing of which was wrong.
  const wrong = secrets.filter((secret) => !isSameSecret(secret, apiKey));
  if (!isKnown) throw oauthError("invalid_client", "Invalid client ID.");
  if (wrong.length > 0) throw oauthError("invalid_client", "Invalid client secret.");
  return { id: clientId, isPublic: secrets.length === 0 };
}

/** Lets only the holder of the API key through. */
export function requireApiKey(options: WorkosRouterOptions, request: IncomingMessage): void {
  if (!holdsApiKey(options, request)) throw unauthorized();
}

/** Whether a request comes from the holder of the API key. */
export function holdsApiKey({ apiKey }: WorkosRouterOptions, request: IncomingMessage): boolean {
  const given = readBearer(request);
  return given !== undefined && isSameSecret(given, apiKey);
}
