import type { Credential } from "../pipeline/read-credential.ts";
import { credentialKey } from "../pipeline/verified-cache.ts";

/** What caches call a credential: made once, because hashing it is what costs most on the short way. */
export function keyOf(credential: Credential): string {
  return (credential.key ??= credentialKey(credential.kind, credential.value));
}
