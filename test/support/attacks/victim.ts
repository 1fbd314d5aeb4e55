import { generateSigningKey, signToken } from "../tokens.ts";
import type { SigningKey } from "../tokens.ts";
import type { Algorithm } from "../../../src/store.ts";

/** Whom the corpus attacks: a good token, and the attacker's own key beside the one that is trusted. */
export interface Victim {
  readonly key: SigningKey;
  readonly attacker: SigningKey;
  /** Good claims in every respect: what an attack changes is what it is refused for. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** A good token of these claims. */
  readonly token: string;
  readonly header: string;
  readonly payload: string;
  readonly signature: string;
}

/** One hostile token. */
export interface Attack {
  /** The threat it belongs to: `R-01`. */
  readonly threat: string;
  readonly name: string;
  readonly token: string;
}

/** Claims that every profile of these tests accepts. */
export const GOOD_CLAIMS = {
  iss: "https://app.example.com",
  aud: "orgate-tests",
  sub: "user_ada",
  sid: "session_1",
  iat: 1_800_000_000,
  nbf: 1_800_000_000,
  exp: 1_800_000_300,
} as const;

/** Makes a victim with fresh keys. */
export function createVictim(algorithm: Algorithm, claims: Victim["claims"] = GOOD_CLAIMS): Victim {
  const key = generateSigningKey(algorithm, "trusted-key");
  const token = signToken(key, claims);
  const [header = "", payload = "", signature = ""] = token.split(".");
  const attacker = generateSigningKey(algorithm, "attackers-key");
  return { key, attacker, claims, token, header, payload, signature };
}
