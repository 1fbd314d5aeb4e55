import type { JsonObject } from "./json-body.ts";
import { isObject } from "./predicates.ts";
import { parseStrictJson } from "./strict-json.ts";

/**
 * Reads the claims of a token without verifying it: only to compare them, or for a token from an authentic seal. Never sign
 * anybody in by them.
 *
 * @returns an empty object for anything but a token.
 */
export function readUnverifiedClaims(token: string | undefined): JsonObject {
  const payload = Buffer.from(token?.split(".")[1] ?? "", "base64url").toString("utf8");
  const json = parseStrictJson(payload);
  return json.status === "parsed" && isObject(json.value) ? json.value : {};
}
