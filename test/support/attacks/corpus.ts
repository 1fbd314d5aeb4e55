import { algorithmAttacks } from "./algorithm-attacks.ts";
import { claimAttacks } from "./claim-attacks.ts";
import { criticalAttacks, keyIdAttacks, keyInjectionAttacks } from "./header-attacks.ts";
import { jsonAttacks, serialisationAttacks, sizeAttacks, spellingAttacks } from "./shape-attacks.ts";
import type { Attack, Victim } from "./victim.ts";

/** Every hostile token of the corpus, made with fresh keys: none of them may ever be accepted, wherever it is presented. */
export function attackCorpus(victim: Victim): Attack[] {
  return [
    algorithmAttacks,
    keyInjectionAttacks,
    keyIdAttacks,
    criticalAttacks,
    serialisationAttacks,
    spellingAttacks,
    sizeAttacks,
    jsonAttacks,
    claimAttacks,
  ].flatMap((attacks) => attacks(victim));
}
