import { hash, timingSafeEqual } from "node:crypto";

/** The SHA-256 of a text in UTF-8, in base64url without padding unless another encoding is named. */
export function sha256(
  text: string,
  encoding: "base64" | "base64url" | "hex" | "binary" = "base64url",
): string {
  return hash("sha256", text, encoding);
}

/** Whether two secrets are equal; takes the same time wherever they differ. */
export function isSameSecret(given: string, expected: string): boolean {
  return timingSafeEqual(hash("sha256", given, "buffer"), hash("sha256", expected, "buffer"));
}
