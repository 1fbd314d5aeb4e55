import type { IncomingMessage } from "node:http";
import { isSameSecret } from "../../../lib/crypto.ts";
import { isText } from "../../../lib/values.ts";
import type { WireClient } from "../../wire-client.ts";
import { type WireCall, type WireRefusal, readBasic, readBearer } from "../router.ts";
import { oauthError } from "./errors.ts";
import type { WorkosEnvironment } from "./workos-options.ts";

/**
 * Authenticates the client of the token endpoint (RFC 6749 section 2.3): by its secret in the body, as a bearer token or by HTTP
 * Basic, all of which must agree; or as a public client by its id alone.
 */
export function authenticateClient(
  { options }: WorkosEnvironment,
  { request, fields }: WireCall,
): WireClient {
  const { clientId, apiKey } = options;
  const basic = readBasicClient(request, options);
  const ids = [basic?.id, basic === undefined ? fields.text("client_id") : fields.optionalText("client_id")];
  const secrets = [fields.optionalText("client_secret"), readBearer(request), basic?.secret].filter(isText);
  // All are compared, so that the time does not tell which was wrong.
  const foreign = ids.filter(isText).filter((id) => !isSameSecret(id, clientId));
  const wrong = secrets.filter((secret) => !isSameSecret(secret, apiKey));
  if (foreign.length > 0) throw refuseClient(basic !== undefined, "Invalid client ID.");
  if (wrong.length > 0) throw refuseClient(basic !== undefined, "Invalid client secret.");
  return { id: clientId, isPublic: secrets.length === 0 };
}

interface BasicClient {
  readonly id: string;
  /** Empty for a public client. */
  readonly secret: string;
}

/** Reads the client of `Authorization: Basic`; throws for a header that cannot be read, which must not count as none. */
function readBasicClient(
  request: IncomingMessage,
  { clientId, apiKey }: WorkosEnvironment["options"],
): BasicClient | undefined {
  if (!/^basic(?: |$)/i.test(request.headers.authorization ?? "")) return undefined;
  const { user = "", password = "" } = readBasic(request) ?? {};
  if (user === "") throw refuseClient(true, "The client's credentials cannot be read.");
  return { id: decodeUnless(user, clientId), secret: decodeUnless(password, apiKey) };
}

/** Decodes a credential from `application/x-www-form-urlencoded` (RFC 6749 section 2.3.1), which many clients do not encode. */
function decodeUnless(given: string, expected: string): string {
  const decoded = new URLSearchParams(`value=${given.replaceAll("&", "%26")}`).get("value") ?? "";
  return isSameSecret(given, expected) ? given : decoded;
}

/** A client that tried the header is challenged (RFC 6749 section 5.2). */
function refuseClient(isChallenged: boolean, description: string): WireRefusal {
  return isChallenged
    ? oauthError("invalid_client", description, {
        status: 401,
        headers: { "WWW-Authenticate": 'Basic realm="WorkOS"' },
      })
    : oauthError("invalid_client", description);
}
