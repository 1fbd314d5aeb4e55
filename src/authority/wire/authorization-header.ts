import type { IncomingMessage } from "node:http";

/** Reads the credentials of `Authorization: Basic` (RFC 7617); `undefined` if there are none, or several headers. */
export function readBasic(request: IncomingMessage): { user: string; password: string } | undefined {
  const encoded = readScheme(request, "basic");
  if (encoded === undefined || !/^[\w+/-]+={0,2}$/.test(encoded)) return undefined;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Reads the token of `Authorization: Bearer` (RFC 6750 section 2.1). */
export function readBearer(request: IncomingMessage): string | undefined {
  return readScheme(request, "bearer");
}

function readScheme({ rawHeaders }: IncomingMessage, scheme: string): string | undefined {
  // `headers` keeps only the first of several: a proxy may have read another one.
  const [header = "", ...others] = rawHeaders.filter(
    (_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === "authorization",
  );
  const space = header.indexOf(" ");
  if (others.length > 0 || space < 0 || header.slice(0, space).toLowerCase() !== scheme) return undefined;
  return header.slice(space + 1).trim();
}
