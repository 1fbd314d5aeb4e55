import { isConfidential } from "../endpoint.ts";

const LONGEST = 2048;

/** A URL that WorkOS wants the browser to go to; `undefined` for whatever a browser should not be sent to. */
export function readRedirectUrl(value: unknown): string | undefined {
  if (typeof value !== "string" || value.length > LONGEST || !URL.canParse(value)) return undefined;
  const url = new URL(value);
  return isConfidential(url) ? url.href : undefined;
}
