// The primes below 168 in whose multiplicative groups 65537 generates a proper subgroup carry the fingerprint.
const PRIMES = listOddPrimes(167);

const SUBGROUPS = PRIMES.map((prime) => ({ prime: BigInt(prime), members: generateSubgroup(prime) })).filter(
  ({ prime, members }) => members.size < Number(prime) - 1,
);

/**
 * Whether an RSA modulus bears the mark of the Infineon key generator, whose keys can be factored (ROCA, CVE-2017-15361).
 *
 * Such a modulus is a power of 65537 modulo every small prime; another one is by chance about once in 2^28.
 */
export function hasRocaFingerprint(modulus: bigint): boolean {
  return SUBGROUPS.every(({ prime, members }) => members.has(Number(modulus % prime)));
}

function generateSubgroup(prime: number): ReadonlySet<number> {
  const members = new Set<number>();
  for (let power = 1; !members.has(power); power = (power * 65_537) % prime) members.add(power);
  return members;
}

function listOddPrimes(limit: number): number[] {
  const primes: number[] = [];
  for (let candidate = 3; candidate <= limit; candidate += 2) {
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate);
  }
  return primes;
}
