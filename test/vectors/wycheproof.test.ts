import { expect, it } from "@jest/globals";
import { createEventSink } from "../../src/events.ts";
import { createKeySet } from "../../src/tokens/key-set.ts";
import { parseHeader } from "../../src/tokens/verify-token.ts";
import { isSignedBy } from "../../src/tokens/verify-token.ts";
import type { Algorithm, JsonWebKey, JsonWebKeySet } from "../../src/store.ts";
import { describeWith, vectors } from "../support/requirements.ts";
import { staticKeys } from "../support/tokens.ts";
import { readVector } from "./read-vectors.ts";

interface Group {
  readonly public?: JsonWebKey | JsonWebKeySet;
  readonly private?: JsonWebKey | JsonWebKeySet;
  readonly tests: readonly Case[];
}

interface Case {
  readonly tcId: number;
  readonly comment: string;
  readonly jws?: unknown;
  readonly result: "valid" | "invalid";
}

const ALGORITHMS: readonly Algorithm[] = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"];

/** Labelled valid, and refused all the same, because the vector's label is at odds with the vector. */
const MISLABELLED_VALID: Readonly<Record<number, string>> = {
  346: "RFC 7520 figure 20 is PS384; the key says PS256",
  350: "as 346",
  372: "a `?` stands in the header",
  373: "a `?` stands in the payload",
};

/** Labelled invalid, and byte for byte the valid 357: the padding they are about was lost before they were published. */
const MISLABELLED_INVALID = [367, 370];

/** What a token is refused for whose bytes are not spelled as they must be. */
const MISSPELLED: ReadonlySet<string> = new Set(["size", "structure", "encoding"]);

describeWith(vectors("wycheproof"), "Wycheproof JWS", () => {
  it.each([
    ["json_web_signature_test", 401],
    ["json_web_crypto_test", 48],
    ["json_web_key_test", 26],
  ])("%s: accepts no invalid token, and rejects no valid one without a reason", async (name, count) => {
    const cases = readCases(name);
    expect(cases).toHaveLength(count);
    const outcomes = await Promise.all(
      cases.map(async ({ jws, keys, ...rest }) => ({ ...rest, jws, accepted: await accepts(jws, keys) })),
    );
    const falselyAccepted = outcomes.filter(({ result, accepted }) => result === "invalid" && accepted);
    expect(falselyAccepted).toEqual([]);
    const unexplained = outcomes
      .filter(({ result, accepted }) => result === "valid" && !accepted)
      .filter(({ jws, tcId }) => refusedByDesign(jws) === undefined && MISLABELLED_VALID[tcId] === undefined);
    expect(unexplained).toEqual([]);
    const accepted = outcomes.filter((outcome) => outcome.accepted && refusedByDesign(outcome.jws));
    expect(accepted).toEqual([]);
  });

  it("accepts every valid token of the supported algorithms", async () => {
    const ours = readCases("json_web_signature_test").filter(
      ({ jws, result }) =>
        result === "valid" && ALGORITHMS.some((algorithm) => algorithm === algorithmOf(jws)),
    );
    const accepted = await Promise.all(ours.map(({ jws, keys }) => accepts(jws, keys)));
    expect(accepted.filter(Boolean)).toHaveLength(ours.filter(({ jws }) => !hasEmptyPayload(jws)).length);
    expect(accepted.filter(Boolean).length).toBeGreaterThan(10);
  });

  it("detects every altered spelling of an HMAC token before it looks at the algorithm", () => {
    const respelled = readCases("json_web_signature_test").filter(({ tcId }) => tcId >= 360 && tcId <= 375);
    const wellSpelled = respelled.filter(({ jws }) => {
      const parsed = parseHeader(jws, profileOf({ keys: [] }));
      return parsed.status === "parsed" || !MISSPELLED.has(parsed.reason);
    });
    expect(wellSpelled.map(({ tcId }) => tcId)).toEqual(MISLABELLED_INVALID);
  });

  it("finds the pinned vectors unchanged", () => {
    const cases = readCases("json_web_signature_test");
    const jwsOf = (id: number): string | undefined => cases.find(({ tcId }) => tcId === id)?.jws;
    expect(MISLABELLED_INVALID.map(jwsOf)).toEqual([jwsOf(357), jwsOf(357)]);
    expect([346, 350].map((id) => algorithmOf(jwsOf(id) ?? ""))).toEqual(["PS384", "PS384"]);
    expect([372, 373].filter((id) => jwsOf(id)?.includes("?"))).toEqual([372, 373]);
  });
});

/** Every token that is a compact JWS, with the keys it is checked against. The payloads are no claims: the layers below are asked. */
function readCases(name: string): (Case & { jws: string; keys: JsonWebKeySet })[] {
  const { testGroups } = JSON.parse(readVector(`wycheproof/${name}.json`).toString()) as {
    testGroups: readonly Group[];
  };
  return testGroups.flatMap((group) => {
    const key = group.public ?? group.private;
    const keys = key !== undefined && isKeySet(key) ? key : { keys: key === undefined ? [] : [key] };
    return group.tests.flatMap(({ jws, ...rest }) =>
      typeof jws === "string" ? [{ ...rest, jws, keys }] : [],
    );
  });
}

function isKeySet(key: JsonWebKey | JsonWebKeySet): key is JsonWebKeySet {
  return "keys" in key;
}

async function accepts(jws: string, keys: JsonWebKeySet): Promise<boolean> {
  const profile = profileOf(keys);
  const parsed = parseHeader(jws, profile);
  if (parsed.status === "malformed") return false;
  const keySet = createKeySet(profile.keys, { clock: () => 0, events: createEventSink() });
  const lookup = await keySet.find(parsed.header.kid, parsed.header.alg);
  return lookup.status === "found" && isSignedBy(jws, lookup.key, parsed.header.alg);
}

function profileOf(keys: JsonWebKeySet): Parameters<typeof parseHeader>[1] {
  const types = ["", "JWT"];
  return { keys: staticKeys(keys), issuers: [], algorithms: ALGORITHMS, types, sessionClaim: "sid" };
}

/** The whole rule for valid tokens that are refused: another algorithm than ours, or nothing that was signed. */
function refusedByDesign(jws: string): string | undefined {
  const algorithm = algorithmOf(jws);
  if (!ALGORITHMS.some((ours) => ours === algorithm)) return `not our algorithm: ${algorithm}`;
  return hasEmptyPayload(jws) ? "an empty payload holds no claims" : undefined;
}

function hasEmptyPayload(jws: string): boolean {
  return jws.includes("..");
}

function algorithmOf(jws: string): string {
  const header = Buffer.from(jws.split(".", 1)[0] ?? "", "base64url").toString();
  return /"alg"\s*:\s*"([^"]*)"/.exec(header)?.[1] ?? "none";
}
