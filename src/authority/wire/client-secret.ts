import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** Whether two secrets are the same; takes as long for one that differs in the first character as in the last. */
export function isSameSecret(given: string, expected: string): boolean {
  return timingSafeEqual(digest(given), digest(expected));
}

/** The credentials of `Authorization: Basic` (RFC 7617); `undefined`: there are none, or more than one header has some. */
export function readBasic(request: IncomingMessage): { user: string; password: string } | undefined {
  const encoded = readScheme(request, "basic");
  if (encoded === undefined || !/^[\w+/-]+={0,2}$/.test(encoded)) return undefined;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const at = text.indexOf(":");
  return at < 0 ? undefined : { user: text.slice(0, at), password: text.slice(at + 1) };
}

/** The token of `Authorization: Bearer` (RFC 6750 section 2.1). */
export function readBearer(request: IncomingMessage): string | undefined {
  return readScheme(request, "bearer");
}

function readScheme({ rawHeaders }: IncomingMessage, scheme: string): string | undefined {
  const [header, ...others] = rawHeaders.filter(
    (_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === "authorization",
  );
  if (header === undefined || others.length > 0) return undefined;
  const at = header.indexOf(" ");
  if (at < 0 || header.slice(0, at).toLowerCase() !== scheme) return undefined;
  return header.slice(at + 1).trim();
}

function digest(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}
