import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { systemClock } from "../../../src/lib/clock.ts";
import { createEventSink } from "../../../src/events.ts";
import { createKeySet } from "../../../src/tokens/key-set.ts";
import { createTokenVerifier } from "../../../src/tokens/verify-token.ts";
import type { Algorithm } from "../../../src/store.ts";
import { createVictim, GOOD_CLAIMS } from "../../support/attacks/victim.ts";
import { publicJwks, staticKeys } from "../../support/tokens.ts";

const SEED = Number(process.env["FUZZ_SEED"] ?? Date.now());
const RUNS = Number(process.env["FUZZ_RUNS"] ?? 3000);

process.stderr.write(`verify-token fuzz: FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}\n`);

type Mutation = (text: string) => string;

const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const character = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...Array.from(BASE64URL)) },
  { weight: 1, arbitrary: fc.constantFrom(...Array.from("=+/.~ \t\r\n\u0000\u00e9\ud800")) },
);
const position = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(position, character).map(([at, put]) => replaceAt(at, 1, put)),
  fc.tuple(position, character).map(([at, put]) => replaceAt(at, 0, put)),
  position.map((at) => replaceAt(at, 1, "")),
  fc.tuple(position, fc.nat(40)).map(([at, count]) => replaceAt(at, count, "")),
  fc.tuple(position, position).map(([from, to]) => swapCharacters(from, to)),
  position.map((at) => flipCase(at)),
  fc.constantFrom<Mutation>(
    (text) => text.split(".").toReversed().join("."),
    (text) => `${text}.`,
    (text) => `${text}=`,
    (text) => text.slice(0, text.lastIndexOf(".") + 1),
    (text) => text,
  ),
);

describe.each<Algorithm>(["RS256", "ES256", "EdDSA"])("a minted %s token, mutated", (algorithm) => {
  const { key, token } = createVictim(algorithm);
  const source = staticKeys(publicJwks([key], { alg: undefined }));
  const verifier = createTokenVerifier(
    { keys: source, issuers: [], algorithms: [algorithm], types: ["JWT", ""], sessionClaim: "sid" },
    createKeySet(source, { clock: systemClock, events: createEventSink() }),
  );

  it(`is accepted if and only if it is byte for byte the one that was minted (seed ${SEED})`, async () => {
    const property = fc.asyncProperty(
      fc.array(mutation, { minLength: 1, maxLength: 3 }),
      async (mutations) => {
        const mutated = mutations.reduce((text, mutate) => mutate(text), token);
        expect(await verifier.verify(mutated)).toMatchObject(
          mutated === token ? { status: "verified", claims: GOOD_CLAIMS } : { status: "rejected" },
        );
      },
    );
    await fc.assert(property, { seed: SEED, numRuns: RUNS });
  });
});

describe("anything at all", () => {
  it(`is rejected, never thrown over (seed ${SEED})`, async () => {
    const { key } = createVictim("ES256");
    const source = staticKeys(publicJwks([key]));
    const verifier = createTokenVerifier(
      { keys: source, issuers: [], algorithms: ["ES256"], types: ["JWT", ""], sessionClaim: "sid" },
      createKeySet(source, { clock: systemClock, events: createEventSink() }),
    );
    const part = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.json().map((json) => Buffer.from(json).toString("base64url")),
      fc.uint8Array().map((bytes) => Buffer.from(bytes).toString("base64url")),
      fc.constant(Buffer.from('{"alg":"ES256"}').toString("base64url")),
    );
    const property = fc.asyncProperty(fc.array(part, { maxLength: 6 }), async (parts) => {
      expect(await verifier.verify(parts.join("."))).toMatchObject({ status: "rejected" });
    });
    await fc.assert(property, { seed: SEED, numRuns: RUNS });
  });
});

function replaceAt(at: number, count: number, put: string): Mutation {
  return (text) => {
    const index = Math.floor(at * text.length);
    return text.slice(0, index) + put + text.slice(index + count);
  };
}

function swapCharacters(from: number, to: number): Mutation {
  return (text) => {
    const characters = Array.from(text);
    const [a, b] = [from, to].map((at) => Math.floor(at * characters.length)) as [number, number];
    [characters[a], characters[b]] = [characters[b] ?? "", characters[a] ?? ""];
    return characters.join("");
  };
}

function flipCase(at: number): Mutation {
  return (text) => {
    const index = Math.floor(at * text.length);
    const old = text.charAt(index);
    const flipped = old === old.toLowerCase() ? old.toUpperCase() : old.toLowerCase();
    return text.slice(0, index) + flipped + text.slice(index + 1);
  };
}
