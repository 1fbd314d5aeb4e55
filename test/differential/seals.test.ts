import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { defaults, seal as ironSeal, unseal as ironUnseal } from "iron-webcrypto";
import { createSealer } from "../../src/lib/crypto.ts";

/** Seals are opened by node:crypto here and were made, and are opened for comparison, by iron-webcrypto. */
const SEED = Number(process.env["FC_SEED"] ?? 20_261_127);
const ORIGINALS = 500;
const VARIANTS = 40;
const TIMEOUT = 120_000;

const PASSWORDS = [1, 2, 3].map((number) => `password-number-${number}-of-at-least-32-characters`);
const [OURS = "", ALSO_OURS = "", FOREIGN = ""] = PASSWORDS;
const sealer = createSealer({ 1: ALSO_OURS, 2: OURS });

const HOUR = 3_600_000;

/** What the other library says, with each password that the sealer has. */
async function openByIron(sealed: string): Promise<unknown> {
  for (const password of [OURS, ALSO_OURS]) {
    // oxlint-disable-next-line no-await-in-loop -- one password after the other
    const [opened] = await Promise.allSettled([ironUnseal(sealed, password, defaults)]);
    if (opened?.status === "fulfilled") return opened.value;
  }
  return undefined;
}

const original = fc.record({
  value: fc.jsonValue({ maxDepth: 3 }),
  password: fc.constantFrom(...PASSWORDS),
  id: fc.constantFrom("1", "2", "", "default", "other_id"),
  // Long over, over within the tolerance of a minute, not yet over, and none.
  ttl: fc.constantFrom(0, 0, HOUR, 1, -30_000, -90_000, -HOUR),
});

/** A change to the text of a seal: to one character, to the order or number of its parts, or to their spelling. */
const change = fc.oneof(
  fc.record({ kind: fc.constant("character" as const), at: fc.nat(), by: fc.integer({ min: 33, max: 126 }) }),
  fc.record({ kind: fc.constant("swap" as const), at: fc.nat(7), by: fc.nat(7) }),
  fc.record({ kind: fc.constant("cut" as const), at: fc.nat(), by: fc.nat(20) }),
  fc.record({ kind: fc.constant("part" as const), at: fc.nat(7), by: fc.constantFrom(0, 1, 2, 3, 4) }),
  fc.record({ kind: fc.constant("none" as const), at: fc.constant(0), by: fc.constant(0) }),
);

function apply(sealed: string, { kind, at, by }: { kind: string; at: number; by: number }): string {
  const parts = sealed.split("*");
  const position = at % sealed.length;
  switch (kind) {
    case "character":
      return sealed.slice(0, position) + String.fromCharCode(by) + sealed.slice(position + 1);
    case "swap":
      [parts[at], parts[by]] = [parts[by] ?? "", parts[at] ?? ""];
      return parts.join("*");
    case "cut":
      return sealed.slice(0, position) + sealed.slice(position + by);
    case "part":
      parts[at] = ["", "0", "9999999999999", "ab".repeat(32), `${parts[at] ?? ""}=`][by] ?? "";
      return parts.join("*");
    default:
      return sealed;
  }
}

describe(`seals opened by node:crypto and by iron-webcrypto (seed ${SEED})`, () => {
  it(
    `agree on ${ORIGINALS * VARIANTS} seals: good, tampered, respelled, of other passwords, ids and ttls`,
    async () => {
      const counts = { opened: 0, refused: 0, respelled: 0 };
      const differences: string[] = [];
      const samples = fc.sample(
        fc.tuple(original, fc.array(change, { minLength: VARIANTS, maxLength: VARIANTS })),
        {
          seed: SEED,
          numRuns: ORIGINALS,
        },
      );
      for (const [{ value, password, id, ttl }, changes] of samples) {
        // oxlint-disable-next-line no-await-in-loop -- one seal after the other, so that memory stays small
        const sealed = await ironSeal(value, { id, secret: password }, { ...defaults, ttl });
        for (const each of changes) {
          const variant = apply(sealed, each);
          const ours = sealer.unsealValue(variant);
          // oxlint-disable-next-line no-await-in-loop -- as above
          const theirs = await openByIron(variant);
          // A seal has one spelling here. iron-webcrypto opens others too, because its digest is not signed itself.
          const isRespelled = variant !== sealed && ours === undefined && theirs !== undefined;
          if (!isRespelled && !isDeepStrictEqual(ours, theirs)) differences.push(variant);
          counts[isRespelled ? "respelled" : ours === undefined ? "refused" : "opened"]++;
        }
      }
      expect(differences).toEqual([]);
      expect(counts.opened).toBeGreaterThan(500);
      expect(counts.refused).toBeGreaterThan(10_000);
      expect(counts.respelled).toBeLessThan(200);
    },
    TIMEOUT,
  );

  it("do not open what was sealed with another password", async () => {
    const sealed = await ironSeal({ a: 1 }, { id: "2", secret: FOREIGN }, defaults);
    expect(sealer.unsealValue(sealed)).toBeUndefined();
  });
});
